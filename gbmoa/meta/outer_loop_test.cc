#include "gbmoa/meta/outer_loop.h"

#include <algorithm>
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
    optimizer.Step(x, {gradient.narrow(0, 0, 1), gradient.narrow(0, 1, 1)}, {0.1, 0.01});
    EXPECT_NEAR(x[0].item<double>(), expected[0], 1e-14);
    EXPECT_NEAR(x[1].item<double>(), expected[1], 1e-14);
  }
}

TEST(AdamW, DoesNotDependOnHowTheGradientIsCut) {
  AdamW singly(AdamWOptions{}), stretches(AdamWOptions{});
  at::Tensor x = RandomNormal({1, 7}, 1);
  at::Tensor y = x.clone();
  for (int t = 2; t < 5; ++t) {
    const at::Tensor gradient = RandomNormal({1, 7}, t);
    const std::vector<at::Tensor> numbers = gradient[0].split(1);  // each a stretch of its own
    singly.Step(x, numbers, {0.1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02});
    // The second stretch has another shape and is not contiguous.
    stretches.Step(y, {gradient.narrow(1, 0, 4), gradient.narrow(1, 4, 3).expand({1, 3}).t()}, {0.1, 0.02});
    EXPECT_TRUE(at::equal(x, y));  // the same arithmetic
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
  for (int step = 0; step < 10; ++step) EXPECT_DOUBLE_EQ(loop.RateAt(step), (step + 1) / 10.0);  // linear
  EXPECT_DOUBLE_EQ(loop.RateAt(10), 1);
  EXPECT_NEAR(loop.RateAt(35), 0.1 + 0.9 * (2 + std::sqrt(2.0)) / 4, 1e-15);  // a quarter: cos² of π/8
  EXPECT_DOUBLE_EQ(loop.RateAt(60), 0.55);                                    // half of the cosine
  EXPECT_NEAR(loop.RateAt(110), 0.1, 1e-15);
  EXPECT_NEAR(loop.RateAt(1000), 0.1, 1e-15);  // beyond the schedule it stays

  options.warm_up = 0;
  EXPECT_DOUBLE_EQ(OuterLoop(options, nullptr).RateAt(0), 1);
  options.warm_up = 200;  // longer than the schedule
  EXPECT_DOUBLE_EQ(OuterLoop(options, nullptr).RateAt(109), 0.55);
}

// L_Q of two tasks that the inner loop hardly moves, so that the meta-gradient is known: with A = 0 it is
// Σ_b G_bᵀ (G_b ψ − q_b) / 2.
QuadraticProblem FlatProblem(double bad = 0) {
  const at::Tensor eye = at::eye(4, at::kDouble).expand({2, 4, 4});
  return QuadraticProblem(0 * eye, RandomNormal({2, 4}, 1), eye, RandomNormal({2, 4}, 2) + bad,
                          RandomNormal({2, 4, 5}, 3));
}

at::Tensor FlatProblemGradient(const QuadraticProblem& problem, const at::Tensor& psi) {
  const at::Tensor difference = at::matmul(problem.g, psi) - problem.q;                   // [2, 4]
  return (problem.g.transpose(1, 2).matmul(difference.unsqueeze(2))).squeeze(2).mean(0);  // [5]
}

MetaGradientOptions SmallRates() {
  MetaGradientOptions options;
  options.inner_loop.rates = at::full({4}, 0.05, at::kDouble);
  return options;
}

// AdamW's first step does not depend on the gradient's length, so clipping shows in its first moment, (1 − β₁) g.
TEST(OuterLoop, ClipsTheGlobalNormOfTheMeanGradient) {
  for (const double clip : {0.5, 2.0, 1e9, 0.0}) {
    QuadraticProblem problem = FlatProblem();
    at::Tensor psi = RandomNormal({5}, 4);
    const at::Tensor expected = FlatProblemGradient(problem, psi);
    const double norm = expected.norm().item<double>();
    ASSERT_GT(norm, 2);
    OuterLoopOptions options;
    options.clip_norm = clip;
    OuterLoop loop(options, *MetaGradientRegistry::Global().Create("first_order"));
    const auto step = loop.Step(problem, SmallRates(), psi);
    ASSERT_THAT(step, IsOk());
    EXPECT_NEAR(step->gradient_norm, norm, 1e-13 * norm) << clip;
    const at::Tensor used = loop.optimizer().first_moment() / (1 - options.adamw.beta1);
    EXPECT_NEAR(used.norm().item<double>(), clip == 0.5 || clip == 2 ? clip : norm, 1e-13 * norm) << clip;
    EXPECT_LT(RelativeError(used / used.norm(), expected / norm), 1e-13) << clip;
  }
}

// Without decay AdamW's first step is the rate times the gradient's sign; decay takes the rate's share of ψ.
TEST(OuterLoop, StepsAtTheScheduledRateWithWeightDecay) {
  for (const double decay : {0.0, 0.5}) {
    QuadraticProblem problem = FlatProblem();
    at::Tensor psi = RandomNormal({5}, 4);
    const at::Tensor before = psi.clone(), sign = FlatProblemGradient(problem, psi).sign();
    OuterLoopOptions options;
    options.rate = 0.01;
    options.warm_up = 4;
    options.adamw.weight_decay = decay;
    OuterLoop loop(options, *MetaGradientRegistry::Global().Create("first_order"));
    const auto first = loop.Step(problem, SmallRates(), psi);
    ASSERT_THAT(first, IsOk());
    EXPECT_DOUBLE_EQ(first->rate, 0.0025);
    // |g| / (|g| + 1e-8): no entry of this gradient is below 0.01 after clipping.
    EXPECT_LT(MaxAbsError(psi, before - 0.0025 * (sign + decay * before)), 1e-8) << decay;
    for (int step = 1; step < 6; ++step) {
      const auto next = loop.Step(problem, SmallRates(), psi);
      ASSERT_THAT(next, IsOk());
      EXPECT_EQ(next->rate, loop.RateAt(step)) << step;
    }
  }
}

TEST(OuterLoop, ASkippedStepLeavesTheOptimizerAsItWas) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    QuadraticProblem good = FlatProblem(), spoiled = FlatProblem(bad);
    at::Tensor psi = RandomNormal({5}, 4);
    OuterLoop loop({}, *MetaGradientRegistry::Global().Create("first_order"));
    ASSERT_TRUE(loop.Step(good, SmallRates(), psi)->applied);
    const at::Tensor before = psi.clone(), m = loop.optimizer().first_moment().clone(),
                     s = loop.optimizer().second_moment().clone();
    const auto step = loop.Step(spoiled, SmallRates(), psi);
    ASSERT_THAT(step, IsOk());
    EXPECT_FALSE(step->applied);
    EXPECT_TRUE(at::equal(psi, before));
    EXPECT_TRUE(at::equal(loop.optimizer().first_moment(), m));
    EXPECT_TRUE(at::equal(loop.optimizer().second_moment(), s));
    EXPECT_EQ(loop.optimizer().steps(), 1);
    // It has used up its place in the schedule, and the next one is a step like any other.
    const auto next = loop.Step(good, SmallRates(), psi);
    ASSERT_THAT(next, IsOk());
    EXPECT_TRUE(next->applied);
    EXPECT_EQ(next->rate, loop.RateAt(2));
    EXPECT_FALSE(at::equal(psi, before));
  }
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

