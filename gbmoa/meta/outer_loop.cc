#include "gbmoa/meta/outer_loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gbmoa/base/torch.h"

namespace gbmoa {

OuterLoop::OuterLoop(const OuterLoopOptions& options, std::unique_ptr<MetaGradientMethod> method)
    : options_(options), method_(std::move(method)), optimizer_(options.adamw) {}

double OuterLoop::RateAt(int64_t step) const {
  if (step < options_.warm_up)
    return options_.rate * static_cast<double>(step + 1) / static_cast<double>(options_.warm_up);
  const double span = std::max<double>(1, static_cast<double>(options_.steps - options_.warm_up));
  const double progress = std::min(1.0, static_cast<double>(step - options_.warm_up) / span);
  return options_.rate * (options_.final_rate + (1 - options_.final_rate) * 0.5 * (1 + std::cos(M_PI * progress)));
}

absl::StatusOr<OuterStep> OuterLoop::Step(BilevelProblem& problem, const MetaGradientOptions& gradient_options,
                                          at::Tensor& psi) {
  const at::Tensor psi_leaf = psi.detach().requires_grad_();
  const at::Tensor phi0 = problem.InitialParameters(psi_leaf);  // [B, P]
  OuterStep step;
  GBMOA_ASSIGN_OR_RETURN(step.meta_gradient, method_->Compute(problem, phi0.detach(), gradient_options));
  at::Tensor gradient =
      torch::autograd::grad({phi0}, {psi_leaf}, {step.meta_gradient.initial_gradient})[0].div_(problem.num_tasks());
  step.rate = RateAt(step_);
  step.gradient_norm = gradient.norm(2, {0}, false, at::kDouble).item<double>();
  ++step_;
  bool finite = std::isfinite(step.gradient_norm);
  for (const double loss : step.meta_gradient.query_loss) finite = finite && std::isfinite(loss);
  if (!finite) return step;  // a bad batch must not reach ψ
  if (options_.clip_norm > 0 && step.gradient_norm > options_.clip_norm) {
    gradient.mul_(options_.clip_norm / step.gradient_norm);
  }
  optimizer_.Step(psi, {gradient}, {step.rate});
  step.applied = true;
  return step;
}

}  // namespace gbmoa
