#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <tuple>
#include <utility>
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

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

double NormalCdf(double z) { return 0.5 * std::erfc(-z * M_SQRT1_2); }

// Of mean(a) - mean(b): its squared standard error and Welch's degrees of freedom (0 without any spread).
struct WelchError {
  double variance, df;
};
WelchError Welch(const Summary& a, const Summary& b) {
  const double va = a.sd * a.sd / static_cast<double>(a.n), vb = b.sd * b.sd / static_cast<double>(b.n);
  const double v = va + vb;
  return {v, v == 0 ? 0 : v * v / (va * va / static_cast<double>(a.n - 1) + vb * vb / static_cast<double>(b.n - 1))};
}

// Welch's degrees of freedom where the share `a` of the squared standard error, of 1 = a + b, is the first sample's.
double WelchDf(double a, double b, double df_a, double df_b) { return 1 / (a * a / df_a + b * b / df_b); }

// With squared errors C_a ~ chi²(df_a) and C_b ~ chi²(df_b) the estimated squared standard error is its true value
// times S (r B / df_a + (1 - r) (1 - B) / df_b), where r is the true share of the first sample, S = C_a + C_b ~
// chi²(df_a + df_b), and B = C_a / S ~ Beta(df_a / 2, df_b / 2) is independent of S. Given B, Welch's degrees of
// freedom are known and his statistic is a multiple of Student's t with df_a + df_b: what is left is one integral over
// B. It is taken by the trapezoid rule over y = log(B / (1 - B)) - log(df_a / df_b), where the density is smooth and
// falls exponentially, so that few nodes are exact; the estimated share's logarithmic odds are those of r plus y.
class SplitOfErrors {
 public:
  // Leaves out nodes below `smallest`, which a sum of that many can do without.
  SplitOfErrors(double df_a, double df_b, double smallest) {
    const double a = df_a / 2, b = df_b / 2;
    step_ = std::min(0.5, 0.9 * std::sqrt(1 / a + 1 / b));
    const double log_scale = LogGamma(a + b) - LogGamma(a) - LogGamma(b) + std::log(step_);
    const auto add = [&](int index) {
      const double x = std::log(df_a / df_b) + index * step_;
      const double weight = std::exp(log_scale - a * std::log1p(std::exp(-x)) - b * std::log1p(std::exp(x)));
      nodes_.push_back({index, Logistic(x), Logistic(-x), weight});
      return weight > smallest;
    };
    for (int i = 0; add(i); ++i) {
    }
    for (int i = -1; add(i); --i) {
    }
  }
  struct Node {
    int index;      // y = index * step
    double b, c;    // B and 1 - B
    double weight;  // they sum to 1
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  double step() const { return step_; }

