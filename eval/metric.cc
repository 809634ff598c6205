#include "eval/metric.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace gbmoa {

absl::Status CheckClasses(const MetricInput& input) {
  if (input.gold.empty()) return absl::InvalidArgumentError("no examples to score");
  if (input.gold.size() != input.predicted.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(input.gold.size(), " gold labels but ", input.predicted.size(), " predictions"));
  }
  for (const auto& [side, values] : {std::pair("gold", input.gold), std::pair("predicted", input.predicted)}) {
    for (size_t i = 0; i < values.size(); ++i) {
      // Written so that NaN fails too.
      if (!(values[i] >= 0 && values[i] < input.num_classes && values[i] == std::floor(values[i]))) {
        return absl::InvalidArgumentError(
            absl::StrCat(side, " label ", i, " is ", values[i], ", not a class of 0 to ", input.num_classes - 1));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace gbmoa
