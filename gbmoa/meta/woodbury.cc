#include "gbmoa/meta/woodbury.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gbmoa/base/shape.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

LinearSolution SolveWoodbury(const SupportJacobian& jacobian, const at::Tensor& root, const at::Tensor& unscaled_b,
                             const LinearSolverOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor scale = RowColumn(RowScales(unscaled_b), unscaled_b);  // [B, 1]
  const at::Tensor b = unscaled_b / scale;                                // [B, P]
  const std::vector<int64_t>& examples = jacobian.examples();
  const int64_t num_systems = static_cast<int64_t>(examples.size()) - 1;
  CHECK_SHAPE(b, {num_systems, root.size(0)});
  const std::vector<at::Tensor> grams = jacobian.Gram(root * root);
  const at::Tensor rb = jacobian.Times(root * b);  // [n, r]
  CHECK_SHAPE(rb, {examples.back(), jacobian.rank()});
  const std::vector<double> bb = RowDots(b, b);

  LinearSolution result;
  result.systems.resize(num_systems);
  const at::Tensor y = at::zeros_like(rb);  // [n, r]
  std::vector<double> use_b(num_systems, 0.0), yy(num_systems, 0.0);
  const auto give_up = [&](int64_t i, Termination termination) {
    use_b[i] = 1;
    result.systems[i] = {termination, 0, 0, std::numeric_limits<double>::infinity(), /*fallback=*/true};
  };
  for (int64_t i = 0; i < num_systems; ++i) {
    SolveSummary& summary = result.systems[i];
    summary.smallest_curvature = std::numeric_limits<double>::infinity();
    if (bb[i] == 0) {
      use_b[i] = 1;
      summary.termination = Termination::kZeroRightHandSide;
      continue;
    }
    const int64_t begin = examples[i], count = examples[i + 1] - begin;
    const at::Tensor rhs = rb.narrow(0, begin, count).reshape({-1, 1});  // [m, 1]
    if (!std::isfinite(bb[i]) || !grams[i].isfinite().all().item<bool>() || !rhs.isfinite().all().item<bool>()) {
      give_up(i, Termination::kNotFinite);
      continue;
    }
    const at::Tensor small = grams[i] + at::eye(grams[i].size(0), at::kDouble);  // I + RRᵀ, [m, m]
    const auto [lower, info] = at::linalg_cholesky_ex(small);
    if (info.item<int64_t>() != 0) {
      give_up(i, Termination::kNegativeCurvature);
      continue;
    }
    const at::Tensor solution = at::cholesky_solve(rhs, lower);
    y.narrow(0, begin, count).copy_(solution.view({count, jacobian.rank()}));
    yy[i] = solution.square().sum().item<double>();
    summary.termination = Termination::kConverged;
    summary.iterations = 1;
    const double rhs_norm = rhs.norm().item<double>();
    // b − Aw is Rᵀ applied to the residual of the small system.
    summary.relative_residual = rhs_norm == 0 ? 0 : (rhs - at::mm(small, solution)).norm().item<double>() / rhs_norm;
  }

  // A task that was given up may hold NaN in its rows of S, and 0 · NaN must not reach w.
  const auto keep_b = [&](const at::Tensor& w) { return at::where(RowColumn(use_b, b) > 0, b, w); };
  at::Tensor w = keep_b(b - root * jacobian.Transposed(y));  // w = b − Rᵀ y
  std::vector<double> ww = RowDots(w, w);
  for (int64_t i = 0; i < num_systems; ++i) {
    if (use_b[i] != 0) continue;
    if (std::isfinite(ww[i])) {
      result.systems[i].smallest_curvature = 1 + yy[i] / ww[i];  // Rw = Rb − RRᵀy = y
    } else {
      give_up(i, Termination::kNotFinite);
    }
  }
  w = keep_b(w);

  bool given_up = false;
  for (const SolveSummary& summary : result.systems) given_up = given_up || summary.fallback;
  if (options.recompute_residual || given_up) {
    const at::Tensor residual = b - w - root * jacobian.Transposed(jacobian.Times(root * w));  // b − Aw
    result.applications = 1;
    const std::vector<double> rr = RowDots(residual, residual);
    for (int64_t i = 0; i < num_systems; ++i) {
      SolveSummary& summary = result.systems[i];
      if (summary.termination == Termination::kZeroRightHandSide) continue;
      if (options.recompute_residual || summary.fallback) summary.relative_residual = std::sqrt(rr[i] / bb[i]);
    }
  }
  result.x = w * scale;
  return result;
}

}  // namespace gbmoa
