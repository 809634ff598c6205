#include "gbmoa/meta/inner_loop.h"

#include "gbmoa/base/shape.h"
#include "gbmoa/base/to_doubles.h"

namespace gbmoa {

InnerStep TakeInnerStep(BilevelProblem& problem, const at::Tensor& phi, const at::Tensor& phi0,
                        const InnerLoopOptions& options, bool create_graph) {
  InnerStep step;
  step.loss = problem.SupportLoss(phi);  // [B]
  // Row b of the loss depends on row b of φ only: the gradient of the sum is every task's own gradient.
  at::Tensor gradient = torch::autograd::grad({step.loss.sum()}, {phi}, {}, create_graph, create_graph)[0];
  if (options.proximal > 0) {
    const at::Tensor pull = options.proximal * (phi - phi0);
    gradient = gradient + (create_graph ? pull : pull.detach());
  }
  step.next = create_graph ? phi - options.rates * gradient : phi.detach().addcmul(options.rates, gradient, -1);
  return step;
}

InnerLoopResult RunInnerLoop(BilevelProblem& problem, const at::Tensor& initial_parameters,
                             const InnerLoopOptions& options, bool create_graph) {
  CHECK_EQ(initial_parameters.dim(), 2);
  CHECK_SHAPE(options.rates, {initial_parameters.size(1)});
  InnerLoopResult result;
  at::Tensor phi = create_graph ? initial_parameters : initial_parameters.detach();
  for (int i = 0; i < options.steps; ++i) {
    if (!create_graph) phi = phi.detach().requires_grad_();
    const InnerStep step = TakeInnerStep(problem, phi, initial_parameters, options, create_graph);
    if (i == 0) result.first_loss = ToDoubles(step.loss);
    if (i == options.steps - 1) result.last_loss = ToDoubles(step.loss);
    phi = step.next;
  }
  result.adapted_parameters = create_graph ? phi : phi.detach();
  return result;
}

}  // namespace gbmoa
