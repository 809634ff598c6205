// What meta-learning asks of an encoder, on MiniLM-L6's shapes with bottleneck adapters and random weights: 312 tokens
// in 25 sequences, as in five-way five-shot adaptation on short texts.
//
// Each iteration runs the pass and then the frozen products that it cannot do without, alone and in the type that they
// run in; "vs_products" is the ratio of their best times, which holds on a busy machine too. GFLOP/s, of the best time,
// count these products only.
#include <memory>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/adapter/minilm_benchmark.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

enum Pass {
  kForward,
  kGradient,
  kHessianProduct,     // by double backward on one retained graph
  kJacobianProduct,    // logits along a direction of φ, as the gradient of a gradient on one retained graph
  kGaussNewtonProduct  // a Jacobian product and one with its transpose
};

class Encoder {
 public:
  Encoder() : model_(RandomMiniLm()) {
    const Batch texts = DefinitionLikeTexts();
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

  std::shared_ptr<const AdaptedEncoder> model_;
  PackedBatch batch_;
  at::Tensor phi_, direction_, logits_, gradient_, weights_, transposed_;
};

void BM_Encoder(benchmark::State& state, Pass pass) {
  static const Encoder& encoder = *new Encoder;
  const auto products = encoder.Products(pass);
  double flops = 0;
  for (const auto& [x, matrix] : products) flops += 2.0 * x.size(0) * matrix.numel();
  const double best = TimeAgainst(
      state, [&] { benchmark::DoNotOptimize(encoder.Run(pass)); }, "vs_products",
      [&] {
        const at::NoGradGuard no_grad;
        for (const auto& [x, matrix] : products) benchmark::DoNotOptimize(at::linear(x, matrix));
      });
  state.counters["GFLOP/s"] = flops / best / 1e9;
}

GBMOA_BENCHMARK_BY_THREADS(BM_Encoder, kForward);
GBMOA_BENCHMARK_BY_THREADS(BM_Encoder, kGradient);
GBMOA_BENCHMARK_BY_THREADS(BM_Encoder, kHessianProduct);
GBMOA_BENCHMARK_BY_THREADS(BM_Encoder, kJacobianProduct);
GBMOA_BENCHMARK_BY_THREADS(BM_Encoder, kGaussNewtonProduct);

}  // namespace
}  // namespace gbmoa
