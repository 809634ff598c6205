#include "eval/harness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eval/metric.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

absl::Status CheckMarks(const AdaptOptions& options) {
  int last = -1;
  for (const int mark : options.marks) {
    if (mark <= last || mark > options.steps) {
      return absl::InvalidArgumentError(
          absl::StrCat("mark ", mark, " after ", last, " of an adaptation of ", options.steps, " steps"));
    }
    last = mark;
  }
  return absl::OkStatus();
}

absl::Status CheckTestSet(const TestSet& test_set) {
  const Batch& batch = test_set.batch;
  const size_t size = static_cast<size_t>(batch.size());
  const size_t truths = batch.regression ? batch.targets.size() : batch.labels.size();
  if (size == 0 || truths != size) {
    return absl::InvalidArgumentError(
        absl::StrCat("a test set of ", size, " examples with ", truths, batch.regression ? " targets" : " labels"));
  }
  for (size_t i = 0; batch.regression && i < size; ++i) {
    if (!std::isfinite(batch.targets[i])) {
      return absl::InvalidArgumentError(absl::StrCat("target ", i, " of the test set is ", batch.targets[i]));
    }
  }
  if (test_set.metrics.empty()) return absl::InvalidArgumentError("a test set without metrics");
  for (const std::string& metric : test_set.official_metrics) {
    if (std::count(test_set.metrics.begin(), test_set.metrics.end(), metric) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("official metric '", metric, "' is none of the test set's metrics"));
    }
  }
  if ((!test_set.groups.empty() && test_set.groups.size() != size) ||
      (!test_set.answers.empty() && test_set.answers.size() != size)) {
    return absl::InvalidArgumentError(absl::StrCat("a test set of ", size, " examples with ", test_set.groups.size(),
                                                   " groups and ", test_set.answers.size(), " answers"));
  }
  if (!test_set.groups.empty() && (batch.regression || batch.num_classes != 2)) {
    return absl::InvalidArgumentError("answers to questions are right or wrong: a grouped test set has two classes");
  }
  return absl::OkStatus();
}

// The model's answers on a test set, as TaskRun has them.
struct Answers {
  std::vector<double> predictions, scores;
};

absl::StatusOr<Answers> Predict(const Predictor& predictor, const TestSet& test_set) {
  const Batch& batch = test_set.batch;
  GBMOA_ASSIGN_OR_RETURN(const Prediction prediction, predictor.Predict(batch));
  const int num_classes = batch.regression ? 0 : batch.num_classes;
  if (prediction.size() != batch.size() || prediction.num_classes != num_classes) {
    return absl::InternalError(absl::StrCat("predicted ", prediction.size(), " examples of ", prediction.num_classes,
                                            " classes for ", batch.size(), " of ", num_classes));
  }
  Answers answers;
  if (batch.regression) {
    answers.predictions.assign(prediction.values.begin(), prediction.values.end());
    return answers;
  }
  for (int64_t i = 0; i < prediction.size(); ++i) {
    answers.predictions.push_back(static_cast<double>(prediction.label(i)));
    if (test_set.groups.empty()) continue;
    // Of a confident model two answers' float32 probabilities are both 1; those of class 0 still differ.
    const double wrong = prediction.probabilities[2 * i], right = prediction.probabilities[2 * i + 1];
    answers.scores.push_back(right < 0.5 ? right : 1 - wrong);
  }
  return answers;
}

absl::StatusOr<CurvePoint> Score(int step, const Answers& answers, const TestSet& test_set,
                                 const std::vector<std::unique_ptr<Metric>>& metrics) {
  const Batch& batch = test_set.batch;
  std::vector<double> gold(batch.labels.begin(), batch.labels.end());
  if (batch.regression) gold.assign(batch.targets.begin(), batch.targets.end());
  MetricInput input;
  input.gold = gold;
  input.predicted = answers.predictions;
  input.num_classes = batch.regression ? 0 : batch.num_classes;
  input.groups = test_set.groups;
  input.scores = answers.scores;
  input.answers = test_set.answers;
  CurvePoint point;
  point.step = step;
  point.macro_f1 = std::numeric_limits<double>::quiet_NaN();
  for (size_t i = 0; i < metrics.size(); ++i) {
    const absl::StatusOr<MetricValue> value = metrics[i]->Compute(input);
    if (!value.ok()) {
      return absl::Status(value.status().code(), absl::StrCat(test_set.metrics[i], ": ", value.status().message()));
    }
    point.values.push_back(value->value);
    point.degenerate |= value->degenerate;
    if (test_set.metrics[i] == "macro_f1") point.macro_f1 = value->value;
  }
  point.accuracy = point.values[0];
  return point;
}

}  // namespace

absl::StatusOr<TaskRun> EvaluateTask(const Learner& learner, const Batch& support_set, const TestSet& test_set,
                                     AdaptOptions options, const std::function<bool()>& cancelled) {
  GBMOA_RETURN_IF_ERROR(CheckMarks(options));
  GBMOA_RETURN_IF_ERROR(CheckTestSet(test_set));
  std::vector<std::unique_ptr<Metric>> metrics;
  for (const std::string& name : test_set.metrics) {
    GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<Metric> metric, MetricRegistry::Global().Create(name));
    metrics.push_back(std::move(metric));
  }
  TaskRun run;
  run.metrics = test_set.metrics;
  run.num_test = test_set.batch.size();
  options.observer = [&](int step, const Predictor& predictor) -> absl::Status {
    if (cancelled && cancelled()) return absl::CancelledError("stopped");
    GBMOA_ASSIGN_OR_RETURN(Answers answers, Predict(predictor, test_set));
    GBMOA_ASSIGN_OR_RETURN(CurvePoint point, Score(step, answers, test_set, metrics));
    run.curve.push_back(std::move(point));
    run.predictions = std::move(answers.predictions);
    run.scores = std::move(answers.scores);
    return absl::OkStatus();
  };
  GBMOA_ASSIGN_OR_RETURN(const Adaptation adaptation, learner.Adapt(support_set, options));
  run.report = adaptation.report;
  run.parameters = learner.CountParameters(test_set.batch.num_classes);
  // The learner passes over marks that it does not reach: a run that broke off, a method without steps. The model was
  // then the final one at all of them.
  const int reached = run.curve.empty() ? -1 : run.curve.back().step;
  if (reached != options.steps) {
    if (adaptation.predictor == nullptr) return absl::InternalError("the learner returned no predictor");
    GBMOA_RETURN_IF_ERROR(options.observer(options.steps, *adaptation.predictor));
    CurvePoint final_point = run.curve.back();
    run.curve.pop_back();
    for (const int mark : options.marks) {
      if (mark <= reached || mark == options.steps) continue;
      final_point.step = mark;
      run.curve.push_back(final_point);
    }
    final_point.step = options.steps;
    run.curve.push_back(final_point);
  }
  return run;
}

int AdaptationSteps(const std::vector<CurvePoint>& curve, double tolerance) {
  CHECK(!curve.empty());
  // Accuracies are counts divided by one number; a hair of slack keeps 0.81 within 0.01 of 0.82.
  const double enough = curve.back().accuracy - tolerance - 1e-9;
  return std::find_if(curve.begin(), curve.end(), [&](const CurvePoint& p) { return p.accuracy >= enough; })->step;
}

}  // namespace gbmoa
