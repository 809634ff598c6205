#include "gbmoa/meta/gauss_newton_product.h"

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/network_problem.h"
#include "gbmoa/meta/quadratic_problem.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

constexpr int64_t kTasks = 2, kSize = NetworkProblem::kSize, kExamples = NetworkProblem::kExamples,
                  kClasses = NetworkProblem::kClasses;

at::Tensor Point() { return RandomNormal({kTasks, kSize}, 3); }

// J of one task by central differences, [examples · C, P]. h = 1e-5: off by h² = 1e-10 and by rounding, 1e-16 / h.
at::Tensor DenseJacobian(NetworkProblem& problem, const at::Tensor& phi, int64_t task) {
  const at::NoGradGuard no_grad;
  const double h = 1e-5;
  std::vector<at::Tensor> columns;
  for (int64_t i = 0; i < kSize; ++i) {
    at::Tensor step = at::zeros_like(phi);
    step[task][i] = h;
    const at::Tensor change =
        (problem.SupportOutputs(phi + step) - problem.SupportOutputs(phi - step)) / (2 * h);  // [n, C]
    columns.push_back(change.narrow(0, task * kExamples, kExamples).reshape({-1}));
  }
  return at::stack(columns, 1);
}

// The Hessian of the mean cross-entropy in the logits: diag(p) − ppᵀ of each example, over their number.
at::Tensor DenseLossHessian(const at::Tensor& logits) {
  const at::Tensor p = at::softmax(logits, 1);  // [examples, C]
  at::Tensor m = at::zeros({kExamples * kClasses, kExamples * kClasses}, at::kDouble);
  for (int64_t i = 0; i < kExamples; ++i) {
    m.narrow(0, i * kClasses, kClasses).narrow(1, i * kClasses, kClasses) +=
        (p[i].diag() - at::outer(p[i], p[i])) / kExamples;
  }
  return m;
}

TEST(GaussNewtonProduct, EqualsDenseProductsOfEachTask) {
  NetworkProblem problem(kTasks);
  const at::Tensor phi = Point(), u = RandomNormal(phi.sizes(), 4);
  const GaussNewtonProduct product(problem, phi);
  const at::Tensor outputs = problem.SupportOutputs(phi), y = RandomNormal(outputs.sizes(), 5);
  const at::NoGradGuard no_grad;  // as solvers run
  const at::Tensor gu = product(u), ju = product.Jacobian(u), my = product.LossHessian(y),
                   jty = product.TransposedJacobian(y);
  for (int64_t task = 0; task < kTasks; ++task) {
    const auto of_task = [&](const at::Tensor& x) { return x.narrow(0, task * kExamples, kExamples).reshape({-1}); };
    const at::Tensor j = DenseJacobian(problem, phi, task);
    const at::Tensor m = DenseLossHessian(outputs.narrow(0, task * kExamples, kExamples));
    EXPECT_LT(RelativeError(of_task(ju), j.matmul(u[task])), 1e-8);  // central differences, see DenseJacobian
    EXPECT_LT(RelativeError(jty[task], j.t().matmul(of_task(y))), 1e-8);
    EXPECT_LT(RelativeError(of_task(my), m.matmul(of_task(y))), 1e-14);  // a formula of a dozen roundings
    EXPECT_LT(RelativeError(gu[task], j.t().matmul(m).matmul(j).matmul(u[task])), 1e-8);
  }
  EXPECT_TRUE(at::equal(product(u), gu));  // the graph stays
}

TEST(GaussNewtonProduct, IsSymmetricAndNeverNegativeWhereTheHessianIs) {
  NetworkProblem problem(kTasks);
  const at::Tensor phi = Point();
  const GaussNewtonProduct product(problem, phi);
  const SupportHessian hessian(problem, phi);
  const auto matrix = [](const auto& apply, int64_t task) {
    std::vector<at::Tensor> columns;
    for (int64_t i = 0; i < kSize; ++i) {
      at::Tensor u = at::zeros({kTasks, kSize}, at::kDouble);
      u[task][i] = 1;
      columns.push_back(apply(u)[task]);
    }
    return at::stack(columns, 1);
  };
  for (int64_t task = 0; task < kTasks; ++task) {
    const at::Tensor gauss_newton = matrix(product, task), exact = matrix(hessian, task);
    EXPECT_LT(RelativeError(gauss_newton, gauss_newton.t()), 1e-14);
    const at::Tensor eigenvalues = at::linalg_eigvalsh(gauss_newton);
    const double largest = eigenvalues.max().item<double>();
    EXPECT_GT(eigenvalues.min().item<double>(), -1e-14 * largest);                                 // rounding of zero
    EXPECT_LE((eigenvalues > 1e-12 * largest).sum().item<int64_t>(), kExamples * (kClasses - 1));  // its rank
    EXPECT_LT(at::linalg_eigvalsh(exact).min().item<double>(), -1e-3 * largest);
  }
}

TEST(GaussNewtonProduct, GivesTheGradient) {
  NetworkProblem problem(kTasks);
  const at::Tensor phi = Point().requires_grad_();
  const at::Tensor expected = torch::autograd::grad({problem.SupportLoss(phi).sum()}, {phi})[0];
  EXPECT_LT(RelativeError(GaussNewtonProduct(problem, phi).gradient(), expected), 1e-14);
}

TEST(GaussNewtonProduct, IsTheHessianOfALossThatIsQuadraticInLinearOutputs) {
  const at::Tensor root = RandomNormal({2, 4, 4}, 1), a = root + root.transpose(1, 2);
  QuadraticProblem problem(a, RandomNormal({2, 4}, 2), a, RandomNormal({2, 4}, 3), RandomNormal({2, 4, 3}, 4));
  const at::Tensor phi = RandomNormal({2, 4}, 5), u = RandomNormal({2, 4}, 6);
  EXPECT_LT(RelativeError(GaussNewtonProduct(problem, phi)(u), at::matmul(a, u.unsqueeze(-1)).squeeze(-1)), 1e-14);
}

}  // namespace
}  // namespace gbmoa
