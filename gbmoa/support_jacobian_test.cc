// The support Jacobian of encoders, layer by layer and dense, and the exact Gauss-Newton gradient, in float64 against
// algebra on dense matrices made from one derivative of one logit at a time.
#include "gbmoa/meta/support_jacobian.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/adapter/frozen.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/meta/meta_gradient.h"
#include "gbmoa/meta/support_jacobian_by_layer.h"
#include "gbmoa/meta/woodbury.h"
#include "gbmoa/task/random_batch.h"

namespace gbmoa {
namespace {

constexpr int kWidth = 8, kLayers = 2;

BackboneConfig TinyConfig() { return BertOfSizes({40, kWidth, kLayers, 2, 16, 16}); }

// Ways of using φ beside the adapters. The first two are products with parts of φ and nothing else.
enum class Use {
  kLora,         // two factors without a bias in the query projection
  kLongLora,     // the same, wide enough that rows are cheaper by inner products
  kScaled,       // a product, scaled by more of φ
  kScaledFirst,  // a product with a weight made from φ
  kShared,       // one weight for all layers
  kPrompt,       // no product at all
};

class TestHooks : public EncoderHooks {
 public:
  TestHooks(Use use, std::vector<at::Tensor> slices) : use_(use), slices_(std::move(slices)) {}

  at::Tensor AfterProjection(int layer, Projection projection, const at::Tensor& x, const at::Tensor& y,
                             const PackedBatch& batch) const override {
    if ((use_ != Use::kLora && use_ != Use::kLongLora) || projection != Projection::kQuery) return y;
    const at::Tensor low = GroupedLinear(x, slices_[2 * layer], {}, batch.task_tokens);
    return y + 0.7 * GroupedLinear(low, slices_[2 * layer + 1], {}, batch.task_tokens);
  }

  at::Tensor AfterSublayer(int layer, Sublayer sublayer, const at::Tensor& x, const PackedBatch& batch) const override {
    if (sublayer != Sublayer::kFeedForward) return x;
    switch (use_) {
      case Use::kScaled:
        return x + GroupedLinear(x, slices_[0], {}, batch.task_tokens) * slices_[1].sum();
      case Use::kScaledFirst:
        return x + GroupedLinear(x, 2 * slices_[0], {}, batch.task_tokens);
      case Use::kShared:
        return x + at::relu(GroupedLinear(x, slices_[0], {}, batch.task_tokens));
      default:
        return x;
    }
  }

  at::Tensor Prompt() const override { return use_ == Use::kPrompt ? slices_[0] : at::Tensor(); }

 private:
  Use use_;
  std::vector<at::Tensor> slices_;
};

class TestMethod : public AdaptationMethod {
 public:
  explicit TestMethod(Use use) : use_(use) {}

  void AddSlices(const BackboneConfig&, ParameterLayout& layout) const override {
    if (use_ == Use::kPrompt) {
      layout.Add("prompt", {2, kWidth});
    } else if (use_ == Use::kLora || use_ == Use::kLongLora) {
      const int64_t rank = use_ == Use::kLora ? 2 : 15;
      for (int64_t layer = 0; layer < kLayers; ++layer) {
        layout.Add(absl::StrCat("a", layer), {rank, kWidth});
        layout.Add(absl::StrCat("b", layer), {kWidth, rank});
      }
    } else {
      layout.Add("weight", {kWidth, kWidth});
      layout.Add("scale", {2});
    }
  }
  void Initialize(const Transformer&, const ParameterLayout&, const RandomStream&, at::Tensor&) const override {}
  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override {
    return std::make_unique<TestHooks>(use_, std::move(slices));
  }
  int64_t prompt_tokens() const override { return use_ == Use::kPrompt ? 2 : 0; }

