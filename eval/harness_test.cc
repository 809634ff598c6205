#include "eval/harness.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "eval/fake_learner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  const absl::StatusOr<TaskRun> run =
      EvaluateTask(learner, FakeBatch(4, 2), TestSet{FakeBatch(10, 2)}, Options(5, {0, 1, 5}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run), ElementsAre(std::pair(0, 0.4), std::pair(1, 0.5), std::pair(5, 0.9)));
  EXPECT_THAT(run->predictions, ElementsAre(0, 1, 0, 1, 0, 1, 0, 1, 0, 0));
  // Of class 0 five right and one too many, of class 1 four of five: F1 = 10/11 and 8/9.
  EXPECT_DOUBLE_EQ(run->curve.back().macro_f1, (10. / 11 + 8. / 9) / 2);
  EXPECT_THAT(run->metrics, ElementsAre("accuracy", "macro_f1"));
  EXPECT_THAT(run->curve.back().values, ElementsAre(0.9, run->curve.back().macro_f1));
  EXPECT_THAT(run->scores, IsEmpty());
  EXPECT_EQ(run->num_test, 10);
  EXPECT_EQ(run->report.steps, 5);
  EXPECT_EQ(run->report.flops, 5e9);
  EXPECT_EQ(run->parameters.per_task, 100);
}

TEST(EvaluateTaskTest, TheEndCountsEvenWithoutAMark) {
  const FakeLearner learner(Improving());
  const absl::StatusOr<TaskRun> run =
      EvaluateTask(learner, FakeBatch(4, 2), TestSet{FakeBatch(10, 2)}, Options(3, {0}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run), ElementsAre(std::pair(0, 0.4), std::pair(3, 0.7)));
}

