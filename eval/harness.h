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

// The scores of a model on a test set after `step` steps of adaptation.
struct CurvePoint {
  int step = 0;
  double accuracy = 0;  // share, 0 to 1
  double macro_f1 = 0;
  bool degenerate = false;  // some class of the test set was never predicted
};

// One adaptation and what came of it.
struct TaskRun {
  std::vector<CurvePoint> curve;     // one point a mark, ascending; the last one is the final model
  std::vector<int64_t> predictions;  // of the final model, one a test example
  int64_t num_test = 0;
  AdaptReport report;
  ParameterCounts parameters;
};

// Adapts `learner` to `support_set` and scores it on `test_set` at options.marks and at the end; options.observer is
// not used. `cancelled`, if given, is asked at every mark; when it says yes the run ends with Cancelled. Errors:
// InvalidArgument for an unlabelled or empty test set, marks that do not ascend or lie outside 0 ... steps; Internal if
// the learner predicts another number of examples or classes than there are; and whatever the learner returns.
absl::StatusOr<TaskRun> EvaluateTask(const Learner& learner, const Batch& support_set, const Batch& test_set,
                                     AdaptOptions options, const std::function<bool()>& cancelled = nullptr);

// The first mark whose accuracy is no more than `tolerance` below that of the last one: how many steps the adaptation
// needed for what it reached. CHECKs that there is a point.
int AdaptationSteps(const std::vector<CurvePoint>& curve, double tolerance = 0.01);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_HARNESS_H_
