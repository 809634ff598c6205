#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace gbmoa {
namespace {

#include "eval/testdata/statistics.inc"

// Both sides compute in double; the incomplete beta function itself is good to 1e-13, the sums of the intervals lose a
// digit.
constexpr double kRelative = 1e-11;

void ExpectClose(double got, double want, const char* what) {
  EXPECT_NEAR(got, want, kRelative * std::max(1e-3, std::abs(want))) << what;
}

TEST(StatisticsTest, MedianIsTheMiddleOrTheMeanOfBoth) {
  EXPECT_EQ(Median({3.0}), 3);
  EXPECT_EQ(Median({5.0, 1.0, 2.0}), 2);
  EXPECT_EQ(Median({4.0, 1.0, 2.0, 9.0}), 3);
}

TEST(StatisticsTest, AgreesWithSciPy) {
  for (const auto& [a, b, x, value] : kIncompleteBeta) {
    SCOPED_TRACE(testing::Message() << "a " << a << " b " << b << " x " << x);
    ExpectClose(IncompleteBeta(a, b, x), value, "I_x(a, b)");
  }
  for (const auto& [t, df, p] : kStudentT) {
    SCOPED_TRACE(testing::Message() << "t " << t << " df " << df);
    ExpectClose(StudentTCdf(t, df), p, "cdf");
  }
  for (const auto& [p, df, t] : kStudentTQuantile) {
    SCOPED_TRACE(testing::Message() << "p " << p << " df " << df);
    ExpectClose(StudentTQuantile(p, df), t, "quantile");
  }
}

void ExpectInterval(const DifferenceInterval& got, const WelchCase& want) {
  ExpectClose(got.difference, want.difference, "difference");
  ExpectClose(got.low, want.low, "low");
  ExpectClose(got.high, want.high, "high");
  ExpectClose(got.df, want.df, "df");
}

TEST(StatisticsTest, IntervalsAgreeWithSciPy) {
  for (const WelchCase& c : kWelch) ExpectInterval(WelchInterval(Summarize(c.a), Summarize(c.b), 0.90), c);
  for (const WelchCase& c : kPaired) ExpectInterval(PairedInterval(c.a, c.b, 0.95), c);
}

TEST(StatisticsTest, MeansOfTheMiddleHalfAndQuantilesAgreeWithSciPyAndNumPy) {
  for (TrimCase c : kTrim) {
    SCOPED_TRACE(c.x.size());
    EXPECT_NEAR(InterquartileMean(c.x), c.iqm, 1e-12);
    std::sort(c.x.begin(), c.x.end());
    EXPECT_NEAR(Quantile(c.x, 0.025), c.low, 1e-12);
    EXPECT_NEAR(Quantile(c.x, 0.7), c.high, 1e-12);
    EXPECT_EQ(Quantile(c.x, 1), c.x.back());
  }
}

TEST(WelchErrorRateTest, AgreesWithTheIntegralByAnotherRule) {
  // Ours looks for the worst ratio on a grid.
  for (const auto& [level, n_a, n_b, rate] : kErrorRates) {
    EXPECT_NEAR(WelchErrorRate(level, n_a, n_b), rate, 2e-3 * rate) << level << ", " << n_a << ", " << n_b;
    EXPECT_NEAR(WelchErrorRate(level, n_b, n_a), rate, 2e-3 * rate) << level << ", " << n_b << ", " << n_a;
    EXPECT_GE(rate, level * (1 - 1e-6));
  }
}

TEST(WelchErrorRateTest, LevelIsItsInverse) {
  for (const auto& [n_a, n_b] : std::vector<std::pair<int, int>>{{2, 50}, {3, 10}, {5, 5}, {30, 40}}) {
    EXPECT_NEAR(WelchErrorRate(WelchLevel(0.05, n_a, n_b), n_a, n_b), 0.05, 1e-5) << n_a << ", " << n_b;
    EXPECT_LT(WelchLevel(0.05, n_a, n_b), 0.05);
  }
  // Of many values there is nothing to correct.
  EXPECT_EQ(WelchLevel(0.05, 101, 101), 0.05);
}

TEST(PowerWithinMarginTest, AgreesWithTheIntegralByAnotherRule) {
  // 2e-5 for the two rules, and what a relative 2e-3 in the error rate makes of a power.
  for (const PowerCase& c : kPower) {
    EXPECT_NEAR(PowerWithinMargin(c.n_a, c.n_b, c.sd_a, c.sd_b, c.margin, c.difference, 0.90), c.power, 5e-4)
        << c.n_a << ", " << c.n_b << ", " << c.sd_a << ", " << c.sd_b << ", " << c.margin << ", " << c.difference;
  }
  EXPECT_EQ(PowerWithinMargin(5, 5, 0, 0, 2, 2, 0.90), 1);
  EXPECT_EQ(PowerWithinMargin(5, 5, 0, 0, 2, 2.1, 0.90), 0);
}

TEST(TestMarginTest, CrossesFivePercentWhereTheIntervalCrossesTheMargin) {
  const Summary b{3, 80, 1.5};
  for (const double difference : {0.3, -0.3, 7., -7.}) {
    const Summary a{10, 80 + difference, 2};
    const DifferenceInterval interval = SafeWelchInterval(a, b, 0.90);
    EXPECT_LT(interval.low, WelchInterval(a, b, 0.90).low);
    const double farther = std::max(std::abs(interval.low), std::abs(interval.high)),
                 nearer = std::min(std::abs(interval.low), std::abs(interval.high));
    // The level is known to 1e-4 of itself.
    EXPECT_NEAR(TestMargin(a, b, farther).within, 0.05, 1e-5) << difference;
    EXPECT_GE(TestMargin(a, b, farther).outside, 0.5);
    if (std::abs(difference) < 1) continue;
    EXPECT_NEAR(TestMargin(a, b, nearer).outside, 0.05, 1e-5) << difference;
    EXPECT_GE(TestMargin(a, b, nearer).within, 0.5);
  }
  // Without spread there is no chance.
  EXPECT_EQ(TestMargin({3, 82, 0}, {3, 80, 0}, 2).within, 0);
  EXPECT_EQ(TestMargin({3, 82, 0}, {3, 80, 0}, 2).outside, 1);
  EXPECT_EQ(TestMargin({3, 82.1, 0}, {3, 80, 0}, 2).within, 1);
  EXPECT_EQ(TestMargin({3, 82.1, 0}, {3, 80, 0}, 2).outside, 0);
  // Between tabulated levels they are the error rates that SciPy's integral has.
  for (const auto& [level, n_a, n_b, rate] : kErrorRates) {
    const Summary one{static_cast<int64_t>(n_a), 80, 1}, other{static_cast<int64_t>(n_b), 80, 2};
    const DifferenceInterval welch = WelchInterval(one, other, 1 - 2 * level);
    EXPECT_NEAR(TestMargin(one, other, welch.high).within, rate, 2e-3 * rate) << level << ", " << n_a << ", " << n_b;
  }
  // So far away that the tail of t is 0 in double.
  EXPECT_LT(TestMargin({50, 180, 1e-3}, {50, 80, 1e-3}, 2).outside, 2e-8);
}

TEST(HolmAdjustTest, IsTheClosedTestOfBonferronis) {
  // A hypothesis is rejected where every set of hypotheses that it belongs to is, by Bonferroni's test: Holm's test
  // without its steps.
  for (const std::vector<double>& p : std::vector<std::vector<double>>{
           {}, {0.03}, {0.01, 0.04, 0.03, 0.005}, {0.5, 0.5, 0.02}, {0.2, 0.2, 0.2, 0.9, 1}, {0, 1e-9, 0.05, 0.01}}) {
    const std::vector<double> adjusted = HolmAdjust(p);
    ASSERT_EQ(adjusted.size(), p.size());
    for (size_t i = 0; i < p.size(); ++i) {
      double worst = 0;
      for (int set = 1; set < 1 << p.size(); ++set) {
        if ((set >> i & 1) == 0) continue;
        double smallest = 1;
        int members = 0;
        for (size_t j = 0; j < p.size(); ++j) {
          if ((set >> j & 1) == 0) continue;
          smallest = std::min(smallest, p[j]);
          ++members;
        }
        worst = std::max(worst, std::min(1., members * smallest));
      }
      EXPECT_NEAR(adjusted[i], worst, 1e-15) << i << " of " << p.size();
    }
  }
}

TEST(StatisticsTest, Summaries) {
  const Summary none = Summarize({}), one = Summarize({3}), four = Summarize({2, 4, 4, 6});
  EXPECT_EQ(none.n, 0);
  EXPECT_EQ(one.mean, 3);
  EXPECT_EQ(one.sd, 0);
  EXPECT_EQ(four.mean, 4);
  EXPECT_DOUBLE_EQ(four.sd, std::sqrt(8. / 3));
  // 0.1 three times sums to 0.30000000000000004; equal values have no spread all the same.
  EXPECT_EQ(Summarize({0.1, 0.1, 0.1}).sd, 0);
  EXPECT_EQ(Summarize({0.1, 0.1, 0.1}).mean, 0.1);
}

TEST(StatisticsTest, TooFewValuesOrNoSpread) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const DifferenceInterval one_value = WelchInterval(Summarize({3}), Summarize({1, 2}), 0.9);
  EXPECT_EQ(one_value.difference, 1.5);
  EXPECT_EQ(one_value.low, -kInfinity);
  EXPECT_EQ(one_value.high, kInfinity);
  const DifferenceInterval no_spread = WelchInterval(Summarize({3, 3}), Summarize({1, 1}), 0.9);
  EXPECT_EQ(no_spread.low, 2);
  EXPECT_EQ(no_spread.high, 2);
}

