#include "gbmoa/meta/conjugate_gradient.h"

#include <cmath>
#include <limits>

#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

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

struct HardCase {
  const char* name;
  std::vector<double> matrix;  // 2 x 2
  std::vector<double> b;
  Termination termination;
  bool fallback;
};

TEST(ConjugateGradient, SurvivesOperatorsThatItCannotSolve) {
  const HardCase cases[] = {
      {"negative definite", {-1, 0, 0, -1}, {1, 2}, Termination::kNegativeCurvature, true},
      {"indefinite, first step fine", {1, 0, 0, -0.1}, {2, 1}, Termination::kNegativeCurvature, false},
      {"zero matrix", {0, 0, 0, 0}, {1, 2}, Termination::kNegativeCurvature, true},
      {"singular, b in its range", {1, 0, 0, 0}, {1, 0}, Termination::kConverged, false},
      {"singular, b outside", {1, 0, 0, 0}, {0, 1}, Termination::kNegativeCurvature, true},
      {"NaN matrix", {kNan, 0, 0, 1}, {1, 2}, Termination::kNotFinite, true},
      {"infinite matrix", {1e300, 0, 0, 1e300}, {1e10, 2}, Termination::kNotFinite, true},
      {"zero right-hand side", {2, 0, 0, 3}, {0, 0}, Termination::kZeroRightHandSide, false},
      {"asymmetric", {1, 50, -50, 1}, {1, 2}, Termination::kDiverged, true},
  };
  for (const HardCase& c : cases) {
    SCOPED_TRACE(c.name);
    // A second, healthy system in the same batch must not notice.
    const at::Tensor a = at::stack({at::tensor(c.matrix, at::kDouble).view({2, 2}), 2 * at::eye(2, at::kDouble)});
    const at::Tensor b = at::stack({at::tensor(c.b, at::kDouble), at::tensor({3.0, 4.0}, at::kDouble)});
    LinearSolverOptions options;
    options.max_iterations = 20;
    options.tolerance = 1e-10;
    const LinearSolution result = SolveConjugateGradient(Matrices(a), b, options);
    EXPECT_EQ(result.systems[0].termination, c.termination) << TerminationName(result.systems[0].termination);
    EXPECT_EQ(result.systems[0].fallback, c.fallback);
    EXPECT_TRUE(result.x.isfinite().all().item<bool>()) << result.x;
    if (c.fallback) {
      EXPECT_EQ(MaxAbsError(result.x[0], b[0]), 0);
    }
    // No silent zero: only a zero right-hand side is answered with zero.
    EXPECT_EQ(result.x[0].norm().item<double>() == 0, c.termination == Termination::kZeroRightHandSide);
    EXPECT_EQ(result.systems[1].termination, Termination::kConverged);
    EXPECT_LT(RelativeError(result.x[1], b[1] / 2), 1e-15);
  }
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