TEST(EvaluateTaskTest, AfterDivergenceTheLastFiniteModelStays) {
  FakeLearnerScript script = Improving();
  script.diverges_at = 2;
  const FakeLearner learner(script);
  const absl::StatusOr<TaskRun> run =
      EvaluateTask(learner, FakeBatch(4, 2), TestSet{FakeBatch(10, 2)}, Options(5, {0, 1, 3, 5}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(Accuracies(*run),
              ElementsAre(std::pair(0, 0.4), std::pair(1, 0.5), std::pair(3, 0.6), std::pair(5, 0.6)));
  EXPECT_FALSE(run->report.finite);
}

TEST(EvaluateTaskTest, TheFirstMetricStandsForTheTask) {
  const FakeLearner learner(Improving());
  // Class 0 has 5 of 5 right and class 1 has 4 of 5: 5 true negatives, 4 true positives, 1 false negative.
  const absl::StatusOr<TaskRun> run = EvaluateTask(
      learner, FakeBatch(4, 2), TestSet{FakeBatch(10, 2), {"matthews", "accuracy"}, {"matthews"}}, Options(5, {5}));
  ASSERT_TRUE(run.ok()) << run.status();
  const CurvePoint& point = run->curve.back();
  EXPECT_NEAR(point.accuracy, 20 / std::sqrt(600.), 1e-15);  // (5·4 - 0·1) / sqrt(4·5·5·6)
  EXPECT_THAT(point.values, ElementsAre(point.accuracy, 0.9));
  EXPECT_TRUE(std::isnan(point.macro_f1));
}

TEST(EvaluateTaskTest, DegenerateIfAMetricIs) {
  FakeLearnerScript script;
  script.right = [](int, const Batch&, uint64_t) { return 1; };
  const FakeLearner learner(script);
  TestSet test_set{FakeBatch(2, 2)};  // classes 0 and 1, of which 0 is predicted for both
  EXPECT_TRUE(EvaluateTask(learner, FakeBatch(4, 2), test_set, Options(0, {0}))->curve[0].degenerate);
  test_set.metrics = {"accuracy"};
  EXPECT_FALSE(EvaluateTask(learner, FakeBatch(4, 2), test_set, Options(0, {0}))->curve[0].degenerate);
}

// Four examples with targets 0, 1, 2, 3.
Batch Regression() {
  Batch batch = FakeBatch(4, 1);
  batch.labels.clear();
  batch.regression = true;
  batch.targets = {0, 1, 2, 3};
  return batch;
}

TEST(EvaluateTaskTest, Regression) {
  FakeLearnerScript script;
  script.right = [](int, const Batch&, uint64_t) { return 3; };
  const FakeLearner learner(script);
  const absl::StatusOr<TaskRun> run =
      EvaluateTask(learner, Regression(), TestSet{Regression(), {"pearson", "spearman"}}, Options(0, {0}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->predictions, ElementsAre(0, 1, 2, 4));
  // Of 0, 1, 2, 3 and 0, 1, 2, 4: covariance 6.5, variances 5 and 8.75.
  EXPECT_NEAR(run->curve.back().accuracy, 6.5 / std::sqrt(5 * 8.75), 1e-15);
  EXPECT_DOUBLE_EQ(run->curve.back().values[1], 1);  // the order is right
}

TEST(EvaluateTaskTest, GroupedAnswersHaveScores) {
  FakeLearnerScript script;
  script.right = [](int, const Batch&, uint64_t) { return 2; };
  const FakeLearner learner(script);
  TestSet test_set{FakeBatch(4, 2), {"group_accuracy", "accuracy"}};
  test_set.groups = {7, 7, 8, 8};
  const absl::StatusOr<TaskRun> run = EvaluateTask(learner, FakeBatch(4, 2), test_set, Options(0, {0}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->predictions, ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(run->scores, ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(run->curve.back().values, ElementsAre(0.5, 0.5));  // one question of two
}

// Sure of every answer that it is right, of the second one of a question more so.
class SureLearner : public Learner {
 public:
  absl::StatusOr<Adaptation> Adapt(const Batch&, const AdaptOptions&) const override {
    Adaptation adaptation;
    adaptation.predictor = std::make_unique<Sure>();
    return adaptation;
  }
  ParameterCounts CountParameters(int) const override { return {}; }

 private:
  class Sure : public Predictor {
   public:
    absl::StatusOr<Prediction> Predict(const Batch& batch) const override {
      Prediction prediction;
      prediction.num_classes = 2;
      for (int64_t i = 0; i < batch.size(); ++i) {
        const float wrong = i % 2 == 0 ? 1e-9f : 1e-10f;
        prediction.probabilities.insert(prediction.probabilities.end(), {wrong, 1 - wrong});  // the second one is 1
      }
      return prediction;
    }
    std::map<std::string, std::vector<float>> Parameters() const override { return {}; }
  };
};

TEST(EvaluateTaskTest, AnswersThatAreBothSureAreNotEqual) {
  TestSet test_set{FakeBatch(4, 2), {"group_accuracy"}};  // the second answer of each question is right
  test_set.groups = {0, 0, 1, 1};
  const absl::StatusOr<TaskRun> run = EvaluateTask(SureLearner(), FakeBatch(4, 2), test_set, Options(0, {0}));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->curve.back().accuracy, 1);
  EXPECT_FALSE(run->curve.back().degenerate);
}

TEST(EvaluateTaskTest, Errors) {
  FakeLearnerScript failing = Improving();
  failing.error = absl::ResourceExhaustedError("no memory for 5 tensors");
  Batch unlabelled = FakeBatch(4, 2);
  unlabelled.labels.clear();
  const auto with = [](void (*change)(TestSet*)) {
    TestSet test_set{FakeBatch(4, 2)};
    change(&test_set);
    return test_set;
  };
  const absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  const struct {
    FakeLearnerScript script;
    TestSet test;
    AdaptOptions options;
    bool cancelled;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {failing,
       {FakeBatch(4, 2)},
       Options(5, {0}),
       false,
       absl::StatusCode::kResourceExhausted,
       "no memory for 5 tensors"},
      {Improving(), {unlabelled}, Options(5, {0}), false, kInvalid, "a test set of 4 examples with 0 labels"},
      {Improving(), {FakeBatch(0, 2)}, Options(5, {0}), false, kInvalid, "a test set of 0 examples"},
      {Improving(), with([](TestSet* t) { t->batch.regression = true; }), Options(5, {0}), false, kInvalid,
       "a test set of 4 examples with 0 targets"},
      {Improving(), with([](TestSet* t) {
         t->batch = Regression();
         t->batch.targets[2] = NAN;
       }),
       Options(5, {0}), false, kInvalid, "target 2 of the test set is nan"},
      {Improving(), with([](TestSet* t) { t->metrics.clear(); }), Options(5, {0}), false, kInvalid, "without metrics"},
      {Improving(), with([](TestSet* t) {
         t->metrics = {"accuracy", "bleu"};
       }),
       Options(5, {0}), false, kInvalid, "unknown name 'bleu'; known: accuracy"},
      {Improving(), with([](TestSet* t) { t->official_metrics = {"f1"}; }), Options(5, {0}), false, kInvalid,
       "official metric 'f1' is none"},
      {Improving(), with([](TestSet* t) {
         t->groups = {0, 0, 1};
       }),
       Options(5, {0}), false, kInvalid, "a test set of 4 examples with 3 groups and 0 answers"},
      {Improving(), with([](TestSet* t) { t->answers = {"a"}; }), Options(5, {0}), false, kInvalid,
       "a test set of 4 examples with 0 groups and 1 answers"},
      {Improving(), with([](TestSet* t) {
         t->batch = FakeBatch(4, 3);
         t->groups = {0, 0, 1, 1};
       }),
       Options(5, {0}), false, kInvalid, "has two classes"},
      {Improving(), with([](TestSet* t) { t->metrics = {"group_accuracy"}; }), Options(5, {0}), false, kInvalid,
       "group_accuracy: "},
      {Improving(),
       {FakeBatch(4, 2)},
       Options(5, {0, 2, 2}),
       false,
       kInvalid,
       "mark 2 after 2 of an adaptation of 5 steps"},
      {Improving(), {FakeBatch(4, 2)}, Options(5, {6}), false, kInvalid, "mark 6 after -1 of an adaptation of 5 steps"},
      {Improving(), {FakeBatch(4, 2)}, Options(5, {0}), true, absl::StatusCode::kCancelled, "stopped"},
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
