#include "gbmoa/meta/meta_gradient.h"

#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

absl::Status CheckMetaGradientOptions(const MetaGradientOptions& options) {
  if (options.inner_loop.steps < 1) {
    return absl::InvalidArgumentError(absl::StrCat("inner steps k must be at least 1, got ", options.inner_loop.steps));
  }
  if (!(options.lambda >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("lambda must be positive, or 0 for 1/(k alpha), got ", options.lambda));
  }
  if (!(options.inner_loop.proximal >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("proximal lambda must not be negative, got ", options.inner_loop.proximal));
  }
  const at::Tensor& rates = options.inner_loop.rates;
  if (!rates.defined() || rates.dim() != 1 || !(rates > 0).all().item<bool>()) {
    return absl::InvalidArgumentError("every inner rate alpha must be positive");
  }
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