// At draw j exactly the easiest max(round(s(t) N), j + 1) tasks are open, for any difficulties: none above is ever
// drawn, and over many seeds the hardest open one is.
TEST(Curriculum, OpensTasksOnTheCosineSchedule) {
  const struct {
    const char* name;
    std::vector<double> difficulty;
  } cases[] = {{"none", {}},
               {"one", {0.5}},
               {"two", {1, 0}},
               {"falling", {0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0}},
               {"ties", {0.5, 0.5, 0.1, 0.5, 0.1, 0.5, 0.5, 0.1}},
               {"one hard task first", {1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}}};
  for (const auto& test : cases) {
    const int64_t n = static_cast<int64_t>(test.difficulty.size());
    // Rank 0 is the easiest; of equals, the one that comes first.
    std::vector<int64_t> rank(n, 0);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        rank[i] += test.difficulty[j] < test.difficulty[i] || (test.difficulty[j] == test.difficulty[i] && j < i);
      }
    }
    for (const double initial_share : {0.05, 0.2, 0.6, 1.0}) {
      CurriculumOptions options;
      options.initial_share = initial_share;
      std::vector<int64_t> highest(n, -1), open(n, 0);
      for (int64_t j = 0; j < n; ++j) {
        const double half = std::sin(0.5 * M_PI * static_cast<double>(j) / static_cast<double>(n));
        const double share = initial_share + (1 - initial_share) * half * half;
        open[j] = std::max<int64_t>(j + 1, std::llround(share * static_cast<double>(n)));
        EXPECT_TRUE(j == 0 || open[j] >= open[j - 1]) << test.name;
      }
      for (uint64_t seed = 0; seed < 2000; ++seed) {
        const std::vector<int64_t> order = CurriculumOrder(test.difficulty, options, RandomStream(seed, "order"));
        ASSERT_EQ(order.size(), n);
        ASSERT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), n) << test.name;
        for (int64_t j = 0; j < n; ++j) highest[j] = std::max(highest[j], rank[order[j]]);
      }
      // Each of at most ten open tasks is drawn with probability 1/10 or more, if nobody took it before.
      for (int64_t j = 0; j < n; ++j) EXPECT_EQ(highest[j], open[j] - 1) << test.name << ", draw " << j;
    }
  }
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
