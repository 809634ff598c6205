#include "gbmoa/meta/conjugate_gradient.h"

#include <algorithm>
#include <cmath>

#include "gbmoa/base/shape.h"

namespace gbmoa {

LinearSolution SolveConjugateGradient(const LinearOperator& a, const at::Tensor& b,
                                      const LinearSolverOptions& options) {
  CHECK_EQ(b.dim(), 2);
  at::NoGradGuard no_grad;
  const int64_t num_systems = b.size(0);

  LinearSolution result;
  const at::Tensor scale = RowColumn(RowScales(b), b);  // [B, 1]; everything below is in its units
  const at::Tensor unit = b / scale;                    // [B, P]
  at::Tensor x = at::zeros_like(b);                     // [B, P]
  at::Tensor r = unit;                                  // b − Ax
  at::Tensor p = unit;                                  // direction
  at::Tensor best = x;                                  // iterate of least residual
  std::vector<double> rr = RowDots(r, r);
  Lockstep systems(rr);
  const std::vector<double>& bb = systems.squares();
  std::vector<double> best_rr = bb;

  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    if (!systems.any_active()) break;
    const at::Tensor ap = a(p);  // [B, P]
    ++result.applications;
    CHECK_SHAPE(ap, {b.size(0), b.size(1)});
    const std::vector<double> p_ap = RowDots(p, ap), pp = RowDots(p, p), ap_ap = RowDots(ap, ap);

    std::vector<double> step(num_systems, 0.0);
    for (int64_t i = 0; i < num_systems; ++i) {
      if (!systems.active(i)) continue;
      SolveSummary& summary = systems.summary(i);
      if (!std::isfinite(p_ap[i]) || !std::isfinite(ap_ap[i])) {
        systems.Stop(i, Termination::kNotFinite);
        continue;
      }
      summary.smallest_curvature = std::min(summary.smallest_curvature, p_ap[i] / pp[i]);
      if (p_ap[i] <= options.curvature_guard * pp[i]) {
        systems.Stop(i, Termination::kNegativeCurvature);
        continue;
      }
      step[i] = rr[i] / p_ap[i];  //   α = rᵀr / pᵀAp
    }
    // A stopped system has α = 0; where its Ap is not finite, 0 · NaN must not reach x.
    std::vector<double> keep(num_systems);
    for (int64_t i = 0; i < num_systems; ++i) keep[i] = step[i] != 0 ? 1 : 0;
    const at::Tensor moving = RowColumn(keep, b) > 0;  // [B, 1]
    const at::Tensor alpha = RowColumn(step, b);       // [B, 1]
    x = at::where(moving, x + alpha * p, x);           //   x ← x + α p
    r = at::where(moving, r - alpha * ap, r);          //   r ← r − α Ap
    const std::vector<double> next_rr = RowDots(r, r);

    std::vector<double> beta(num_systems, 0.0), improved(num_systems, 0.0);
    for (int64_t i = 0; i < num_systems; ++i) {
      if (!systems.active(i)) continue;
      SolveSummary& summary = systems.summary(i);
      if (!std::isfinite(next_rr[i])) {
        systems.Stop(i, Termination::kNotFinite);
        continue;
      }
      ++summary.iterations;
      if (next_rr[i] < best_rr[i]) {
        best_rr[i] = next_rr[i];
        improved[i] = 1;
      }
      beta[i] = next_rr[i] / rr[i];  //   β = r′ᵀr′ / rᵀr
      rr[i] = next_rr[i];
      systems.Judge(i, rr[i], options);
    }
    best = at::where(RowColumn(improved, b) > 0, x, best);
    p = r + RowColumn(beta, b) * p;  //   p ← r + β p
  }

  // Which iterate each system answers with.
  std::vector<double> use_best(num_systems, 0.0), use_b(num_systems, 0.0);
  for (int64_t i = 0; i < num_systems; ++i) {
    SolveSummary& summary = systems.summary(i);
    const bool broken = summary.termination == Termination::kDiverged || summary.termination == Termination::kNotFinite;
    const bool nothing = summary.termination != Termination::kZeroRightHandSide &&
                         (summary.iterations == 0 || (broken && best_rr[i] == bb[i]));
    // Without any iterate the answer would be x = 0, a gradient that silently vanishes: answer with b, as if A were I.
    if (nothing) {
      use_b[i] = 1;
      summary.fallback = true;
    } else if (broken) {
      use_best[i] = 1;
    }
  }
  x = at::where(RowColumn(use_best, b) > 0, best, x);
  const at::Tensor fallback = RowColumn(use_b, b) > 0;
  x = at::where(fallback, unit, x);

  std::vector<double> residual = rr;
  if (options.recompute_residual || std::any_of(use_b.begin(), use_b.end(), [](double on) { return on > 0; }) ||
      std::any_of(use_best.begin(), use_best.end(), [](double on) { return on > 0; })) {
    const at::Tensor true_residual = unit - a(x);
    ++result.applications;
    residual = RowDots(true_residual, true_residual);
  }
  for (int64_t i = 0; i < num_systems; ++i) {
    systems.summary(i).relative_residual = bb[i] == 0 ? 0 : std::sqrt(residual[i] / bb[i]);
  }
  result.systems = systems.TakeSummaries();
  result.x = at::where(fallback, b, x * scale);
  return result;
}

}  // namespace gbmoa
