#include "gbmoa/meta/linear_solver.h"

#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

const char* TerminationName(Termination termination) {
  switch (termination) {
    case Termination::kConverged:
      return "converged";
    case Termination::kIterationLimit:
      return "iteration limit";
    case Termination::kZeroRightHandSide:
      return "zero right-hand side";
    case Termination::kNegativeCurvature:
      return "negative curvature";
    case Termination::kDiverged:
      return "diverged";
    case Termination::kNotFinite:
      return "not finite";
  }
  return "?";
}

std::vector<double> RowDots(const at::Tensor& x, const at::Tensor& y) {
  return ToDoubles((x * y).sum(-1, /*keepdim=*/false, at::kDouble));  // [B]
}

at::Tensor RowColumn(const std::vector<double>& values, const at::Tensor& like) {
  return at::tensor(values, at::kDouble).to(like.scalar_type()).unsqueeze(1);  // [B, 1]
}

}  // namespace gbmoa
