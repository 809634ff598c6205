// The BERT encoder (Devlin et al. 2019) on packed tokens, with the places where a method may change it.
#ifndef GBMOA_BACKBONE_TRANSFORMER_H_
#define GBMOA_BACKBONE_TRANSFORMER_H_

#include <functional>

#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/backbone/packed_batch.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

enum class Sublayer { kAttention, kFeedForward };
enum class Projection { kQuery, kKey, kValue, kAttentionOutput, kIntermediate, kOutput };

// What a method changes inside the encoder; by default nothing. Holds the slices of one φ [B, P].
class EncoderHooks {
 public:
  virtual ~EncoderHooks() = default;

  // Bottleneck adapters: after a sublayer's output projection, before the residual sum and layer norm. x [N, D] -> [N,
  // D].
  virtual at::Tensor AfterSublayer(int layer, Sublayer sublayer, const at::Tensor& x, const PackedBatch& batch) const;

  // LoRA: y = x Wᵀ + b is the frozen projection's output, [N, out]; returns what takes its place.
  virtual at::Tensor AfterProjection(int layer, Projection projection, const at::Tensor& x, const at::Tensor& y,
                                     const PackedBatch& batch) const;

  // Trained layer norms: the one at the end of a layer's sublayer, `norm` if it stays frozen.
  virtual const LayerNormWeights& Norm(int layer, Sublayer sublayer, const LayerNormWeights& norm) const {
    return norm;
  }

  // Prompt tuning: the soft prompt of each task, [B, prompt_tokens, D], or undefined.
  virtual at::Tensor Prompt() const { return {}; }

  // Full fine-tuning: the weights to use in place of the frozen ones, or null.
  virtual const EncoderWeights* weights() const { return nullptr; }
};

// The frozen weights in the form that the forward pass wants.
class Transformer {
 public:
  // `weights` are float32 or float64; frozen products run in `product_dtype` (float32, float64 or bfloat16), everything
  // else in the weights' own type.
  Transformer(const BackboneConfig& config, EncoderWeights weights, at::ScalarType product_dtype);

  // Last hidden states, [N, D]. Differentiable twice in whatever the hooks hold.
  at::Tensor Forward(const PackedBatch& batch, const EncoderHooks& hooks) const;

  // Features of the batch's examples from hidden states [N, D] -> [n, D], unit norm each: the mean over a sequence's
  // real tokens, [CLS] and [SEP] included, prompt positions not. A pair that is encoded apart has √D · f_a ∘ f_b (unit
  // f_a, f_b) whose norm is not 1.
  at::Tensor Features(const at::Tensor& hidden, const PackedBatch& batch) const;

  const EncoderWeights& weights() const { return weights_; }
  // The matrices and biases that the forward pass multiplies with: copies of weights() in product_dtype.
  void ForEachProductWeight(const std::function<void(const at::Tensor& tensor)>& visit) const;
  at::ScalarType dtype() const { return weights_.word_embeddings.scalar_type(); }
  // Of the products with weight matrices in one forward pass: 2 FLOPs a weight and token.
  double ForwardFlops(int64_t num_tokens) const;

 private:
  // One layer in the form of the forward pass; matrices are in product_dtype_.
  struct Layer {
    LinearWeights query_key_value;  // [3 D, D]
    LinearWeights attention_output;
    LayerNormWeights attention_norm;
    LinearWeights intermediate, output;
    LayerNormWeights output_norm;
  };
  Layer MakeLayer(const EncoderLayerWeights& layer) const;

  BackboneConfig config_;
  EncoderWeights weights_;  // as given
  at::ScalarType product_dtype_;
  std::vector<Layer> layers_;
};

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_TRANSFORMER_H_
