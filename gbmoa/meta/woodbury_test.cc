// The exact solve against closed forms of quadratic problems, and on matrices that break it.
#include "gbmoa/meta/woodbury.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/meta/meta_gradient.h"
#include "gbmoa/meta/quadratic_problem.h"

namespace gbmoa {
namespace {

constexpr int64_t kTasks = 2, kSize = 12, kRank = 7;

// Task 0 has a positive definite A, task 1 one of rank 7.
QuadraticProblem MakeProblem() {
  const at::Tensor r = RandomNormal({kSize, kSize}, 1), low = RandomNormal({kSize, kRank}, 2);
  const at::Tensor a = at::stack({0.1 * at::eye(kSize, at::kDouble) + at::mm(r, r.t()) / kSize, at::mm(low, low.t())});
  const at::Tensor m = RandomNormal({kTasks, kSize, kSize}, 3);
  return QuadraticProblem(a, RandomNormal({kTasks, kSize}, 4), m + m.transpose(1, 2), RandomNormal({kTasks, kSize}, 5),
                          RandomNormal({kTasks, kSize, 5}, 6));
}

TEST(Woodbury, MetaGradientIsTheClosedForm) {
  QuadraticProblem problem = MakeProblem();
  const at::Tensor phi0 = problem.InitialParameters(RandomNormal({5}, 7));
  for (const double lambda : {0.0, 0.7}) {
    MetaGradientOptions options;
    options.inner_loop.steps = 5;
    options.inner_loop.rates = at::linspace(0.02, 0.2, kSize, at::kDouble);
    options.lambda = lambda;
    const at::Tensor d = lambda > 0 ? at::full({kSize}, 1 / lambda, at::kDouble) : 5 * options.inner_loop.rates;
    const auto result = (*MetaGradientRegistry::Global().Create("implicit_gn_exact"))->Compute(problem, phi0, options);
    ASSERT_THAT(result, IsOk());
    const at::Tensor phi = result->adapted_parameters, pull = (phi - phi0) / d;
    for (int64_t b = 0; b < kTasks; ++b) {
      // dL_Q/dφ₀ = (I + A D)⁻¹ M (φ′ − q): the Gauss-Newton matrix is the Hessian.
      const at::Tensor system = at::eye(kSize, at::kDouble) + problem.a[b] * d;
      const at::Tensor query = at::mv(problem.m[b], phi[b] - problem.q[b]);
      const at::Tensor expected = std::get<0>(at::linalg_solve_ex(system, query.unsqueeze(1))).squeeze(1);
      EXPECT_LT(RelativeError(result->initial_gradient[b], expected), 1e-12) << lambda;  // eps times a condition of 100
      EXPECT_LT(result->solves[b].relative_residual, 1e-13);
      EXPECT_GE(result->solves[b].smallest_curvature, 1);
      const at::Tensor support = at::mv(problem.a[b], phi[b] - problem.s[b]);
      EXPECT_NEAR(result->stationarity[b], ((support + pull[b]).norm() / pull[b].norm()).item<double>(), 1e-12);
    }
  }
}

// Rows that are given, one example a task with kRank directions.
class GivenRows : public SupportJacobian {
 public:
  explicit GivenRows(at::Tensor rows) : rows_(std::move(rows)) {  // [B, r, P]
    for (int64_t b = 0; b <= rows_.size(0); ++b) examples_.push_back(b);
  }
  int64_t rank() const override { return rows_.size(1); }
  const std::vector<int64_t>& examples() const override { return examples_; }
  at::Tensor Times(const at::Tensor& v) const override {
    return at::bmm(rows_, v.unsqueeze(2)).squeeze(2).to(at::kDouble);
  }
  at::Tensor Transposed(const at::Tensor& y) const override {
    return at::bmm(y.to(rows_.scalar_type()).unsqueeze(1), rows_).squeeze(1);
  }
  std::vector<at::Tensor> Gram(const at::Tensor& d) const override {
    return at::bmm(rows_ * d, rows_.transpose(1, 2)).to(at::kDouble).unbind();
  }
  at::Tensor support_gradient() const override { return {}; }
  double gradient_evaluations() const override { return 0; }

