// The few statistics that a verdict needs: means, Student's t, intervals and tests of a difference of means, and what
// many tests at once are worth.
#ifndef GBMOA_EVAL_STATISTICS_H_
#define GBMOA_EVAL_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace gbmoa {

// A sample by its size, mean and standard deviation (divisor n - 1; 0 for fewer than two values).
struct Summary {
  int64_t n = 0;
  double mean = 0;
  double sd = 0;
};
Summary Summarize(absl::Span<const double> values);

// The middle value, or the mean of the two middle ones. CHECKs that there is one.
double Median(absl::Span<const double> values);

// The mean of the middle half: without the floor(n / 4) smallest and as many largest values, as
// scipy.stats.trim_mean(x, 0.25) has it (Agarwal et al. 2021 use that). CHECKs that there is a value.
double InterquartileMean(absl::Span<const double> values);

// The p-quantile of ascending values, linear between neighbours (NumPy's default). CHECKs that there is a value and p
// in [0, 1].
double Quantile(absl::Span<const double> sorted, double p);

// I_x(a, b), the regularised incomplete beta function, for a, b > 0 and x in [0, 1]. Lentz's evaluation of the
// continued fraction (Abramowitz and Stegun 26.5.8); relative error below 1e-13 for a, b up to 1e4.
double IncompleteBeta(double a, double b, double x);

// P(T <= t), and its inverse for p in (0, 1), for Student's t with df > 0 degrees of freedom (not necessarily whole).
double StudentTCdf(double t, double df);
double StudentTQuantile(double p, double df);

// An estimated difference and its two-sided confidence interval. Without any spread the interval is the point itself;
// with too few values for one it is (-inf, inf).
struct DifferenceInterval {
  double difference = 0;
  double low = 0;
  double high = 0;
  double df = 0;  // 0: no interval could be computed, or there was no spread
};

// mean(a) - mean(b) of independent samples of unequal variance (Welch 1947). Needs two values on each side.
DifferenceInterval WelchInterval(const Summary& a, const Summary& b, double confidence);

// Welch's degrees of freedom come from estimated variances, which makes his test a little too ready to reject. This is
// how ready: the probability that his one-sided test rejects at `level` in (0, 0.5] although the null hypothesis holds,
// for normal values, at the worst of all ratios of the variances. 0.0514 for a level of 0.05 and five values on each
// side, 0.0592 for three and ten, and relatively more at smaller levels. So it is also an honest p-value for Welch's
// own: no variances make it fall below α more often than α. Exact but for a grid of ratios (relative error below 2e-3).
// Both sides need two values. Where both have more than a hundred, nothing is corrected for; neither below a level of
// 1e-8.
double WelchErrorRate(double level, int64_t n_a, int64_t n_b);
// The level at which Welch's test has to be made for that to be `rate`, in (0, 0.5].
double WelchLevel(double rate, int64_t n_a, int64_t n_b);
// Welch's interval at the level at which each of its ends errs in at most (1 - confidence) / 2 of all samples, whatever
// the variances.
DifferenceInterval SafeWelchInterval(const Summary& a, const Summary& b, double confidence);

// Two p-values about the true difference of the means a - b, safe as above; 0 or 1 without any spread. Each falls below
// 5 % exactly where the 90 % SafeWelchInterval lies within the margin, or wholly outside of it.
struct MarginTest {
  // Of the hypothesis that the difference is at the margin or beyond: the larger p-value of two one-sided tests
  // (Schuirmann 1987). Small: it is smaller than the margin.
  double within = 1;
  // Of the hypothesis that it is no larger than the margin, by the bound that is nearer. Small: it is larger. With the
  // other bound's share it may be too small, up to twice, where the margin is narrower than the standard error.
  double outside = 1;
};
// CHECKs margin > 0 and two values on each side.
MarginTest TestMargin(const Summary& a, const Summary& b, double margin);

// The probability that SafeWelchInterval(a, b, confidence) lies within the margin, when normal values have these
// standard deviations and the given true difference. By numeric integration, absolute error below 5e-4. CHECKs two
// values on each side.
double PowerWithinMargin(int64_t n_a, int64_t n_b, double sd_a, double sd_b, double margin, double difference,
                         double confidence);

// Holm's (1979) step-down: each p-value adjusted for being one of p.size(). To reject what is then at most α makes any
// false rejection in at most α of all samples, however the tests depend on each other.
std::vector<double> HolmAdjust(absl::Span<const double> p);

// The mean of a[i] - b[i] for values that share their draw i; CHECKs that both sides have the same size.
DifferenceInterval PairedInterval(absl::Span<const double> a, absl::Span<const double> b, double confidence);

// The mean of the values, against zero.
DifferenceInterval MeanInterval(const Summary& values, double confidence);

// The smallest n <= limit with which SafeWelchInterval of the difference would fall wholly inside or wholly outside
// [-margin, margin], if means and spreads stayed as they are: n for `a` alone, or for both sides if `both`. 0 if none
// does.
int64_t SamplesToDecide(const Summary& a, const Summary& b, double margin, double confidence, bool both,
                        int64_t limit = 10000);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_STATISTICS_H_
