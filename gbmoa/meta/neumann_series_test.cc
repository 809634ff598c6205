#include "gbmoa/meta/neumann_series.h"

#include <cmath>

#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

LinearOperator Matrices(const at::Tensor& a) {  // [B, P, P]
  return [a](const at::Tensor& u) { return at::matmul(a, u.unsqueeze(-1)).squeeze(-1); };
}

LinearOperator Diagonals(const at::Tensor& d) {  // [B, P]
  return [d](const at::Tensor& u) { return d * u; };
}

// I + K with K symmetric of the given largest |eigenvalue|, for each system; of both signs.
at::Tensor NearIdentity(const std::vector<double>& norms, int64_t size, uint64_t seed) {
  const int64_t num_systems = static_cast<int64_t>(norms.size());
  const at::Tensor random = RandomNormal({num_systems, size, size}, seed), k = random + random.transpose(1, 2);
  const at::Tensor largest = at::linalg_eigvalsh(k).abs().amax({1});  // [B]
  return at::eye(size, at::kDouble) + k * (at::tensor(norms, at::kDouble) / largest).view({-1, 1, 1});
}

TEST(NeumannSeries, EqualsADenseSolveOfEachSystem) {
  const std::vector<double> norms = {0.1, 0.5, 0.8};  // of K
  const at::Tensor a = NearIdentity(norms, 20, 1), b = RandomNormal({3, 20}, 2);
  LinearSolverOptions options;
  options.max_iterations = 200;
  options.tolerance = 1e-12;
  const LinearSolution result = SolveNeumannSeries(Matrices(a), b, options);
  const at::Tensor expected = std::get<0>(at::linalg_solve_ex(a, b.unsqueeze(-1))).squeeze(-1);
  // The residual is 1e-12 of b and the smallest eigenvalue at least 0.2.
  EXPECT_LT(RelativeError(result.x, expected), 1e-11);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(result.systems[i].termination, Termination::kConverged);
    EXPECT_NEAR(result.systems[i].smallest_curvature, 1, norms[i]);
    EXPECT_FALSE(result.systems[i].fallback);
  }
  EXPECT_LT(result.systems[0].iterations, result.systems[2].iterations);
  EXPECT_EQ(result.applications, result.systems[2].iterations);
}

TEST(NeumannSeries, SumsATermAnIterationAndKnowsItsResidual) {
  const at::Tensor a = NearIdentity({0.7}, 20, 3), b = RandomNormal({1, 20}, 4);
  const at::Tensor k = a - at::eye(20, at::kDouble);
  at::Tensor term = b, sum = at::zeros_like(b);
  for (int iterations = 1; iterations <= 4; ++iterations) {
    sum = sum + term;
    term = -Matrices(k)(term);
    LinearSolverOptions options;
    options.max_iterations = iterations;
    options.tolerance = 0;
    const LinearSolution result = SolveNeumannSeries(Matrices(a), b, options);
    EXPECT_LT(RelativeError(result.x, sum), 1e-14);  // a dozen roundings
    EXPECT_EQ(result.systems[0].termination, Termination::kIterationLimit);
    EXPECT_EQ(result.systems[0].iterations, iterations);
    EXPECT_EQ(result.applications, iterations);  // none for the residual
    const double residual = (b - Matrices(a)(result.x)).norm().item<double>() / b.norm().item<double>();
    EXPECT_NEAR(result.systems[0].relative_residual, residual, 1e-14);
    EXPECT_GT(residual, 1e-3);
  }
}

// A = diag(0.5, 2.1) and little of b along the second axis: the terms shrink at first, then grow for ever.
TEST(NeumannSeries, AnswersWithTheBestPartialSumWhenItDiverges) {
  const at::Tensor d = at::tensor({0.5, 2.1}, at::kDouble).unsqueeze(0);
  const at::Tensor b = at::tensor({1.0, 0.01}, at::kDouble).unsqueeze(0);
  // ‖tⱼ‖² = 0.25ʲ + 1e-4 · 1.21ʲ is least at j = 7, so the sum of t₀ ... t₆ is best; ‖tⱼ‖ exceeds ‖b‖ at j = 49 and
  // 10 ‖b‖ at j = 73.
  const double x0 = 2 * (1 - std::pow(0.5, 7)), x1 = 0.01 * (1 - std::pow(-1.1, 7)) / 2.1;
  const at::Tensor best = at::tensor({x0, x1}, at::kDouble).unsqueeze(0);
  struct Case {
    int max_iterations;
    Termination termination;
    int iterations;
  };
  for (const Case& c : {Case{40, Termination::kIterationLimit, 40}, Case{60, Termination::kDiverged, 60},
                        Case{100, Termination::kDiverged, 73}}) {
    LinearSolverOptions options;
    options.max_iterations = c.max_iterations;
    options.tolerance = 1e-6;
    const LinearSolution result = SolveNeumannSeries(Diagonals(d), b, options);
    EXPECT_EQ(result.systems[0].termination, c.termination) << c.max_iterations;
    EXPECT_EQ(result.systems[0].iterations, c.iterations);
    EXPECT_FALSE(result.systems[0].fallback);
    EXPECT_LT(RelativeError(result.x, best), 1e-14);
    EXPECT_NEAR(result.systems[0].relative_residual, std::sqrt((std::pow(0.25, 7) + 1e-4 * std::pow(1.21, 7)) / 1.0001),
                1e-14);
  }
}

}  // namespace
}  // namespace gbmoa
