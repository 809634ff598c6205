// Evaluates a Learner on one draw of one task: adapts it and scores it at each mark. No model code, no LibTorch.
#ifndef GBMOA_EVAL_HARNESS_H_
#define GBMOA_EVAL_HARNESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/learner.h"

namespace gbmoa {

// What a model is scored on, and by what.
struct TestSet {
  Batch batch;  // labelled
  // Of eval/metrics. The first one is the task's accuracy in tables (of a regression a correlation).
  std::vector<std::string> metrics = {"accuracy", "macro_f1"};
  std::vector<std::string> official_metrics;  // of `metrics`; TaskConfig says what for
  // Of a test set of questions with several answers (MetricInput): [n] each, or empty.
  std::vector<int64_t> groups;
  std::vector<std::string> answers;
};

// The scores of a model on a test set after `step` steps of adaptation.
struct CurvePoint {
  int step = 0;
  double accuracy = 0;         // the first metric, as a share: 0 to 1, correlations from -1
  double macro_f1 = 0;         // NaN where the test set is not scored by it
  bool degenerate = false;     // of some metric, e.g. a class of the test set was never predicted
  std::vector<double> values;  // of all metrics, in the test set's order
};

// One adaptation and what came of it.
struct TaskRun {
  std::vector<CurvePoint> curve;     // one point a mark, ascending; the last one is the final model
  std::vector<std::string> metrics;  // that the curve's values are of
  std::vector<double> predictions;   // of the final model, one a test example: a class, or a regression's value
  std::vector<double> scores;        // of a grouped test set: the probability of class 1; else empty
  int64_t num_test = 0;
  AdaptReport report;
  ParameterCounts parameters;
};

// Adapts `learner` to `support_set` and scores it on `test_set` at options.marks and at the end; options.observer is
// not used. `cancelled`, if given, is asked at every mark; when it says yes the run ends with Cancelled. Errors:
// InvalidArgument for an unlabelled or empty test set, targets that are not finite, groups or answers of another number
// than the examples, groups of other than two classes, metrics that do not exist, marks that do not ascend or lie
// outside 0 ... steps; Internal if the learner predicts another number of examples or classes than there are; and
// whatever the learner or a metric returns.
absl::StatusOr<TaskRun> EvaluateTask(const Learner& learner, const Batch& support_set, const TestSet& test_set,
                                     AdaptOptions options, const std::function<bool()>& cancelled = nullptr);

// The first mark whose accuracy is no more than `tolerance` below that of the last one: how many steps the adaptation
// needed for what it reached. CHECKs that there is a point.
int AdaptationSteps(const std::vector<CurvePoint>& curve, double tolerance = 0.01);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_HARNESS_H_
