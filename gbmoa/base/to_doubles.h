// A small tensor's numbers on the C++ side: losses, norms and inner products of a batch of tasks.
#ifndef GBMOA_BASE_TO_DOUBLES_H_
#define GBMOA_BASE_TO_DOUBLES_H_

#include <vector>

#include "gbmoa/base/torch.h"

namespace gbmoa {

// All elements, row-major. The tensor may be on a graph.
inline std::vector<double> ToDoubles(const at::Tensor& values) {
  const at::Tensor copy = values.detach().to(at::kDouble).contiguous();
  return std::vector<double>(copy.const_data_ptr<double>(), copy.const_data_ptr<double>() + copy.numel());
}

}  // namespace gbmoa

#endif  // GBMOA_BASE_TO_DOUBLES_H_
