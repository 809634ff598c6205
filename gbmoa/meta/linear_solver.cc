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

Lockstep::Lockstep(std::vector<double> squares)
    : squares_(std::move(squares)), active_(squares_.size(), true), summaries_(squares_.size()) {
  for (int64_t i = 0; i < size(); ++i) {
    summaries_[i].smallest_curvature = std::numeric_limits<double>::infinity();
    if (!std::isfinite(squares_[i]))
      Stop(i, Termination::kNotFinite);
    else if (squares_[i] == 0)
      Stop(i, Termination::kZeroRightHandSide);
  }
}

bool Lockstep::any_active() const {
  return std::any_of(active_.begin(), active_.end(), [](bool on) { return on; });
}

void Lockstep::Stop(int64_t i, Termination termination) {
  summaries_[i].termination = termination;
  active_[i] = false;
}

void Lockstep::Judge(int64_t i, double square, const LinearSolverOptions& options) {
  if (square <= options.tolerance * options.tolerance * squares_[i])
    Stop(i, Termination::kConverged);
  else if (square > options.divergence * options.divergence * squares_[i])
    Stop(i, Termination::kDiverged);
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