 private:
  Use use_;
};

// A three-way task of texts and a two-way task of pairs, which has one class fewer than the head.
Episode MakeEpisode(bool pairs) {
  const auto batch = [&](int per_class, uint64_t seed) {
    return RandomBatch(pairs ? 2 : 3, per_class, pairs ? Encoding::kPairApart : Encoding::kOneSequence, 40,
                       RandomStream(seed, "batch"));
  };
  return {pairs ? "pairs" : "texts", batch(pairs ? 3 : 2, 1), batch(2, 2)};
}

struct Case {
  std::string name;
  std::shared_ptr<const AdaptationMethod> method;
  std::vector<int> tasks;  // 0: texts, 1: pairs
  bool layerwise;          // how the Jacobian must be kept
};

std::vector<Case> Cases() {
  const auto adapters = std::make_shared<const BottleneckAdapter>(2);
  const auto other = [](Use use) { return std::make_shared<const TestMethod>(use); };
  return {
      {"adapters, texts", adapters, {0}, true},
      {"adapters, pairs", adapters, {1}, true},
      {"adapters, both", adapters, {0, 1}, true},
      {"adapters, both, pairs first", adapters, {1, 0}, true},
      {"wide adapters", std::make_shared<const BottleneckAdapter>(12), {0}, true},
      {"head only", std::make_shared<const Frozen>(), {0, 1}, true},
      {"LoRA", other(Use::kLora), {0, 1}, true},
      {"LoRA of rank 15", other(Use::kLongLora), {0, 1}, true},
      {"product and scale", other(Use::kScaled), {0}, false},
      {"weight that is computed", other(Use::kScaledFirst), {0, 1}, false},
      {"weight shared by layers", other(Use::kShared), {0, 1}, false},
      {"soft prompt", other(Use::kPrompt), {0, 1}, false},
  };
}

class SupportJacobianTest : public testing::Test {
 protected:
  // Sets up problem, φ and ways for a case.
  void SetUpCase(const Case& test) {
    SCOPED_TRACE(test.name);
    model_ = std::make_shared<const AdaptedEncoder>(
        Backbone::FromWeights(TinyConfig(), LivelyEncoderWeights(TinyConfig(), 1, at::kDouble), Precision::kFloat64),
        test.method, 3);
    for (int task = 0; task < 2; ++task) episodes_[task] = MakeEpisode(task == 1);
    std::vector<const Episode*> episodes;
    for (const int task : test.tasks) episodes.push_back(&episodes_[task]);
    const int64_t num_tasks = static_cast<int64_t>(episodes.size());
    const at::Tensor body = 0.3 * RandomNormal({num_tasks, model_->layout().size(ParameterGroup::kBody)}, 5);
    auto problem = EpisodeProblem::Create(model_, episodes, [body](const at::Tensor& psi) { return psi * body; });
    ASSERT_THAT(problem, IsOk());
    problem_ = *std::move(problem);
    phi0_ = problem_->InitialParameters(at::ones({1}, at::kDouble)).detach();
    phi_ = phi0_ + 0.1 * RandomNormal(phi0_.sizes(), 6);
    ASSERT_LE(phi_.size(1), 1000);  // dense matrices
  }

  // D of different sizes for body and head, and different within every slice if `varies`.
  at::Tensor Diagonal(bool varies) const {
    const at::Tensor d = model_->layout().ByGroup(0.5, 0.2, at::kDouble);
    return varies ? d * (0.1 + RandomNormal(d.sizes(), 7).abs()) : d;
  }

  // J_i [C, P] of each example, from φ of its task.
  std::vector<at::Tensor> DenseJacobians(const at::Tensor& phi) {
    const at::Tensor leaf = phi.detach().clone().requires_grad_();
    const at::Tensor outputs = problem_->SupportOutputs(leaf);
    const std::vector<int64_t> examples = problem_->support_examples();
    std::vector<at::Tensor> jacobians;
    for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
      for (int64_t i = examples[b]; i < examples[b + 1]; ++i) {
        std::vector<at::Tensor> rows;
        for (int64_t c = 0; c < outputs.size(1); ++c) {
          rows.push_back(torch::autograd::grad({outputs[i][c]}, {leaf}, {}, /*retain_graph=*/true)[0][b]);
        }
        jacobians.push_back(at::stack(rows));
      }
    }
    return jacobians;
  }

