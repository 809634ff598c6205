// Products with weights that differ by task: the adapters, the head.
#ifndef GBMOA_BACKBONE_GROUPED_LINEAR_H_
#define GBMOA_BACKBONE_GROUPED_LINEAR_H_

#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// Rows offsets[b] ... offsets[b + 1] - 1 of x go through task b's own y = x W_bᵀ + bias_b.
// x [N, in]; weight [B, out, in]; bias [B, out] or undefined; offsets [B + 1] with offsets[B] = N. Returns [N, out].
at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const std::vector<int64_t>& offsets);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_GROUPED_LINEAR_H_
