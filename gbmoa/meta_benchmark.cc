// What a meta-step costs on a small random encoder: every registered meta-gradient against the number of inner steps k
// and against the number of tasks B, and the linear solve alone against the number of products. Compare lines of one
// run with each other; times on a real encoder and real episodes are those of //tools/bench:peer_work.
//
// MetaStep/METHOD/k/B is OuterLoop::Step: φ₀ from a hypernetwork, inner loop, query loss, meta-gradient, AdamW on ψ.
// Iterative solves may do five products; Neumann's series stops before where it diverges. Solve/OPERATOR/products
// builds the operator at a fixed φ and solves (I + H) x = b; "factorized" solves exactly and has no products to choose.
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/hypernet/hypernetwork.h"
#include "gbmoa/meta/conjugate_gradient.h"
#include "gbmoa/meta/finite_difference_product.h"
#include "gbmoa/meta/gauss_newton_product.h"
#include "gbmoa/meta/hessian_vector_product.h"
#include "gbmoa/meta/neumann_series.h"
#include "gbmoa/meta/outer_loop.h"
#include "gbmoa/meta/woodbury.h"

namespace gbmoa {
namespace {

constexpr int kVocabulary = 1000, kWidth = 128, kLayers = 4, kBottleneckDim = 16, kClasses = 5, kPerClass = 5;

const std::shared_ptr<const Backbone>& SmallBackbone() {
  static const auto* backbone = [] {
    const BackboneConfig config = BertOfSizes({kVocabulary, kWidth, kLayers, 4, 4 * kWidth, 64});
    return new std::shared_ptr<const Backbone>(
        Backbone::FromWeights(config, RandomEncoderWeights(config, 1), Precision::kFloat32));
  }();
  return *backbone;
}

// Sequences of 8 to 20 tokens, as long as short definitions are.
Batch SmallBatch(const RandomStream& stream) {
  Batch batch;
  batch.num_classes = kClasses;
  uint64_t next = 0;
  for (int i = 0; i < kClasses * kPerClass; ++i) {
    batch.labels.push_back(i % kClasses);
    const int64_t length = 8 + static_cast<int64_t>(stream.Below(13, next++));
    for (int64_t t = 0; t < length; ++t) {
      batch.tokens.ids.push_back(static_cast<int32_t>(stream.Below(kVocabulary, next++)));
    }
    batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
  }
  batch.tokens.type_ids.assign(batch.tokens.ids.size(), 0);
  return batch;
}

// B tasks with a hypernetwork that starts their adapters.
class SmallProblem {
 public:
  explicit SmallProblem(int num_tasks) : hypernetwork_(MakeOptions()) {
    const auto adapter = std::make_shared<const BottleneckAdapter>(kBottleneckDim);
    const auto model = std::make_shared<const AdaptedEncoder>(SmallBackbone(), adapter, kClasses);
    const RandomStream stream(1, "episodes");
    std::vector<Episode> episodes;
    std::vector<const Episode*> pointers;
    std::vector<int64_t> offsets = {0};
    for (int b = 0; b < num_tasks; ++b) {
      episodes.push_back({"task", SmallBatch(stream.Substream(2 * b)), SmallBatch(stream.Substream(2 * b + 1))});
      offsets.push_back(offsets.back() + episodes.back().support_set.size());
    }
    for (const Episode& episode : episodes) pointers.push_back(&episode);
    const at::Tensor features = at::ones({offsets.back(), kWidth}) / std::sqrt(static_cast<double>(kWidth));
    auto problem = EpisodeProblem::Create(model, pointers, [this, features, offsets](const at::Tensor& psi) {
      return hypernetwork_.Generate(psi, features, offsets);
    });
    CHECK(problem.ok()) << problem.status();
    problem_ = *std::move(problem);
    psi_ = hypernetwork_.Initialize(RandomStream(1, "hypernetwork"));
    rates_ = model->layout().ByGroup(0.01, 0.01, at::kFloat);
  }

  EpisodeProblem& problem() { return *problem_; }
  at::Tensor& psi() { return psi_; }
  const at::Tensor& rates() const { return rates_; }

 private:
  static HypernetworkOptions MakeOptions() {
    HypernetworkOptions options;
    options.feature_dim = kWidth;
    options.task_embedding_dim = 32;
    options.task_encoder_hidden = 64;
    options.slots = 2 * kLayers;
    options.slot_embedding_dim = 16;
    options.hidden_dim = 32;
    options.bottleneck_dim = kBottleneckDim;
    return options;
  }

