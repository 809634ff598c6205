// The bilevel problem of a tiny encoder with adapters, in float64, against dense algebra and central differences.
#include "gbmoa/episode_problem.h"

#include <cmath>

#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/meta_gradient.h"
#include "gbmoa/task/random_batch.h"

namespace gbmoa {
namespace {

BackboneConfig TinyConfig() { return BertOfSizes({40, 8, 2, 2, 16, 16}); }

// Words of TinyConfig's vocabulary.
Batch TinyBatch(int classes, int per_class, Encoding encoding, uint64_t seed) {
  return RandomBatch(classes, per_class, encoding, 40, RandomStream(seed, "batch"));
}

class EpisodeProblemTest : public testing::Test {
 protected:
  EpisodeProblemTest() {
    backbone_ =
        Backbone::FromWeights(TinyConfig(), LivelyEncoderWeights(TinyConfig(), 1, at::kDouble), Precision::kFloat64);
    model_ = std::make_shared<const AdaptedEncoder>(backbone_, std::make_shared<const BottleneckAdapter>(2), 3);
    // A three-way task of texts and a two-way task of pairs: the second has one class fewer than the head.
    episodes_[0] = {"texts", TinyBatch(3, 2, Encoding::kOneSequence, 1), TinyBatch(3, 3, Encoding::kOneSequence, 2)};
    episodes_[1] = {"pairs", TinyBatch(2, 3, Encoding::kPairApart, 3), TinyBatch(2, 2, Encoding::kPairApart, 4)};
    body_ = 0.3 * RandomNormal({2, model_->layout().size(ParameterGroup::kBody)}, 5);
  }

  std::unique_ptr<EpisodeProblem> Problem(const std::vector<int>& tasks) {
    std::vector<const Episode*> episodes;
    for (const int task : tasks) episodes.push_back(&episodes_[task]);
    // ψ: one common factor of both tasks' bodies, so that ∂φ₀/∂ψ is no identity.
    auto problem = EpisodeProblem::Create(model_, episodes, [this, tasks](const at::Tensor& psi) {
      return psi * body_.index_select(0, at::tensor(std::vector<int64_t>(tasks.begin(), tasks.end())));
    });
    EXPECT_THAT(problem, IsOk());
    return *std::move(problem);
  }

  MetaGradientOptions Options(int steps, double total_rate) {
    MetaGradientOptions options;
    options.inner_loop.steps = steps;
    options.inner_loop.rates = model_->layout().ByGroup(total_rate / steps, 0.5 * total_rate / steps, at::kDouble);
    options.solver.max_iterations = 1000;
    options.solver.tolerance = 1e-11;
    return options;
  }

  MetaGradient Compute(const std::string& method, BilevelProblem& problem, const MetaGradientOptions& options) {
    auto result = (*MetaGradientRegistry::Global().Create(method))
                      ->Compute(problem, problem.InitialParameters(at::ones({1}, at::kDouble)).detach(), options);
    EXPECT_THAT(result, IsOk());
    return *std::move(result);
  }

