// Every meta-gradient against the closed form of a quadratic problem.
#include "gbmoa/meta/meta_gradient.h"

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/meta/quadratic_problem.h"

namespace gbmoa {
namespace {

using testing::HasSubstr;

constexpr int64_t kTasks = 2, kSize = 12, kMeta = 5;

// A positive definite, eigenvalues between about 0.1 and 3.
QuadraticProblem MakeProblem() {
  const at::Tensor r = RandomNormal({kTasks, kSize, kSize}, 1), m = RandomNormal({kTasks, kSize, kSize}, 2);
  const at::Tensor a = 0.1 * at::eye(kSize, at::kDouble) + at::matmul(r, r.transpose(1, 2)) / kSize;
  return QuadraticProblem(a, RandomNormal({kTasks, kSize}, 3), m + m.transpose(1, 2), RandomNormal({kTasks, kSize}, 4),
                          RandomNormal({kTasks, kSize, kMeta}, 5));
}

MetaGradientOptions MakeOptions(int steps) {
  MetaGradientOptions options;
  options.inner_loop.steps = steps;
  options.inner_loop.rates = at::linspace(0.02, 0.2, kSize, at::kDouble);  // a rate of its own for each parameter
  options.solver.max_iterations = 100;
  options.solver.tolerance = 1e-12;
  return options;
}

MetaGradient Compute(const std::string& method, QuadraticProblem& problem, const MetaGradientOptions& options) {
  const at::Tensor phi0 = problem.InitialParameters(RandomNormal({kMeta}, 6));
  auto made = MetaGradientRegistry::Global().Create(method);
  EXPECT_THAT(made, IsOk());
  auto result = (*made)->Compute(problem, phi0, options);
  EXPECT_THAT(result, IsOk());
  return *result;
}

at::Tensor MatVec(const at::Tensor& a, const at::Tensor& x) { return at::matmul(a, x.unsqueeze(-1)).squeeze(-1); }

// J = (I − diag(α) A)ᵏ, the Jacobian of k steps.
at::Tensor StepsJacobian(const QuadraticProblem& problem, const at::Tensor& rates, int steps) {
  return at::matrix_power(at::eye(kSize, at::kDouble) - rates.unsqueeze(1) * problem.a, steps);
}

at::Tensor AdaptedPoint(const QuadraticProblem& problem, const at::Tensor& rates, int steps) {
  const at::Tensor phi0 = at::matmul(problem.g, RandomNormal({kMeta}, 6));
  return problem.s + MatVec(StepsJacobian(problem, rates, steps), phi0 - problem.s);
}

TEST(MetaGradient, InnerLoopReachesTheClosedForm) {
  QuadraticProblem problem = MakeProblem();
  const MetaGradientOptions options = MakeOptions(5);
  const at::Tensor expected = AdaptedPoint(problem, options.inner_loop.rates, 5);
  for (const char* method : {"first_order", "implicit_cg", "unrolled"}) {
    // Five steps of a dozen roundings each.
    EXPECT_LT(RelativeError(Compute(method, problem, options).adapted_parameters, expected), 1e-14) << method;
  }
}

TEST(MetaGradient, FirstOrderIsTheQueryGradient) {
  QuadraticProblem problem = MakeProblem();
  const MetaGradientOptions options = MakeOptions(5);
  const at::Tensor phi = AdaptedPoint(problem, options.inner_loop.rates, 5);
  EXPECT_LT(
      RelativeError(Compute("first_order", problem, options).initial_gradient, MatVec(problem.m, phi - problem.q)),
      1e-14);
}

TEST(MetaGradient, UnrolledIsTheClosedForm) {
  QuadraticProblem problem = MakeProblem();
  for (const int steps : {1, 5, 20}) {
    const MetaGradientOptions options = MakeOptions(steps);
    const at::Tensor jacobian = StepsJacobian(problem, options.inner_loop.rates, steps);
    const at::Tensor phi = AdaptedPoint(problem, options.inner_loop.rates, steps);
    const at::Tensor expected = MatVec(jacobian.transpose(1, 2), MatVec(problem.m, phi - problem.q));
    EXPECT_LT(RelativeError(Compute("unrolled", problem, options).initial_gradient, expected), 1e-13) << steps;
  }
}

TEST(MetaGradient, ImplicitIsTheClosedFormWithAndWithoutItsOwnLambda) {
  QuadraticProblem problem = MakeProblem();
  for (const double lambda : {0.0, 0.7}) {
    MetaGradientOptions options = MakeOptions(5);
    options.lambda = lambda;
    const at::Tensor d = lambda > 0 ? at::full({kSize}, 1 / lambda, at::kDouble) : 5 * options.inner_loop.rates;
    const at::Tensor phi = AdaptedPoint(problem, options.inner_loop.rates, 5);
    const at::Tensor system = at::eye(kSize, at::kDouble) + problem.a * d;  // I + A D, not symmetric
    const at::Tensor expected =
        std::get<0>(at::linalg_solve_ex(system, MatVec(problem.m, phi - problem.q).unsqueeze(-1))).squeeze(-1);
    const MetaGradient result = Compute("implicit_cg", problem, options);
    // The solve stops at a residual of 1e-12; the smallest eigenvalue of the symmetric form is 1.
    EXPECT_LT(RelativeError(result.initial_gradient, expected), 1e-10) << lambda;
    for (const SolveSummary& solve : result.solves) EXPECT_EQ(solve.termination, Termination::kConverged);
    const at::Tensor phi0 = problem.InitialParameters(RandomNormal({kMeta}, 6));
    const at::Tensor pull = (phi - phi0) / d;
    for (int64_t b = 0; b < kTasks; ++b) {
      const double stationarity =
          ((MatVec(problem.a, phi - problem.s) + pull)[b].norm() / pull[b].norm()).item<double>();
      EXPECT_NEAR(result.stationarity[b], stationarity, 1e-12);
    }
  }
}

// With λ = 1/(kα) the implicit gradient stands for k steps: as the inner rate shrinks with kα fixed (k grows), the
// proximal minimum and k steps are both e-folds of the same flow, and the two gradients agree better than one-step
// FOMAML does.
TEST(MetaGradient, ImplicitIsCloserToUnrolledThanFirstOrderAndExactForSmallRates) {
  QuadraticProblem problem = MakeProblem();
  for (const double total : {1e-3, 0.1, 0.5}) {
    MetaGradientOptions options = MakeOptions(10);
    options.inner_loop.rates = at::full({kSize}, total / 10, at::kDouble);
    const at::Tensor unrolled = Compute("unrolled", problem, options).initial_gradient;
    const double implicit = RelativeError(Compute("implicit_cg", problem, options).initial_gradient, unrolled);
    const double first_order = RelativeError(Compute("first_order", problem, options).initial_gradient, unrolled);
    EXPECT_LT(implicit, 0.6 * first_order) << total;
    // (I + tA)⁻¹ − exp(−tA) is ½ (tA)² at leading order, plus t²A²/(2k) of the steps: 1e-3² · 9 is 1e-5.
    if (total == 1e-3) {
      EXPECT_LT(implicit, 1e-5);
    }
  }
}

// With kα fixed, k steps approach exp(−tA) = I − tA + (tA)²/2 ..., the proximal minimum is (I + tA)⁻¹ = I − tA + (tA)²
// ..., one step is I − tA: the more steps, the closer.
TEST(MetaGradient, ImplicitMovesTowardsUnrolledAsStepsGrow) {
  QuadraticProblem problem = MakeProblem();
  double last = 1e9;
  for (const int steps : {1, 2, 4, 8, 32}) {
    MetaGradientOptions options = MakeOptions(steps);
    options.inner_loop.rates = at::full({kSize}, 0.2 / steps, at::kDouble);
    const double error = RelativeError(Compute("implicit_cg", problem, options).initial_gradient,
                                       Compute("unrolled", problem, options).initial_gradient);
    EXPECT_LT(error, last) << steps;
    last = error;
  }
}

TEST(MetaGradient, RefusesOptionsOutsideTheirRange) {
  QuadraticProblem problem = MakeProblem();
  const at::Tensor phi0 = problem.InitialParameters(RandomNormal({kMeta}, 6));
  MetaGradientOptions no_steps = MakeOptions(0), negative = MakeOptions(5), no_rate = MakeOptions(5);
  negative.lambda = -1;
  no_rate.inner_loop.rates = at::zeros({kSize}, at::kDouble);
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    const auto made = *MetaGradientRegistry::Global().Create(method);
    const auto code = absl::StatusCode::kInvalidArgument;
    EXPECT_THAT(made->Compute(problem, phi0, no_steps), StatusIs(code, HasSubstr("got 0"))) << method;
    EXPECT_THAT(made->Compute(problem, phi0, negative), StatusIs(code, HasSubstr("got -1"))) << method;
    EXPECT_THAT(made->Compute(problem, phi0, no_rate), StatusIs(code, HasSubstr("alpha"))) << method;
  }
  EXPECT_THAT(MetaGradientRegistry::Global().Create("nonsense"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("first_order, implicit_cg, unrolled")));
}

}  // namespace
}  // namespace gbmoa
