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
    return SolveIteratively(system, SolveConjugateGradient, GaussNewtonProduct(system.problem, system.phi), 1.7,
                            options);
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_gn_cg", ConjugateGaussNewton);

}  // namespace gbmoa
