#include "gbmoa/meta/inner_loop.h"

#include "gbmoa/base/shape.h"
#include "gbmoa/base/to_doubles.h"

namespace gbmoa {
InnerLoopResult RunInnerLoop(BilevelProblem& problem, const at::Tensor& initial_parameters,
                             const InnerLoopOptions& options, bool create_graph) {
  CHECK_EQ(initial_parameters.dim(), 2);
  CHECK_SHAPE(options.rates, {initial_parameters.size(1)});
  InnerLoopResult result;
  at::Tensor phi = create_graph ? initial_parameters : initial_parameters.detach();
  for (int step = 0; step < options.steps; ++step) {
    if (!create_graph) phi = phi.detach().requires_grad_();
    const at::Tensor loss = problem.SupportLoss(phi);  // [B]
    // Row b of the loss depends on row b of φ only: the gradient of the sum is every task's own gradient.
    at::Tensor gradient = torch::autograd::grad({loss.sum()}, {phi}, {}, create_graph, create_graph)[0];
    if (options.proximal > 0) {
      const at::Tensor pull = options.proximal * (phi - initial_parameters);
      gradient = gradient + (create_graph ? pull : pull.detach());
    }
    if (step == 0) result.first_loss = ToDoubles(loss);
    if (step == options.steps - 1) result.last_loss = ToDoubles(loss);
    phi = create_graph ? phi - options.rates * gradient : phi.detach().addcmul(options.rates, gradient, -1);
  }
  result.adapted_parameters = create_graph ? phi : phi.detach();
  return result;
}

}  // namespace gbmoa
