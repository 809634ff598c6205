#include "gbmoa/meta/implicit_gradient.h"

#include "absl/strings/str_cat.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

absl::StatusOr<MetaGradient> ImplicitGradientMethod::Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                                             const MetaGradientOptions& options) const {
  GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
  const InnerLoopOptions& inner = options.inner_loop;
  const double lambda = options.lambda > 0 ? options.lambda : inner.proximal;
  const at::Tensor inverse_lambda =  // D, [P]
      lambda > 0 ? at::full_like(inner.rates, 1 / lambda, at::kDouble).to(inner.rates.scalar_type())
                 : inner.rates * inner.steps;
  if (!((inverse_lambda > 0) & inverse_lambda.isfinite()).all().item<bool>()) {
    return absl::InvalidArgumentError(absl::StrCat("1/lambda is 0 or infinite in the parameters' type; lambda is ",
                                                   lambda, " (0: 1/(k alpha)), k is ", inner.steps));
  }
  const at::Tensor root = inverse_lambda.sqrt();

  MetaGradient result = ComputeFirstOrderGradient(problem, phi0, inner);
  const at::Tensor& adapted = result.adapted_parameters;  // φ′

  GBMOA_ASSIGN_OR_RETURN(const Solved solved,
                         Solve({problem, adapted, root, root * result.initial_gradient}, options.solver));
  CHECK_SHAPE(solved.w.x, {problem.num_tasks(), adapted.size(1)});
  result.initial_gradient = solved.w.x / root;
  result.solves = solved.w.systems;
  const at::Tensor pull = (adapted - phi0) / inverse_lambda;  // λ(φ′ − φ₀), [B, P]
  result.stationarity =
      ToDoubles((solved.support_gradient + pull).norm(2, {1}) / pull.norm(2, {1}).clamp_min(1e-30));  // [B]
  result.gradient_evaluations += solved.gradient_evaluations;
  return result;
}

}  // namespace gbmoa
