#include "eval/metric.h"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

#include "eval/testdata/metrics.inc"

// The libraries' own rounding is of the same size; scores are at most 1.
constexpr double kAbsolute = 1e-12;

absl::StatusOr<MetricValue> Score(const std::string& name, const MetricInput& input) {
  absl::StatusOr<std::unique_ptr<Metric>> metric = MetricRegistry::Global().Create(name);
  if (!metric.ok()) return metric.status();
  return (*metric)->Compute(input);
}

absl::StatusOr<MetricValue> Score(const std::string& name, const std::vector<double>& gold,
                                  const std::vector<double>& predicted, int num_classes) {
  return Score(name, {gold, predicted, num_classes});
}

// For inputs that are known to be good.
MetricValue Value(const std::string& name, const MetricInput& input) {
  const absl::StatusOr<MetricValue> value = Score(name, input);
  EXPECT_THAT(value, IsOk()) << name;
  return value.ok() ? *value : MetricValue{kNaN, false};
}

// As in tools/golden/metrics.py.
class Stream {
 public:
  explicit Stream(uint64_t seed) : state_(seed) {}
  int below(int n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state_ >> 33) % n);
  }

 private:
  uint64_t state_;
};

// Questions with several answers.
struct Answers {
  std::vector<double> gold, predicted, scores;
  std::vector<int64_t> groups;
  std::vector<std::string> texts;

  MetricInput input() const { return {gold, predicted, 2, groups, scores, texts}; }
};

TEST(MetricTest, Values) {
  // Worked by hand; macro-F1 also agrees with scikit-learn's f1_score(average="macro", zero_division=0).
  const struct {
    std::string name, metric;
    std::vector<double> gold, predicted;
    int num_classes;
    double value;
    bool degenerate;
  } kCases[] = {
      {"all right", "accuracy", {0, 1, 2}, {0, 1, 2}, 3, 1, false},
      {"one of four", "accuracy", {0, 1, 2, 2}, {1, 1, 0, 0}, 3, 0.25, false},
      {"all right", "macro_f1", {0, 1, 2}, {0, 1, 2}, 3, 1, false},
      // F1 = 2/3 (tp 1, fp 0, fn 1), 2/3 (tp 1, fp 1, fn 0).
      {"two classes", "macro_f1", {0, 0, 1}, {0, 1, 1}, 2, 2. / 3, false},
      // F1 = 2*2/(2+4) and 0: the majority answer is worth a third, not its accuracy of a half.
      {"one class for everything", "macro_f1", {0, 0, 1, 1}, {0, 0, 0, 0}, 2, 1. / 3, true},
      {"nothing right", "macro_f1", {0, 1}, {1, 0}, 2, 0, false},
      {"a class that does not occur is left out", "macro_f1", {0, 1}, {0, 1}, 5, 1, false},
      {"a class that is only predicted counts", "macro_f1", {0, 1}, {0, 2}, 3, 1. / 3, true},
      // Of class 1 alone: precision 1/2, recall 1.
      {"of class 1", "f1", {0, 0, 1}, {0, 1, 1}, 2, 2. / 3, false},
      {"over all answers", "multirc_f1a", {0, 0, 1}, {0, 1, 1}, 2, 2. / 3, false},
      // (tp tn - fp fn) / sqrt(...) = (2 - 0) / sqrt(2 · 1 · 3 · 2)
      {"two classes", "matthews", {0, 0, 0, 1}, {0, 0, 1, 1}, 2, 2 / std::sqrt(12), false},
      {"three classes", "matthews", {0, 1, 2}, {0, 1, 2}, 3, 1, false},
      {"one class for everything", "matthews", {0, 1, 2}, {1, 1, 1}, 3, 0, true},
      {"one class in the gold labels", "matthews", {2, 2, 2}, {0, 1, 2}, 3, 0, true},
      // Deviations (-1, 0, 1) and (-1, 1, 0).
      {"three values", "pearson", {1, 2, 3}, {7, 9, 8}, 0, 0.5, false},
      // Ranks 1.5, 1.5, 3 and 1, 2, 3: 1.5 / sqrt(1.5 · 2).
      {"ties", "spearman", {4, 4, 9}, {-1, 0, 50}, 0, 1.5 / std::sqrt(3), false},
      {"order is all", "spearman", {1, 2, 3, 4}, {-1000, 0, 1e-9, 1e300}, 0, 1, false},
      {"minus zero is zero", "spearman", {0, 1, 2}, {-0.0, 0.0, 0.0}, 0, 0, true},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<MetricValue> got = Score(c.metric, c.gold, c.predicted, c.num_classes);
    ASSERT_TRUE(got.ok()) << c.name << ": " << got.status();
    EXPECT_DOUBLE_EQ(got->value, c.value) << c.metric << ": " << c.name;
    EXPECT_EQ(got->degenerate, c.degenerate) << c.metric << ": " << c.name;
  }
}

