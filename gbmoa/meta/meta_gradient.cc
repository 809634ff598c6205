#include "gbmoa/meta/meta_gradient.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

absl::Status CheckMetaGradientOptions(const MetaGradientOptions& options) {
  const auto refuse = [](const char* what, double got) {
    return absl::InvalidArgumentError(absl::StrCat(what, ", got ", got));
  };
  const auto is_finite_or_zero = [](double x) { return x >= 0 && std::isfinite(x); };
  const InnerLoopOptions& inner = options.inner_loop;
  if (inner.steps < 1) return refuse("inner steps k must be at least 1", inner.steps);
  if (!is_finite_or_zero(options.lambda)) {
    return refuse("lambda must be positive and finite, or 0 for 1/(k alpha)", options.lambda);
  }
  if (!is_finite_or_zero(inner.proximal)) {
    return refuse("proximal lambda must be positive and finite, or 0 for none", inner.proximal);
  }
  if (!inner.rates.defined() || inner.rates.dim() != 1) {
    return absl::InvalidArgumentError("inner rates alpha must be a vector, one for each parameter");
  }
  const at::Tensor bad = inner.rates.masked_select(((inner.rates > 0) & inner.rates.isfinite()).logical_not());
  if (bad.numel() > 0) return refuse("every inner rate alpha must be positive and finite", bad[0].item<double>());

  const LinearSolverOptions& solver = options.solver;
  if (solver.max_iterations < 1) return refuse("solver iterations must be at least 1", solver.max_iterations);
  if (!is_finite_or_zero(solver.tolerance)) {
    return refuse("solver tolerance must be finite and not negative", solver.tolerance);
  }
  if (!(solver.curvature_guard >= 0)) return refuse("curvature guard must not be negative", solver.curvature_guard);
  if (!(solver.divergence >= 1)) return refuse("solver divergence must be at least 1", solver.divergence);
  return absl::OkStatus();
}

MetaGradient ComputeFirstOrderGradient(BilevelProblem& problem, const at::Tensor& phi0,
                                       const InnerLoopOptions& options) {
  const InnerLoopResult inner = RunInnerLoop(problem, phi0, options);
  const at::Tensor phi = inner.adapted_parameters.detach().requires_grad_();
  const at::Tensor loss = problem.QueryLoss(phi);  // [B]
  MetaGradient result;
  result.initial_gradient = torch::autograd::grad({loss.sum()}, {phi})[0];
  result.adapted_parameters = inner.adapted_parameters;
  result.first_support_loss = inner.first_loss;
  result.last_support_loss = inner.last_loss;
  result.query_loss = ToDoubles(loss);
  result.gradient_evaluations = options.steps + 1;
  return result;
}

}  // namespace gbmoa
