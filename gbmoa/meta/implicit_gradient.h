// The meta-gradient at the adapted point by implicit differentiation; no inner step is stored.
#ifndef GBMOA_META_IMPLICIT_GRADIENT_H_
#define GBMOA_META_IMPLICIT_GRADIENT_H_

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/conjugate_gradient.h"

namespace gbmoa {

struct ImplicitGradient {
  at::Tensor v;                      // dL_Q/dφ₀, [B, P]
  std::vector<SolveSummary> solves;  // [B]
  int applications = 0;              // Hessian-vector products
};

// dL_Q/dφ₀, given that φ′ is where the gradient of the proximal problem behind the inner loop vanishes:
//
//   φ′ ≈ argmin_φ L_S(φ) + ½ (φ − φ₀)ᵀ Λ (φ − φ₀)        H = ∇²L_S(φ′),  Λ = diag(λ)
//   (I + H Λ⁻¹) v = ∇L_Q(φ′)                              dL_Q/dψ = (∂φ₀/∂ψ)ᵀ v
//
// With D = Λ⁻¹, conjugate gradient needs the symmetric form:  v = D^-½ w,  (I + D^½ H D^½) w = D^½ ∇L_Q.
//
// query_grad      ∇L_Q(φ′), [B, P], float32 or float64, of losses in mean nats per example
// hvp             the support losses' Hessians, [B, P] -> [B, P]
// inverse_lambda  D, [P], positive: kα for k steps at rate α, or 1/λ.
// Returns v and a summary a task, which tells of too few iterations, negative curvature or NaN: facts, not errors.
// CHECKs shapes. Source: paper §3.3; Rajeswaran et al. 2019 (iMAML).
ImplicitGradient ComputeImplicitGradient(const at::Tensor& query_grad, const LinearOperator& hvp,
                                         const at::Tensor& inverse_lambda, const ConjugateGradientOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_META_IMPLICIT_GRADIENT_H_
