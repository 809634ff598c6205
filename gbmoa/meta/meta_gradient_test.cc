// Every meta-gradient against the closed form of a quadratic problem.
#include "gbmoa/meta/meta_gradient.h"

#include <cmath>
#include <functional>
#include <limits>
#include <map>

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
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
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

TEST(MetaGradient, CheckpointsChangeNothingOfUnrolled) {
  QuadraticProblem problem = MakeProblem();
  for (const int steps : {1, 5, 20}) {
    for (const double proximal : {0.0, 1.5}) {
      MetaGradientOptions options = MakeOptions(steps);
      options.inner_loop.proximal = proximal;
      const MetaGradient full = Compute("unrolled", problem, options);
      const MetaGradient checkpointed = Compute("unrolled_checkpointed", problem, options);
      EXPECT_TRUE(at::equal(checkpointed.initial_gradient, full.initial_gradient)) << steps << ", " << proximal;
      EXPECT_TRUE(at::equal(checkpointed.adapted_parameters, full.adapted_parameters));
      EXPECT_EQ(checkpointed.first_support_loss, full.first_support_loss);
      EXPECT_EQ(checkpointed.last_support_loss, full.last_support_loss);
      EXPECT_EQ(checkpointed.query_loss, full.query_loss);
    }
  }
}

// A step with the term is φ ← φ − α ∘ (A(φ − s) + λ(φ − φ₀)), so ∂φ′/∂φ₀ follows J ← (I − α(A + λ)) J + αλ.
TEST(MetaGradient, UnrolledIsTheClosedFormWithAProximalTerm) {
  QuadraticProblem problem = MakeProblem();
  const double lambda = 1.5;
  for (const int steps : {1, 5, 20}) {
    MetaGradientOptions options = MakeOptions(steps);
    options.inner_loop.proximal = lambda;
    const at::Tensor rates = options.inner_loop.rates.unsqueeze(1), eye = at::eye(kSize, at::kDouble);
    at::Tensor jacobian = eye.expand({kTasks, kSize, kSize});
    for (int i = 0; i < steps; ++i) {
      jacobian = at::matmul(eye - rates * (problem.a + lambda * eye), jacobian) + rates * lambda * eye;
    }
    const MetaGradient result = Compute("unrolled", problem, options);
    const at::Tensor query_gradient = MatVec(problem.m, result.adapted_parameters - problem.q);
    EXPECT_LT(RelativeError(result.initial_gradient, MatVec(jacobian.transpose(1, 2), query_gradient)), 1e-13);
  }
}

TEST(MetaGradient, ReptileIsTheMeanOfTheSupportGradients) {
  QuadraticProblem problem = MakeProblem();
  for (const int steps : {1, 5}) {
    const MetaGradientOptions options = MakeOptions(steps);
    at::Tensor mean = at::zeros({kTasks, kSize}, at::kDouble);
    for (int i = 0; i < steps; ++i) {
      mean += MatVec(problem.a, AdaptedPoint(problem, options.inner_loop.rates, i) - problem.s) / steps;
    }
    const MetaGradient result = Compute("reptile", problem, options);
    EXPECT_LT(RelativeError(result.initial_gradient, mean), 1e-13);  // φ₀ − φ′ cancels a digit
    EXPECT_EQ(result.query_loss, Compute("first_order", problem, options).query_loss);
    EXPECT_TRUE(result.solves.empty());
  }
}

struct ImplicitCase {
  const char* method;
  std::vector<double> lambdas;
  double tolerance;
};
// On this problem Gauss-Newton is exact. The solves stop at a residual of 1e-12, and the smallest eigenvalue of the
// symmetric form is 1; differences of gradients of size 10 at ε = 1e-5 lose 1e-16 · 10 / 1e-5 = 1e-10. The Neumann
// series needs λ above A's largest eigenvalue, which is below 5.
const ImplicitCase kImplicitCases[] = {{"implicit_cg", {0, 0.7, 10}, 1e-10},
                                       {"implicit_gn_cg", {0, 0.7, 10}, 1e-10},
                                       {"implicit_gn_exact", {0, 0.7, 10}, 1e-10},
                                       {"implicit_fd", {0, 0.7, 10}, 1e-8},
                                       {"neumann", {10}, 1e-10}};

