// Implicit differentiation with the exact Hessian, solved for by conjugate gradient (Rajeswaran et al. 2019, iMAML).
// The Hessian may be indefinite; the solve then ends with its last iterate, and its summary says so.
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/conjugate_gradient.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/implicit_gradient.h"

namespace gbmoa {
namespace {

// Cost beside inner loop and query: 1 gradient that keeps its graph, about 1.5 a Hessian-vector product.
class ConjugateHessian : public ImplicitGradientMethod {
 protected:
  absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const override {
    return SolveIteratively(system, SolveConjugateGradient, SupportHessian(system.problem, system.phi), 1.5, options);
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_cg", ConjugateHessian);

}  // namespace gbmoa
