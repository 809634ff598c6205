#include "gbmoa/meta/implicit_gradient.h"

#include "gbmoa/base/shape.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {

ImplicitGradient ComputeImplicitGradient(const at::Tensor& query_grad, const LinearOperator& hvp,
                                         const at::Tensor& inverse_lambda, const ConjugateGradientOptions& options) {
  CHECK_EQ(query_grad.dim(), 2);
  CHECK_SHAPE(inverse_lambda, {query_grad.size(1)});
  const at::Tensor root = inverse_lambda.sqrt();  // D^½, [P]
  const ConjugateGradientResult solve =
      SolveConjugateGradient([&](const at::Tensor& w) { return w + root * hvp(root * w); }, root * query_grad, options);
  return {solve.x / root, solve.systems, solve.applications};
}

namespace {

// Cost: k + 1 gradients (inner steps, query), 1 more that keeps its graph, and about 1.5 a Hessian-vector product.
class ImplicitConjugateGradient : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    const InnerLoopOptions& inner = options.inner_loop;
    AdaptedPoint point = AdaptAndQuery(problem, phi0, inner);
    const at::Tensor& adapted = point.inner.adapted_parameters;

    const double lambda = options.lambda > 0 ? options.lambda : inner.proximal;
    const at::Tensor inverse_lambda =
        lambda > 0 ? at::full_like(inner.rates, 1 / lambda) : inner.rates * inner.steps;  // D, [P]
    const SupportHessian hessian(problem, adapted);
    ImplicitGradient implicit = ComputeImplicitGradient(
        point.query_gradient, [&](const at::Tensor& u) { return hessian(u); }, inverse_lambda, options.solver);

    MetaGradient result;
    result.initial_gradient = implicit.v;
    result.adapted_parameters = adapted;
    result.first_support_loss = point.inner.first_loss;
    result.last_support_loss = point.inner.last_loss;
    result.query_loss = point.query_loss;
    result.solves = implicit.solves;
    const at::Tensor pull = (adapted - phi0) / inverse_lambda;  // λ(φ′ − φ₀), [B, P]
    const at::Tensor stationarity = (hessian.gradient() + pull).norm(2, {1}) / pull.norm(2, {1}).clamp_min(1e-30);
    for (int64_t b = 0; b < stationarity.size(0); ++b) result.stationarity.push_back(stationarity[b].item<double>());
    result.gradient_evaluations = inner.steps + 2 + 1.5 * implicit.applications;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_cg", ImplicitConjugateGradient);

}  // namespace gbmoa
