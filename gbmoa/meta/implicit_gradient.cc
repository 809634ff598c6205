#include "gbmoa/meta/implicit_gradient.h"

#include "gbmoa/base/shape.h"
#include "gbmoa/base/to_doubles.h"
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
    MetaGradient result = ComputeFirstOrderGradient(problem, phi0, inner);
    const at::Tensor& adapted = result.adapted_parameters;

    const double lambda = options.lambda > 0 ? options.lambda : inner.proximal;
    const at::Tensor inverse_lambda =
        lambda > 0 ? at::full_like(inner.rates, 1 / lambda) : inner.rates * inner.steps;  // D, [P]
    const SupportHessian hessian(problem, adapted);
    ImplicitGradient implicit = ComputeImplicitGradient(
        result.initial_gradient, [&](const at::Tensor& u) { return hessian(u); }, inverse_lambda, options.solver);

    result.initial_gradient = implicit.v;
    result.solves = implicit.solves;
    const at::Tensor pull = (adapted - phi0) / inverse_lambda;  // λ(φ′ − φ₀), [B, P]
    result.stationarity =
        ToDoubles((hessian.gradient() + pull).norm(2, {1}) / pull.norm(2, {1}).clamp_min(1e-30));  // [B]
    // The gradient that keeps its graph, and the products.
    result.gradient_evaluations += 1 + 1.5 * implicit.applications;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("implicit_cg", ImplicitConjugateGradient);

}  // namespace gbmoa
