// u -> JᵀMJu: products with the Gauss-Newton matrix of the support loss, on one retained graph.
#ifndef GBMOA_META_GAUSS_NEWTON_PRODUCT_H_
#define GBMOA_META_GAUSS_NEWTON_PRODUCT_H_

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

//   J = ∂SupportOutputs/∂φ        M = Hessian of SupportLossOfOutputs in the outputs        H ≈ JᵀMJ
//
// JᵀMJ is positive semi-definite, because the loss is convex in the outputs; it differs from the exact Hessian by terms
// with second derivatives of the outputs. Jv is the derivative of Jᵀw by w, along v: Jᵀw is linear in w, and its graph
// is that of a backward pass, so that no operator needs forward-mode differentiation. Source: Schraudolph 2002.
//
// Cost: 1 gradient to build, about 1.7 a product. The graph lives as long as the object.
class GaussNewtonProduct {
 public:
  // phi [B, P]; its own graph is not touched.
  GaussNewtonProduct(BilevelProblem& problem, const at::Tensor& phi);

  // Every task's JᵀMJu: [B, P] -> [B, P], block-diagonal in the tasks.
  at::Tensor operator()(const at::Tensor& u) const;

  // Its three factors. u [B, P]; y [n, C] as the outputs.
  at::Tensor Jacobian(const at::Tensor& u) const;            // Ju, [n, C]
  at::Tensor LossHessian(const at::Tensor& y) const;         // My, [n, C]
  at::Tensor TransposedJacobian(const at::Tensor& y) const;  // Jᵀy, [B, P]

  const at::Tensor& gradient() const { return detached_gradient_; }  // ∇L_S(φ), [B, P]

 private:
  at::Tensor phi_;
  at::Tensor outputs_;               // on φ's graph
  at::Tensor outputs_leaf_;          // the same numbers, where the graph of the loss begins
  at::Tensor loss_gradient_;         // ∇ℓ by outputs_leaf_, on its graph
  at::Tensor cotangent_;             // w
  at::Tensor transposed_cotangent_;  // Jᵀw, on w's graph
  at::Tensor detached_gradient_;
};

}  // namespace gbmoa

#endif  // GBMOA_META_GAUSS_NEWTON_PRODUCT_H_
