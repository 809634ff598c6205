// Test-only: comparisons of tensors, and gradients by central differences.
#ifndef GBMOA_BASE_TENSOR_TESTING_H_
#define GBMOA_BASE_TENSOR_TESTING_H_

#include <functional>

#include "gbmoa/base/rng.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

// Standard normal numbers in float64, a function of the seed.
inline at::Tensor RandomNormal(at::IntArrayRef shape, uint64_t seed) {
  const RandomStream stream(seed, "test");
  at::Tensor values = at::empty(shape, at::kDouble);
  double* data = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) data[i] = stream.Normal(i);
  return values;
}

// ‖actual − expected‖ / ‖expected‖ over all elements (0 / 0 is 0).
inline double RelativeError(const at::Tensor& actual, const at::Tensor& expected) {
  const double difference = (actual - expected).to(at::kDouble).norm().item<double>();
  const double scale = expected.to(at::kDouble).norm().item<double>();
  return difference == 0 ? 0 : difference / scale;
}

inline double MaxAbsError(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual - expected).abs().max().item<double>();
}

// The gradient of a scalar function by central differences, in float64, in the shape of x.
inline at::Tensor CentralDifference(const std::function<double(const at::Tensor&)>& f, const at::Tensor& x, double h) {
  at::Tensor gradient = at::zeros_like(x);
  const at::Tensor flat = gradient.view({-1});
  for (int64_t i = 0; i < x.numel(); ++i) {
    at::Tensor up = x.detach().clone(), down = x.detach().clone();
    up.view({-1})[i] += h;
    down.view({-1})[i] -= h;
    flat[i] = (f(up) - f(down)) / (2 * h);
  }
  return gradient;
}

}  // namespace gbmoa

#endif  // GBMOA_BASE_TENSOR_TESTING_H_
