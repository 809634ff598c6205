#include "gbmoa/meta/adamw.h"

#include <cmath>

#include "gbmoa/base/torch.h"

namespace gbmoa {

void AdamW::Step(at::Tensor& parameters, const at::Tensor& gradient, const at::Tensor& rates) {
  at::NoGradGuard no_grad;
  CHECK(parameters.sizes() == gradient.sizes()) << parameters.sizes() << " against " << gradient.sizes();
  if (!m_.defined()) {
    m_ = at::zeros_like(parameters);
    s_ = at::zeros_like(parameters);
  }
  ++steps_;
  m_.lerp_(gradient, 1 - options_.beta1);
  s_.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
  const double correction1 = 1 - std::pow(options_.beta1, steps_);
  const double correction2 = 1 - std::pow(options_.beta2, steps_);
  const at::Tensor denominator = (s_.sqrt() / std::sqrt(correction2)).add_(options_.epsilon);
  parameters.sub_(parameters * rates, options_.weight_decay);
  parameters.addcdiv_(m_ * rates, denominator, -1 / correction1);
}

}  // namespace gbmoa