  // M_i [C, C] of cross-entropy, from its formula.
  std::vector<at::Tensor> SoftmaxCurvatures(const at::Tensor& phi) {
    const at::NoGradGuard no_grad;
    const at::Tensor p = at::softmax(problem_->SupportOutputs(phi), 1);
    const std::vector<int64_t> examples = problem_->support_examples();
    std::vector<at::Tensor> curvatures;
    for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
      for (int64_t i = examples[b]; i < examples[b + 1]; ++i) {
        curvatures.push_back((at::diag(p[i]) - at::outer(p[i], p[i])) /
                             static_cast<double>(examples[b + 1] - examples[b]));
      }
    }
    return curvatures;
  }

  // JᵀMJ of each task, [P, P].
  std::vector<at::Tensor> DenseGaussNewton(const at::Tensor& phi) {
    const std::vector<at::Tensor> jacobians = DenseJacobians(phi), curvatures = SoftmaxCurvatures(phi);
    const std::vector<int64_t> examples = problem_->support_examples();
    std::vector<at::Tensor> matrices;
    for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
      at::Tensor matrix = at::zeros({phi.size(1), phi.size(1)}, at::kDouble);
      for (int64_t i = examples[b]; i < examples[b + 1]; ++i) {
        matrix += at::mm(jacobians[i].t(), at::mm(curvatures[i], jacobians[i]));
      }
      matrices.push_back(matrix);
    }
    return matrices;
  }

  std::shared_ptr<const AdaptedEncoder> model_;
  Episode episodes_[2];
  std::unique_ptr<EpisodeProblem> problem_;
  at::Tensor phi0_, phi_;
};

TEST_F(SupportJacobianTest, RowsAndProductsEqualTheDenseJacobian) {
  for (const Case& test : Cases()) {
    SCOPED_TRACE(test.name);
    SetUpCase(test);
    const auto made = problem_->SupportJacobianAt(phi_);
    ASSERT_THAT(made, IsOk());
    const SupportJacobian& jacobian = **made;
    const std::vector<int64_t> examples = problem_->support_examples();
    const int64_t rank = jacobian.rank(), num_examples = examples.back();
    ASSERT_EQ(jacobian.examples(), examples);
    // Three classes anywhere: rank 2; only two: rank 1.
    EXPECT_EQ(rank, test.tasks == std::vector<int>{1} ? 1 : 2);
    // A pass for each direction, not for each direction of each example.
    EXPECT_EQ(jacobian.gradient_evaluations() < 3, test.layerwise) << jacobian.gradient_evaluations();

    // S, a row at a time.
    const std::vector<at::Tensor> jacobians = DenseJacobians(phi_), curvatures = SoftmaxCurvatures(phi_);
    std::vector<at::Tensor> task_rows;  // [n_b r, P]
    for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
      std::vector<at::Tensor> of_task;
      for (int64_t i = examples[b]; i < examples[b + 1]; ++i) {
        std::vector<at::Tensor> rows;
        for (int64_t a = 0; a < rank; ++a) {
          at::Tensor unit = at::zeros({num_examples, rank}, at::kDouble);
          unit[i][a] = 1;
          const at::Tensor pulled = jacobian.Transposed(unit);  // [B, P]
          for (int64_t other = 0; other < problem_->num_tasks(); ++other) {
            EXPECT_TRUE(other == b || pulled[other].abs().max().item<double>() == 0);
          }
          rows.push_back(pulled[b]);
        }
        const at::Tensor s = at::stack(rows);  // [r, P]
        // Sums of a few hundred terms: 1e-14 or so. The factor is only determined up to a rotation, SᵀS is unique.
        EXPECT_LT(RelativeError(at::mm(s.t(), s), at::mm(jacobians[i].t(), at::mm(curvatures[i], jacobians[i]))), 1e-12)
            << "example " << i;
        of_task.push_back(s);
      }
      task_rows.push_back(at::cat(of_task));
    }

    const at::Tensor v = RandomNormal(phi_.sizes(), 8), y = RandomNormal({num_examples, rank}, 9);
    const at::Tensor times = jacobian.Times(v), transposed = jacobian.Transposed(y);
    for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
      const int64_t begin = examples[b], count = examples[b + 1] - begin;
      EXPECT_LT(RelativeError(times.narrow(0, begin, count).reshape({-1}), at::mv(task_rows[b], v[b])), 1e-12);
      EXPECT_LT(RelativeError(transposed[b], at::mv(task_rows[b].t(), y.narrow(0, begin, count).reshape({-1}))), 1e-12);
    }
    for (const bool varies : {false, true}) {
      const at::Tensor d = Diagonal(varies);
      const std::vector<at::Tensor> grams = jacobian.Gram(d);
      for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
        EXPECT_LT(RelativeError(grams[b], at::mm(task_rows[b] * d, task_rows[b].t())), 1e-12) << varies;
      }
    }

    const at::Tensor leaf = phi_.clone().requires_grad_();
    const at::Tensor gradient = torch::autograd::grad({problem_->SupportLoss(leaf).sum()}, {leaf})[0];
    EXPECT_LT(RelativeError(jacobian.support_gradient(), gradient), 1e-12);
  }
}

