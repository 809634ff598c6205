// Macro-F1: the mean of the classes' F1, each class counting the same however rare it is. As scikit-learn counts, a
// class that is neither in the gold labels nor predicted has no F1 and is left out, and F1 is 0 where nothing of a
// class was found. Degenerate when a class of the gold labels was never predicted: its F1 of 0 is then a convention.
#include <algorithm>
#include <vector>

#include "eval/metric.h"

namespace gbmoa {
namespace {

class MacroF1 : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckClasses(input));
    std::vector<int64_t> gold(input.num_classes), predicted(input.num_classes), right(input.num_classes);
    for (size_t i = 0; i < input.gold.size(); ++i) {
      const auto g = static_cast<size_t>(input.gold[i]), p = static_cast<size_t>(input.predicted[i]);
      ++gold[g];
      ++predicted[p];
      if (g == p) ++right[g];
    }
    MetricValue macro;
    int classes = 0;
    for (int c = 0; c < input.num_classes; ++c) {
      if (gold[c] + predicted[c] == 0) continue;
      ++classes;
      macro.value += 2.0 * static_cast<double>(right[c]) / static_cast<double>(gold[c] + predicted[c]);
      macro.degenerate |= gold[c] > 0 && predicted[c] == 0;
    }
    macro.value /= classes;  // at least one: there is an example
    return macro;
  }
};

GBMOA_REGISTER_METRIC("macro_f1", MacroF1);

}  // namespace
}  // namespace gbmoa
