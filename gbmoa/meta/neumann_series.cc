#include "gbmoa/meta/neumann_series.h"

#include <algorithm>
#include <cmath>

#include "gbmoa/base/shape.h"

namespace gbmoa {

LinearSolution SolveNeumannSeries(const LinearOperator& a, const at::Tensor& b, const LinearSolverOptions& options) {
  CHECK_EQ(b.dim(), 2);
  at::NoGradGuard no_grad;
  const int64_t num_systems = b.size(0);

  LinearSolution result;
  const at::Tensor scale = RowColumn(RowScales(b), b);  // [B, 1]; everything below is in its units
  at::Tensor term = b / scale;                          // tⱼ, [B, P]
  at::Tensor sum = term;                                // t₀ + ... + tⱼ
  at::Tensor best = term;                               // partial sum of least residual
  Lockstep systems(RowDots(term, term));
  const std::vector<double>& bb = systems.squares();
  std::vector<double> tt = bb, best_rr = bb;
  std::vector<double> first_rr(num_systems, std::nan(""));  // of x = b

  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    if (!systems.any_active()) break;
    const at::Tensor a_term = a(term);  // [B, P]
    ++result.applications;
    CHECK_SHAPE(a_term, {b.size(0), b.size(1)});
    const at::Tensor next = term - a_term;  // tⱼ₊₁, the residual of `sum`
    const std::vector<double> t_at = RowDots(term, a_term), next_rr = RowDots(next, next);

    std::vector<double> improved(num_systems, 0.0), going(num_systems, 0.0);
    for (int64_t i = 0; i < num_systems; ++i) {
      if (!systems.active(i)) continue;
      SolveSummary& summary = systems.summary(i);
      if (!std::isfinite(t_at[i]) || !std::isfinite(next_rr[i])) {
        systems.Stop(i, Termination::kNotFinite);
        continue;
      }
      ++summary.iterations;
      summary.smallest_curvature = std::min(summary.smallest_curvature, t_at[i] / tt[i]);
      if (iteration == 0) first_rr[i] = next_rr[i];
      if (next_rr[i] < best_rr[i]) {
        best_rr[i] = next_rr[i];
        improved[i] = 1;
      }
      tt[i] = next_rr[i];
      systems.Judge(i, tt[i], options);
      going[i] = systems.active(i) ? 1 : 0;
    }
    best = at::where(RowColumn(improved, b) > 0, sum, best);
    // A stopped system's next term may be anything, NaN included; from here on it is zero.
    term = at::where(RowColumn(going, b) > 0, next, at::zeros_like(next));
    sum = sum + term;
  }

  std::vector<double> use_b(num_systems, 0.0);
  for (int64_t i = 0; i < num_systems; ++i) {
    SolveSummary& summary = systems.summary(i);
    if (systems.active(i) && tt[i] >= bb[i]) systems.Stop(i, Termination::kDiverged);
    if (summary.termination == Termination::kZeroRightHandSide) continue;
    summary.fallback = !(best_rr[i] < bb[i]);
    use_b[i] = summary.fallback ? 1 : 0;
    summary.relative_residual = std::sqrt((summary.fallback ? first_rr[i] : best_rr[i]) / bb[i]);
  }
  result.systems = systems.TakeSummaries();
  result.x = at::where(RowColumn(use_b, b) > 0, b, best * scale);
  return result;
}

}  // namespace gbmoa