TEST_F(SupportJacobianTest, MetaGradientEqualsADenseSolve) {
  for (const Case& test : Cases()) {
    for (const bool varies : {false, true}) {
      SCOPED_TRACE(absl::StrCat(test.name, varies ? ", varying rates" : ""));
      SetUpCase(test);
      MetaGradientOptions options;
      options.inner_loop.steps = 4;
      options.inner_loop.rates = 0.25 * Diagonal(varies);
      auto result = (*MetaGradientRegistry::Global().Create("implicit_gn_exact"))->Compute(*problem_, phi0_, options);
      ASSERT_THAT(result, IsOk());
      const at::Tensor phi = result->adapted_parameters;
      const at::Tensor leaf = phi.clone().requires_grad_();
      const at::Tensor query = torch::autograd::grad({problem_->QueryLoss(leaf).sum()}, {leaf})[0];
      const at::Tensor d = Diagonal(varies), root = d.sqrt();
      const std::vector<at::Tensor> matrices = DenseGaussNewton(phi);
      for (int64_t b = 0; b < problem_->num_tasks(); ++b) {
        const at::Tensor system = at::eye(d.size(0), at::kDouble) + root.unsqueeze(1) * matrices[b] * root;
        const at::Tensor lower = std::get<0>(at::linalg_cholesky_ex(system));
        const at::Tensor w = at::cholesky_solve((root * query[b]).unsqueeze(1), lower).squeeze(1);
        EXPECT_LT(RelativeError(result->initial_gradient[b], w / root), 1e-11);  // eps times a condition below 1e3
        EXPECT_GT(RelativeError(query[b], w / root), 1e-3);                      // the solve is no formality
        const SolveSummary& solve = result->solves[b];
        EXPECT_EQ(solve.termination, Termination::kConverged);
        EXPECT_EQ(solve.iterations, 1);
        EXPECT_FALSE(solve.fallback);
        EXPECT_LT(solve.relative_residual, 1e-12);
        const double quotient = (w.dot(at::mv(system, w)) / w.dot(w)).item<double>();
        EXPECT_NEAR(solve.smallest_curvature, quotient, 1e-9 * quotient);
        const at::Tensor support = torch::autograd::grad({problem_->SupportLoss(leaf).sum()}, {leaf})[0];
        const at::Tensor pull = (phi - phi0_)[b] / d;
        EXPECT_NEAR(result->stationarity[b], ((support[b] + pull).norm() / pull.norm()).item<double>(), 1e-10);
      }
    }
  }
}

