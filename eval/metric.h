// Metric: a number that says how well predictions agree with the truth. One file in eval/metrics per metric, registered
// by name; classification metrics read class indices, the others real values.
#ifndef GBMOA_EVAL_METRIC_H_
#define GBMOA_EVAL_METRIC_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {

struct MetricInput {
  absl::Span<const double> gold;       // [n] class indices, or real values
  absl::Span<const double> predicted;  // [n]
  int num_classes = 0;                 // 0: real values
};

struct MetricValue {
  double value = 0;
  // The formula has no value here, or one that says little, e.g. because one class was predicted for everything.
  // `value` is then what the metric's own comment says.
  bool degenerate = false;
};

class Metric {
 public:
  virtual ~Metric() = default;
  // Errors: InvalidArgument for no examples, sides of different length, or a class outside {0, ..., num_classes - 1}.
  virtual absl::StatusOr<MetricValue> Compute(const MetricInput& input) const = 0;
};

// What every classification metric asks of its input. Errors: as Metric::Compute.
absl::Status CheckClasses(const MetricInput& input);

using MetricRegistry = Registry<Metric>;

// At the end of a metric's file: GBMOA_REGISTER_METRIC("accuracy", Accuracy);
#define GBMOA_REGISTER_METRIC(name, type)                                         \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::MetricRegistry::Global().Register(                                 \
          name, []() -> absl::StatusOr<std::unique_ptr<::gbmoa::Metric>> { return std::make_unique<type>(); })

}  // namespace gbmoa

#endif  // GBMOA_EVAL_METRIC_H_
