// Matthews' correlation of two classes, and Gorodkin's of more (2004, "Comparing two K-category assignments by a
// K-category correlation coefficient"), which is the same number where there are two. 0 and degenerate where one side
// has one class only: the formula is 0/0 there.
#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/metric.h"

namespace gbmoa {
namespace {

class Matthews : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckClasses(input));
    // Counts in double: their products are exact up to n = 94 million, and never overflow.
    std::vector<double> gold(input.num_classes), predicted(input.num_classes);
    double right = 0;
    for (size_t i = 0; i < input.gold.size(); ++i) {
      ++gold[static_cast<size_t>(input.gold[i])];
      ++predicted[static_cast<size_t>(input.predicted[i])];
      right += input.gold[i] == input.predicted[i];
    }
    const double n = static_cast<double>(input.gold.size());
    double both = n * right, gold_alone = n * n, predicted_alone = n * n;
    for (int c = 0; c < input.num_classes; ++c) {
      both -= gold[c] * predicted[c];
      gold_alone -= gold[c] * gold[c];
      predicted_alone -= predicted[c] * predicted[c];
    }
    if (gold_alone == 0 || predicted_alone == 0) return MetricValue{0, true};
    return MetricValue{std::clamp(both / (std::sqrt(gold_alone) * std::sqrt(predicted_alone)), -1.0, 1.0), false};
  }
};

GBMOA_REGISTER_METRIC("matthews", Matthews);

}  // namespace
}  // namespace gbmoa
