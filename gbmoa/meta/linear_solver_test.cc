// What every solver owes: an account instead of an exception, the best it has, and neighbours left alone.
#include "gbmoa/meta/linear_solver.h"

#include <cmath>
#include <limits>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/meta/conjugate_gradient.h"
#include "gbmoa/meta/neumann_series.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

using Solver = LinearSolution (*)(const LinearOperator&, const at::Tensor&, const LinearSolverOptions&);
constexpr Solver kSolvers[] = {SolveConjugateGradient, SolveNeumannSeries};
constexpr const char* kNames[] = {"conjugate gradient", "Neumann series"};

LinearOperator Matrices(const at::Tensor& a) {  // [B, P, P]
  return [a](const at::Tensor& u) { return at::matmul(a, u.unsqueeze(-1)).squeeze(-1); };
}

LinearSolverOptions Options() {
  LinearSolverOptions options;
  options.max_iterations = 20;
  options.tolerance = 1e-10;
  return options;
}

struct Outcome {
  Termination termination;
  bool fallback;
};
struct HardCase {
  const char* name;
  std::vector<double> matrix;  // 2 x 2
  std::vector<double> b;
  Outcome outcomes[2];  // conjugate gradient, Neumann series
};

TEST(LinearSolver, SurvivesOperatorsThatItCannotSolve) {
  constexpr auto kNegative = Termination::kNegativeCurvature, kDiverged = Termination::kDiverged;
  constexpr auto kNotFinite = Termination::kNotFinite, kConverged = Termination::kConverged;
  constexpr auto kZero = Termination::kZeroRightHandSide;
  const HardCase cases[] = {
      {"negative definite", {-1, 0, 0, -1}, {1, 2}, {{kNegative, true}, {kDiverged, true}}},
      {"indefinite, first step fine", {1, 0, 0, -0.1}, {2, 1}, {{kNegative, false}, {kDiverged, false}}},
      {"zero matrix", {0, 0, 0, 0}, {1, 2}, {{kNegative, true}, {kDiverged, true}}},
      {"singular, b in its range", {1, 0, 0, 0}, {1, 0}, {{kConverged, false}, {kConverged, false}}},
      {"singular, b outside", {1, 0, 0, 0}, {0, 1}, {{kNegative, true}, {kDiverged, true}}},
      {"NaN matrix", {kNan, 0, 0, 1}, {1, 2}, {{kNotFinite, true}, {kNotFinite, true}}},
      {"infinite matrix", {kInf, 0, 0, 1}, {1, 2}, {{kNotFinite, true}, {kNotFinite, true}}},
      {"squares overflow", {1e300, 0, 0, 1e300}, {1e10, 2}, {{kNotFinite, true}, {kNotFinite, true}}},
      {"zero right-hand side", {2, 0, 0, 3}, {0, 0}, {{kZero, false}, {kZero, false}}},
      {"zero right-hand side, NaN matrix", {kNan, 0, 0, 3}, {0, 0}, {{kZero, false}, {kZero, false}}},
      {"asymmetric", {1, 50, -50, 1}, {1, 2}, {{kDiverged, true}, {kDiverged, true}}},
  };
  for (int which : {0, 1}) {
    for (const HardCase& c : cases) {
      SCOPED_TRACE(std::string(kNames[which]) + ", " + c.name);
      const Outcome& expected = c.outcomes[which];
      // A second, healthy system in the same batch must not notice.
      const at::Tensor a = at::stack({at::tensor(c.matrix, at::kDouble).view({2, 2}), 1.25 * at::eye(2, at::kDouble)});
      const at::Tensor b = at::stack({at::tensor(c.b, at::kDouble), at::tensor({3.0, 4.0}, at::kDouble)});
      const LinearSolution result = kSolvers[which](Matrices(a), b, Options());
      const SolveSummary& summary = result.systems[0];
      EXPECT_EQ(summary.termination, expected.termination) << TerminationName(summary.termination);
      EXPECT_EQ(summary.fallback, expected.fallback);
      EXPECT_TRUE(result.x.isfinite().all().item<bool>()) << result.x;
      if (summary.fallback) {
        EXPECT_EQ(MaxAbsError(result.x[0], b[0]), 0);
      }
      // No silent zero: only a zero right-hand side is answered with zero.
      EXPECT_EQ(result.x[0].norm().item<double>() == 0, expected.termination == kZero);
      // The residual is that of the answer, where it is a number at all.
      const double residual = (b[0] - at::matmul(a[0], result.x[0])).norm().item<double>() / b[0].norm().item<double>();
      if (expected.termination != kNotFinite && expected.termination != kZero) {
        EXPECT_NEAR(summary.relative_residual, residual, 1e-14 * std::max(1.0, residual));
      }
      EXPECT_EQ(result.systems[1].termination, kConverged);
      EXPECT_LT(RelativeError(result.x[1], b[1] / 1.25), 1e-10);  // the tolerance over a curvature above 1
    }
  }
}

