// F1 of two classes: the harmonic mean of precision and recall of class 1. 0 and degenerate where class 1 is nowhere
// predicted or nowhere right. MultiRC's F1a is the same number over all answers of all questions.
#include "absl/strings/str_cat.h"
#include "eval/metric.h"

namespace gbmoa {
namespace {

class F1 : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckClasses(input));
    if (input.num_classes != 2) {
      return absl::InvalidArgumentError(absl::StrCat("F1 is of two classes, got ", input.num_classes));
    }
    double gold = 0, predicted = 0, both = 0;
    for (size_t i = 0; i < input.gold.size(); ++i) {
      gold += input.gold[i];
      predicted += input.predicted[i];
      both += input.gold[i] * input.predicted[i];
    }
    if (gold == 0 || predicted == 0) return MetricValue{0, true};
    return MetricValue{2 * both / (gold + predicted), false};
  }
};

GBMOA_REGISTER_METRIC("f1", F1);
GBMOA_REGISTER_METRIC("multirc_f1a", F1);

}  // namespace
}  // namespace gbmoa
