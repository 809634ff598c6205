#include "gbmoa/meta/finite_difference_product.h"

#include <cmath>
#include <limits>

#include "gbmoa/base/shape.h"

namespace gbmoa {
namespace {

at::Tensor SupportGradient(BilevelProblem& problem, const at::Tensor& phi) {
  const at::AutoGradMode with_grad(true);  // solvers run without
  const at::Tensor leaf = phi.detach().requires_grad_();
  return torch::autograd::grad({problem.SupportLoss(leaf).sum()}, {leaf})[0];  // [B, P]
}

at::Tensor RowNorms(const at::Tensor& x) { return x.norm(2, {1}, /*keepdim=*/true, at::kDouble); }  // [B, 1]

}  // namespace

FiniteDifferenceProduct::FiniteDifferenceProduct(BilevelProblem& problem, const at::Tensor& phi)
    : problem_(problem), phi_(phi.detach()) {
  const bool is_double = phi.scalar_type() == at::kDouble;
  CHECK(is_double || phi.scalar_type() == at::kFloat) << phi.scalar_type();
  relative_step_ =
      std::cbrt(is_double ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon());
  length_ = relative_step_ * (1 + RowNorms(phi_));
  gradient_ = SupportGradient(problem_, phi_);
}

at::Tensor FiniteDifferenceProduct::operator()(const at::Tensor& u) const {
  CHECK_SHAPE(u, {phi_.size(0), phi_.size(1)});
  const at::NoGradGuard no_grad;
  const at::Tensor norm = RowNorms(u);  // [B, 1]
  // A zero row does not move φ whatever ε is, and its difference is 0.
  const at::Tensor epsilon = at::where(norm == 0, at::ones_like(norm), length_ / norm).to(u.scalar_type());
  const at::Tensor shift = epsilon * u;  // [B, P]
  return (SupportGradient(problem_, phi_ + shift) - SupportGradient(problem_, phi_ - shift)) / (2 * epsilon);
}

}  // namespace gbmoa
