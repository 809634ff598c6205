#include "gbmoa/meta/hessian_vector_product.h"

#include "gbmoa/base/shape.h"

namespace gbmoa {

SupportHessian::SupportHessian(BilevelProblem& problem, const at::Tensor& phi) : phi_(phi.detach().requires_grad_()) {
  const at::Tensor loss = problem.SupportLoss(phi_);  // [B]
  gradient_ = torch::autograd::grad({loss.sum()}, {phi_}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  detached_gradient_ = gradient_.detach();
}

at::Tensor SupportHessian::operator()(const at::Tensor& u) const {
  CHECK_SHAPE(u, {phi_.size(0), phi_.size(1)});
  if (!gradient_.requires_grad()) return at::zeros_like(u);  // the loss is linear in φ
  const at::Tensor product =
      torch::autograd::grad({gradient_}, {phi_}, {u}, /*retain_graph=*/true, /*create_graph=*/false,
                            /*allow_unused=*/true)[0];
  return product.defined() ? product : at::zeros_like(u);
}

}  // namespace gbmoa