TEST_F(SupportJacobianTest, ABrokenTaskLeavesItsNeighbourAlone) {
  for (const Case& test : Cases()) {
    if (test.tasks.size() < 2) continue;
    SCOPED_TRACE(test.name);
    SetUpCase(test);
    const at::Tensor b = RandomNormal(phi_.sizes(), 8), root = Diagonal(false).sqrt();
    const auto healthy = problem_->SupportJacobianAt(phi_);
    ASSERT_THAT(healthy, IsOk());
    const LinearSolution expected = SolveWoodbury(**healthy, root, b, {});
    const ParameterLayout& layout = model_->layout();
    const int64_t head = layout.slices()[layout.IndexOf("head.weight")].offset;
    for (const double poison : {std::nan(""), HUGE_VAL, 1e200}) {
      for (const int64_t broken : {0, 1}) {
        at::Tensor phi = phi_.clone();
        phi[broken][head] = poison;
        const auto jacobian = problem_->SupportJacobianAt(phi);
        ASSERT_THAT(jacobian, IsOk());
        const LinearSolution solution = SolveWoodbury(**jacobian, root, b, {});
        EXPECT_TRUE(solution.x.isfinite().all().item<bool>()) << poison;
        // The rank follows the healthy task alone, so sums may be ordered otherwise.
        EXPECT_LT(RelativeError(solution.x[1 - broken], expected.x[1 - broken]), 1e-12) << poison;
        EXPECT_EQ(solution.systems[1 - broken].termination, Termination::kConverged);
        EXPECT_LT(solution.systems[1 - broken].relative_residual, 1e-12);
        if (std::isfinite(poison)) continue;
        EXPECT_TRUE(at::equal(solution.x[broken], b[broken])) << poison;
        EXPECT_EQ(solution.systems[broken].termination, Termination::kNotFinite);
        EXPECT_TRUE(solution.systems[broken].fallback);
        EXPECT_FALSE((*jacobian)->support_gradient()[broken].isfinite().all().item<bool>());
        EXPECT_TRUE((*jacobian)->support_gradient()[1 - broken].isfinite().all().item<bool>());
      }
    }
  }
}

// A matrix of so many rows that explicit rows come in several blocks, the last one smaller: against dense rows.
TEST(LayerwiseSupportJacobian, LargeMatricesInBlocks) {
  constexpr int64_t kIn = 300, kOut = 50, kExamples = 12, kRows = 5, kClasses = 4;
  const at::Tensor phi = (0.1 * RandomNormal({1, kOut * (kIn + 1)}, 1)).requires_grad_();
  const at::Tensor x = RandomNormal({kExamples * kRows, kIn}, 2), readout = RandomNormal({kOut, kClasses}, 3);
  const auto outputs_of = [&](const at::Tensor& y) {
    return at::mm(at::tanh(y).view({kExamples, kRows, kOut}).sum(1), readout);
  };
  const auto product = [&](const at::Tensor& flat) {
    return at::addmm(flat[0].narrow(0, kOut * kIn, kOut), x, flat[0].narrow(0, 0, kOut * kIn).view({kOut, kIn}).t());
  };
  OutputCurvature curvature;
  curvature.factor = RandomNormal({kExamples, kClasses, kClasses - 1}, 4);
  curvature.coefficients = RandomNormal({kExamples, kClasses - 1}, 5);
  curvature.remainder = RandomNormal({kExamples, kClasses}, 6);
  TrainedProduct trained;
  trained.x = x;
  trained.y = product(phi.detach()).requires_grad_();
  trained.bias = kOut * kIn;
  for (int64_t i = 0; i <= kExamples; ++i) trained.rows.push_back(i * kRows);
  const std::unique_ptr<SupportJacobian> layerwise =
      MakeLayerwiseSupportJacobian(phi, outputs_of(trained.y), {trained}, {0, kExamples}, curvature);
  ASSERT_NE(layerwise, nullptr);
  const auto dense = MakeDenseSupportJacobian(phi, outputs_of(product(phi)), {0, kExamples}, curvature);
  ASSERT_THAT(dense, IsOk());
  EXPECT_LT(RelativeError(layerwise->support_gradient(), (*dense)->support_gradient()), 1e-13);
  const at::Tensor constant = at::full({phi.size(1)}, 0.3, at::kDouble);
  for (const at::Tensor& d : {constant, constant * RandomNormal({phi.size(1)}, 7).abs()}) {
    EXPECT_LT(RelativeError(layerwise->Gram(d)[0], (*dense)->Gram(d)[0]), 1e-13);
  }
}

