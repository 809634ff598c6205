// The tensors of a BERT-style encoder, as plain data.
#ifndef GBMOA_BACKBONE_ENCODER_WEIGHTS_H_
#define GBMOA_BACKBONE_ENCODER_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

// y = x Wᵀ + b.
struct LinearWeights {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

struct LayerNormWeights {
  at::Tensor weight;  // [D]
  at::Tensor bias;    // [D]
};

struct EncoderLayerWeights {
  LinearWeights query, key, value;  // [D, D]
  LinearWeights attention_output;   // [D, D]
  LayerNormWeights attention_norm;
  LinearWeights intermediate;  // [F, D]
  LinearWeights output;        // [D, F]
  LayerNormWeights output_norm;
};

struct EncoderWeights {
  at::Tensor word_embeddings;      // [V, D]
  at::Tensor position_embeddings;  // [max positions, D]
  at::Tensor type_embeddings;      // [type vocabulary, D]
  LayerNormWeights embedding_norm;
  std::vector<EncoderLayerWeights> layers;
};

// Calls `visit` for every tensor with its name in a Hugging Face checkpoint, without the "bert." or "roberta." prefix,
// in a fixed order: embeddings, then layer by layer.
void ForEachTensor(EncoderWeights& weights,
                   const std::function<void(const std::string& name, at::Tensor& tensor)>& visit);

// The same names in the same order with the shapes that the configuration demands; no weights are needed.
void ForEachShape(const BackboneConfig& config,
                  const std::function<void(const std::string& name, const std::vector<int64_t>& shape)>& visit);

// Numbers in the tensors of that configuration. No pooler: published counts are D² + D larger.
int64_t CountParameters(const BackboneConfig& config);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ENCODER_WEIGHTS_H_