TEST(MetricTest, AgreesWithScikitLearn) {
  for (const ClassCase& c : kClasses) {
    SCOPED_TRACE(absl::StrCat("seed ", c.seed));
    Stream stream(c.seed);
    std::vector<double> gold, predicted;
    for (int i = 0; i < c.n; ++i) {
      const int a = stream.below(100), b = stream.below(c.classes), d = stream.below(100), e = stream.below(c.classes);
      gold.push_back(a < c.skew ? 0 : b);
      predicted.push_back(d < c.agree ? gold.back() : e);
    }
    const MetricInput input = {gold, predicted, c.classes};
    EXPECT_NEAR(Value("accuracy", input).value, c.accuracy, kAbsolute);
    EXPECT_NEAR(Value("macro_f1", input).value, c.macro_f1, kAbsolute);
    EXPECT_NEAR(Value("matthews", input).value, c.matthews, kAbsolute);
    if (c.classes == 2) {
      EXPECT_NEAR(Value("f1", input).value, c.f1, kAbsolute);
    }
  }
}

TEST(MetricTest, AgreesWithSciPy) {
  int scipy_is_off = 0;
  for (const RealCase& c : kReals) {
    SCOPED_TRACE(absl::StrCat("seed ", c.seed));
    Stream stream(c.seed);
    std::vector<double> gold, predicted;
    const double scale = std::ldexp(1.0, c.exponent);
    for (int i = 0; i < c.n; ++i) {
      const int a = stream.below(c.levels), b = stream.below(c.levels);
      gold.push_back(c.mean + scale * a);
      predicted.push_back(c.mean + scale * (1.0 * c.weight * a + 1.0 * c.noise * b));
    }
    const MetricInput input = {gold, predicted, 0};
    const MetricValue pearson = Value("pearson", input), spearman = Value("spearman", input);
    const bool constant = std::isnan(c.pearson_exact);
    EXPECT_EQ(pearson.degenerate, constant);
    EXPECT_EQ(spearman.degenerate, constant);
    EXPECT_NEAR(pearson.value, constant ? 0 : c.pearson_exact, kAbsolute);
    EXPECT_NEAR(spearman.value, constant ? 0 : c.spearman_exact, kAbsolute);
    if (constant) continue;
    EXPECT_NEAR(spearman.value, c.spearman, kAbsolute);
    // SciPy subtracts a mean that is rounded once. From means of some 1e11 standard deviations on that rounding shows;
    // sums over 2^1024 and squares below 2^-1022 lose it altogether.
    if (std::abs(c.pearson - c.pearson_exact) < 5e-13) {
      EXPECT_NEAR(pearson.value, c.pearson, kAbsolute);
    } else {
      ++scipy_is_off;
    }
  }
  EXPECT_EQ(scipy_is_off, 5) << "of " << std::size(kReals);
}

TEST(MetricTest, WhatHasNoValueIsZeroAndDegenerate) {
  for (const EdgeCase& c : kEdges) {
    const std::string name = absl::StrCat(testing::PrintToString(c.gold), " ", testing::PrintToString(c.predicted));
    const std::pair<std::string, MetricValue> kWanted[] = {
        {"f1", c.f1}, {"multirc_f1a", c.f1}, {"matthews", c.matthews}, {"pearson", c.pearson}, {"spearman", c.spearman},
    };
    for (const auto& [metric, wanted] : kWanted) {
      const MetricValue got = Value(metric, {c.gold, c.predicted, 2});
      EXPECT_NEAR(got.value, wanted.value, kAbsolute) << metric << " " << name;
      EXPECT_EQ(got.degenerate, wanted.degenerate) << metric << " " << name;
    }
  }
}

