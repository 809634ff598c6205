// Reptile (Nichol et al. 2018): towards the adapted point, whatever the query set says.
#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {
namespace {

// (φ₀ − φ′) / (kα), each parameter with its own α: the mean over the k steps of the gradient that the inner loop
// followed (its proximal term included), so that outer rates mean the same as for the other methods.
// Cost: k gradients, and a forward pass of the query loss for the log: a third.
class Reptile : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    const InnerLoopOptions& inner = options.inner_loop;
    const InnerLoopResult adapted = RunInnerLoop(problem, phi0, inner);
    const at::NoGradGuard no_grad;
    MetaGradient result;
    result.adapted_parameters = adapted.adapted_parameters;
    result.initial_gradient = (phi0 - result.adapted_parameters) / (inner.rates * inner.steps);  // [B, P]
    result.first_support_loss = adapted.first_loss;
    result.last_support_loss = adapted.last_loss;
    result.query_loss = ToDoubles(problem.QueryLoss(result.adapted_parameters));
    result.gradient_evaluations = inner.steps + 1.0 / 3;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("reptile", Reptile);

}  // namespace gbmoa