  std::shared_ptr<const Backbone> backbone_;
  std::shared_ptr<const AdaptedEncoder> model_;
  Episode episodes_[2];
  at::Tensor body_;
};

// The whole forward pass, attention's own derivatives included, against central differences.
TEST_F(EpisodeProblemTest, GradientsEqualCentralDifferences) {
  const auto problem = Problem({0, 1});
  const at::Tensor phi = problem->InitialParameters(at::ones({1}, at::kDouble)).detach().requires_grad_();
  // h = 1e-5: the error is h² = 1e-10 times third derivatives, and rounding 1e-16 / h = 1e-11.
  const at::Tensor support = torch::autograd::grad({problem->SupportLoss(phi).sum()}, {phi})[0];
  EXPECT_LT(RelativeError(support, CentralDifference(
                                       [&](const at::Tensor& x) {
                                         const at::NoGradGuard no_grad;
                                         return problem->SupportLoss(x).sum().item<double>();
                                       },
                                       phi, 1e-5)),
            1e-7);
  const at::Tensor query = torch::autograd::grad({problem->QueryLoss(phi).sum()}, {phi})[0];
  EXPECT_LT(RelativeError(query, CentralDifference(
                                     [&](const at::Tensor& x) {
                                       const at::NoGradGuard no_grad;
                                       return problem->QueryLoss(x).sum().item<double>();
                                     },
                                     phi, 1e-5)),
            1e-7);
}

TEST_F(EpisodeProblemTest, HessianVectorProductEqualsDifferencesOfGradients) {
  const auto problem = Problem({0, 1});
  const at::Tensor phi = problem->InitialParameters(at::ones({1}, at::kDouble)).detach();
  const SupportHessian hessian(*problem, phi);
  const at::Tensor u = RandomNormal(phi.sizes(), 7);
  const double h = 1e-5;
  const at::Tensor difference =
      (SupportHessian(*problem, phi + h * u).gradient() - SupportHessian(*problem, phi - h * u).gradient()) / (2 * h);
  EXPECT_LT(RelativeError(hessian(u), difference), 1e-7);  // as above
  // Symmetric: wᵀHu = uᵀHw.
  const at::Tensor w = RandomNormal(phi.sizes(), 8);
  const double whu = (w * hessian(u)).sum().item<double>(), uhw = (u * hessian(w)).sum().item<double>();
  EXPECT_NEAR(whu, uhw, 1e-11 * std::abs(whu));
}

// One task's matrix by columns, [P, P]. apply: [1, P] -> [1, P].
template <typename Apply>
at::Tensor DenseMatrix(const Apply& apply, int64_t size) {
  const at::Tensor eye = at::eye(size, at::kDouble);
  std::vector<at::Tensor> columns;
  for (int64_t i = 0; i < size; ++i) columns.push_back(apply(eye[i].unsqueeze(0))[0]);
  return at::stack(columns, 1);
}

// JᵀMJ of one task: J from a backward pass for each output, M from double backward of the loss.
at::Tensor DenseGaussNewton(BilevelProblem& problem, const at::Tensor& phi) {
  using torch::autograd::grad;
  const at::Tensor leaf = phi.detach().requires_grad_();
  const at::Tensor outputs = problem.SupportOutputs(leaf);  // [n, C]
  const at::Tensor flat = outputs.detach().reshape({-1}).requires_grad_();
  const at::Tensor loss_gradient =
      grad({problem.SupportLossOfOutputs(flat.view_as(outputs)).sum()}, {flat}, {}, true, /*create_graph=*/true)[0];
  std::vector<at::Tensor> j, m;  // rows
  for (int64_t i = 0; i < flat.size(0); ++i) {
    j.push_back(grad({outputs.reshape({-1})[i]}, {leaf}, {}, /*retain_graph=*/true)[0][0]);
    m.push_back(grad({loss_gradient[i]}, {flat}, {}, /*retain_graph=*/true)[0]);
  }
  const at::Tensor jacobian = at::stack(j);  // [n C, P]
  return jacobian.t().matmul(at::stack(m)).matmul(jacobian);
}

at::Tensor QueryGradient(BilevelProblem& problem, const at::Tensor& phi) {
  const at::Tensor leaf = phi.detach().requires_grad_();
  return torch::autograd::grad({problem.QueryLoss(leaf).sum()}, {leaf})[0];
}

// Each method's own system in its symmetric form, (I + D^½ C D^½) w = D^½ ∇L_Q, by Cholesky factorization.
TEST_F(EpisodeProblemTest, ImplicitGradientsEqualADenseSolve) {
  struct Case {
    const char* method;
    bool gauss_newton;
    // λ in units of the largest |eigenvalue| of C; 0: the default, 1 / (kα).
    double lambda;
    double tolerance;
  };
  // The solver's residual is 1e-11 and the least curvature of the system more than 1e-3. Differences of gradients are
  // off by about ε² times third derivatives, 1e-10 times 1e3.
  const Case cases[] = {{"implicit_cg", false, 0, 1e-8},
                        {"implicit_cg", false, 2, 1e-8},
                        {"implicit_fd", false, 0, 1e-5},
                        {"implicit_fd", false, 2, 1e-5},
                        {"neumann", false, 2, 1e-8},
                        {"implicit_gn_cg", true, 0, 1e-8},
                        {"implicit_gn_cg", true, 0.01, 1e-8},
                        {"implicit_gn_exact", true, 0, 1e-8},
                        {"implicit_gn_exact", true, 0.01, 1e-8}};
  for (const int task : {0, 1}) {
    const auto problem = Problem({task});
    MetaGradientOptions options = Options(5, 0.1);
    const at::Tensor phi = Compute("first_order", *problem, options).adapted_parameters;
    const int64_t size = phi.size(1);
    ASSERT_LE(size, 500);
    const at::Tensor exact = DenseMatrix(SupportHessian(*problem, phi), size);
    const at::Tensor gauss_newton = DenseGaussNewton(*problem, phi);
    EXPECT_GT(RelativeError(gauss_newton, exact), 1e-2);  // two systems indeed: far above the tolerances
    const at::Tensor query_gradient = QueryGradient(*problem, phi)[0];
    for (const Case& c : cases) {
      SCOPED_TRACE(std::string(c.method) + ", task " + std::to_string(task) + ", " + std::to_string(c.lambda));
      const at::Tensor& curvature = c.gauss_newton ? gauss_newton : exact;
      options.lambda = c.lambda * at::linalg_eigvalsh(curvature).abs().max().item<double>();
      const at::Tensor root = (c.lambda > 0 ? at::full({size}, 1 / options.lambda, at::kDouble)
                                            : options.inner_loop.rates * options.inner_loop.steps)
                                  .sqrt();
      const at::Tensor system = at::eye(size, at::kDouble) + root.unsqueeze(1) * curvature * root;
      const auto [factor, info] = at::linalg_cholesky_ex((system + system.t()) / 2);
      ASSERT_EQ(info.item<int>(), 0) << "not positive definite";
      const at::Tensor expected = at::cholesky_solve((root * query_gradient).unsqueeze(1), factor).squeeze(1) / root;

      const MetaGradient result = Compute(c.method, *problem, options);
      const SolveSummary& solve = result.solves[0];
      EXPECT_EQ(solve.termination, Termination::kConverged) << TerminationName(solve.termination);
      EXPECT_LT(RelativeError(result.initial_gradient[0], expected), c.tolerance);
      EXPECT_GT(RelativeError(query_gradient, expected), 1e-3);  // the solve is no formality
      if (std::string(c.method) == "implicit_gn_cg") {
        // A matrix of rank r has at most r + 1 eigenvalues that differ; one iteration for each, two for rounding.
        EXPECT_LE(solve.iterations, 6 * 2 + 1 + 2);
      }
    }
  }
}

// One iteration of conjugate gradient moves along b = D^½ ∇L_Q, and v = D^-½ w undoes the root: whatever the rates, v
// is each task's first-order gradient, at another length.
TEST_F(EpisodeProblemTest, OneIterationIsParallelToTheFirstOrderGradient) {
  const auto problem = Problem({0, 1});
  for (const bool equal_rates : {true, false}) {
    MetaGradientOptions options = Options(5, 0.1);
    if (equal_rates) options.inner_loop.rates.fill_(0.02);
    options.solver.max_iterations = 1;
    const at::Tensor first_order = Compute("first_order", *problem, options).initial_gradient;
    for (const char* method : {"implicit_cg", "implicit_gn_cg", "implicit_fd"}) {
      const MetaGradient result = Compute(method, *problem, options);
      for (const int task : {0, 1}) {
        const at::Tensor v = result.initial_gradient[task], g = first_order[task];
        EXPECT_FALSE(result.solves[task].fallback);
        EXPECT_NEAR((v.dot(g) / v.norm() / g.norm()).item<double>(), 1, 1e-12) << method;  // rounding
        EXPECT_GT(RelativeError(v, g), 1e-3) << method;
      }
    }
  }
}

TEST_F(EpisodeProblemTest, UnrolledGradientEqualsCentralDifferencesOfTheWholeLoop) {
  const auto problem = Problem({0});
  const MetaGradientOptions options = Options(3, 0.15);
  const at::Tensor phi0 = problem->InitialParameters(at::ones({1}, at::kDouble)).detach();
  const MetaGradient result = Compute("unrolled", *problem, options);
  const at::Tensor difference = CentralDifference(
      [&](const at::Tensor& x) {
        return problem->QueryLoss(RunInnerLoop(*problem, x, options.inner_loop).adapted_parameters)
            .sum()
            .item<double>();
      },
      phi0, 1e-5);
  EXPECT_LT(RelativeError(result.initial_gradient, difference), 1e-6);
}

// With the proximal term in the inner loop, k steps approach the minimum that implicit differentiation assumes.
TEST_F(EpisodeProblemTest, ImplicitMovesTowardsUnrolledAsStepsGrow) {
  const auto problem = Problem({0, 1});
  double last = 1e9;
  for (const int steps : {5, 20, 80}) {
    MetaGradientOptions options = Options(1, 0.03);
    options.inner_loop.rates.fill_(0.008);
    options.inner_loop.steps = steps;
    options.inner_loop.proximal = 50;  // well above the most negative curvature here
    const MetaGradient implicit = Compute("implicit_cg", *problem, options);
    const at::Tensor unrolled = Compute("unrolled", *problem, options).initial_gradient;
    const double error = RelativeError(implicit.initial_gradient, unrolled);
    EXPECT_LT(error, 0.3 * last) << steps;
    EXPECT_LT(error, RelativeError(Compute("first_order", *problem, options).initial_gradient, unrolled));
    last = error;
  }
  EXPECT_LT(last, 1e-4);  // a mode of curvature h shrinks by 1 − 0.008 (50 + h) a step: 0.84^80 = 1e-6 for h = −30
}

TEST_F(EpisodeProblemTest, CheckpointsChangeNothingOfUnrolled) {
  for (const std::vector<int>& tasks : {std::vector<int>{0}, std::vector<int>{1}, std::vector<int>{0, 1}}) {
    const auto problem = Problem(tasks);
    for (const int steps : {1, 4}) {
      for (const double proximal : {0.0, 5.0}) {
        MetaGradientOptions options = Options(steps, 0.1);
        options.inner_loop.proximal = proximal;
        const MetaGradient full = Compute("unrolled", *problem, options);
        const MetaGradient checkpointed = Compute("unrolled_checkpointed", *problem, options);
        EXPECT_TRUE(at::equal(checkpointed.adapted_parameters, full.adapted_parameters)) << steps << ", " << proximal;
        EXPECT_TRUE(at::equal(checkpointed.initial_gradient, full.initial_gradient)) << steps << ", " << proximal;
        EXPECT_EQ(checkpointed.query_loss, full.query_loss);
      }
    }
  }
}

TEST_F(EpisodeProblemTest, ABatchOfTasksEqualsOneAtATime) {
  const auto both = Problem({0, 1});
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    SCOPED_TRACE(method);
    MetaGradientOptions options = Options(4, 0.1);
    options.lambda = method == "neumann" ? 500 : 0;  // above every curvature here, so that the series converges
    const MetaGradient together = Compute(method, *both, options);
    EXPECT_TRUE(together.initial_gradient.isfinite().all().item<bool>());
    for (const int task : {0, 1}) {
      const MetaGradient alone = Compute(method, *Problem({task}), options);
      // Sums in another order; the solvers stop at 1e-11. Differences of gradients multiply rounding by 1 / ε = 1e5.
      EXPECT_LT(RelativeError(together.initial_gradient[task], alone.initial_gradient[0]),
                method == "implicit_fd" ? 1e-6 : 1e-9);
      EXPECT_LT(RelativeError(together.adapted_parameters[task], alone.adapted_parameters[0]), 1e-13);
      EXPECT_NEAR(together.query_loss[task], alone.query_loss[0], 1e-12);
      if (alone.solves.empty()) continue;
      EXPECT_EQ(together.solves[task].termination, alone.solves[0].termination);
      EXPECT_EQ(alone.solves[0].termination, Termination::kConverged);
      EXPECT_NEAR(together.stationarity[task], alone.stationarity[0], 1e-9 * alone.stationarity[0]);
    }
  }
}

// The head of prototypes is 10 (W f + b) = −10 τ |f − μ_c|² + a constant of the example, so its softmax is known.
TEST_F(EpisodeProblemTest, PrototypeHeadIsNearestPrototype) {
  const auto packed = model_->Pack({&episodes_[0].support_set});
  ASSERT_THAT(packed, IsOk());
  at::Tensor phi = model_->StandardStart(RandomStream(1, "start")).unsqueeze(0);
  const at::Tensor features = model_->Features(phi, *packed);
  phi = model_->WithHead(phi, model_->PrototypeHead(phi, *packed));
  const at::Tensor probabilities = at::softmax(model_->Logits(phi, *packed), 1);
  for (int64_t i = 0; i < features.size(0); ++i) {
    at::Tensor scores = at::zeros({3}, at::kDouble);
    for (int64_t c = 0; c < 3; ++c) {
      at::Tensor mean = at::zeros({8}, at::kDouble);
      for (int64_t j = 0; j < features.size(0); ++j) {
        if (episodes_[0].support_set.labels[j] == c) mean += features[j] / 2;
      }
      scores[c] = -10 * 0.3 * (features[i] - mean).square().sum();
    }
    EXPECT_LT(MaxAbsError(probabilities[i], at::softmax(scores, 0)), 1e-13);
  }
  EXPECT_LT(MaxAbsError(features.norm(2, {1}), at::ones({6}, at::kDouble)), 1e-14);
}

TEST_F(EpisodeProblemTest, FeaturesInChunksAreThoseOfOneBatch) {
  const at::Tensor phi =
      at::cat({body_.narrow(0, 0, 1), at::zeros({1, model_->layout().size(ParameterGroup::kHead)}, at::kDouble)}, 1);
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    for (const int size : {1, 127, 128, 129, 300}) {
      const Batch batch = TinyBatch(1, size, encoding, 6);
      const auto packed = model_->Pack({&batch});
      ASSERT_THAT(packed, IsOk());
      const at::Tensor together = model_->Features(phi, *packed);
      const auto in_chunks = model_->FeaturesInChunks(phi, batch);
      ASSERT_THAT(in_chunks, IsOk());
      ASSERT_EQ(in_chunks->sizes(), together.sizes());
      EXPECT_LT(MaxAbsError(*in_chunks, together), 1e-13) << size;  // products of other shapes round otherwise
      EXPECT_FALSE(in_chunks->requires_grad());
    }
  }
  Batch bad = TinyBatch(1, 300, Encoding::kOneSequence, 6);
  bad.tokens.ids.back() = 40;
  EXPECT_THAT(model_->FeaturesInChunks(phi, bad),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("token id 40")));
}