TEST(MetaGradient, ImplicitIsTheClosedFormWithAndWithoutItsOwnLambda) {
  QuadraticProblem problem = MakeProblem();
  for (const ImplicitCase& c : kImplicitCases) {
    for (const double lambda : c.lambdas) {
      SCOPED_TRACE(std::string(c.method) + ", lambda " + std::to_string(lambda));
      MetaGradientOptions options = MakeOptions(5);
      options.lambda = lambda;
      const at::Tensor d = lambda > 0 ? at::full({kSize}, 1 / lambda, at::kDouble) : 5 * options.inner_loop.rates;
      const at::Tensor phi = AdaptedPoint(problem, options.inner_loop.rates, 5);
      const at::Tensor system = at::eye(kSize, at::kDouble) + problem.a * d;  // I + A D, not symmetric
      const at::Tensor expected =
          std::get<0>(at::linalg_solve_ex(system, MatVec(problem.m, phi - problem.q).unsqueeze(-1))).squeeze(-1);
      const MetaGradient result = Compute(c.method, problem, options);
      EXPECT_LT(RelativeError(result.initial_gradient, expected), c.tolerance);
      ASSERT_EQ(result.solves.size(), kTasks);
      const at::Tensor phi0 = problem.InitialParameters(RandomNormal({kMeta}, 6));
      const at::Tensor pull = (phi - phi0) / d;
      for (int64_t b = 0; b < kTasks; ++b) {
        EXPECT_EQ(result.solves[b].termination, Termination::kConverged);
        EXPECT_FALSE(result.solves[b].fallback);
        EXPECT_LT(result.solves[b].relative_residual, c.tolerance);
        const double stationarity =
            ((MatVec(problem.a, phi - problem.s) + pull)[b].norm() / pull[b].norm()).item<double>();
        EXPECT_NEAR(result.stationarity[b], stationarity, 1e-12);
      }
    }
  }
}

// iMAML: the inner loop has the proximal term, λ is its own by default, and at convergence implicit is exact.
TEST(MetaGradient, ImplicitIsUnrolledOnceAProximalInnerLoopHasConverged) {
  QuadraticProblem problem = MakeProblem();
  for (const ImplicitCase& c : kImplicitCases) {
    SCOPED_TRACE(c.method);
    MetaGradientOptions options = MakeOptions(200);  // a mode of curvature a shrinks by 1 − 0.08 (10 + a): 0.2^200
    options.inner_loop.rates.fill_(0.08);
    options.inner_loop.proximal = 10;
    const at::Tensor unrolled = Compute("unrolled", problem, options).initial_gradient;
    const MetaGradient result = Compute(c.method, problem, options);
    EXPECT_LT(RelativeError(result.initial_gradient, unrolled), c.tolerance);
    for (const double stationarity : result.stationarity) EXPECT_LT(stationarity, 1e-13);
    options.lambda = 9;  // a λ of one's own comes first
    EXPECT_GT(RelativeError(Compute(c.method, problem, options).initial_gradient, unrolled), 1e-3);
  }
}

// The worked example of docs/meta_gradients.md.
TEST(MetaGradient, OneParameterByHand) {
  const at::Tensor one = at::ones({1, 1}, at::kDouble), cube = at::ones({1, 1, 1}, at::kDouble);
  QuadraticProblem problem(2 * cube, one, cube, 0 * one, cube);
  MetaGradientOptions options = MakeOptions(5);
  options.inner_loop.rates = at::full({1}, 0.1, at::kDouble);
  const double adapted = 1 - std::pow(0.8, 5);  // also ∇L_Q
  const std::map<std::string, double> expected = {{"unrolled", std::pow(0.8, 5) * adapted},
                                                  {"unrolled_checkpointed", std::pow(0.8, 5) * adapted},
                                                  {"first_order", adapted},
                                                  {"implicit_cg", adapted / 2},  // λ = 1/(kα) = 2 = a
                                                  {"implicit_gn_cg", adapted / 2},
                                                  {"implicit_gn_exact", adapted / 2},
                                                  {"implicit_fd", adapted / 2},
                                                  {"reptile", -adapted / 0.5}};
  for (const auto& [method, value] : expected) {
    const auto result = (*MetaGradientRegistry::Global().Create(method))->Compute(problem, 0 * one, options);
    ASSERT_THAT(result, IsOk());
    EXPECT_NEAR(result->initial_gradient.item<double>(), value, 1e-9) << method;  // differences: 1e-10
  }
}

// Counts passes, for the reported cost.
class CountingProblem : public QuadraticProblem {
 public:
  using QuadraticProblem::QuadraticProblem;
  at::Tensor SupportOutputs(const at::Tensor& phi) override {
    return ++support_passes, QuadraticProblem::SupportOutputs(phi);
  }
  at::Tensor QueryLoss(const at::Tensor& phi) override { return ++query_passes, QuadraticProblem::QueryLoss(phi); }
  int support_passes = 0, query_passes = 0;
};

