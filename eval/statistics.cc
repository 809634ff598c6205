#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "glog/logging.h"

namespace gbmoa {
namespace {

// std::lgamma writes the global signgam, and verdicts may be computed beside running workers.
double LogGamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

// The continued fraction of I_x(a, b); converges fast for x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;  // in place of a zero denominator, as Lentz's method wants
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= 20000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d);
    c = nonzero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d);
    c = nonzero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return fraction;
}

// t of the upper tail for a two-sided interval.
double Critical(double confidence, double df) { return StudentTQuantile(0.5 + confidence / 2, df); }

DifferenceInterval Interval(double difference, double standard_error, double df, double confidence) {
  if (standard_error == 0) return {difference, difference, difference, 0};
  const double half = Critical(confidence, df) * standard_error;
  return {difference, difference - half, difference + half, df};
}

DifferenceInterval Unknown(double difference) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {difference, -kInfinity, kInfinity, 0};
}

}  // namespace

Summary Summarize(absl::Span<const double> values) {
  Summary summary;
  summary.n = static_cast<int64_t>(values.size());
  if (values.empty()) return summary;
  for (const double value : values) summary.mean += value;
  summary.mean /= static_cast<double>(summary.n);
  if (summary.n < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.sd = std::sqrt(squares / static_cast<double>(summary.n - 1));
  // Equal values whose mean was rounded have no spread.
  if (std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; })) {
    summary.mean = values[0];
    summary.sd = 0;
  }
  return summary;
}

double Median(absl::Span<const double> values) {
  CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double IncompleteBeta(double a, double b, double x) {
  CHECK_GT(a, 0);
  CHECK_GT(b, 0);
  CHECK(x >= 0 && x <= 1) << x;
  if (x == 0 || x == 1) return x;
  const double front = std::exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * std::log(x) + b * std::log1p(-x));
  // The fraction converges on the side of the mean on which x lies; the other side follows by symmetry.
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, 1 - x) / b;
}

double StudentTCdf(double t, double df) {
  CHECK_GT(df, 0);
  if (std::isinf(t)) return t > 0 ? 1 : 0;
  // P(|T| > |t|) = I_{df / (df + t²)}(df / 2, 1 / 2); near t = 0 that is 1 - I_{t² / (df + t²)}(1 / 2, df / 2).
  const double square = t * t;
  const double tail = square < df ? 0.5 - 0.5 * IncompleteBeta(0.5, df / 2, square / (df + square))
                                  : 0.5 * IncompleteBeta(df / 2, 0.5, df / (df + square));
  return t > 0 ? 1 - tail : tail;
}

double StudentTQuantile(double p, double df) {
  CHECK(p > 0 && p < 1) << p;
  if (p == 0.5) return 0;
  if (p < 0.5) return -StudentTQuantile(1 - p, df);
  double low = 0, high = 1;
  while (StudentTCdf(high, df) < p && high < 1e300) {
    low = high;
    high *= 2;
  }
  // Newton's steps with the density as slope, and bisection where one would leave the bracket.
  const double log_constant = LogGamma((df + 1) / 2) - LogGamma(df / 2) - 0.5 * std::log(df * M_PI);
  double t = low + (high - low) / 2;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double excess = StudentTCdf(t, df) - p;
    (excess < 0 ? low : high) = t;
    const double step = excess / std::exp(log_constant - (df + 1) / 2 * std::log1p(t * t / df));
    const double next = t - step;
    if (std::abs(step) <= 1e-15 * t) break;
    t = next > low && next < high ? next : low + (high - low) / 2;
  }
  return t;
}

DifferenceInterval WelchInterval(const Summary& a, const Summary& b, double confidence) {
  const double difference = a.mean - b.mean;
  if (a.n < 2 || b.n < 2) return Unknown(difference);
  const double va = a.sd * a.sd / static_cast<double>(a.n), vb = b.sd * b.sd / static_cast<double>(b.n);
  const double v = va + vb;
  const double df =
      v == 0 ? 0 : v * v / (va * va / static_cast<double>(a.n - 1) + vb * vb / static_cast<double>(b.n - 1));
  return Interval(difference, std::sqrt(v), df, confidence);
}

DifferenceInterval PairedInterval(absl::Span<const double> a, absl::Span<const double> b, double confidence) {
  CHECK_EQ(a.size(), b.size());
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return MeanInterval(Summarize(differences), confidence);
}

DifferenceInterval MeanInterval(const Summary& values, double confidence) {
  if (values.n < 2) return Unknown(values.mean);
  return Interval(values.mean, values.sd / std::sqrt(static_cast<double>(values.n)), static_cast<double>(values.n - 1),
                  confidence);
}

int64_t SamplesToDecide(const Summary& a, const Summary& b, double margin, double confidence, bool both,
                        int64_t limit) {
  const auto decides = [&](int64_t n) {
    Summary more_a = a, more_b = b;
    more_a.n = n;
    if (both) more_b.n = n;
    const DifferenceInterval interval = WelchInterval(more_a, more_b, confidence);
    return (interval.low >= -margin && interval.high <= margin) || interval.low > margin || interval.high < -margin;
  };
  // More values narrow the interval: doubling finds an n that decides, bisection the first one.
  int64_t low = 1, high = 2;  // low does not decide: one value has no interval
  while (!decides(high)) {
    if (high >= limit) return 0;
    low = high;
    high = std::min(2 * high, limit);
  }
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (decides(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace gbmoa