TEST(LinearSolver, KeepsABadRightHandSideToItself) {
  for (int which : {0, 1}) {
    for (const double bad : {kNan, kInf, -kInf}) {
      const at::Tensor a = (1.25 * at::eye(2, at::kDouble)).expand({2, 2, 2});
      const at::Tensor b = at::tensor({bad, 1.0, 3.0, 4.0}, at::kDouble).view({2, 2});
      const LinearSolution result = kSolvers[which](Matrices(a), b, Options());
      EXPECT_EQ(result.systems[0].termination, Termination::kNotFinite) << kNames[which] << bad;
      EXPECT_TRUE(result.systems[0].fallback);
      EXPECT_EQ(result.systems[1].termination, Termination::kConverged);
      EXPECT_LT(RelativeError(result.x[1], b[1] / 1.25), 1e-10);
    }
  }
}

// Squares of 1e-25 are zero in float32, those of 1e200 infinite in float64; the answer scales with b all the same.
TEST(LinearSolver, ScalesWithTheRightHandSide) {
  const at::Tensor root = RandomNormal({2, 6, 6}, 1);
  const at::Tensor a = 0.5 * at::eye(6, at::kDouble) + 0.02 * at::matmul(root, root.transpose(1, 2));
  const at::Tensor b = RandomNormal({2, 6}, 2);
  struct Case {
    at::ScalarType dtype;
    int exponent;
  };
  for (int which : {0, 1}) {
    for (const Case& c : {Case{at::kDouble, -1000}, Case{at::kDouble, -498}, Case{at::kDouble, 498},
                          Case{at::kDouble, 1000}, Case{at::kFloat, -100}, Case{at::kFloat, 100}}) {
      LinearSolverOptions options = Options();
      options.max_iterations = 60;
      options.tolerance = c.dtype == at::kFloat ? 1e-5 : 1e-10;
      const double factor = std::ldexp(1.0, c.exponent);
      const LinearOperator apply = Matrices(a.to(c.dtype));
      const LinearSolution plain = kSolvers[which](apply, b.to(c.dtype), options);
      const LinearSolution scaled = kSolvers[which](apply, b.to(c.dtype) * factor, options);
      // A power of two rounds nothing.
      EXPECT_TRUE(at::equal(scaled.x, plain.x * factor)) << kNames[which] << " 2^" << c.exponent;
      for (int i : {0, 1}) {
        EXPECT_EQ(scaled.systems[i].termination, Termination::kConverged);
        EXPECT_EQ(scaled.systems[i].iterations, plain.systems[i].iterations);
        EXPECT_EQ(scaled.systems[i].relative_residual, plain.systems[i].relative_residual);
        EXPECT_EQ(scaled.systems[i].smallest_curvature, plain.systems[i].smallest_curvature);
      }
    }
  }
}

TEST(LinearSolver, RowScalesArePowersOfTwoThatCanBeInverted) {
  const double tiny = std::numeric_limits<double>::denorm_min(), huge = std::numeric_limits<double>::max();
  const at::Tensor b = at::tensor({3.0, -5.0, 0.0, 0.0, kNan, 1.0, kInf, 1.0, tiny, 0.0, huge, 1.0}, at::kDouble);
  const std::vector<double> scales = RowScales(b.view({6, 2}));
  EXPECT_EQ(scales[0], 4);
  for (int i : {1, 2, 3}) EXPECT_EQ(scales[i], 1);
  for (int i : {4, 5}) {
    EXPECT_TRUE(std::isnormal(scales[i]) && std::isnormal(1 / scales[i])) << scales[i];
  }
}

}  // namespace
}  // namespace gbmoa
