#include "eval/statistics.h"

#include <cmath>
#include <limits>
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
      const DifferenceInterval i = WelchInterval(a, b, 0.9);
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
