#include "gbmoa/meta/conjugate_gradient.h"

#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

LinearOperator Matrices(const at::Tensor& a) {  // [B, P, P]
  return [a](const at::Tensor& u) { return at::matmul(a, u.unsqueeze(-1)).squeeze(-1); };
}

TEST(ConjugateGradient, EqualsADenseSolveOfEachSystem) {
  constexpr int64_t kSystems = 3, kSize = 40;
  const at::Tensor root = RandomNormal({kSystems, kSize, kSize}, 1);
  // Eigenvalues from 1 up: I + R Rᵀ / P, with spectra of different size, so that the systems stop at different times.
  const at::Tensor scale = at::tensor({0.01, 1.0, 10.0}, at::kDouble).view({-1, 1, 1});
  const at::Tensor a = at::eye(kSize, at::kDouble) + scale * at::matmul(root, root.transpose(1, 2)) / kSize;
  const at::Tensor b = RandomNormal({kSystems, kSize}, 2);
  LinearSolverOptions options;
  options.max_iterations = 100;
  options.tolerance = 1e-12;
  const LinearSolution result = SolveConjugateGradient(Matrices(a), b, options);
  const at::Tensor expected = std::get<0>(at::linalg_solve_ex(a, b.unsqueeze(-1))).squeeze(-1);
  // The residual is 1e-12 of b and the smallest eigenvalue is 1: the error is at most that.
  EXPECT_LT(RelativeError(result.x, expected), 1e-11);
  for (const SolveSummary& summary : result.systems) {
    EXPECT_EQ(summary.termination, Termination::kConverged);
    EXPECT_LT(summary.relative_residual, 2e-12);
    EXPECT_GE(summary.smallest_curvature, 1);
    EXPECT_FALSE(summary.fallback);
  }
  EXPECT_LT(result.systems[0].iterations, result.systems[2].iterations);
}

TEST(ConjugateGradient, ReportsTheTrueResidualOfTooFewIterations) {
  const at::Tensor root = RandomNormal({1, 30, 30}, 3);
  const at::Tensor a = at::eye(30, at::kDouble) + at::matmul(root, root.transpose(1, 2));
  const at::Tensor b = RandomNormal({1, 30}, 4);
  LinearSolverOptions options;
  options.max_iterations = 4;
  options.tolerance = 0;
  const LinearSolution result = SolveConjugateGradient(Matrices(a), b, options);
  EXPECT_EQ(result.systems[0].termination, Termination::kIterationLimit);
  EXPECT_EQ(result.systems[0].iterations, 4);
  EXPECT_EQ(result.applications, 5);  // one more for the residual
  const double residual = (b - Matrices(a)(result.x)).norm().item<double>() / b.norm().item<double>();
  EXPECT_NEAR(result.systems[0].relative_residual, residual, 1e-14);
  EXPECT_GT(residual, 1e-3);
}

TEST(ConjugateGradient, OneStepIsParallelToTheRightHandSide) {
  const at::Tensor root = RandomNormal({1, 10, 10}, 5);
  const at::Tensor a = at::eye(10, at::kDouble) + at::matmul(root, root.transpose(1, 2));
  const at::Tensor b = RandomNormal({1, 10}, 6);
  LinearSolverOptions options;
  options.max_iterations = 1;
  const at::Tensor x = SolveConjugateGradient(Matrices(a), b, options).x;
  const double cosine = ((x * b).sum() / x.norm() / b.norm()).item<double>();
  EXPECT_NEAR(cosine, 1, 1e-15);
}

}  // namespace
}  // namespace gbmoa
