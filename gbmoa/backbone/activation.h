// The encoder's activation, differentiable twice.
#ifndef GBMOA_BACKBONE_ACTIVATION_H_
#define GBMOA_BACKBONE_ACTIVATION_H_

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// GELU (Hendrycks and Gimpel 2016) of every element: x Φ(x), with the normal distribution function Φ.
//
// x is on the CPU, float32 or float64, of any shape; so is the result. In float32 the derivatives' Φ has an absolute
// error below 1e-7, in float64 it is as exact as the C library's erfc.
//
// First and second derivatives are exact (formulas in activation.cc), including second derivatives with respect to the
// incoming gradient; those asked for alone, for a Jacobian-vector product, cost less. Differentiating a third time
// throws c10::Error. The result does not depend on the number of threads.
//
// CHECKs type and device.
at::Tensor Gelu(const at::Tensor& x);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ACTIVATION_H_
