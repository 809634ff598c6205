// The product with a frozen weight matrix, where an encoder spends most of its time.
#ifndef GBMOA_BACKBONE_FROZEN_LINEAR_H_
#define GBMOA_BACKBONE_FROZEN_LINEAR_H_

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// x Wᵀ + bias, differentiable in x any number of times; keeps nothing but the weight for its backward pass, whose
// product runs in the weight's type, too.
//
// x [N, in] and bias [out] (or undefined): float32 or float64. weight [out, in]: the type of x, or bfloat16 beside
// float32. Then x (and a gradient on its way back) is rounded to bfloat16 and so is the product, which accumulates in
// float32; the bias is added in float32. The relative error of a term and of the product is up to 2^-9 each.
// Returns [N, out] in the type of x.
//
// CHECKs shapes and types, and that neither weight nor bias requires a gradient, because they would get none.
at::Tensor FrozenLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_FROZEN_LINEAR_H_
