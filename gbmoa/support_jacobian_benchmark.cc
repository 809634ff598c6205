// The exact Gauss-Newton solve and its parts, on MiniLM-L6's shapes with adapters and random weights, 25 short texts
// five ways. Each iteration also takes a gradient of the support loss; "gradients" is the ratio of their best times,
// which holds on a busy machine too.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/meta/woodbury.h"

namespace gbmoa {
namespace {

BackboneConfig MiniLmConfig() {
  BackboneConfig config;
  config.set_name("minilm-l6");
  config.set_family(BackboneConfig::BERT);
  config.set_vocab_size(1000);  // words are looked up, not multiplied
  config.set_hidden_size(384);
  config.set_num_hidden_layers(6);
  config.set_num_attention_heads(12);
  config.set_intermediate_size(1536);
  config.set_max_position_embeddings(512);
  config.set_type_vocab_size(2);
  config.set_layer_norm_eps(1e-12);
  config.set_activation(BackboneConfig::GELU);
  return config;
}

Batch Texts() {
  const std::vector<int> lengths = {13, 8,  10, 20, 7,  12, 27, 9,  11, 15, 8, 13, 7,
                                    17, 11, 9,  22, 10, 12, 8,  14, 11, 10, 9, 19};
  const RandomStream stream(1, "texts");
  Batch batch;
  batch.num_classes = 5;
  for (size_t i = 0; i < lengths.size(); ++i) {
    batch.labels.push_back(static_cast<int64_t>(i % 5));
    for (int t = 0; t < lengths[i]; ++t) {
      batch.tokens.ids.push_back(static_cast<int32_t>(stream.Below(1000, batch.tokens.ids.size())));
      batch.tokens.type_ids.push_back(0);
    }
    batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
  }
  return batch;
}

enum Part {
  kSolve,     // all of it
  kJacobian,  // forward pass and a backward pass for each of four directions
  kGram,      // the matrix of the small system
  kProducts   // one with S, one with its transpose
};

class Solve {
 public:
  Solve() {
    const auto backbone =
        Backbone::FromWeights(MiniLmConfig(), RandomEncoderWeights(MiniLmConfig(), 1), FastestPrecision());
    const auto model =
        std::make_shared<const AdaptedEncoder>(backbone, std::make_shared<const BottleneckAdapter>(64), 5);
    episode_ = {"texts", Texts(), Texts()};
    at::manual_seed(1);
    const at::Tensor body = 0.05 * at::randn({1, model->layout().size(ParameterGroup::kBody)});
    problem_ = *EpisodeProblem::Create(model, {&episode_}, [body](const at::Tensor& psi) { return psi * body; });
    phi_ = problem_->InitialParameters(at::ones({1}));
    root_ = model->layout().ByGroup(0.25, 0.15, at::kFloat).sqrt();
    b_ = at::randn_like(phi_);
    jacobian_ = *problem_->SupportJacobianAt(phi_);
  }

  void Run(Part part) const {
    switch (part) {
      case kSolve: {
        const auto jacobian = problem_->SupportJacobianAt(phi_);
        benchmark::DoNotOptimize(SolveWoodbury(**jacobian, root_, b_, {}));
        return;
      }
      case kJacobian:
        benchmark::DoNotOptimize(problem_->SupportJacobianAt(phi_));
        return;
      case kGram:
        benchmark::DoNotOptimize(jacobian_->Gram(root_ * root_));
        return;
      case kProducts:
        benchmark::DoNotOptimize(jacobian_->Transposed(jacobian_->Times(b_)));
        return;
    }
  }

  at::Tensor Gradient() const {
    const at::Tensor leaf = phi_.detach().requires_grad_();
    return torch::autograd::grad({problem_->SupportLoss(leaf).sum()}, {leaf})[0];
  }

 private:
  Episode episode_;
  std::unique_ptr<EpisodeProblem> problem_;
  at::Tensor phi_, root_, b_;
  std::unique_ptr<SupportJacobian> jacobian_;
};

template <typename Function>
double Seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void BM_ExactGaussNewton(benchmark::State& state, Part part) {
  static const Solve& solve = *new Solve;
  at::set_num_threads(static_cast<int>(state.range(0)));
  const auto run = [&] { solve.Run(part); };
  const auto gradient = [&] { benchmark::DoNotOptimize(solve.Gradient()); };
  Seconds(run);
  Seconds(gradient);
  double best = HUGE_VAL, gradient_best = HUGE_VAL;
  for (auto _ : state) {
    const double seconds = Seconds(run);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
    gradient_best = std::min(gradient_best, Seconds(gradient));
  }
  state.counters["best_ms"] = best * 1e3;
  state.counters["gradients"] = best / gradient_best;
}

#define GBMOA_SOLVE_BENCHMARK(part)                  \
  BENCHMARK_CAPTURE(BM_ExactGaussNewton, part, part) \
      ->ArgName("threads")                           \
      ->Arg(1)                                       \
      ->Arg(2)                                       \
      ->UseManualTime()                              \
      ->Unit(benchmark::kMillisecond)

GBMOA_SOLVE_BENCHMARK(kSolve);
GBMOA_SOLVE_BENCHMARK(kJacobian);
GBMOA_SOLVE_BENCHMARK(kGram);
GBMOA_SOLVE_BENCHMARK(kProducts);

}  // namespace
}  // namespace gbmoa