 private:
  at::Tensor rows_;
  std::vector<int64_t> examples_;
};

// Each task's fate is its own; the first is always well.
TEST(Woodbury, TasksFailAlone) {
  struct Case {
    const char* name;
    double row, b;  // one entry of S and one of b; NaN, infinite or extreme
    Termination termination;
    bool fallback;
  };
  const double nan = std::nan(""), infinity = HUGE_VAL;
  const Case cases[] = {
      {"healthy", 0.5, 0.5, Termination::kConverged, false},
      {"NaN in S", nan, 0.5, Termination::kNotFinite, true},
      {"infinity in S", infinity, 0.5, Termination::kNotFinite, true},
      {"S whose square overflows", 1e200, 0.5, Termination::kNotFinite, true},
      {"NaN in b", 0.5, nan, Termination::kNotFinite, true},
      {"infinity in b", 0.5, -infinity, Termination::kNotFinite, true},
  };
  const at::Tensor root = at::linspace(0.5, 1.5, kSize, at::kDouble);
  const at::Tensor rows = RandomNormal({kTasks, kRank, kSize}, 1), b = RandomNormal({kTasks, kSize}, 2);
  const at::Tensor expected = SolveWoodbury(GivenRows(rows), root, b, {}).x[0];
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    at::Tensor poisoned_rows = rows.clone(), poisoned_b = b.clone();
    poisoned_rows[1][2][3] = test.row;
    poisoned_b[1][4] = test.b;
    for (const bool recompute : {true, false}) {
      LinearSolverOptions options;
      options.recompute_residual = recompute;
      const LinearSolution solution = SolveWoodbury(GivenRows(poisoned_rows), root, poisoned_b, options);
      EXPECT_TRUE(at::equal(solution.x[0], expected));
      EXPECT_EQ(solution.systems[0].termination, Termination::kConverged);
      EXPECT_LT(solution.systems[0].relative_residual, 1e-13);
      EXPECT_EQ(solution.systems[1].termination, test.termination);
      EXPECT_EQ(solution.systems[1].fallback, test.fallback);
      EXPECT_EQ(solution.systems[1].iterations, test.fallback ? 0 : 1);
      if (test.fallback) {
        EXPECT_TRUE(at::allclose(solution.x[1], poisoned_b[1], 0, 0, /*equal_nan=*/true));
      } else {
        EXPECT_EQ(solution.applications, recompute ? 1 : 0);
      }
    }
  }
}

TEST(Woodbury, ZeroAndTinyRightHandSides) {
  const at::Tensor rows = RandomNormal({kTasks, kRank, kSize}, 1).to(at::kFloat);
  const at::Tensor root = at::ones({kSize}, at::kFloat);
  at::Tensor b = RandomNormal({kTasks, kSize}, 2).to(at::kFloat);
  const LinearSolution usual = SolveWoodbury(GivenRows(rows), root, b, {});
  b[0].zero_();
  b[1] *= std::ldexp(1.0f, -100);  // squares vanish in float32
  const LinearSolution solution = SolveWoodbury(GivenRows(rows), root, b, {});
  EXPECT_EQ(solution.systems[0].termination, Termination::kZeroRightHandSide);
  EXPECT_FALSE(solution.systems[0].fallback);
  EXPECT_EQ(solution.x[0].abs().max().item<float>(), 0);
  EXPECT_EQ(solution.systems[1].termination, Termination::kConverged);
  EXPECT_TRUE(at::equal(solution.x[1], usual.x[1] * std::ldexp(1.0f, -100)));  // a power of two changes no digit
}

// RRᵀ of 1e20 in its rounding has eigenvalues below −1.
TEST(Woodbury, RoundingThatHidesTheIdentity) {
  at::Tensor rows = RandomNormal({1, kSize, 4}, 1);  // twelve rows of rank 4
  const LinearSolution solution =
      SolveWoodbury(GivenRows(1e10 * rows), at::ones({4}, at::kDouble), RandomNormal({1, 4}, 2), {});
  EXPECT_EQ(solution.systems[0].termination, Termination::kNegativeCurvature);
  EXPECT_TRUE(solution.systems[0].fallback);
  EXPECT_TRUE(at::equal(solution.x, RandomNormal({1, 4}, 2)));
}

TEST(FactorOutputCurvature, OfCrossEntropyAndOfALossThatIsLinearInPart) {
  const at::Tensor outputs = RandomNormal({5, 3}, 1);
  const std::vector<int64_t> examples = {0, 2, 5};
  const at::Tensor weights = at::tensor({0.5, 0.5, 0.2, 0.3, 0.4}, at::kDouble);
  const auto per_task = [&](const at::Tensor& losses) {
    const at::Tensor weighted = losses * weights;
    return at::stack({weighted.narrow(0, 0, 2).sum(), weighted.narrow(0, 2, 3).sum()});
  };
  const auto cross_entropy = [&](const at::Tensor& o) { return per_task(-at::log_softmax(o, 1).select(1, 1)); };
  const OutputCurvature curvature = FactorOutputCurvature(cross_entropy, outputs, examples);
  ASSERT_EQ(curvature.factor.size(2), 2);
  EXPECT_FALSE(curvature.remainder.defined());
  const at::Tensor p = at::softmax(outputs, 1);
  for (int64_t i = 0; i < 5; ++i) {
    const at::Tensor factor = curvature.factor[i];
    EXPECT_LT(RelativeError(at::mm(factor, factor.t()), weights[i] * (at::diag(p[i]) - at::outer(p[i], p[i]))), 1e-14);
    at::Tensor gradient = p[i].clone();
    gradient[1] -= 1;
    EXPECT_LT(RelativeError(at::mv(factor, curvature.coefficients[i]), weights[i] * gradient), 1e-13);
  }
  // ½ o₀² + o₁: rank 1, and a gradient outside its range.
  const auto partly_linear = [&](const at::Tensor& o) {
    return per_task(0.5 * o.select(1, 0).square() + o.select(1, 1));
  };
  const OutputCurvature partial = FactorOutputCurvature(partly_linear, outputs, examples);
  ASSERT_EQ(partial.factor.size(2), 1);
  ASSERT_TRUE(partial.remainder.defined());
  EXPECT_LT(MaxAbsError(partial.remainder.select(1, 1), weights), 1e-14);
  EXPECT_LT(MaxAbsError(partial.remainder.select(1, 0), at::zeros({5}, at::kDouble)), 1e-14);

  at::Tensor broken = outputs.clone();
  broken[3][0] = std::nan("");
  const OutputCurvature around = FactorOutputCurvature(cross_entropy, broken, examples);
  EXPECT_TRUE(around.factor[3].isnan().all().item<bool>());
  for (const int64_t i : {0, 1, 2, 4}) EXPECT_TRUE(around.factor[i].isfinite().all().item<bool>()) << i;
}

}  // namespace
}  // namespace gbmoa