TEST(MetaGradient, ReportsWhatItCost) {
  const QuadraticProblem problem = MakeProblem();
  struct Case {
    const char* method;
    int support_passes;
    double gradient_evaluations;
  };
  // k = 5. The solvers run 3 iterations, and conjugate gradient once more for the residual.
  const Case cases[] = {
      {"first_order", 5, 5 + 1},           {"reptile", 5, 5 + 1.0 / 3},
      {"unrolled", 5, 5 + 1 + 5 * 1.5},    {"unrolled_checkpointed", 10, 10 + 1 + 5 * 1.5},
      {"implicit_cg", 6, 6 + 1 + 4 * 1.5}, {"implicit_gn_cg", 6, 6 + 1 + 4 * 1.7},
      {"neumann", 6, 6 + 1 + 3 * 1.5},     {"implicit_fd", 6 + 2 * 4, 6 + 1 + 2 * 4},
  };
  for (const Case& c : cases) {
    CountingProblem counting(problem.a, problem.s, problem.m, problem.q, problem.g);
    MetaGradientOptions options = MakeOptions(5);
    options.solver.max_iterations = 3;
    options.solver.tolerance = 0;
    const MetaGradient result = Compute(c.method, counting, options);
    EXPECT_EQ(counting.support_passes, c.support_passes) << c.method;
    EXPECT_EQ(counting.query_passes, 1) << c.method;
    EXPECT_NEAR(result.gradient_evaluations, c.gradient_evaluations, 1e-12) << c.method;
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
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  struct Case {
    const char* message;
    std::function<void(MetaGradientOptions&)> spoil;
  };
  const Case cases[] = {
      {"inner steps k must be at least 1, got 0", [](auto& o) { o.inner_loop.steps = 0; }},
      {"lambda must be positive and finite, or 0 for 1/(k alpha), got -1", [](auto& o) { o.lambda = -1; }},
      {"got nan", [&](auto& o) { o.lambda = nan; }},
      {"got inf", [&](auto& o) { o.lambda = inf; }},
      {"proximal lambda must be positive and finite, or 0 for none, got -2",
       [](auto& o) { o.inner_loop.proximal = -2; }},
      {"got nan", [&](auto& o) { o.inner_loop.proximal = nan; }},
      {"got inf", [&](auto& o) { o.inner_loop.proximal = inf; }},
      {"inner rates alpha must be a vector", [](auto& o) { o.inner_loop.rates = at::Tensor(); }},
      {"alpha must be positive and finite, got 0", [](auto& o) { o.inner_loop.rates[3] = 0; }},
      {"alpha must be positive and finite, got -0.5", [](auto& o) { o.inner_loop.rates[3] = -0.5; }},
      {"alpha must be positive and finite, got nan", [&](auto& o) { o.inner_loop.rates[3] = nan; }},
      {"alpha must be positive and finite, got inf", [&](auto& o) { o.inner_loop.rates[3] = inf; }},
      {"solver iterations must be at least 1, got 0", [](auto& o) { o.solver.max_iterations = 0; }},
      {"solver tolerance must be finite and not negative, got -0.1", [](auto& o) { o.solver.tolerance = -0.1; }},
      {"solver tolerance must be finite and not negative, got nan", [&](auto& o) { o.solver.tolerance = nan; }},
      {"curvature guard must not be negative, got nan", [&](auto& o) { o.solver.curvature_guard = nan; }},
      {"solver divergence must be at least 1, got 0.5", [](auto& o) { o.solver.divergence = 0.5; }},
  };
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    const auto made = *MetaGradientRegistry::Global().Create(method);
    for (const Case& c : cases) {
      MetaGradientOptions options = MakeOptions(5);
      c.spoil(options);
      EXPECT_THAT(made->Compute(problem, phi0, options),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
          << method;
    }
  }
  // A λ whose inverse the parameters' type cannot hold.
  MetaGradientOptions options = MakeOptions(5);
  options.inner_loop.rates = options.inner_loop.rates.to(at::kFloat);
  QuadraticProblem single(problem.a.to(at::kFloat), problem.s.to(at::kFloat), problem.m.to(at::kFloat),
                          problem.q.to(at::kFloat), problem.g.to(at::kFloat));
  for (const double lambda : {1e300, 1e-300}) {
    options.lambda = lambda;
    EXPECT_THAT((*MetaGradientRegistry::Global().Create("implicit_cg"))->Compute(single, phi0.to(at::kFloat), options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(lambda > 1 ? "1e+300" : "1e-300")));
  }
}

TEST(MetaGradient, RegistryNamesWhatThereIs) {
  const auto unknown = MetaGradientRegistry::Global().Create("nonsense");
  for (const char* name : {"first_order", "implicit_cg", "implicit_fd", "implicit_gn_cg", "implicit_gn_exact",
                           "neumann", "reptile", "unrolled", "unrolled_checkpointed"}) {
    EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  }
}

}  // namespace
}  // namespace gbmoa