class RegressionTest : public EpisodeProblemTest {
 protected:
  RegressionTest() {
    model_ = std::make_shared<const AdaptedEncoder>(backbone_, std::make_shared<const BottleneckAdapter>(2), 1);
    texts_ = TinyRegression(6, Encoding::kOneSequence, 1);
    pairs_ = TinyRegression(4, Encoding::kPairApart, 2);
  }

  static Batch TinyRegression(int size, Encoding encoding, uint64_t seed) {
    return RandomRegression(size, encoding, 40, RandomStream(seed, "regression"));
  }

  PackedBatch Pack(const std::vector<const Batch*>& tasks) {
    auto packed = model_->Pack(tasks);
    EXPECT_THAT(packed, IsOk());
    return *std::move(packed);
  }

  Batch texts_, pairs_;
};

TEST_F(RegressionTest, LossIsTheMeanSquaredErrorOfEachTask) {
  const PackedBatch packed = Pack({&texts_, &pairs_});
  const at::Tensor phi = at::cat({body_, RandomNormal({2, 9}, 6)}, 1);
  const at::Tensor logits = model_->Logits(phi, packed);
  ASSERT_EQ(logits.sizes(), at::IntArrayRef({10, 1}));
  double texts = 0, pairs = 0;
  for (int i = 0; i < 6; ++i) texts += std::pow(logits[i].item<double>() - texts_.targets[i], 2) / 6;
  for (int i = 0; i < 4; ++i) pairs += std::pow(logits[6 + i].item<double>() - pairs_.targets[i], 2) / 4;
  const at::Tensor losses = AdaptedEncoder::Losses(logits, packed);
  EXPECT_NEAR(losses[0].item<double>(), texts, 1e-13 * texts);  // rounding
  EXPECT_NEAR(losses[1].item<double>(), pairs, 1e-13 * pairs);

  // h = 1e-5: the error is h² = 1e-10 times third derivatives, and rounding 1e-16 / h = 1e-11 times the loss.
  const at::Tensor leaf = phi.clone().requires_grad_();
  const at::Tensor gradient =
      torch::autograd::grad({AdaptedEncoder::Losses(model_->Logits(leaf, packed), packed).sum()}, {leaf})[0];
  const at::Tensor difference = CentralDifference(
      [&](const at::Tensor& x) {
        const at::NoGradGuard no_grad;
        return AdaptedEncoder::Losses(model_->Logits(x, packed), packed).sum().item<double>();
      },
      phi, 1e-5);
  EXPECT_LT(RelativeError(gradient, difference), 1e-7);
}