// All pairs of three values out of these, and of one and two: no NaN, nothing out of range.
TEST(MetricTest, CorrelationsOfExtremeValuesAreFiniteAndKnowTheSign) {
  constexpr double kValues[] = {0, -0.0, 1, 1 + 0x1p-52, 5e-324, -5e-324, 1.7e308, -1.7e308};
  constexpr int kCount = std::size(kValues);
  for (int n = 1; n <= 3; ++n) {
    const int sides = static_cast<int>(std::pow(kCount, n));
    for (int code = 0; code < sides * sides; ++code) {
      std::vector<double> both;
      for (int i = 0, rest = code; i < 2 * n; ++i, rest /= kCount) both.push_back(kValues[rest % kCount]);
      const std::vector<double> gold(both.begin(), both.begin() + n), predicted(both.begin() + n, both.end());
      const MetricInput input = {gold, predicted, 0};
      const MetricValue pearson = Value("pearson", input), spearman = Value("spearman", input);
      // Written so that NaN fails.
      ASSERT_TRUE(std::abs(pearson.value) <= 1 && std::abs(spearman.value) <= 1)
          << testing::PrintToString(both) << " " << pearson.value << " " << spearman.value;
      ASSERT_EQ(pearson.degenerate, spearman.degenerate) << testing::PrintToString(both);
      if (n < 3 && !pearson.degenerate) {
        // Two points are on a line.
        const double sign = (gold[0] < gold[1]) == (predicted[0] < predicted[1]) ? 1 : -1;
        ASSERT_NEAR(pearson.value, sign, kAbsolute) << testing::PrintToString(both);
        ASSERT_NEAR(spearman.value, sign, kAbsolute) << testing::PrintToString(both);
      }
    }
  }
}

TEST(MetricTest, CorrelationsDoNotDependOnUnitOrOrigin) {
  Stream stream(7);
  std::vector<double> a, b;
  for (int i = 0; i < 200; ++i) {
    a.push_back(stream.below(1000));
    b.push_back(a.back() + stream.below(1000));
  }
  const double want = Value("pearson", {a, b, 0}).value;
  EXPECT_GT(want, 0.5);
  // 0.1 rounds each value to 1e-16 of itself; at an origin of 1e9, whole numbers do not round.
  constexpr double kUnitsAndOrigins[][2] = {{0.1, 0}, {1e300, 0}, {-1e-300, 0}, {1, 1e9}, {-1024, -1e12}};
  for (const auto& [unit, origin] : kUnitsAndOrigins) {
    std::vector<double> other;
    for (const double value : b) other.push_back(origin + unit * value);
    EXPECT_NEAR(Value("pearson", {a, other, 0}).value, unit < 0 ? -want : want, kAbsolute) << unit << " " << origin;
  }
}

TEST(MetricTest, QuestionsAgreeWithTheOfficialDefinitions) {
  for (const QuestionCase& c : kQuestions) {
    SCOPED_TRACE(absl::StrCat("seed ", c.seed));
    Stream stream(c.seed);
    Answers answers;
    for (int q = 0; q < c.questions; ++q) {
      const int size = 1 + stream.below(c.most), right = stream.below(size);
      for (int i = 0; i < size; ++i) {
        const int gold = stream.below(100) < c.share || (c.one_right == 1 && i == right);
        answers.gold.push_back(gold);
        answers.predicted.push_back(stream.below(100) < c.agree ? gold : 1 - gold);
        answers.scores.push_back((stream.below(c.levels) + gold * (c.levels / 4)) / 1024.0);
        answers.groups.push_back(1000 - 7 * q);  // neither from 0 nor ascending
        const int words = 1 + stream.below(4);
        std::string text;
        for (int w = 0; w < words; ++w) {
          absl::StrAppend(&text, w == 0 ? "" : " ", kWords[stream.below(static_cast<int>(std::size(kWords)))]);
        }
        answers.texts.push_back(text);
      }
    }
    EXPECT_NEAR(Value("multirc_f1a", answers.input()).value, c.multirc_f1a, kAbsolute);
    EXPECT_NEAR(Value("multirc_em", answers.input()).value, c.multirc_em, kAbsolute);
    if (c.one_right == 0) continue;
    EXPECT_NEAR(Value("group_accuracy", answers.input()).value, c.group_accuracy, kAbsolute);
    EXPECT_NEAR(Value("record_em", answers.input()).value, c.record_em, kAbsolute);
    EXPECT_NEAR(Value("record_f1", answers.input()).value, c.record_f1, kAbsolute);
  }
}

