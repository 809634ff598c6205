// The few statistics that a verdict needs: means, Student's t, and intervals of a difference of means.
#ifndef GBMOA_EVAL_STATISTICS_H_
#define GBMOA_EVAL_STATISTICS_H_

#include <cstdint>

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

// The mean of a[i] - b[i] for values that share their draw i; CHECKs that both sides have the same size.
DifferenceInterval PairedInterval(absl::Span<const double> a, absl::Span<const double> b, double confidence);

// The mean of the values, against zero.
DifferenceInterval MeanInterval(const Summary& values, double confidence);

// The smallest n <= limit with which the Welch interval of the difference would fall wholly inside or wholly outside
// [-margin, margin], if means and spreads stayed as they are: n for `a` alone, or for both sides if `both`. 0 if none
// does.
int64_t SamplesToDecide(const Summary& a, const Summary& b, double margin, double confidence, bool both,
                        int64_t limit = 10000);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_STATISTICS_H_
