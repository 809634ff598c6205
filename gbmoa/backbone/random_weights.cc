#include "gbmoa/backbone/random_weights.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

EncoderWeights RandomEncoderWeights(const BackboneConfig& config, uint64_t seed, at::ScalarType dtype) {
  CHECK(dtype == at::kFloat || dtype == at::kDouble) << dtype;
  constexpr double kStandardDeviation = 0.02;
  std::map<std::string, at::Tensor> tensors;
  ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
    const RandomStream stream(seed, name);
    const double mean = absl::EndsWith(name, "LayerNorm.weight") ? 1 : 0;
    at::Tensor tensor = at::empty(shape, at::kDouble);
    double* values = tensor.mutable_data_ptr<double>();
    for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = mean + kStandardDeviation * stream.Normal(i);
    tensors.emplace(name, tensor.to(dtype));
  });
  EncoderWeights weights;
  weights.layers.resize(config.num_hidden_layers());
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) { tensor = tensors.at(name); });
  return weights;
}

EncoderWeights LivelyEncoderWeights(const BackboneConfig& config, uint64_t seed, at::ScalarType dtype) {
  EncoderWeights weights = RandomEncoderWeights(config, seed, dtype);
  ForEachTensor(weights, [](const std::string& name, at::Tensor& tensor) {
    if (!absl::StrContains(name, "LayerNorm")) tensor.mul_(10);
  });
  return weights;
}

BackboneConfig BertOfSizes(const EncoderSizes& sizes) {
  BackboneConfig config;
  config.set_name("random");
  config.set_family(BackboneConfig::BERT);
  config.set_vocab_size(sizes.vocabulary);
  config.set_hidden_size(sizes.width);
  config.set_num_hidden_layers(sizes.layers);
  config.set_num_attention_heads(sizes.heads);
  config.set_intermediate_size(sizes.feed_forward);
  config.set_max_position_embeddings(sizes.positions);
  config.set_type_vocab_size(2);
  config.set_layer_norm_eps(1e-12);
  config.set_activation(BackboneConfig::GELU);
  return config;
}

}  // namespace gbmoa
