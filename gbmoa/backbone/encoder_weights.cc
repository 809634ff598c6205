#include "gbmoa/backbone/encoder_weights.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gbmoa {

void ForEachTensor(EncoderWeights& weights,
                   const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) {
  const auto visit_pair = [&](const std::string& name, auto& pair) {
    visit(name + ".weight", pair.weight);
    visit(name + ".bias", pair.bias);
  };
  visit("embeddings.word_embeddings.weight", weights.word_embeddings);
  visit("embeddings.position_embeddings.weight", weights.position_embeddings);
  visit("embeddings.token_type_embeddings.weight", weights.type_embeddings);
  visit_pair("embeddings.LayerNorm", weights.embedding_norm);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    EncoderLayerWeights& layer = weights.layers[i];
    const std::string prefix = absl::StrCat("encoder.layer.", i, ".");
    visit_pair(prefix + "attention.self.query", layer.query);
    visit_pair(prefix + "attention.self.key", layer.key);
    visit_pair(prefix + "attention.self.value", layer.value);
    visit_pair(prefix + "attention.output.dense", layer.attention_output);
    visit_pair(prefix + "attention.output.LayerNorm", layer.attention_norm);
    visit_pair(prefix + "intermediate.dense", layer.intermediate);
    visit_pair(prefix + "output.dense", layer.output);
    visit_pair(prefix + "output.LayerNorm", layer.output_norm);
  }
}

void ForEachShape(const BackboneConfig& config,
                  const std::function<void(const std::string& name, const std::vector<int64_t>& shape)>& visit) {
  const int64_t d = config.hidden_size(), f = config.intermediate_size();
  EncoderWeights names;
  names.layers.resize(config.num_hidden_layers());
  // A tensor's shape follows from what its name ends in.
  ForEachTensor(names, [&](const std::string& name, at::Tensor&) {
    const bool is_bias = absl::EndsWith(name, ".bias");
    const bool widens = absl::StrContains(name, ".intermediate.");
    const bool narrows = absl::StrContains(name, ".output.dense") && !absl::StrContains(name, ".attention.");
    if (name == "embeddings.word_embeddings.weight") return visit(name, {config.vocab_size(), d});
    if (name == "embeddings.position_embeddings.weight") return visit(name, {config.max_position_embeddings(), d});
    if (name == "embeddings.token_type_embeddings.weight") return visit(name, {config.type_vocab_size(), d});
    if (is_bias || absl::StrContains(name, "LayerNorm")) return visit(name, {is_bias && widens ? f : d});
    visit(name, {widens ? f : d, narrows ? f : d});
  });
}

int64_t CountParameters(const BackboneConfig& config) {
  int64_t count = 0;
  ForEachShape(config, [&](const std::string&, const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (const int64_t extent : shape) size *= extent;
    count += size;
  });
  return count;
}

}  // namespace gbmoa
