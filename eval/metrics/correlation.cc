// Pearson's correlation, and Spearman's: Pearson's of the ranks, where equal values share their average rank. 0 and
// degenerate where one side is constant, n = 1 included: the formula is 0/0 there.
//
// Good to about n roundings whatever the values: a power of two brings them near 1 first, so that no sum or product
// overflows or underflows, and sums are of deviations from a mean whose own rounding error is taken out once more.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "eval/metric.h"

namespace gbmoa {
namespace {

std::vector<double> Deviations(absl::Span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  int exponent = 0;
  std::frexp(largest, &exponent);
  std::vector<double> deviations;
  deviations.reserve(values.size());
  for (const double value : values) deviations.push_back(std::ldexp(value, -exponent));
  // Twice: where the mean is large beside the deviations, what rounding did to it is not small beside them.
  for (int pass = 0; pass < 2; ++pass) {
    const double sum = std::accumulate(deviations.begin(), deviations.end(), 0.0);
    for (double& deviation : deviations) deviation -= sum / static_cast<double>(values.size());
  }
  return deviations;
}

bool IsConstant(absl::Span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
}

MetricValue Correlate(absl::Span<const double> a, absl::Span<const double> b) {
  if (IsConstant(a) || IsConstant(b)) return {0, true};
  const std::vector<double> da = Deviations(a), db = Deviations(b);
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < da.size(); ++i) {
    aa += da[i] * da[i];
    bb += db[i] * db[i];
    ab += da[i] * db[i];
  }
  return {std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0), false};
}

std::vector<double> Ranks(absl::Span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = 0.5 * static_cast<double>(begin + 1 + end);
  }
  return ranks;
}

class Pearson : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckValues(input));
    return Correlate(input.gold, input.predicted);
  }
};

class Spearman : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckValues(input));
    return Correlate(Ranks(input.gold), Ranks(input.predicted));
  }
};

GBMOA_REGISTER_METRIC("pearson", Pearson);
GBMOA_REGISTER_METRIC("spearman", Spearman);

}  // namespace
}  // namespace gbmoa