 private:
  double step_;
  std::vector<Node> nodes_;
};

// Simpson's rule on an even number of intervals.
template <typename F>
double Simpson(double low, double high, int intervals, const F& f) {
  const double h = (high - low) / intervals;
  double sum = f(low) + f(high);
  for (int i = 1; i < intervals; ++i) sum += (i % 2 == 1 ? 4 : 2) * f(low + i * h);
  return sum * h / 3;
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

double InterquartileMean(absl::Span<const double> values) {
  CHECK(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t cut = sorted.size() / 4;
  return std::accumulate(sorted.begin() + cut, sorted.end() - cut, 0.0) / static_cast<double>(sorted.size() - 2 * cut);
}

double Quantile(absl::Span<const double> sorted, double p) {
  CHECK(!sorted.empty());
  CHECK(p >= 0 && p <= 1) << p;
  const double position = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
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
  const WelchError error = Welch(a, b);
  return Interval(difference, std::sqrt(error.variance), error.df, confidence);
}

double WelchErrorRate(double level, int64_t n_a, int64_t n_b) {
  CHECK(level > 0 && level <= 0.5) << level;
  CHECK(n_a >= 2 && n_b >= 2) << n_a << ", " << n_b;
  if (std::min(n_a, n_b) > 100 || level < 1e-8) return level;
  const auto df_a = static_cast<double>(n_a - 1), df_b = static_cast<double>(n_b - 1);
  const SplitOfErrors split(df_a, df_b, 1e-6 * level);
  const double h = split.step();
  // Welch's critical value by the estimated share, at multiples of h of its logarithmic odds.
  std::map<int, double> critical;
  const auto critical_at = [&](int i) {
    const auto [found, is_new] = critical.try_emplace(i, 0);
    if (is_new) {
      found->second = StudentTQuantile(1 - level, WelchDf(Logistic(i * h), Logistic(-i * h), df_a, df_b));
    }
    return found->second;
  };
  const auto rate = [&](int i) {
    const double r = Logistic(i * h), s = Logistic(-i * h);
    double sum = 0;
    for (const SplitOfErrors::Node& node : split.nodes()) {
      const double scale = (df_a + df_b) * (r * node.b / df_a + s * node.c / df_b);
      sum += node.weight * StudentTCdf(-critical_at(i + node.index) * std::sqrt(scale), df_a + df_b);
    }
    return sum;
  };
  // The rate has a flat hump for each side on which the variance may be the larger one: steps of 2 find the higher, and
  // steps of 0.5 and a parabola its top.
  const int unit = std::max(1, static_cast<int>(0.5 / h));
  int best = 0;
  double top = rate(0);
  const auto consider = [&](int i) {
    const double value = rate(i);
    if (value > top) {
      top = value;
      best = i;
    }
  };
  for (int k = 1; k <= 8; ++k) {
    consider(4 * unit * k);
    consider(-4 * unit * k);
  }
  for (const int distance : {2 * unit, unit}) {
    const int centre = best;
    consider(centre - distance);
    consider(centre + distance);
  }
  const double left = rate(best - unit), right = rate(best + unit), bend = 2 * top - left - right;
  if (bend > 0) top += (right - left) * (right - left) / (8 * bend);
  return std::max(top, level);  // which it is where all the variance is on one side
}

double WelchLevel(double rate, int64_t n_a, int64_t n_b) {
  if (std::min(n_a, n_b) > 100) return rate;
  // A table asks the same of all its cells.
  static std::mutex mutex;
  static auto* const known = new std::map<std::tuple<double, int64_t, int64_t>, double>;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [found, is_new] = known->try_emplace({rate, n_a, n_b}, rate);
  if (!is_new) return found->second;
  // The rate is nearly a power of the level: secants of their logarithms. The grid of ratios knows it no better than
  // 1e-4.
  double x = std::log(rate), excess = 0, step = 0;
  for (int i = 0; i < 20; ++i) {
    const double before = excess;
    excess = std::log(WelchErrorRate(std::exp(x), n_a, n_b) / rate);
    if (std::abs(excess) < 1e-4) break;
    step = i == 0 ? -excess : step * excess / (before - excess);
    x += step;
  }
  return found->second = std::exp(x);
}

namespace {

// WelchErrorRate, from a table of its logarithm for these sizes, interpolated by cubics through four levels (error 1e-4
// of itself).
double TabulatedErrorRate(double level, int64_t n_a, int64_t n_b) {
  if (std::min(n_a, n_b) > 100) return level;
  constexpr int kLevels = 38;
  static const double log_first = std::log(0.5), step = (log_first - std::log(1e-8)) / (kLevels - 1);
  static std::mutex mutex;
  static auto* const tables = new std::map<std::pair<int64_t, int64_t>, std::vector<double>>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::vector<double>& table = (*tables)[{n_a, n_b}];
  for (int i = static_cast<int>(table.size()); i < kLevels; ++i) {
    const double at = std::exp(log_first - i * step);
    table.push_back(std::log(WelchErrorRate(at, n_a, n_b) / at));
  }
  const double position = (log_first - std::log(std::clamp(level, 1e-8, 0.5))) / step;
  const int first = std::clamp(static_cast<int>(position) - 1, 0, kLevels - 4);
  double excess = 0;
  for (int i = 0; i < 4; ++i) {
    double weight = 1;
    for (int j = 0; j < 4; ++j) {
      if (j != i) weight *= (position - first - j) / (i - j);
    }
    excess += weight * table[first + i];
  }
  return std::max(level, 1e-8) * std::exp(excess);
}

}  // namespace

DifferenceInterval SafeWelchInterval(const Summary& a, const Summary& b, double confidence) {
  if (a.n < 2 || b.n < 2) return Unknown(a.mean - b.mean);
  return WelchInterval(a, b, 1 - 2 * WelchLevel((1 - confidence) / 2, a.n, b.n));
}

MarginTest TestMargin(const Summary& a, const Summary& b, double margin) {
  CHECK_GT(margin, 0);
  CHECK(a.n >= 2 && b.n >= 2) << a.n << ", " << b.n;
  const double room = margin - std::abs(a.mean - b.mean);  // to the nearer bound
  const WelchError error = Welch(a, b);
  if (error.variance == 0) return room >= 0 ? MarginTest{0, 1} : MarginTest{1, 0};
  // The nearer bound has the larger p-value of those for "within" and the smaller one of those for "outside". Of the
  // two one is at least a half, and then as good as any other that is.
  const double tail = StudentTCdf(-std::abs(room) / std::sqrt(error.variance), error.df);
  const double safe = TabulatedErrorRate(tail, a.n, b.n);
  return room >= 0 ? MarginTest{safe, 1 - tail} : MarginTest{1 - tail, safe};
}

double PowerWithinMargin(int64_t n_a, int64_t n_b, double sd_a, double sd_b, double margin, double difference,
                         double confidence) {
  CHECK(n_a >= 2 && n_b >= 2) << n_a << ", " << n_b;
  const auto df_a = static_cast<double>(n_a - 1), df_b = static_cast<double>(n_b - 1), df = df_a + df_b;
  const double va = sd_a * sd_a / static_cast<double>(n_a), vb = sd_b * sd_b / static_cast<double>(n_b);
  if (va + vb == 0) return std::abs(difference) <= margin ? 1 : 0;
  const double error = std::sqrt(va + vb), r = va / (va + vb), s = vb / (va + vb);
  const double level = WelchLevel((1 - confidence) / 2, n_a, n_b);
  const double log_density = (1 - df / 2) * M_LN2 - LogGamma(df / 2);
  double power = 0;
  const SplitOfErrors split(df_a, df_b, 1e-9);
  for (const SplitOfErrors::Node& node : split.nodes()) {
    const double a = r * node.b / df_a, b = s * node.c / df_b;
    const double half = StudentTQuantile(1 - level, WelchDf(a / (a + b), b / (a + b), df_a, df_b)) * error *
                        std::sqrt(a + b);  // of the interval, for sqrt(S) = 1
    // Over u = sqrt(S), chi-distributed: while half * u leaves room within the margin, the chance that the estimated
    // difference lies in that room. Beyond sqrt(df) + 9 the density is below 1e-17.
    power += node.weight * Simpson(0, std::min(margin / half, std::sqrt(df) + 9), 400, [&](double u) {
               if (u == 0) return 0.0;
               const double density = std::exp(log_density + (df - 1) * std::log(u) - u * u / 2);
               return density * (NormalCdf((margin - half * u - difference) / error) -
                                 NormalCdf((half * u - margin - difference) / error));
             });
  }
  return power;
}

std::vector<double> HolmAdjust(absl::Span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;  // of the smaller p-values: what they do not survive no larger one does
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
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
    const DifferenceInterval interval = SafeWelchInterval(more_a, more_b, confidence);
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
