// Test-only: a bilevel problem whose φ*, φ′ and meta-gradient are known in closed form.
#ifndef GBMOA_META_QUADRATIC_PROBLEM_H_
#define GBMOA_META_QUADRATIC_PROBLEM_H_

#include "gbmoa/base/torch.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

//   L_S(φ) = ½ (φ − s)ᵀ A (φ − s)      L_Q(φ) = ½ (φ − q)ᵀ M (φ − q)      φ₀(ψ) = G ψ
// for each of B tasks, A and M symmetric. Then H = A, and with D = diag(1/λ):
//   k steps at rates α:  φ′ = s + (I − diag(α) A)ᵏ (φ₀ − s)
//   implicit:            dL_Q/dφ₀ = (I + A D)⁻¹ M (φ′ − q)
//   unrolled:            dL_Q/dφ₀ = ((I − diag(α) A)ᵏ)ᵀ M (φ′ − q)
class QuadraticProblem : public BilevelProblem {
 public:
  // a, m [B, P, P]; s, q [B, P]; g [B, P, Q].
  QuadraticProblem(at::Tensor a, at::Tensor s, at::Tensor m, at::Tensor q, at::Tensor g)
      : a(std::move(a)), s(std::move(s)), m(std::move(m)), q(std::move(q)), g(std::move(g)) {}

  int64_t num_tasks() const override { return a.size(0); }
  at::Tensor InitialParameters(const at::Tensor& psi) override { return at::matmul(g, psi); }
  at::Tensor SupportOutputs(const at::Tensor& phi) override { return phi - s; }
  at::Tensor SupportLossOfOutputs(const at::Tensor& outputs) override { return HalfSquare(a, outputs); }
  at::Tensor QueryLoss(const at::Tensor& phi) override { return HalfSquare(m, phi - q); }

  const at::Tensor a, s, m, q, g;

 private:
  static at::Tensor HalfSquare(const at::Tensor& matrix, const at::Tensor& x) {
    return 0.5 * (x * at::matmul(matrix, x.unsqueeze(-1)).squeeze(-1)).sum(-1);  // [B]
  }
};

}  // namespace gbmoa

#endif  // GBMOA_META_QUADRATIC_PROBLEM_H_
