#include "gbmoa/adapter/full_weights.h"

#include <utility>

#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

size_t NumTensors(EncoderWeights& weights) {
  size_t count = 0;
  ForEachTensor(weights, [&](const std::string&, at::Tensor&) { ++count; });
  return count;
}

class FullHooks : public EncoderHooks {
 public:
  explicit FullHooks(EncoderWeights weights) : weights_(std::move(weights)) {}
  const EncoderWeights* weights() const override { return &weights_; }

 private:
  EncoderWeights weights_;
};

}  // namespace

void FullWeights::AddSlices(const BackboneConfig& config, ParameterLayout& layout) const {
  ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>& shape) { layout.Add(name, shape); });
}

void FullWeights::Initialize(const Transformer& transformer, const ParameterLayout& layout, const RandomStream&,
                             at::Tensor& phi) const {
  EncoderWeights weights = transformer.weights();
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) {
    const ParameterLayout::Slice& slice = layout.slices()[layout.IndexOf(name)];
    phi.narrow(0, slice.offset, slice.size).copy_(tensor.reshape({-1}));
  });
}

std::unique_ptr<EncoderHooks> FullWeights::Bind(std::vector<at::Tensor> slices) const {
  EncoderWeights weights;
  // As many layers as there are slices for.
  while (NumTensors(weights) < slices.size()) weights.layers.emplace_back();
  CHECK_EQ(NumTensors(weights), slices.size());
  size_t next = 0;
  ForEachTensor(weights, [&](const std::string&, at::Tensor& tensor) {
    CHECK_EQ(slices[next].size(0), 1) << "full weights take one task at a time";
    tensor = slices[next++].squeeze(0);
  });
  return std::make_unique<FullHooks>(std::move(weights));
}

}  // namespace gbmoa
