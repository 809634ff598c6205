#include "gbmoa/meta/gauss_newton_product.h"

#include "gbmoa/base/shape.h"

namespace gbmoa {
namespace {

// gᵀ ∂y/∂x on a graph that stays; zeros where y does not depend on x.
at::Tensor VectorJacobian(const at::Tensor& y, const at::Tensor& x, const at::Tensor& g) {
  if (!y.requires_grad()) return at::zeros_like(x);
  const at::Tensor product = torch::autograd::grad({y}, {x}, {g}, /*retain_graph=*/true, /*create_graph=*/false,
                                                   /*allow_unused=*/true)[0];
  return product.defined() ? product : at::zeros_like(x);
}

}  // namespace

GaussNewtonProduct::GaussNewtonProduct(BilevelProblem& problem, const at::Tensor& phi)
    : phi_(phi.detach().requires_grad_()) {
  outputs_ = problem.SupportOutputs(phi_);  // [n, C]
  outputs_leaf_ = outputs_.detach().requires_grad_();
  const at::Tensor loss = problem.SupportLossOfOutputs(outputs_leaf_);  // [B]
  loss_gradient_ =
      torch::autograd::grad({loss.sum()}, {outputs_leaf_}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  // Any w would do for Jv; with w = ∇ℓ the pass gives the gradient, too.
  cotangent_ = loss_gradient_.detach().requires_grad_();
  transposed_cotangent_ =
      torch::autograd::grad({outputs_}, {phi_}, {cotangent_}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  detached_gradient_ = transposed_cotangent_.detach();
}

at::Tensor GaussNewtonProduct::Jacobian(const at::Tensor& u) const {
  CHECK_SHAPE(u, {phi_.size(0), phi_.size(1)});
  return VectorJacobian(transposed_cotangent_, cotangent_, u);
}

at::Tensor GaussNewtonProduct::LossHessian(const at::Tensor& y) const {
  CHECK(y.sizes() == outputs_.sizes()) << y.sizes() << " for outputs " << outputs_.sizes();
  return VectorJacobian(loss_gradient_, outputs_leaf_, y);
}

at::Tensor GaussNewtonProduct::TransposedJacobian(const at::Tensor& y) const {
  CHECK(y.sizes() == outputs_.sizes()) << y.sizes() << " for outputs " << outputs_.sizes();
  return VectorJacobian(outputs_, phi_, y);
}

at::Tensor GaussNewtonProduct::operator()(const at::Tensor& u) const {
  return TransposedJacobian(LossHessian(Jacobian(u)));
}

}  // namespace gbmoa
