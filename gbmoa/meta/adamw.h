// AdamW on a flat vector.
#ifndef GBMOA_META_ADAMW_H_
#define GBMOA_META_ADAMW_H_

#include <cstdint>
#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  // where Step is given none
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019). The state is two vectors like the parameters and a
// count; parameters may have any shape.
class AdamW {
 public:
  explicit AdamW(const AdamWOptions& options) : options_(options) {}

  // Updates `parameters` (contiguous, float32 or float64) in place, with the gradient in stretches that follow each
  // other in the parameters, each with a rate r and a weight decay w of its own; g is gradient_scale times the
  // gradient:
  //   θ ← θ − r w θ;   m ← β₁ m + (1 − β₁) g;   s ← β₂ s + (1 − β₂) g²;   θ ← θ − r m̂ / (√ŝ + ε)
  void Step(at::Tensor& parameters, const std::vector<at::Tensor>& gradients, const std::vector<double>& rates,
            const std::vector<double>& decays, double gradient_scale = 1);
  // The same with the options' weight decay for all.
  void Step(at::Tensor& parameters, const std::vector<at::Tensor>& gradients, const std::vector<double>& rates);

  int64_t steps() const { return steps_; }
  const at::Tensor& first_moment() const { return m_; }
  const at::Tensor& second_moment() const { return s_; }

 private:
  AdamWOptions options_;
  int64_t steps_ = 0;
  at::Tensor m_, s_;
};

}  // namespace gbmoa

#endif  // GBMOA_META_ADAMW_H_
