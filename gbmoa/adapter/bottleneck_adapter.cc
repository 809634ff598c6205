#include "gbmoa/adapter/bottleneck_adapter.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/activation.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr int kSlicesPerSlot = 4;  // down.weight, down.bias, up.weight, up.bias

at::Tensor Activate(const at::Tensor& x, AdapterActivation activation) {
  switch (activation) {
    case AdapterActivation::kGelu:
      return Gelu(x);
    case AdapterActivation::kSwish:
      return at::silu(x);
    default:
      return at::relu(x);
  }
}

// The norms at the end of a layer's sublayers, attention's first: names as in a checkpoint, as in ForEachTensor.
std::string NormPrefix(int layer, int sublayer) {
  return absl::StrCat("encoder.layer.", layer, sublayer == 0 ? ".attention" : "", ".output.LayerNorm.");
}

class AdapterHooks : public EncoderHooks {
 public:
  AdapterHooks(std::vector<at::Tensor> slices, std::vector<LayerNormWeights> norms, AdapterActivation activation)
      : slices_(std::move(slices)), norms_(std::move(norms)), activation_(activation) {}

  at::Tensor AfterSublayer(int layer, Sublayer sublayer, const at::Tensor& x, const PackedBatch& batch) const override {
    const at::Tensor* slot = &slices_[kSlicesPerSlot * Slot(layer, sublayer)];
    const at::Tensor z = Activate(GroupedLinear(x, slot[0], slot[1], batch.task_tokens), activation_);  // [N, M]
    return x + GroupedLinear(z, slot[2], slot[3], batch.task_tokens);                                   // [N, D]
  }

  const LayerNormWeights& Norm(int layer, Sublayer sublayer, const LayerNormWeights& norm) const override {
    return norms_.empty() ? norm : norms_[Slot(layer, sublayer)];
  }

 private:
  static int Slot(int layer, Sublayer sublayer) { return 2 * layer + (sublayer == Sublayer::kFeedForward ? 1 : 0); }

  std::vector<at::Tensor> slices_;
  std::vector<LayerNormWeights> norms_;  // of each slot; empty: all stay frozen
  AdapterActivation activation_;
};

}  // namespace

void BottleneckAdapter::AddSlices(const BackboneConfig& config, ParameterLayout& layout) const {
  const int64_t d = config.hidden_size(), m = bottleneck_dim_;
  for (int i = 0; i < config.num_hidden_layers(); ++i) {
    for (const char* sublayer : {"attention", "feed_forward"}) {
      const std::string prefix = absl::StrCat("layer.", i, ".", sublayer, ".adapter.");
      layout.Add(prefix + "down.weight", {m, d});
      layout.Add(prefix + "down.bias", {m});
      layout.Add(prefix + "up.weight", {d, m});
      layout.Add(prefix + "up.bias", {d});
    }
  }
  if (!train_layer_norms_) return;
  for (int i = 0; i < config.num_hidden_layers(); ++i) {
    for (const int sublayer : {0, 1}) {
      layout.Add(NormPrefix(i, sublayer) + "weight", {d});
      layout.Add(NormPrefix(i, sublayer) + "bias", {d});
    }
  }
}

void BottleneckAdapter::Initialize(const Transformer& transformer, const ParameterLayout& layout,
                                   const RandomStream& stream, at::Tensor& phi) const {
  const std::vector<EncoderLayerWeights>& layers = transformer.weights().layers;
  for (int i = 0; i < static_cast<int>(2 * layers.size()); ++i) {
    const int down = kSlicesPerSlot * i;
    const auto width = static_cast<double>(layout.slices()[down].shape[1]);
    FillNormal(layout, down, 1 / std::sqrt(width), stream, phi);
  }
  if (!train_layer_norms_) return;
  const auto copy = [&](const std::string& name, const at::Tensor& values) {
    const ParameterLayout::Slice& slice = layout.slices()[layout.IndexOf(name)];
    phi.narrow(0, slice.offset, slice.size).copy_(values);
  };
  for (int i = 0; i < static_cast<int>(layers.size()); ++i) {
    for (const int sublayer : {0, 1}) {
      const LayerNormWeights& norm = sublayer == 0 ? layers[i].attention_norm : layers[i].output_norm;
      copy(NormPrefix(i, sublayer) + "weight", norm.weight);
      copy(NormPrefix(i, sublayer) + "bias", norm.bias);
    }
  }
}

std::unique_ptr<EncoderHooks> BottleneckAdapter::Bind(std::vector<at::Tensor> slices) const {
  std::vector<LayerNormWeights> norms;
  if (train_layer_norms_) {
    // A slot has four slices of its own and its norm's two.
    const size_t slots = slices.size() / (kSlicesPerSlot + 2);
    for (size_t i = kSlicesPerSlot * slots; i < slices.size(); i += 2) {
      CHECK_EQ(slices[i].size(0), 1) << "trained layer norms take one task at a time";
      norms.push_back({slices[i].squeeze(0), slices[i + 1].squeeze(0)});
    }
    CHECK_EQ(norms.size(), slots);
  }
  return std::make_unique<AdapterHooks>(std::move(slices), std::move(norms), activation_);
}

}  // namespace gbmoa
