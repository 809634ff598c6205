// Every method on problems that go wrong: an account instead of an exception, and no harm to the other task.
#include <cmath>
#include <limits>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/meta/meta_gradient.h"
#include "gbmoa/meta/quadratic_problem.h"

namespace gbmoa {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

// Two tasks of two parameters. Task 1 is healthy: A = diag(0.5, 0.2). φ₀ = (1, 1), s = 0, and q = 0, so that ∇L_Q is
// M φ′ with M = query_scale I for task 0.
QuadraticProblem MakeProblem(const std::vector<double>& a, double query_scale) {
  const at::Tensor eye = at::eye(2, at::kDouble), zero = at::zeros({2, 2}, at::kDouble);
  return QuadraticProblem(
      at::stack({at::tensor(a, at::kDouble).view({2, 2}), at::tensor({0.5, 0.0, 0.0, 0.2}, at::kDouble).view({2, 2})}),
      zero, at::stack({query_scale * eye, eye}), zero, at::ones({2, 2, 1}, at::kDouble));
}

MetaGradientOptions MakeOptions() {
  MetaGradientOptions options;
  options.inner_loop.steps = 2;
  options.inner_loop.rates = at::full({2}, 0.1, at::kDouble);
  options.lambda = 1;  // the system is I + A
  options.solver.max_iterations = 40;
  options.solver.tolerance = 1e-10;
  return options;
}

MetaGradient Compute(const std::string& method, QuadraticProblem problem, const MetaGradientOptions& options,
                     const at::Tensor& phi0 = at::ones({2, 2}, at::kDouble)) {
  const auto result = (*MetaGradientRegistry::Global().Create(method))->Compute(problem, phi0, options);
  EXPECT_THAT(result, IsOk()) << method;
  return *result;
}

// All that task 1's row says, bit for bit.
void ExpectSameSecondTask(const MetaGradient& result, const MetaGradient& healthy) {
  EXPECT_TRUE(at::equal(result.initial_gradient[1], healthy.initial_gradient[1]));
  EXPECT_TRUE(at::equal(result.adapted_parameters[1], healthy.adapted_parameters[1]));
  EXPECT_EQ(result.first_support_loss[1], healthy.first_support_loss[1]);
  EXPECT_EQ(result.last_support_loss[1], healthy.last_support_loss[1]);
  EXPECT_EQ(result.query_loss[1], healthy.query_loss[1]);
  ASSERT_EQ(result.solves.size(), healthy.solves.size());
  ASSERT_EQ(result.stationarity.size(), healthy.stationarity.size());
  if (healthy.solves.empty()) return;
  EXPECT_EQ(result.stationarity[1], healthy.stationarity[1]);
  const SolveSummary &solve = result.solves[1], &expected = healthy.solves[1];
  EXPECT_EQ(solve.termination, expected.termination);
  EXPECT_EQ(solve.iterations, expected.iterations);
  EXPECT_EQ(solve.relative_residual, expected.relative_residual);
  EXPECT_EQ(solve.smallest_curvature, expected.smallest_curvature);
}

const std::vector<double> kHealthy = {0.4, 0.1, 0.1, 0.3};

struct Outcome {
  Termination termination;
  bool fallback;
};
struct HardCase {
  const char* name;
  std::vector<double> a;  // task 0's
  double query_scale;
  double rate;
  Outcome conjugate_gradient, neumann;
};

// An asymmetric A has no place here: a Hessian is symmetric whatever A is. linear_solver_test.cc has it.
TEST(MetaGradientRobustness, ImplicitMethodsSurviveCurvatureThatTheyCannotSolve) {
  constexpr auto kNegative = Termination::kNegativeCurvature, kDiverged = Termination::kDiverged;
  constexpr auto kNotFinite = Termination::kNotFinite, kConverged = Termination::kConverged;
  constexpr auto kZero = Termination::kZeroRightHandSide, kLimit = Termination::kIterationLimit;
  const HardCase cases[] = {
      {"healthy", kHealthy, 1, 0.1, {kConverged, false}, {kConverged, false}},
      {"negative definite", {-3, 0, 0, -2}, 1, 0.1, {kNegative, true}, {kDiverged, true}},
      {"indefinite", {-3, 0, 0, 0.5}, 1, 0.1, {kNegative, true}, {kDiverged, true}},
      {"indefinite, first step fine", {-1.1, 0, 0, 0.5}, 1, 0.1, {kNegative, false}, {kDiverged, false}},
      // I + A = diag(0, 1.5): Neumann's terms along the first axis neither grow nor shrink.
      {"singular", {-1, 0, 0, 0.5}, 1, 0.1, {kNegative, false}, {kLimit, false}},
      {"singular to both", {-1, 0, 0, -1}, 1, 0.1, {kNegative, true}, {kDiverged, true}},
      {"no curvature", {0, 0, 0, 0}, 1, 0.1, {kConverged, false}, {kConverged, false}},
      {"squares overflow", {1e160, 0, 0, 1e160}, 1, 1e-170, {kNotFinite, true}, {kNotFinite, true}},
      {"zero query gradient", kHealthy, 0, 0.1, {kZero, false}, {kZero, false}},
      {"tiny query gradient", kHealthy, 1e-150, 0.1, {kConverged, false}, {kConverged, false}},
      {"huge query gradient", kHealthy, 1e150, 0.1, {kConverged, false}, {kConverged, false}},
  };
  for (const char* method : {"implicit_cg", "implicit_gn_cg", "implicit_fd", "neumann"}) {
    for (const HardCase& c : cases) {
      SCOPED_TRACE(std::string(method) + ", " + c.name);
      MetaGradientOptions options = MakeOptions();
      options.inner_loop.rates.fill_(c.rate);
      const MetaGradient result = Compute(method, MakeProblem(c.a, c.query_scale), options);
      const Outcome& expected = std::string(method) == "neumann" ? c.neumann : c.conjugate_gradient;
      const SolveSummary& solve = result.solves[0];
      EXPECT_EQ(solve.termination, expected.termination) << TerminationName(solve.termination);
      EXPECT_EQ(solve.fallback, expected.fallback);
      const at::Tensor gradient = result.initial_gradient[0],
                       query_gradient = c.query_scale * result.adapted_parameters[0];
      EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << gradient;
      EXPECT_EQ(gradient.abs().max().item<double>() == 0, expected.termination == kZero);  // no silent zero
      if (expected.fallback) {
        EXPECT_TRUE(at::equal(gradient, query_gradient));  // first-order instead
      }
      if (expected.termination == kConverged) {
        const at::Tensor system = at::eye(2, at::kDouble) + at::tensor(c.a, at::kDouble).view({2, 2});
        // The tolerance, or differences of gradients, over a curvature of at least 1.
        EXPECT_LT(RelativeError(at::matmul(system, gradient) / c.query_scale, query_gradient / c.query_scale), 1e-9);
      }
      ExpectSameSecondTask(result, Compute(method, MakeProblem(kHealthy, 1), options));
    }
  }
}

TEST(MetaGradientRobustness, NoMethodLetsANaNSpread) {
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    SCOPED_TRACE(method);
    const MetaGradient healthy = Compute(method, MakeProblem(kHealthy, 1), MakeOptions());
    EXPECT_TRUE(healthy.initial_gradient.isfinite().all().item<bool>());
    at::Tensor phi0 = at::ones({2, 2}, at::kDouble);
    phi0[0][1] = kNan;
    const MetaGradient results[] = {Compute(method, MakeProblem(kHealthy, 1), MakeOptions(), phi0),
                                    Compute(method, MakeProblem({kNan, 0, 0, 1}, 1), MakeOptions()),
                                    Compute(method, MakeProblem(kHealthy, kNan), MakeOptions())};
    for (const MetaGradient& result : results) {
      ExpectSameSecondTask(result, healthy);
      EXPECT_TRUE(std::isnan(result.query_loss[0]));  // by which the outer loop leaves ψ alone
      if (!result.solves.empty()) {
        EXPECT_EQ(result.solves[0].termination, Termination::kNotFinite)
            << TerminationName(result.solves[0].termination);
      }
    }
  }
}

}  // namespace
}  // namespace gbmoa