TEST(MetricTest, AnswersAreComparedAsSquadDoes) {
  for (const AnswerCase& c : kAnswers) {
    const Answers answers = {{0, 1}, {0, 1}, {1, 0}, {5, 5}, {c.predicted, c.right}};
    EXPECT_NEAR(Value("record_em", answers.input()).value, c.em, kAbsolute) << c.predicted << " | " << c.right;
    EXPECT_NEAR(Value("record_f1", answers.input()).value, c.f1, kAbsolute) << c.predicted << " | " << c.right;
  }
}

TEST(MetricTest, Questions) {
  // The middle question has two right answers; the first highest score of the last one is wrong.
  const Answers answers = {{0, 1, 1, 1, 0, 0, 1},
                           {0, 1, 1, 0, 0, 1, 1},
                           {0.1, 0.9, 0.2, 0.8, 0.3, 0.5, 0.5},
                           {0, 0, 1, 1, 1, 2, 2},
                           {"b", "a b", "x y", "x z", "w", "p q r", "p"}};
  EXPECT_DOUBLE_EQ(Value("group_accuracy", answers.input()).value, 2. / 3);
  EXPECT_DOUBLE_EQ(Value("multirc_em", answers.input()).value, 1. / 3);  // the first
  EXPECT_DOUBLE_EQ(Value("multirc_f1a", answers.input()).value, 0.75);   // 3 of 4 and 3 of 4
  EXPECT_DOUBLE_EQ(Value("record_em", answers.input()).value, 2. / 3);
  EXPECT_DOUBLE_EQ(Value("record_f1", answers.input()).value, (1 + 1 + 0.5) / 3);  // "p" of "p q r"
  for (const std::string metric : {"group_accuracy", "record_em", "record_f1", "multirc_em"}) {
    EXPECT_FALSE(Value(metric, answers.input()).degenerate) << metric;
    Answers indifferent = answers;
    indifferent.scores = {0.5, 0.5, 0.1, 0.1, 0.1, 1, 1};
    EXPECT_EQ(Value(metric, indifferent.input()).degenerate, metric != "multirc_em") << metric;
  }
}