// Ridge regression with a free constant c, by one system of D + 1 unknowns that knows nothing of means:
//   [Σ f fᵀ + λI   Σ f] [w]   [Σ f y]
//   [Σ fᵀ            n ] [c] = [Σ y  ]
at::Tensor DenseRidge(const at::Tensor& features, const std::vector<float>& targets) {
  const int64_t n = features.size(0), d = features.size(1);
  std::vector<double> means(d, 0);
  double lambda = 0;
  for (int64_t j = 0; j < d; ++j) {
    for (int64_t i = 0; i < n; ++i) means[j] += features[i][j].item<double>() / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      lambda += std::pow(features[i][j].item<double>() - means[j], 2) / static_cast<double>(n);
    }
  }
  at::Tensor system = at::zeros({d + 1, d + 1}, at::kDouble), right = at::zeros({d + 1, 1}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const at::Tensor row = at::cat({features[i], at::ones({1}, at::kDouble)}).unsqueeze(1);  // [D + 1, 1]
    system += row.matmul(row.t());
    right += row * static_cast<double>(targets[i]);
  }
  for (int64_t j = 0; j < d; ++j) system[j][j] += lambda;
  return at::linalg_solve(system, right).squeeze(1);
}

TEST_F(RegressionTest, HeadStartsFromRidgeRegression) {
  // Examples fewer than the features' eight numbers, as many, more.
  for (const int size : {2, 3, 7, 8, 9, 40}) {
    const Batch batch = TinyRegression(size, Encoding::kOneSequence, 3);
    const PackedBatch packed = Pack({&batch, &pairs_});
    const at::Tensor features = RandomNormal({size + 4, 8}, 4) / std::sqrt(8.0);
    const at::Tensor heads = AdaptedEncoder::PrototypeHeadOf(features, packed, 1);
    ASSERT_EQ(heads.sizes(), at::IntArrayRef({2, 9}));
    // Float64; the regulariser keeps condition numbers below 1e3.
    EXPECT_LT(RelativeError(10 * heads[0], DenseRidge(features.narrow(0, 0, size), batch.targets)), 1e-12) << size;
    EXPECT_LT(RelativeError(10 * heads[1], DenseRidge(features.narrow(0, size, 4), pairs_.targets)), 1e-12) << size;
    // From float32 features the same, rounded once: 6e-8 times a condition number of at most 50.
    EXPECT_LT(RelativeError(AdaptedEncoder::PrototypeHeadOf(features.to(at::kFloat), packed, 1), heads), 3e-6) << size;
  }
  // In the model: the logits are the regression's values.
  at::Tensor phi = at::cat({body_.narrow(0, 0, 1), at::zeros({1, 9}, at::kDouble)}, 1);
  const PackedBatch packed = Pack({&texts_});
  const at::Tensor features = model_->Features(phi, packed), dense = DenseRidge(features, texts_.targets);
  phi = model_->WithHead(phi, model_->PrototypeHead(phi, packed));
  const at::Tensor expected = features.matmul(dense.narrow(0, 0, 8)) + dense[8];
  EXPECT_LT(MaxAbsError(model_->Logits(phi, packed).squeeze(1), expected), 1e-12);
}

