#include "gbmoa/backbone/transformer.h"

#include <cmath>

#include "gbmoa/backbone/activation.h"
#include "gbmoa/backbone/attention.h"
#include "gbmoa/backbone/frozen_linear.h"
#include "gbmoa/backbone/layer_norm.h"
#include "gbmoa/base/shape.h"

namespace gbmoa {
namespace {

// The product in the type of the weight, bias and result in the type of x. A trained weight's gradient is a product in
// its type, too; FrozenLinear is the same forward pass without one.
at::Tensor Linear(const at::Tensor& x, const LinearWeights& linear) {
  if (!linear.weight.requires_grad()) return FrozenLinear(x, linear.weight, linear.bias);
  return at::linear(x.to(linear.weight.scalar_type()), linear.weight).to(x.scalar_type()) + linear.bias;
}

at::Tensor Activate(const at::Tensor& x, BackboneConfig::Activation activation) {
  switch (activation) {
    case BackboneConfig::GELU_TANH:
      return at::gelu(x, "tanh");
    case BackboneConfig::RELU:
      return at::relu(x);
    default:
      return Gelu(x);
  }
}

// Weights in the products' type; biases are added in the activations' own.
LinearWeights ToType(const LinearWeights& linear, at::ScalarType dtype) {
  return {linear.weight.to(dtype), linear.bias};
}

}  // namespace

Transformer::Layer Transformer::MakeLayer(const EncoderLayerWeights& layer) const {
  // Query, key and value as one product: three narrow ones do not fill the machine.
  const LinearWeights query_key_value = {at::cat({layer.query.weight, layer.key.weight, layer.value.weight}),
                                         at::cat({layer.query.bias, layer.key.bias, layer.value.bias})};
  return {
      ToType(query_key_value, product_dtype_),    ToType(layer.attention_output, product_dtype_), layer.attention_norm,
      ToType(layer.intermediate, product_dtype_), ToType(layer.output, product_dtype_),           layer.output_norm};
}

at::Tensor EncoderHooks::AfterSublayer(int, Sublayer, const at::Tensor& x, const PackedBatch&) const { return x; }

at::Tensor EncoderHooks::AfterProjection(int, Projection, const at::Tensor&, const at::Tensor& y,
                                         const PackedBatch&) const {
  return y;
}

Transformer::Transformer(const BackboneConfig& config, EncoderWeights weights, at::ScalarType product_dtype)
    : config_(config), weights_(std::move(weights)), product_dtype_(product_dtype) {
  for (const EncoderLayerWeights& layer : weights_.layers) layers_.push_back(MakeLayer(layer));
}

at::Tensor Transformer::Forward(const PackedBatch& batch, const EncoderHooks& hooks) const {
  const EncoderWeights& weights = hooks.weights() != nullptr ? *hooks.weights() : weights_;
  const double eps = config_.layer_norm_eps();
  const int64_t heads = config_.num_attention_heads();

  at::Tensor words = at::embedding(weights.word_embeddings, batch.ids);  // [N, D]
  if (const at::Tensor prompt = hooks.Prompt(); prompt.defined()) {
    CHECK_SHAPE(prompt, {batch.num_tasks(), batch.prompt_tokens, words.size(1)});
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < batch.num_tasks(); ++b) {
      rows.push_back(prompt[b].repeat({batch.task_sequences[b + 1] - batch.task_sequences[b], 1}));
    }
    words = words.index_copy(0, batch.prompt_rows, at::cat(rows, 0));
  }
  words = words + at::embedding(weights.position_embeddings, batch.position_ids);
  at::Tensor x = ResidualLayerNorm(words, at::embedding(weights.type_embeddings, batch.type_ids),
                                   weights.embedding_norm, eps);  // [N, D]

  for (int i = 0; i < static_cast<int>(weights.layers.size()); ++i) {
    const Layer layer = hooks.weights() != nullptr ? MakeLayer(weights.layers[i]) : layers_[i];
    const auto project = [&](Projection projection, const LinearWeights& linear, const at::Tensor& input) {
      return hooks.AfterProjection(i, projection, input, Linear(input, linear), batch);
    };
    const std::vector<at::Tensor> qkv = Linear(x, layer.query_key_value).chunk(3, 1);  // 3 of [N, D]
    const at::Tensor attended =
        PackedAttention(hooks.AfterProjection(i, Projection::kQuery, x, qkv[0], batch),
                        hooks.AfterProjection(i, Projection::kKey, x, qkv[1], batch),
                        hooks.AfterProjection(i, Projection::kValue, x, qkv[2], batch), batch.sequences, heads);
    at::Tensor y = project(Projection::kAttentionOutput, layer.attention_output, attended);  // [N, D]
    x = ResidualLayerNorm(x, hooks.AfterSublayer(i, Sublayer::kAttention, y, batch),
                          hooks.Norm(i, Sublayer::kAttention, layer.attention_norm), eps);

    y = Activate(project(Projection::kIntermediate, layer.intermediate, x), config_.activation());  // [N, F]
    y = project(Projection::kOutput, layer.output, y);                                              // [N, D]
    x = ResidualLayerNorm(x, hooks.AfterSublayer(i, Sublayer::kFeedForward, y, batch),
                          hooks.Norm(i, Sublayer::kFeedForward, layer.output_norm), eps);
  }
  return x;
}

at::Tensor Transformer::Features(const at::Tensor& hidden, const PackedBatch& batch) const {
  at::Tensor means = at::zeros({batch.num_sequences(), hidden.size(1)}, hidden.options())
                         .index_add(0, batch.token_sequences, hidden * batch.token_weights);  // [S, D]
  // Written out, because the norm's second derivative is needed and its argument is far from 0.
  means = means * (means * means).sum(-1, true).rsqrt();
  if (!batch.right.defined()) return means;
  const at::Tensor a = means.index_select(0, batch.left);   // [n, D]
  const at::Tensor b = means.index_select(0, batch.right);  // [n, D]; a itself where there is no pair
  return at::where(batch.is_pair, std::sqrt(static_cast<double>(a.size(1))) * a * b, a);
}

void Transformer::ForEachProductWeight(const std::function<void(const at::Tensor& tensor)>& visit) const {
  for (const Layer& layer : layers_) {
    for (const LinearWeights* linear :
         {&layer.query_key_value, &layer.attention_output, &layer.intermediate, &layer.output}) {
      visit(linear->weight);
      visit(linear->bias);
    }
  }
}

double Transformer::ForwardFlops(int64_t num_tokens) const {
  const double d = config_.hidden_size(), f = config_.intermediate_size();
  return 2.0 * static_cast<double>(num_tokens) * config_.num_hidden_layers() * (4 * d * d + 2 * d * f);
}

}  // namespace gbmoa
