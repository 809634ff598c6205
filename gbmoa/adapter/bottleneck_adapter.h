// Bottleneck adapters (Houlsby et al. 2019) after the attention and the feed-forward sublayer of every layer.
#ifndef GBMOA_ADAPTER_BOTTLENECK_ADAPTER_H_
#define GBMOA_ADAPTER_BOTTLENECK_ADAPTER_H_

#include "gbmoa/adapter/adaptation_method.h"

namespace gbmoa {

enum class AdapterActivation { kRelu, kGelu, kSwish };  // x Φ(x); x / (1 + e^-x)

//   x ← x + U a(V x + v) + u        V [M, D], v [M], U [D, M], u [D], a an activation
//
// 2 L slots, in the order of the forward pass; slot 2 l + 1 is layer l's feed-forward sublayer. Each has
// 2 M D + M + D parameters. Starts near the identity: U, u zero, V at full scale normal(0, 1/√D); with both factors
// small the start would be a saddle without a gradient.
//
// With train_layer_norms the two layer norms of every layer, under their checkpoint names, are slices after these, as
// in Houlsby et al. 2019; then it takes one task at a time.
class BottleneckAdapter : public AdaptationMethod {
 public:
  explicit BottleneckAdapter(int64_t bottleneck_dim, AdapterActivation activation = AdapterActivation::kRelu,
                             bool train_layer_norms = false)
      : bottleneck_dim_(bottleneck_dim), activation_(activation), train_layer_norms_(train_layer_norms) {}

  void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const override;
  void Initialize(const Transformer& transformer, const ParameterLayout& layout, const RandomStream& stream,
                  at::Tensor& phi) const override;
  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override;

  int64_t bottleneck_dim() const { return bottleneck_dim_; }

 private:
  int64_t bottleneck_dim_;  // M
  AdapterActivation activation_;
  bool train_layer_norms_;
};

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_BOTTLENECK_ADAPTER_H_