  Hypernetwork hypernetwork_;
  std::unique_ptr<EpisodeProblem> problem_;
  at::Tensor psi_, rates_;
};

// So many products, as no tolerance is met, unless the solver gives up before.
LinearSolverOptions Products(int products) {
  LinearSolverOptions options;
  options.max_iterations = products;
  options.tolerance = 0;
  options.recompute_residual = false;
  return options;
}

void BM_MetaStep(benchmark::State& state, const std::string& method) {
  SmallProblem small(static_cast<int>(state.range(1)));
  MetaGradientOptions options;
  options.inner_loop.steps = static_cast<int>(state.range(0));
  options.inner_loop.rates = small.rates();
  options.lambda = 1;
  options.solver = Products(5);
  auto gradient = MetaGradientRegistry::Global().Create(method);
  CHECK(gradient.ok()) << gradient.status();
  OuterLoop loop(OuterLoopOptions(), *std::move(gradient));
  double evaluations = 0;
  for (auto _ : state) {
    const absl::StatusOr<OuterStep> step = loop.Step(small.problem(), options, small.psi());
    CHECK(step.ok()) << step.status();
    CHECK(step->applied);
    evaluations = step->meta_gradient.gradient_evaluations;
  }
  state.counters["gradients"] = evaluations;  // what the method says it costs, in gradients of the loss
}

using Solver = LinearSolution (*)(EpisodeProblem& problem, const at::Tensor& phi, const at::Tensor& b, int products);

template <typename Product>
LinearSolution SolveByCg(EpisodeProblem& problem, const at::Tensor& phi, const at::Tensor& b, int products) {
  const Product product(problem, phi);
  return SolveConjugateGradient([&](const at::Tensor& u) { return u + product(u); }, b, Products(products));
}

LinearSolution SolveByNeumann(EpisodeProblem& problem, const at::Tensor& phi, const at::Tensor& b, int products) {
  const SupportHessian product(problem, phi);
  return SolveNeumannSeries([&](const at::Tensor& u) { return u + product(u); }, b, Products(products));
}

LinearSolution SolveByFactorization(EpisodeProblem& problem, const at::Tensor& phi, const at::Tensor& b, int) {
  const auto jacobian = problem.SupportJacobianAt(phi);
  CHECK(jacobian.ok()) << jacobian.status();
  return SolveWoodbury(**jacobian, at::ones(phi.size(1)), b, Products(1));
}

void BM_Solve(benchmark::State& state, Solver solve) {
  SmallProblem small(1);
  const at::Tensor phi = small.problem().InitialParameters(small.psi()).detach();  // [1, P]
  const at::Tensor b = SupportHessian(small.problem(), phi).gradient();
  double iterations = 0;
  for (auto _ : state) {
    const LinearSolution solution = solve(small.problem(), phi, b, static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(solution.x);
    iterations = solution.systems[0].iterations;
  }
  state.counters["iterations"] = iterations;  // less than the products where the solver gave up
}

void RegisterAll() {
  for (const std::string& method : MetaGradientRegistry::Global().Names()) {
    auto* step = benchmark::RegisterBenchmark(absl::StrCat("MetaStep/", method).c_str(),
                                              [method](benchmark::State& state) { BM_MetaStep(state, method); });
    step->ArgNames({"k", "B"})->UseRealTime()->Unit(benchmark::kMillisecond);
    for (const int k : {1, 5, 20}) step->Args({k, 1});
    for (const int tasks : {2, 4}) step->Args({5, tasks});
  }
  const std::pair<const char*, Solver> iterative[] = {
      {"hessian_cg", SolveByCg<SupportHessian>},
      {"gauss_newton_cg", SolveByCg<GaussNewtonProduct>},
      {"finite_difference_cg", SolveByCg<FiniteDifferenceProduct>},
      {"hessian_neumann", SolveByNeumann},
  };
  const auto add = [](const char* name, Solver solver) {
    return benchmark::RegisterBenchmark(absl::StrCat("Solve/", name).c_str(),
                                        [solver](benchmark::State& state) { BM_Solve(state, solver); })
        ->ArgName("products")
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  for (const auto& [name, solver] : iterative) {
    auto* solve = add(name, solver);
    for (const int products : {1, 5, 20}) solve->Arg(products);
  }
  add("factorized", SolveByFactorization)->Arg(0);
}

}  // namespace
}  // namespace gbmoa

// Of its own, because methods register themselves in whatever order the linker chose: their names are known only here.
int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  gbmoa::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