TEST(StatisticsTest, SamplesToDecideIsTheFirstThatDecides) {
  const struct {
    Summary a, b;
    double margin;
    bool both;
  } kCases[] = {
      {{3, 80, 2}, {5, 80, 1}, 1, true},    // no difference: inside once the interval is narrow
      {{3, 80, 2}, {50, 80, 1}, 1, false},  // the other side is large enough already
      {{3, 83, 2}, {5, 80, 2}, 1, true},    // outside
      {{3, 80.9, 1}, {5, 80, 1}, 1, true},  // close to the margin: many
  };
  for (const auto& c : kCases) {
    const int64_t n = SamplesToDecide(c.a, c.b, c.margin, 0.9, c.both);
    ASSERT_GT(n, 1);
    const auto decides = [&](int64_t n_a) {
      Summary a = c.a, b = c.b;
      a.n = n_a;
      if (c.both) b.n = n_a;
      const DifferenceInterval i = SafeWelchInterval(a, b, 0.9);
      return (i.low >= -c.margin && i.high <= c.margin) || i.low > c.margin || i.high < -c.margin;
    };
    EXPECT_TRUE(decides(n)) << n;
    EXPECT_FALSE(decides(n - 1)) << n;
  }
  // However many values `a` has, three of `b` leave an interval wider than the margin.
  EXPECT_EQ(SamplesToDecide({3, 80, 1}, {3, 80, 2}, 1, 0.9, false), 0);
  // Exactly on the margin nothing decides.
  EXPECT_EQ(SamplesToDecide({3, 81, 1}, {3, 80, 1}, 1, 0.9, true), 0);
}

}  // namespace
}  // namespace gbmoa
