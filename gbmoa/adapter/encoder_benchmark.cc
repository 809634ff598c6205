// What meta-learning asks of an encoder, on MiniLM-L6's shapes with bottleneck adapters and random weights: 312 tokens
// in 25 sequences, as in five-way five-shot adaptation on short texts.
//
// Each iteration runs the pass and then the frozen products that it cannot do without, alone and in the type that they
// run in; "vs_products" is the ratio of their best times, which holds on a busy machine too. GFLOP/s, of the best time,
// count these products only.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/torch.h"

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
  // Mean 12.5 and spread as in gloss texts; fixed, so that runs compare.
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

enum Pass {
  kForward,
  kGradient,
  kHessianProduct,     // by double backward on one retained graph
  kJacobianProduct,    // logits along a direction of φ, as the gradient of a gradient on one retained graph
  kGaussNewtonProduct  // a Jacobian product and one with its transpose
};

class Encoder {
 public:
  Encoder() {
    std::shared_ptr<const Backbone> backbone =
        Backbone::FromWeights(MiniLmConfig(), RandomEncoderWeights(MiniLmConfig(), 1), FastestPrecision());
    model_ = std::make_unique<AdaptedEncoder>(std::move(backbone), std::make_shared<const BottleneckAdapter>(64), 5);
    const Batch texts = Texts();
    batch_ = *model_->Pack({&texts});
    at::manual_seed(1);
    phi_ = (0.05 * at::randn({1, model_->layout().size()})).set_requires_grad(true);
    direction_ = at::randn_like(phi_);
    logits_ = model_->Logits(phi_, batch_);
    gradient_ = Gradient(AdaptedEncoder::Losses(logits_, batch_), true);
    // Jᵀ w, linear in w: its derivative along φ's direction is J times the direction.
    weights_ = at::zeros_like(logits_).set_requires_grad(true);
    transposed_ = torch::autograd::grad({logits_}, {phi_}, {weights_}, true, true)[0];
  }

  at::Tensor Run(Pass pass) const {
    switch (pass) {
      case kForward: {
        const at::NoGradGuard no_grad;
        return model_->Logits(phi_, batch_);
      }
      case kGradient:
        return Gradient(AdaptedEncoder::Losses(model_->Logits(phi_, batch_), batch_), false);
      case kHessianProduct:
        return torch::autograd::grad({gradient_}, {phi_}, {direction_}, /*retain_graph=*/true)[0];
      case kJacobianProduct:
        return JacobianProduct();
      case kGaussNewtonProduct:
        // The loss's own second derivative, [C, C] an example, costs nothing beside these.
        return torch::autograd::grad({logits_}, {phi_}, {JacobianProduct()}, /*retain_graph=*/true)[0];
    }
    LOG(FATAL) << "no such pass";
  }

  // The pairs (x, matrix) of the frozen products of a pass. φ first enters after the first layer's attention, so what
  // comes before has no derivative.
  std::vector<std::pair<at::Tensor, at::Tensor>> Products(Pass pass) const {
    std::vector<at::Tensor> matrices;
    model_->backbone().transformer().ForEachProductWeight([&](const at::Tensor& tensor) {
      if (tensor.dim() == 2) matrices.push_back(tensor);
    });
    std::vector<std::pair<at::Tensor, at::Tensor>> products;
    const auto add = [&](const at::Tensor& matrix) {
      products.emplace_back(at::randn({batch_.num_tokens(), matrix.size(1)}).to(matrix.scalar_type()), matrix);
    };
    const bool plain = pass == kForward || pass == kGradient;
    const bool back = pass != kForward && pass != kJacobianProduct;
    for (size_t i = plain ? 0 : 2; i < matrices.size(); ++i) add(matrices[i]);
    for (size_t i = matrices.size() - 1; back && i >= 2; --i) add(matrices[i].t());
    return products;
  }

 private:
  at::Tensor Gradient(const at::Tensor& losses, bool create_graph) const {
    return torch::autograd::grad({losses.sum()}, {phi_}, {}, create_graph, create_graph)[0];
  }
  at::Tensor JacobianProduct() const {
    return torch::autograd::grad({transposed_}, {weights_}, {direction_}, /*retain_graph=*/true)[0];
  }

  std::unique_ptr<AdaptedEncoder> model_;
  PackedBatch batch_;
  at::Tensor phi_, direction_, logits_, gradient_, weights_, transposed_;
};

template <typename Function>
double Seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void BM_Encoder(benchmark::State& state, Pass pass) {
  static const Encoder& encoder = *new Encoder;
  at::set_num_threads(static_cast<int>(state.range(0)));
  const auto products = encoder.Products(pass);
  double flops = 0;
  for (const auto& [x, matrix] : products) flops += 2.0 * x.size(0) * matrix.numel();
  const auto run = [&] { benchmark::DoNotOptimize(encoder.Run(pass)); };
  const auto multiply = [&] {
    const at::NoGradGuard no_grad;
    for (const auto& [x, matrix] : products) benchmark::DoNotOptimize(at::linear(x, matrix));
  };
  Seconds(run);
  Seconds(multiply);
  double best = HUGE_VAL, products_best = HUGE_VAL;
  for (auto _ : state) {
    const double seconds = Seconds(run);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
    products_best = std::min(products_best, Seconds(multiply));
  }
  state.counters["best_ms"] = best * 1e3;
  state.counters["GFLOP/s"] = flops / best / 1e9;
  state.counters["vs_products"] = best / products_best;
}

#define GBMOA_ENCODER_BENCHMARK(pass)       \
  BENCHMARK_CAPTURE(BM_Encoder, pass, pass) \
      ->ArgName("threads")                  \
      ->Arg(1)                              \
      ->Arg(2)                              \
      ->UseManualTime()                     \
      ->Unit(benchmark::kMillisecond)

GBMOA_ENCODER_BENCHMARK(kForward);
GBMOA_ENCODER_BENCHMARK(kGradient);
GBMOA_ENCODER_BENCHMARK(kHessianProduct);
GBMOA_ENCODER_BENCHMARK(kJacobianProduct);
GBMOA_ENCODER_BENCHMARK(kGaussNewtonProduct);

}  // namespace
}  // namespace gbmoa
