// FOMAML (Finn et al. 2017): the query gradient at φ′ stands for the gradient at φ₀, as if ∂φ′/∂φ₀ were the identity.
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {
namespace {

// Cost: k + 1 gradients.
class FirstOrder : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    AdaptedPoint point = AdaptAndQuery(problem, phi0, options.inner_loop);
    MetaGradient result;
    result.initial_gradient = point.query_gradient;
    result.adapted_parameters = point.inner.adapted_parameters;
    result.first_support_loss = point.inner.first_loss;
    result.last_support_loss = point.inner.last_loss;
    result.query_loss = point.query_loss;
    result.gradient_evaluations = options.inner_loop.steps + 1;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("first_order", FirstOrder);

}  // namespace gbmoa
