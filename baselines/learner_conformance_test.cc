// Every learner that is linked, the baselines and GB-MOA, through the conformance suite on a tiny random encoder.
#include "gbmoa/task/learner_conformance.h"

#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

const ConformanceBackbone& GetConformanceBackbone() {
  static const ConformanceBackbone* made = [] {
    BackboneConfig config;
    config.set_name("tiny");
    config.set_family(BackboneConfig::BERT);
    config.set_vocab_size(50);
    config.set_hidden_size(16);
    config.set_num_hidden_layers(2);
    config.set_num_attention_heads(2);
    config.set_intermediate_size(32);
    config.set_max_position_embeddings(64);
    config.set_type_vocab_size(2);
    config.set_layer_norm_eps(1e-12);
    config.set_activation(BackboneConfig::GELU);
    // Weights ten times the usual size: with 0.02 a random encoder of width 16 hardly depends on its input.
    EncoderWeights weights = RandomEncoderWeights(config, 1);
    ForEachTensor(weights, [](const std::string& name, at::Tensor& tensor) {
      if (name.find("LayerNorm") == std::string::npos) tensor.mul_(10);
    });
    auto* result = new ConformanceBackbone;
    result->backbone = Backbone::FromWeights(config, weights, Precision::kFloat32);
    result->fingerprint = [backbone = result->backbone] { return backbone->Fingerprint(); };
    result->num_parameters = result->backbone->num_parameters();
    result->vocab_size = config.vocab_size();
    result->max_tokens = config.max_position_embeddings();
    return result;
  }();
  return *made;
}

}  // namespace gbmoa
