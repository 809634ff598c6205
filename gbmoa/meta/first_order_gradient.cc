// FOMAML (Finn et al. 2017): the query gradient at φ′ stands for the gradient at φ₀, as if ∂φ′/∂φ₀ were the identity.
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {
namespace {

class FirstOrder : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    return ComputeFirstOrderGradient(problem, phi0, options.inner_loop);
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("first_order", FirstOrder);

}  // namespace gbmoa
