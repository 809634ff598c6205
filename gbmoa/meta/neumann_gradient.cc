// Implicit differentiation with the exact Hessian and the Neumann series Σ_j (−D^½HD^½)ʲ (Lorraine et al. 2020). It
// converges where every curvature lies within ±λ; its summary says where it does not.
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/implicit_gradient.h"
#include "gbmoa/meta/neumann_series.h"

namespace gbmoa {
namespace {

// Cost beside inner loop and query: 1 gradient that keeps its graph, about 1.5 a Hessian-vector product.
class Neumann : public ImplicitGradientMethod {
 protected:
  absl::StatusOr<Solved> Solve(const System& system, const LinearSolverOptions& options) const override {
    return SolveIteratively(system, SolveNeumannSeries, SupportHessian(system.problem, system.phi), 1.5, options);
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("neumann", Neumann);

}  // namespace gbmoa
