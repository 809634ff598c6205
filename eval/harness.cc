#include "eval/harness.h"

#include <algorithm>
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

absl::StatusOr<std::vector<int64_t>> PredictLabels(const Predictor& predictor, const Batch& batch) {
  GBMOA_ASSIGN_OR_RETURN(const Prediction prediction, predictor.Predict(batch));
  if (prediction.size() != batch.size() || prediction.num_classes != batch.num_classes) {
    return absl::InternalError(absl::StrCat("predicted ", prediction.size(), " examples of ", prediction.num_classes,
                                            " classes for ", batch.size(), " of ", batch.num_classes));
  }
  std::vector<int64_t> labels(prediction.size());
  for (int64_t i = 0; i < prediction.size(); ++i) labels[i] = prediction.label(i);
  return labels;
}

absl::StatusOr<CurvePoint> Score(int step, const std::vector<int64_t>& predicted, const Batch& test_set) {
  const std::vector<double> gold(test_set.labels.begin(), test_set.labels.end());
  const std::vector<double> labels(predicted.begin(), predicted.end());
  const MetricInput input = {gold, labels, test_set.num_classes};
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Metric> accuracy, MetricRegistry::Global().Create("accuracy"));
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Metric> macro_f1, MetricRegistry::Global().Create("macro_f1"));
  GBMOA_ASSIGN_OR_RETURN(const MetricValue a, accuracy->Compute(input));
  GBMOA_ASSIGN_OR_RETURN(const MetricValue f, macro_f1->Compute(input));
  return CurvePoint{step, a.value, f.value, f.degenerate};
}

}  // namespace

absl::StatusOr<TaskRun> EvaluateTask(const Learner& learner, const Batch& support_set, const Batch& test_set,
                                     AdaptOptions options, const std::function<bool()>& cancelled) {
  GBMOA_RETURN_IF_ERROR(CheckMarks(options));
  if (test_set.size() == 0 || static_cast<int64_t>(test_set.labels.size()) != test_set.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a test set of ", test_set.size(), " examples with ", test_set.labels.size(), " labels"));
  }
  TaskRun run;
  run.num_test = test_set.size();
  options.observer = [&](int step, const Predictor& predictor) -> absl::Status {
    if (cancelled && cancelled()) return absl::CancelledError("stopped");
    GBMOA_ASSIGN_OR_RETURN(run.predictions, PredictLabels(predictor, test_set));
    GBMOA_ASSIGN_OR_RETURN(const CurvePoint point, Score(step, run.predictions, test_set));
    run.curve.push_back(point);
    return absl::OkStatus();
  };
  GBMOA_ASSIGN_OR_RETURN(const Adaptation adaptation, learner.Adapt(support_set, options));
  run.report = adaptation.report;
  run.parameters = learner.CountParameters(test_set.num_classes);
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