TEST(MetricTest, RefusesBadInput) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  struct Case {
    std::vector<double> gold, predicted;
    std::string message;
  };
  const Case kCases[] = {
      {{}, {}, "no examples to score"},
      {{0, 1}, {0}, "2 gold labels but 1 predictions"},
      {{0, 3}, {0, 1}, "gold label 1 is 3, not a class of 0 to 2"},
      {{0, 1}, {-1, 1}, "predicted label 0 is -1"},
      {{0, 1}, {0, 0.5}, "predicted label 1 is 0.5"},
      {{0, 1}, {0, kNaN}, "predicted label 1 is nan"},
      {{0, kInfinity}, {0, 1}, "gold label 1 is inf"},
  };
  for (const std::string metric : {"accuracy", "macro_f1", "matthews", "f1", "multirc_f1a"}) {
    for (const auto& c : kCases) {
      EXPECT_THAT(Score(metric, c.gold, c.predicted, 3),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
          << metric;
    }
    EXPECT_THAT(Score(metric, {1, 0}, {1, 0}, 0),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("wanted labels, got the values")));
  }
  EXPECT_THAT(Score("f1", {1, 0}, {1, 0}, 3),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("F1 is of two classes, got 3")));

  const Case kRealCases[] = {
      {{}, {}, "no examples to score"},
      {{0, 1}, {0}, "2 gold values but 1 predictions"},
      {{0, kNaN}, {0, 1}, "gold value 1 is nan"},
      {{0, 1}, {kInfinity, 1}, "predicted value 0 is inf"},
      {{0, -kInfinity}, {1, 1}, "gold value 1 is -inf"},
  };
  for (const std::string metric : {"pearson", "spearman"}) {
    for (const auto& c : kRealCases) {
      EXPECT_THAT(Score(metric, c.gold, c.predicted, 0),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
          << metric;
    }
  }
  EXPECT_THAT(Score("bleu", {0}, {0}, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unknown name 'bleu'; known: accuracy, f1, ")));
}

TEST(MetricTest, RefusesBadQuestions) {
  const std::vector<std::string> all = {"group_accuracy", "multirc_em", "record_em", "record_f1"};
  const std::vector<std::string> choosing = {"group_accuracy", "record_em", "record_f1"};
  const struct {
    std::vector<std::string> metrics;
    Answers answers;
    int num_classes;
    std::string message;
  } kCases[] = {
      {all, {}, 2, "no examples to score"},
      {all, {{0, 1}, {0, 1}, {0, 1}, {4, 4}, {"a", "b"}}, 3, "two classes; got num_classes = 3"},
      {all, {{0, 2}, {0, 1}, {0, 1}, {4, 4}, {"a", "b"}}, 2, "gold label 1 is 2, not a class of 0 to 1"},
      {all, {{0, 1}, {0, 1}, {0, 1}, {4}, {"a", "b"}}, 2, "1 groups for 2 examples"},
      {all,
       {{1, 1, 0}, {1, 1, 0}, {0, 1, 0}, {4, 5, 4}, {"a", "b", "c"}},
       2,
       "example 2 belongs to question 4, whose other answers are further up"},
      {{"multirc_em"}, {{0, 1}, {0}, {0, 1}, {4, 4}, {"a", "b"}}, 2, "2 gold labels but 1 predictions"},
      {choosing, {{0, 1}, {0, 1}, {0}, {4, 4}, {"a", "b"}}, 2, "1 scores for 2 examples"},
      {choosing, {{0, 1}, {0, 1}, {0, kNaN}, {4, 4}, {"a", "b"}}, 2, "score 1 is nan"},
      {choosing,
       {{1, 0, 0}, {1, 1, 0}, {0, 1, 0}, {4, 5, 5}, {"a", "b", "c"}},
       2,
       "question 5, examples 1 to 2, has no answer that is right"},
      {{"record_em", "record_f1"}, {{0, 1}, {0, 1}, {0, 1}, {4, 4}, {"a"}}, 2, "1 answers for 2 examples"},
  };
  for (const auto& c : kCases) {
    for (const std::string& metric : c.metrics) {
      MetricInput input = c.answers.input();
      input.num_classes = c.num_classes;
      EXPECT_THAT(Score(metric, input), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message))) << metric;
    }
  }
}

// What a command line has to be asked for.
TEST(MetricTest, SayWhatTheyRead) {
  std::vector<std::string> scores, groups, answers;
  for (const std::string& name : MetricRegistry::Global().Names()) {
    const auto metric = MetricRegistry::Global().Create(name);
    ASSERT_THAT(metric, IsOk());
    if ((*metric)->reads_scores()) scores.push_back(name);
    if ((*metric)->reads_groups()) groups.push_back(name);
    if ((*metric)->reads_answers()) answers.push_back(name);
  }
  EXPECT_THAT(scores, ElementsAre("group_accuracy", "record_em", "record_f1"));
  EXPECT_THAT(groups, ElementsAre("group_accuracy", "multirc_em", "record_em", "record_f1"));
  EXPECT_THAT(answers, ElementsAre("record_em", "record_f1"));
}

}  // namespace
}  // namespace gbmoa
