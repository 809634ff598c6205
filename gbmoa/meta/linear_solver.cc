#include "gbmoa/meta/linear_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

std::vector<double> RowScales(const at::Tensor& b) {
  // A scale and its inverse both have to be normal numbers of b's type.
  const int limit = b.scalar_type() == at::kDouble ? std::numeric_limits<double>::max_exponent - 2
                                                   : std::numeric_limits<float>::max_exponent - 2;
  std::vector<double> scales = ToDoubles(b.abs().amax({1}));  // [B]
  for (double& scale : scales) {
    scale = std::isfinite(scale) && scale > 0 ? std::ldexp(1.0, std::clamp(std::ilogb(scale), -limit, limit)) : 1;
  }
  return scales;
}

at::Tensor RowColumn(const std::vector<double>& values, const at::Tensor& like) {
  return at::tensor(values, at::kDouble).to(like.scalar_type()).unsqueeze(1);  // [B, 1]
}

}  // namespace gbmoa
