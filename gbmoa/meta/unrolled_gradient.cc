// MAML (Finn et al. 2017): the inner loop kept on the graph and differentiated through. Exact; memory grows with k.
#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {
namespace {

// Cost: k gradients forward, about 1.5 each on the way back, 1 for the query.
class Unrolled : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    const at::Tensor start = phi0.detach().requires_grad_();  // [B, P]
    const InnerLoopResult inner = RunInnerLoop(problem, start, options.inner_loop, /*create_graph=*/true);
    const at::Tensor loss = problem.QueryLoss(inner.adapted_parameters);  // [B]
    MetaGradient result;
    result.initial_gradient = torch::autograd::grad({loss.sum()}, {start})[0];
    result.adapted_parameters = inner.adapted_parameters.detach();
    result.first_support_loss = inner.first_loss;
    result.last_support_loss = inner.last_loss;
    result.query_loss = ToDoubles(loss);
    result.gradient_evaluations = 2.5 * options.inner_loop.steps + 1;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("unrolled", Unrolled);

}  // namespace gbmoa
