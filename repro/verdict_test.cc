#include "repro/verdict.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(JudgeCellTest, Verdicts) {
  const ExpectedValue kFive{{5, 80, 1}}, kOne{{1, 80, 0}}, kExact{{1, 2.64, 0}, true};
  const double kNan = std::numeric_limits<double>::quiet_NaN();
  // 90 % intervals: n = 5 and sd = 1 on both sides give ±1.878 * sqrt(2/5) = ±1.188; Welch's own would be ±1.176.
  const struct {
    std::string name;
    Summary ours;
    int64_t failed;
    std::optional<ExpectedValue> expected;
    double margin;
    Verdict verdict;
    std::string why;
  } kCases[] = {
      {"inside", {5, 80.8, 1}, 0, kFive, 2, Verdict::kReproduced, "difference +0.8, 90 % interval -0.3878 to +1.988"},
      {"just straddling", {5, 80.83, 1}, 0, kFive, 2, Verdict::kInconclusive, "runs would decide"},
      {"lower", {5, 76, 1}, 0, kFive, 2, Verdict::kNotReproduced, "lower than expected"},
      {"better counts too", {5, 84, 1}, 0, kFive, 2, Verdict::kNotReproduced, "higher than expected"},
      {"one run", {1, 80, 0}, 0, kFive, 2, Verdict::kInconclusive, "one run is never enough"},
      {"one run far away", {1, 10, 0}, 0, kFive, 2, Verdict::kInconclusive, "one run is never enough"},
      {"expected from one run", {5, 80, 1}, 0, kOne, 2, Verdict::kInconclusive, "comes from one run"},
      {"no spread at all", {5, 80, 0}, 0, ExpectedValue{{5, 80, 0}}, 2, Verdict::kReproduced, "difference +0"},
      {"exact", {5, 2.641, 0}, 0, kExact, 0.005, Verdict::kReproduced, "to an exact value"},
      {"one run of an exact value", {1, 2.641, 0}, 0, kExact, 0.005, Verdict::kInconclusive, "never enough"},
      {"exact but wrong", {5, 1.4, 0}, 0, kExact, 0.005, Verdict::kNotReproduced, "difference -1.24"},
      {"a failed run", {4, 80, 1}, 1, kFive, 2, Verdict::kRunFailed, "1 of 5 runs failed"},
      {"nan", {5, kNan, kNan}, 0, kFive, 2, Verdict::kRunFailed, "not finite"},
      {"nothing expected", {5, 80, 1}, 0, std::nullopt, 2, Verdict::kNotAttempted, "UNDERSPECIFIED"},
      {"nothing run", {0, 0, 0}, 0, kFive, 2, Verdict::kNotAttempted, "no runs"},
  };
  for (const auto& c : kCases) {
    const Judgement got = JudgeCell(c.ours, c.failed, c.expected, c.margin);
    EXPECT_EQ(got.verdict, c.verdict) << c.name << ": " << VerdictName(got.verdict) << " " << got.why;
    EXPECT_THAT(got.why, HasSubstr(c.why)) << c.name;
  }
}

TEST(JudgeCellTest, TellsHowManyRunsWouldDecide) {
  // With many runs behind the expected value ours alone decide; with few, both sides are needed.
  const Judgement ours = JudgeCell({3, 80.5, 1.5}, 0, ExpectedValue{{50, 80, 1.5}}, 2);
  EXPECT_EQ(ours.verdict, Verdict::kInconclusive);
  EXPECT_EQ(ours.runs_to_decide, SamplesToDecide({3, 80.5, 1.5}, {50, 80, 1.5}, 2, 0.90, false));
  EXPECT_GT(ours.runs_to_decide, 3);
  const Judgement both = JudgeCell({3, 80.5, 1.5}, 0, ExpectedValue{{2, 80, 3}}, 2);
  EXPECT_EQ(both.runs_to_decide, SamplesToDecide({3, 80.5, 1.5}, {2, 80, 3}, 2, 0.90, true));
  EXPECT_THAT(both.why, HasSubstr("as many behind the expected value, which has 2"));
  const Judgement never = JudgeCell({3, 82, 1}, 0, ExpectedValue{{3, 80, 1}}, 2);
  EXPECT_EQ(never.runs_to_decide, 0);
  EXPECT_THAT(never.why, HasSubstr("no number of runs"));
}

TEST(CrossedSummaryTest, HasBothErrors) {
  // 3 repetitions of spread 0.6 and 96 episodes of spread 9.6: a = 0.12, b = 0.96, df = 1.08^2 / (0.0072 + 0.9216 / 95)
  // = 69.0.
  const Summary both = CrossedSummary({3, 80, 0.6}, {96, 80, 9.6});
  EXPECT_EQ(both.n, 70);
  EXPECT_EQ(both.mean, 80);
  EXPECT_NEAR(both.sd * both.sd / 70, 1.08, 1e-12);
  // Repetitions that are all the same leave the episodes' error.
  const Summary same = CrossedSummary({3, 80, 0}, {96, 80, 9.6});
  EXPECT_EQ(same.n, 96);
  EXPECT_NEAR(same.sd, 9.6, 1e-12);
  EXPECT_EQ(CrossedSummary({1, 80, 0}, {96, 80, 9.6}).n, 1);
  EXPECT_EQ(CrossedSummary({3, 80, 0}, {96, 80, 0}).sd, 0);
  EXPECT_EQ(JudgeCell(CrossedSummary({1, 80, 0}, {96, 80, 9.6}), 0, ExpectedValue{{50, 80, 1}}, 2).verdict,
            Verdict::kInconclusive);
  const Judgement far = JudgeCell(both, 0, ExpectedValue{both}, 1, /*n_counts_runs=*/false);
  EXPECT_EQ(far.verdict, Verdict::kInconclusive);
  EXPECT_THAT(far.why, Not(HasSubstr("would decide")));
}

TEST(HeadlineTest, CountsAndExitCodes) {
  const struct {
    std::vector<Verdict> verdicts;
    std::string headline;
    int exit_code;
  } kCases[] = {
      {{Verdict::kReproduced, Verdict::kNotComparable},
       "1 reproduced, 0 inconclusive, 0 not reproduced, 0 not attempted",
       0},
      {{Verdict::kReproduced, Verdict::kNotAttempted},
       "1 reproduced, 0 inconclusive, 0 not reproduced, 1 not attempted",
       12},
      {{Verdict::kInconclusive, Verdict::kNotAttempted}, "0 reproduced, 1 inconclusive", 11},
      {{Verdict::kRunFailed, Verdict::kReproduced}, "0 not attempted, 1 with failed runs", 11},
      {{Verdict::kNotReproduced, Verdict::kRunFailed, Verdict::kInconclusive}, "1 not reproduced", 10},
  };
  for (const auto& c : kCases) {
    VerdictCounts counts;
    for (const Verdict verdict : c.verdicts) counts.Add(verdict);
    EXPECT_THAT(Headline(counts), HasSubstr(c.headline));
    EXPECT_EQ(VerdictExitCode(counts), c.exit_code) << c.headline;
  }
}

}  // namespace
}  // namespace gbmoa