TEST(DenseSupportJacobian, RefusesToBeTooLarge) {
  const at::Tensor phi = at::zeros({1, 1 << 20}, at::kFloat).requires_grad_();
  const at::Tensor outputs = phi.narrow(1, 0, 300).reshape({100, 3});
  OutputCurvature curvature;
  curvature.factor = at::ones({100, 3, 3});
  curvature.coefficients = at::zeros({100, 3}, at::kDouble);
  EXPECT_THAT(MakeDenseSupportJacobian(phi, outputs, {0, 100}, curvature).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, testing::HasSubstr("300 rows and 1048576 parameters")));
}

// A pretrained encoder in float32: the same as conjugate gradient that runs until it converges.
TEST(SupportJacobianOfMiniLm, EqualsConjugateGradient) {
  const auto folder = BundledBackboneFolder();
  ASSERT_THAT(folder, IsOk());
  const auto backbone = Backbone::Load(*folder, Precision::kFloat32);
  ASSERT_THAT(backbone, IsOk());
  const auto model =
      std::make_shared<const AdaptedEncoder>(*backbone, std::make_shared<const BottleneckAdapter>(16), 3);
  const auto batch = [](int classes, int per_class, Encoding encoding, uint64_t seed) {
    Batch batch = RandomBatch(classes, per_class, encoding, 10000, RandomStream(seed, "words"));
    for (int32_t& id : batch.tokens.ids) id += 2000;  // words, not [unused] or [CLS]
    return batch;
  };
  const Episode texts = {"texts", batch(3, 3, Encoding::kOneSequence, 1), batch(3, 2, Encoding::kOneSequence, 2)};
  const Episode pairs = {"pairs", batch(2, 2, Encoding::kPairApart, 3), batch(2, 2, Encoding::kPairApart, 4)};
  const RandomStream stream(1, "start");
  const at::Tensor start =
      model->StandardStart(stream).narrow(0, 0, model->layout().size(ParameterGroup::kBody)).expand({2, -1});
  // Up-projections start at zero, where down-projections have no derivative.
  const at::Tensor body = start + 0.02 * RandomNormal(start.sizes(), 5).to(at::kFloat);
  auto problem = EpisodeProblem::Create(model, {&texts, &pairs}, [body](const at::Tensor& psi) { return psi * body; });
  ASSERT_THAT(problem, IsOk());
  const at::Tensor phi0 = (*problem)->InitialParameters(at::ones({1}, at::kFloat)).detach();
  MetaGradientOptions options;
  options.inner_loop.steps = 5;
  options.inner_loop.rates = model->layout().ByGroup(0.05, 0.03, at::kFloat);
  options.solver.max_iterations = 60;
  options.solver.tolerance = 1e-6;
  const auto compute = [&](const std::string& method) {
    auto result = (*MetaGradientRegistry::Global().Create(method))->Compute(**problem, phi0, options);
    EXPECT_THAT(result, IsOk());
    return *std::move(result);
  };
  const MetaGradient exact = compute("implicit_gn_exact"), iterative = compute("implicit_gn_cg");
  const MetaGradient first_order = compute("first_order");
  for (int b = 0; b < 2; ++b) {
    ASSERT_EQ(iterative.solves[b].termination, Termination::kConverged);
    EXPECT_EQ(exact.solves[b].termination, Termination::kConverged);
    // float32, and sums in another order: residuals of 3e-8 and a difference of 2e-7 were measured.
    EXPECT_LT(exact.solves[b].relative_residual, 1e-6);
    EXPECT_LT(RelativeError(exact.initial_gradient[b], iterative.initial_gradient[b]), 1e-5);  // it stops at 1e-6
    EXPECT_GT(RelativeError(first_order.initial_gradient[b], iterative.initial_gradient[b]), 1e-2);
    EXPECT_NEAR(exact.stationarity[b], iterative.stationarity[b], 1e-4 * iterative.stationarity[b]);
  }
}

}  // namespace
}  // namespace gbmoa
