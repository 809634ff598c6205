#include "gbmoa/meta/outer_loop.h"

#include <cmath>
#include <limits>
#include <set>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/meta/curriculum.h"
#include "gbmoa/meta/quadratic_problem.h"

namespace gbmoa {
namespace {

// The algorithm of the paper (Loshchilov and Hutter 2019, Algorithm 2) on plain numbers.
TEST(AdamW, EqualsTheScalarAlgorithm) {
  AdamWOptions options;
  options.weight_decay = 0.1;
  AdamW optimizer(options);
  at::Tensor x = at::tensor({1.0, -2.0}, at::kDouble);
  const at::Tensor rates = at::tensor({0.1, 0.01}, at::kDouble);
  double expected[2] = {1, -2}, m[2] = {0, 0}, s[2] = {0, 0};
  for (int t = 1; t <= 5; ++t) {
    const at::Tensor gradient = RandomNormal({2}, t);
    for (int i = 0; i < 2; ++i) {
      const double g = gradient[i].item<double>(), rate = i == 0 ? 0.1 : 0.01;
      m[i] = 0.9 * m[i] + 0.1 * g;
      s[i] = 0.999 * s[i] + 0.001 * g * g;
      const double m_hat = m[i] / (1 - std::pow(0.9, t)), s_hat = s[i] / (1 - std::pow(0.999, t));
      expected[i] -= rate * 0.1 * expected[i];
      expected[i] -= rate * m_hat / (std::sqrt(s_hat) + 1e-8);
    }
    optimizer.Step(x, gradient, rates);
    EXPECT_NEAR(x[0].item<double>(), expected[0], 1e-14);
    EXPECT_NEAR(x[1].item<double>(), expected[1], 1e-14);
  }
}

TEST(OuterLoop, LowersTheQueryLossOfAQuadratic) {
  const at::Tensor eye = at::eye(6, at::kDouble).expand({2, 6, 6});
  QuadraticProblem problem(eye, RandomNormal({2, 6}, 1), eye, RandomNormal({2, 6}, 2), RandomNormal({2, 6, 6}, 3));
  OuterLoopOptions options;
  options.steps = 200;
  options.rate = 0.05;
  options.adamw.weight_decay = 0;
  MetaGradientOptions gradient;
  gradient.inner_loop.rates = at::full({6}, 0.05, at::kDouble);
  OuterLoop loop(options, *MetaGradientRegistry::Global().Create("unrolled"));
  at::Tensor psi = at::zeros({6}, at::kDouble);
  const auto query_loss = [&] {
    return problem
        .QueryLoss(RunInnerLoop(problem, problem.InitialParameters(psi), gradient.inner_loop).adapted_parameters)
        .sum()
        .item<double>();
  };
  const double before = query_loss();
  for (int i = 0; i < 200; ++i) ASSERT_THAT(loop.Step(problem, gradient, psi), IsOk());
  // The minimum over ψ: least squares of φ′(ψ) = s + c (Gψ − s) against q, c = (1 − 0.05)⁵, both tasks stacked.
  const double c = std::pow(0.95, 5);
  const at::Tensor design = (c * problem.g).reshape({12, 6}),
                   target = (problem.q - (1 - c) * problem.s).reshape({12, 1});
  const at::Tensor best = at::matmul(at::linalg_pinv(design), target);
  const double minimum = 0.5 * (at::matmul(design, best) - target).square().sum().item<double>();
  EXPECT_LT(query_loss() - minimum, 0.01 * (before - minimum));
}

TEST(OuterLoop, RateWarmsUpAndDecays) {
  OuterLoopOptions options;
  options.steps = 110;
  options.rate = 1;
  options.warm_up = 10;
  options.final_rate = 0.1;
  const OuterLoop loop(options, nullptr);
  EXPECT_DOUBLE_EQ(loop.RateAt(0), 0.1);
  EXPECT_DOUBLE_EQ(loop.RateAt(9), 1);
  EXPECT_DOUBLE_EQ(loop.RateAt(10), 1);
  EXPECT_DOUBLE_EQ(loop.RateAt(60), 0.55);  // half of the cosine
  EXPECT_NEAR(loop.RateAt(110), 0.1, 1e-15);
}

TEST(OuterLoop, KeepsNonFiniteGradientsAwayFromPsi) {
  const at::Tensor eye = at::eye(3, at::kDouble).expand({1, 3, 3});
  QuadraticProblem problem(eye, RandomNormal({1, 3}, 1), eye * std::numeric_limits<double>::quiet_NaN(),
                           RandomNormal({1, 3}, 2), RandomNormal({1, 3, 3}, 3));
  MetaGradientOptions gradient;
  gradient.inner_loop.rates = at::full({3}, 0.05, at::kDouble);
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    OuterLoop loop({}, *MetaGradientRegistry::Global().Create(method));
    at::Tensor psi = RandomNormal({3}, 4);
    const at::Tensor before = psi.clone();
    const auto step = loop.Step(problem, gradient, psi);
    ASSERT_THAT(step, IsOk());
    EXPECT_FALSE(step->applied) << method;
    EXPECT_TRUE(at::equal(psi, before)) << method;
  }
}

TEST(Curriculum, VisitsEveryTaskOnceEasyOnesFirst) {
  constexpr int kTasks = 1000;
  const RandomStream difficulties(1, "difficulty");
  std::vector<double> difficulty(kTasks);
  for (int i = 0; i < kTasks; ++i) difficulty[i] = difficulties.Uniform(i);
  const std::vector<int64_t> order = CurriculumOrder(difficulty, {}, RandomStream(2, "order"));
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), kTasks);
  EXPECT_EQ(order, CurriculumOrder(difficulty, {}, RandomStream(2, "order")));
  EXPECT_NE(order, CurriculumOrder(difficulty, {}, RandomStream(3, "order")));
  double quarter[4] = {0, 0, 0, 0}, hardest = 0;
  for (int j = 0; j < kTasks; ++j) {
    quarter[4 * j / kTasks] += difficulty[order[j]] / (kTasks / 4);
    // At draw j only the easiest share s(t) is open; difficulties are uniform, so their quantile is the share.
    const double t = static_cast<double>(j) / kTasks;
    const double share = 0.2 + 0.8 * 0.5 * (1 - std::cos(M_PI * t));
    hardest = std::max(hardest, difficulty[order[j]] - share);
  }
  EXPECT_LT(hardest, 0.05);  // the empirical quantile of 1,000 uniforms is within .05 (Kolmogorov, p < 1e-2)
  EXPECT_LT(quarter[0], quarter[1]);
  EXPECT_LT(quarter[1], quarter[2]);
  EXPECT_LT(quarter[2], quarter[3]);
}

TEST(Curriculum, EntropyIsNormalized) {
  const float uniform[] = {0.25f, 0.25f, 0.25f, 0.25f}, certain[] = {0, 1, 0}, half[] = {0.5f, 0.5f, 0, 0};
  EXPECT_NEAR(NormalizedEntropy(uniform, 4), 1, 1e-12);
  EXPECT_EQ(NormalizedEntropy(certain, 3), 0);
  EXPECT_NEAR(NormalizedEntropy(half, 4), 0.5, 1e-12);  // ln 2 / ln 4
  EXPECT_EQ(NormalizedEntropy(certain, 1), 0);
}

}  // namespace
}  // namespace gbmoa
