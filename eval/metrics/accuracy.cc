// Accuracy: the share of examples whose class was predicted. Never degenerate.
#include "eval/metric.h"

namespace gbmoa {
namespace {

class Accuracy : public Metric {
 public:
  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckClasses(input));
    size_t right = 0;
    for (size_t i = 0; i < input.gold.size(); ++i) right += input.gold[i] == input.predicted[i];
    return MetricValue{static_cast<double>(right) / static_cast<double>(input.gold.size()), false};
  }
};

GBMOA_REGISTER_METRIC("accuracy", Accuracy);

}  // namespace
}  // namespace gbmoa
