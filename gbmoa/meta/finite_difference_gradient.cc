// Implicit differentiation with conjugate gradient on differences of gradients: for problems without second
// derivatives, or without the memory that they take.
#include <algorithm>

#include "gbmoa/base/torch.h"
#include "gbmoa/meta/conjugate_gradient.h"
#include "gbmoa/meta/finite_difference_product.h"
#include "gbmoa/meta/implicit_gradient.h"

namespace gbmoa {
namespace {

// Cost beside inner loop and query: 1 gradient, 2 a product.
class ConjugateDifferences : public ImplicitGradientMethod {
 protected:
  absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const override {
    const FiniteDifferenceProduct product(system.problem, system.phi);
    LinearSolverOptions solver = options;
    // The products' own error passes for curvature of its size, of either sign: less than that is not trusted.
    solver.curvature_guard = std::max(options.curvature_guard, product.relative_step());
    return SolveIteratively(system, SolveConjugateGradient, product, 2, solver);
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_fd", ConjugateDifferences);

}  // namespace gbmoa
