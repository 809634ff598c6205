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

}  // namespace gbmoa
