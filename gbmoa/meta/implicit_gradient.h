// The meta-gradient at the adapted point by implicit differentiation; no inner step is stored.
#ifndef GBMOA_META_IMPLICIT_GRADIENT_H_
#define GBMOA_META_IMPLICIT_GRADIENT_H_

#include "absl/status/statusor.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/linear_solver.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {

// dL_Q/dφ₀, given that φ′ is where the gradient of the proximal problem behind the inner loop vanishes:
//
//   φ′ ≈ argmin_φ L_S(φ) + ½ (φ − φ₀)ᵀ Λ (φ − φ₀)        H = ∇²L_S(φ′),  Λ = diag(λ)
//   (I + H Λ⁻¹) v = ∇L_Q(φ′)                              dL_Q/dψ = (∂φ₀/∂ψ)ᵀ v
//
// With D = Λ⁻¹ the symmetric form is  v = D^-½ w,  (I + D^½ H D^½) w = D^½ ∇L_Q.  D is kα for k steps at rate α, or
// 1/λ. Source: paper §3.3; Rajeswaran et al. 2019 (iMAML).
//
// This class runs the inner loop, takes ∇L_Q, builds the system, undoes the symmetric form and reports stationarity. A
// method says what H is and how it is solved for. Memory does not grow with k.
class ImplicitGradientMethod : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const final;

 protected:
  // (I + D^½ H D^½) w = b for each of B tasks.
  struct System {
    BilevelProblem& problem;
    at::Tensor phi;   // φ′, [B, P], detached
    at::Tensor root;  // D^½, [P]
    at::Tensor b;     // D^½ ∇L_Q(φ′), [B, P]
  };
  struct Solved {
    LinearSolution w;
    at::Tensor support_gradient;      // ∇L_S(φ′), [B, P]
    double gradient_evaluations = 0;  // of all of this
  };
  // Whatever the operator does, w is finite where b is, and says how it went; errors are for what the caller chose.
  virtual absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const = 0;

  // By an iterative solver on u -> u + D^½ H D^½ u. `product` is u -> Hu; its gradient() is ∇L_S(φ′), which cost a
  // gradient, and every application costs `cost` of one.
  template <typename Product>
  static Solved SolveIteratively(const System& system, LinearSolver* solver, const Product& product, double cost,
                                 const LinearSolverOptions& options) {
    Solved solved;
    solved.w =
        solver([&](const at::Tensor& u) { return u + system.root * product(system.root * u); }, system.b, options);
    solved.support_gradient = product.gradient();
    solved.gradient_evaluations = 1 + cost * solved.w.applications;
    return solved;
  }
};

}  // namespace gbmoa

#endif  // GBMOA_META_IMPLICIT_GRADIENT_H_