TEST_F(RegressionTest, HeadOfDegenerateSupportSetsIsAConstant) {
  const auto head = [&](const Batch& batch, const at::Tensor& features) {
    return AdaptedEncoder::PrototypeHeadOf(features, Pack({&batch}), 1)[0];
  };
  Batch constant = texts_;
  constant.targets.assign(6, 3.7F);
  for (const Batch& batch : {constant, SelectRange(texts_, 2, 3)}) {
    const at::Tensor phi = head(batch, RandomNormal({batch.size(), 8}, 4));
    EXPECT_EQ(phi.narrow(0, 0, 8).abs().max().item<double>(), 0) << batch.size();
    EXPECT_EQ(phi[8].item<double>(), static_cast<double>(batch.targets[0]) / 10) << batch.size();
  }
  // Equal features but for float32's rounding: their differences say nothing of the targets.
  const at::Tensor equal = at::ones({6, 8}, at::kDouble) / std::sqrt(8.0) + 1e-7 * RandomNormal({6, 8}, 4);
  const at::Tensor values = equal.matmul(10 * head(texts_, equal).narrow(0, 0, 8));
  EXPECT_LT((values.max() - values.min()).item<double>(), 1e-3);
}

TEST_F(RegressionTest, RefusesBadTargets) {
  using testing::HasSubstr;
  const auto code = absl::StatusCode::kInvalidArgument;
  Batch labelled = texts_, short_by_one = texts_, nan = texts_, infinite = pairs_, two = texts_, unlabelled = texts_;
  const Batch classes = TinyBatch(1, 6, Encoding::kOneSequence, 1);
  Batch classes_with_targets = classes;
  labelled.labels.assign(6, 0);
  short_by_one.targets.pop_back();
  nan.targets[2] = std::nanf("");
  infinite.targets[3] = -INFINITY;
  two.num_classes = 2;
  unlabelled.targets.clear();
  classes_with_targets.targets = texts_.targets;
  const AdaptedEncoder wide(backbone_, std::make_shared<const BottleneckAdapter>(2), 2);
  const struct {
    std::vector<const Batch*> tasks;
    const char* message;
  } cases[] = {{{&texts_, &classes}, "task 1 is a classification, and task 0 is none"},
               {{&classes, &texts_}, "task 1 is a regression, and task 0 is none"},
               {{&labelled}, "task 0: a regression with labels"},
               {{&texts_, &short_by_one}, "task 1: 5 targets for 6 examples"},
               {{&nan}, "task 0, example 2: target nan is not finite"},
               {{&texts_, &infinite}, "task 1, example 3: target -inf is not finite"},
               {{&two}, "task 0: a regression of 2 classes, wanted 1"},
               {{&classes_with_targets}, "task 0: a classification with targets"}};
  for (const auto& test : cases) EXPECT_THAT(wide.Pack(test.tasks), StatusIs(code, HasSubstr(test.message)));
  EXPECT_TRUE(Pack({&texts_, &pairs_}).targets.defined());
  EXPECT_FALSE(Pack({&texts_, &pairs_}).labels.defined());
  EXPECT_FALSE(Pack({&texts_, &unlabelled}).targets.defined());
}

