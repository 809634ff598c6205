// The end of an encoder's sublayer: residual sum and layer norm (Ba et al. 2016) in one, differentiable twice.
#ifndef GBMOA_BACKBONE_LAYER_NORM_H_
#define GBMOA_BACKBONE_LAYER_NORM_H_

#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

// (s - mean(s)) / sqrt(variance(s) + eps) ∘ weight + bias of every row of s = x + y.
//
// x, y          [N, D] on the CPU, float32 or float64
// weight, bias  [D], of the same type
// Returns [N, D].
//
// With frozen weight and bias, first and second derivatives are exact (formulas in layer_norm.cc), including second
// derivatives with respect to the incoming gradient; those asked for alone, for a Jacobian-vector product, cost half.
// Differentiating a third time throws c10::Error. If weight or bias requires a gradient, LibTorch's own operators do
// the work, and all of their derivatives.
//
// A row's result depends on that row alone, NaN included, and not on the number of threads. A constant row becomes
// bias. CHECKs shapes and types.
at::Tensor ResidualLayerNorm(const at::Tensor& x, const at::Tensor& y, const LayerNormWeights& norm, double eps);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_LAYER_NORM_H_
