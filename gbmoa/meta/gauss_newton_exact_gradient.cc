// Implicit differentiation with the Gauss-Newton matrix JᵀMJ in place of the Hessian, solved exactly: its rank is at
// most |S| (C − 1), so a square system of that size will do (woodbury.h). No iteration, no curvature below 0.
#include <memory>

#include "gbmoa/base/torch.h"
#include "gbmoa/meta/implicit_gradient.h"
#include "gbmoa/meta/woodbury.h"

namespace gbmoa {
namespace {

// Cost beside inner loop and query: a forward pass, half a gradient for each of r = C − 1 directions and about one for
// the small products, where the problem keeps its Jacobian layer by layer. A dense Jacobian takes half a gradient for
// each direction of each example.
class ExactGaussNewton : public ImplicitGradientMethod {
 protected:
  absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const override {
    GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<SupportJacobian> jacobian,
                           system.problem.SupportJacobianAt(system.phi));
    Solved solved;
    solved.w = SolveWoodbury(*jacobian, system.root, system.b, options);
    solved.support_gradient = jacobian->support_gradient();
    solved.gradient_evaluations = jacobian->gradient_evaluations();
    return solved;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_gn_exact", ExactGaussNewton);

}  // namespace gbmoa