TEST_F(EpisodeProblemTest, RefusesBadTokensAndLabels) {
  using testing::HasSubstr;
  const auto code = absl::StatusCode::kInvalidArgument;
  const Batch good = episodes_[0].support_set;
  Batch bad_id = good, bad_type = good, bad_label = good, too_long = good, many = good;
  bad_id.tokens.ids[3] = 40;
  bad_type.tokens.type_ids[0] = 2;
  bad_label.labels[2] = 3;
  many.num_classes = 4;
  too_long.tokens.ids.resize(100, 1);
  too_long.tokens.type_ids.resize(100, 0);
  too_long.tokens.offsets.back() = 100;
  EXPECT_THAT(model_->Pack({&good, &bad_id}), StatusIs(code, HasSubstr("task 1, sequence 0: token id 40")));
  EXPECT_THAT(model_->Pack({&bad_type}), StatusIs(code, HasSubstr("token type 2")));
  EXPECT_THAT(model_->Pack({&bad_label}), StatusIs(code, HasSubstr("example 2: label 3")));
  EXPECT_THAT(model_->Pack({&too_long}), StatusIs(code, HasSubstr("the backbone takes 16")));
  EXPECT_THAT(model_->Pack({&many}), StatusIs(code, HasSubstr("4 classes")));
  const Batch empty;
  EXPECT_THAT(model_->Pack({&empty}), StatusIs(code, HasSubstr("no examples")));
}

}  // namespace
}  // namespace gbmoa
