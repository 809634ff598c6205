// u -> Hu by central differences of the gradient: no second derivative, no graph that outlives a gradient.
#ifndef GBMOA_META_FINITE_DIFFERENCE_PRODUCT_H_
#define GBMOA_META_FINITE_DIFFERENCE_PRODUCT_H_

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

//   Hu ≈ (∇L_S(φ + εu) − ∇L_S(φ − εu)) / 2ε      ε = c (1 + ‖φ‖) / ‖u‖, of each task
//
// so that φ moves by c of its own length whatever the length of u. Differences are off by about ε² (third derivatives)
// and by machine epsilon / ε (rounding of the gradient); the sum is least at c = cbrt(machine epsilon), 6e-6 in float64
// and 5e-3 in float32, where it is c²: 4e-11 and 2e-5, relative to a problem of unit scale. A problem that computes in
// less precision than φ has (bfloat16 products) rounds more than that and gets noise.
//
// Cost: 2 gradients a product. Memory: that of one gradient.
class FiniteDifferenceProduct {
 public:
  // phi [B, P], float32 or float64; its own graph is not touched. `problem` must outlive this.
  FiniteDifferenceProduct(BilevelProblem& problem, const at::Tensor& phi);

  // [B, P] -> [B, P], block-diagonal in the tasks. A zero row gives zeros.
  at::Tensor operator()(const at::Tensor& u) const;

  const at::Tensor& gradient() const { return gradient_; }  // ∇L_S(φ), [B, P]
  double relative_step() const { return relative_step_; }   // c

 private:
  BilevelProblem& problem_;
  at::Tensor phi_;
  double relative_step_;
  at::Tensor length_;  // c (1 + ‖φ‖), [B, 1] float64
  at::Tensor gradient_;
};

}  // namespace gbmoa

#endif  // GBMOA_META_FINITE_DIFFERENCE_PRODUCT_H_
