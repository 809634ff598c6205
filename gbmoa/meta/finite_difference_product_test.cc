#include "gbmoa/meta/finite_difference_product.h"

#include <limits>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/network_problem.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

constexpr int64_t kTasks = 2, kSize = NetworkProblem::kSize;

TEST(FiniteDifferenceProduct, IsTheHessianUpToItsStepSquared) {
  struct Case {
    at::ScalarType dtype;
    double tolerance;
  };
  // c² (1 + ‖φ‖)² = 36 c², times third derivatives of order 1; rounding is as large.
  for (const Case& c : {Case{at::kDouble, 2e-9}, Case{at::kFloat, 2e-3}}) {
    NetworkProblem exact(kTasks), problem(kTasks, c.dtype);
    const at::Tensor phi = RandomNormal({kTasks, kSize}, 3), u = RandomNormal({kTasks, kSize}, 4);
    const FiniteDifferenceProduct product(problem, phi.to(c.dtype));
    const SupportHessian hessian(exact, phi);
    const at::NoGradGuard no_grad;  // as solvers run
    EXPECT_LT(RelativeError(product(u.to(c.dtype)), hessian(u)), c.tolerance);
    EXPECT_LT(RelativeError(product.gradient(), hessian.gradient()), c.dtype == at::kFloat ? 1e-6 : 1e-14);
  }
}

TEST(FiniteDifferenceProduct, TakesAStepOfTheSameLengthWhateverTheDirectionsLength) {
  NetworkProblem problem(kTasks);
  const FiniteDifferenceProduct product(problem, RandomNormal({kTasks, kSize}, 3));
  const at::Tensor u = RandomNormal({kTasks, kSize}, 4);
  const at::Tensor lengths = at::tensor({0x1p-300, 0x1p300}, at::kDouble).unsqueeze(1);  // of each task its own
  EXPECT_LT(RelativeError(product(lengths * u) / lengths, product(u)), 1e-12);  // powers of two: next to no rounding
}

TEST(FiniteDifferenceProduct, ZeroGivesZeroAndNaNStaysInItsRow) {
  NetworkProblem problem(kTasks);
  const FiniteDifferenceProduct product(problem, RandomNormal({kTasks, kSize}, 3));
  const at::Tensor u = RandomNormal({kTasks, kSize}, 4), expected = product(u)[1];
  for (const double bad : {0.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    at::Tensor v = u.clone();
    v[0].fill_(bad);
    const at::Tensor result = product(v);
    EXPECT_TRUE(at::equal(result[1], expected)) << bad;
    if (bad == 0) {
      EXPECT_EQ(result[0].norm().item<double>(), 0);
    }
  }
}

}  // namespace
}  // namespace gbmoa
