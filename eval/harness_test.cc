#include "eval/harness.h"

#include <string>
#include <vector>

#include "eval/fake_learner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AdaptOptions Options(int steps, std::vector<int> marks) {
  AdaptOptions options;
  options.steps = steps;
  options.marks = std::move(marks);
  return options;
}

// 4 right of 10 before the first step, one more with each step up to 9.
FakeLearnerScript Improving() {
  FakeLearnerScript script;
  script.right = [](int step, const Batch&, uint64_t) { return std::min(4 + step, 9); };
  script.parameters = {100, 10, 0, 1000};
  return script;
}

std::vector<std::pair<int, double>> Accuracies(const TaskRun& run) {
  std::vector<std::pair<int, double>> points;
  for (const CurvePoint& point : run.curve) points.emplace_back(point.step, point.accuracy);
  return points;
}

TEST(EvaluateTaskTest, ScoresEveryMark) {
  const FakeLearner learner(Improving());
  const absl::StatusOr<TaskRun> run = EvaluateTask(learner, FakeBatch(4, 2), FakeBatch(10, 2), Options(5, {0, 1, 5}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run), ElementsAre(std::pair(0, 0.4), std::pair(1, 0.5), std::pair(5, 0.9)));
  EXPECT_THAT(run->predictions, ElementsAre(0, 1, 0, 1, 0, 1, 0, 1, 0, 0));
  // Of class 0 five right and one too many, of class 1 four of five: F1 = 10/11 and 8/9.
  EXPECT_DOUBLE_EQ(run->curve.back().macro_f1, (10. / 11 + 8. / 9) / 2);
  EXPECT_EQ(run->num_test, 10);
  EXPECT_EQ(run->report.steps, 5);
  EXPECT_EQ(run->report.flops, 5e9);
  EXPECT_EQ(run->parameters.per_task, 100);
}

TEST(EvaluateTaskTest, TheEndCountsEvenWithoutAMark) {
  const FakeLearner learner(Improving());
  const absl::StatusOr<TaskRun> run = EvaluateTask(learner, FakeBatch(4, 2), FakeBatch(10, 2), Options(3, {0}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run), ElementsAre(std::pair(0, 0.4), std::pair(3, 0.7)));
}

TEST(EvaluateTaskTest, AfterDivergenceTheLastFiniteModelStays) {
  FakeLearnerScript script = Improving();
  script.diverges_at = 2;
  const FakeLearner learner(script);
  const absl::StatusOr<TaskRun> run =
      EvaluateTask(learner, FakeBatch(4, 2), FakeBatch(10, 2), Options(5, {0, 1, 3, 5}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run),
              ElementsAre(std::pair(0, 0.4), std::pair(1, 0.5), std::pair(3, 0.6), std::pair(5, 0.6)));
  EXPECT_FALSE(run->report.finite);
}

TEST(EvaluateTaskTest, Errors) {
  FakeLearnerScript failing = Improving();
  failing.error = absl::ResourceExhaustedError("no memory for 5 tensors");
  Batch unlabelled = FakeBatch(4, 2);
  unlabelled.labels.clear();
  const struct {
    FakeLearnerScript script;
    Batch test;
    AdaptOptions options;
    bool cancelled;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {failing, FakeBatch(4, 2), Options(5, {0}), false, absl::StatusCode::kResourceExhausted,
       "no memory for 5 tensors"},
      {Improving(), unlabelled, Options(5, {0}), false, absl::StatusCode::kInvalidArgument,
       "a test set of 4 examples with 0 labels"},
      {Improving(), FakeBatch(0, 2), Options(5, {0}), false, absl::StatusCode::kInvalidArgument,
       "a test set of 0 examples"},
      {Improving(), FakeBatch(4, 2), Options(5, {0, 2, 2}), false, absl::StatusCode::kInvalidArgument,
       "mark 2 after 2 of an adaptation of 5 steps"},
      {Improving(), FakeBatch(4, 2), Options(5, {6}), false, absl::StatusCode::kInvalidArgument,
       "mark 6 after -1 of an adaptation of 5 steps"},
      {Improving(), FakeBatch(4, 2), Options(5, {0}), true, absl::StatusCode::kCancelled, "stopped"},
  };
  for (const auto& c : kCases) {
    const FakeLearner learner(c.script);
    const absl::Status status =
        EvaluateTask(learner, FakeBatch(4, 2), c.test, c.options, [&] { return c.cancelled; }).status();
    EXPECT_EQ(status.code(), c.code) << c.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(AdaptationStepsTest, FirstMarkWithinAPointOfTheLast) {
  const struct {
    std::vector<double> accuracies;  // at 0, 1, 5, 20
    int steps;
  } kCases[] = {
      {{.2, .5, .80, .81}, 5},                              // .80 is within a point of .81
      {{.2, .5, .799, .81}, 20}, {{.81, .5, .80, .81}, 0},  // as good from the start, whatever happened in between
      {{.90, .5, .80, .81}, 0},                             // adaptation did harm: no step was needed
      {{.2, .5, .80, .70}, 5},
  };
  for (const auto& c : kCases) {
    std::vector<CurvePoint> curve;
    for (int i = 0; i < 4; ++i) curve.push_back({(const int[]){0, 1, 5, 20}[i], c.accuracies[i]});
    EXPECT_EQ(AdaptationSteps(curve), c.steps) << testing::PrintToString(c.accuracies);
  }
}

}  // namespace
}  // namespace gbmoa
