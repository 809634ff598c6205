// φ′ from the support set: gradient descent on the support loss (paper §3.3, "inner loop").
#ifndef GBMOA_META_INNER_LOOP_H_
#define GBMOA_META_INNER_LOOP_H_

#include <vector>

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

struct InnerLoopOptions {
  int steps = 5;        // k
  at::Tensor rates;     // α, [P], positive: groups of parameters may have rates of their own
  double proximal = 0;  // λ of a term ½ λ ‖φ − φ₀‖² in the objective (iMAML); 0: none
};

struct InnerLoopResult {
  at::Tensor adapted_parameters;   // φ′, [B, P]
  std::vector<double> first_loss;  // [B] support loss at φ₀
  std::vector<double> last_loss;   // [B] support loss before the last step
};

struct InnerStep {
  at::Tensor next;  // φ − α ∘ (∇L_S(φ) + λ(φ − φ₀)), [B, P]
  at::Tensor loss;  // L_S(φ), [B]
};

// One step from phi [B, P], which requires a gradient. With `create_graph` next is on the graph of phi and phi0;
// otherwise it is detached.
InnerStep TakeInnerStep(BilevelProblem& problem, const at::Tensor& phi, const at::Tensor& phi0,
                        const InnerLoopOptions& options, bool create_graph);

// That, `steps` times from `initial_parameters` [B, P]. With `create_graph` the result
// stays on the graph of initial_parameters (memory grows with steps); otherwise it is a fresh leaf and no step is kept.
InnerLoopResult RunInnerLoop(BilevelProblem& problem, const at::Tensor& initial_parameters,
                             const InnerLoopOptions& options, bool create_graph = false);

}  // namespace gbmoa

#endif  // GBMOA_META_INNER_LOOP_H_
