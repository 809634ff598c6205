// Implicit differentiation with the Gauss-Newton matrix JᵀMJ for H, solved for by conjugate gradient. Never indefinite,
// so the solve does not break down as it may on the exact Hessian.
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/conjugate_gradient.h"
#include "gbmoa/meta/gauss_newton_product.h"
#include "gbmoa/meta/implicit_gradient.h"

namespace gbmoa {
namespace {

// Cost beside inner loop and query: 1 gradient that keeps its graph, about 1.7 a product.
class ConjugateGaussNewton : public ImplicitGradientMethod {
 protected:
  absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const override {
    const GaussNewtonProduct product(system.problem, system.phi);
    Solved solved;
    solved.w =
        SolveConjugateGradient(Symmetrized(system, [&](const at::Tensor& u) { return product(u); }), system.b, options);
    solved.support_gradient = product.gradient();
    solved.gradient_evaluations = 1 + 1.7 * solved.w.applications;
    return solved;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_gn_cg", ConjugateGaussNewton);

}  // namespace gbmoa
