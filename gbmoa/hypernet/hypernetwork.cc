#include "gbmoa/hypernet/hypernetwork.h"

#include <cmath>
#include <memory>

#include "gbmoa/backbone/attention.h"
#include "gbmoa/base/shape.h"

namespace gbmoa {

Hypernetwork::Hypernetwork(const HypernetworkOptions& options)
    : options_(options),
      slot_size_(2 * options.bottleneck_dim * options.feature_dim + options.bottleneck_dim + options.feature_dim) {
  const int64_t d = options.feature_dim, e = options.task_embedding_dim, f = options.task_encoder_hidden;
  const auto add_linear = [&](const std::string& name, int64_t in, int64_t out) {
    layout_.Add(name + ".weight", {out, in});
    layout_.Add(name + ".bias", {out});
  };
  if (options.use_task_embedding) {
    add_linear("task_encoder.project", d, e);
    add_linear("task_encoder.attention.query_key_value", e, 3 * e);
    add_linear("task_encoder.attention.output", e, e);
    layout_.Add("task_encoder.attention.norm.weight", {e});
    layout_.Add("task_encoder.attention.norm.bias", {e});
    add_linear("task_encoder.feed_forward.intermediate", e, f);
    add_linear("task_encoder.feed_forward.output", f, e);
    layout_.Add("task_encoder.feed_forward.norm.weight", {e});
    layout_.Add("task_encoder.feed_forward.norm.bias", {e});
  } else {
    layout_.Add("task_embedding", {e});
  }
  if (options.kind == HypernetworkOptions::Kind::kShared) {
    layout_.Add("slot_embeddings", {options.slots, options.slot_embedding_dim});
    add_linear("generator.hidden", e + options.slot_embedding_dim, options.hidden_dim);
    add_linear("generator.output", options.hidden_dim, slot_size_);
  } else {
    add_linear("generator.hidden", e, options.hidden_dim);
    add_linear("generator.output", options.hidden_dim, options.slots * slot_size_);
  }
}

at::Tensor Hypernetwork::Initialize(const RandomStream& stream) const {
  at::Tensor psi = at::zeros({layout_.size()}, at::kFloat);
  float* data = psi.mutable_data_ptr<float>();
  double bound = 0;  // uniform(-1/√in, 1/√in) for a linear layer's weight and bias
  for (size_t i = 0; i < layout_.slices().size(); ++i) {
    const ParameterLayout::Slice& slice = layout_.slices()[i];
    const RandomStream own = stream.Substream(i);
    if (slice.shape.size() == 2) bound = 1 / std::sqrt(static_cast<double>(slice.shape[1]));
    float* out = data + slice.offset;
    // A loop of its own for each kind of slice: kFull's last layer has 10^8 numbers.
    const auto fill = [&](const auto& value) {
      for (int64_t j = 0; j < slice.size; ++j) out[j] = static_cast<float>(value(j));
    };
    if (slice.name.find(".norm.") != std::string::npos) {
      const double value = slice.name.find(".norm.weight") != std::string::npos ? 1 : 0;
      fill([&](int64_t) { return value; });
    } else if (slice.name == "slot_embeddings" || slice.name == "task_embedding") {
      fill([&](int64_t j) { return own.Normal(j); });
    } else if (slice.name == "generator.output.weight") {
      const double scale = options_.near_identity_scale * bound;
      fill([&](int64_t j) { return scale * (2 * own.Uniform(j) - 1); });
    } else if (slice.name == "generator.output.bias") {
      // The standard start of every slot; its first M · D numbers are the down-projection.
      const double sd = 1 / std::sqrt(static_cast<double>(options_.feature_dim));
      const int64_t down = options_.bottleneck_dim * options_.feature_dim;
      fill([&](int64_t j) { return j % slot_size_ < down ? sd * own.Normal(j) : 0; });
    } else {
      fill([&](int64_t j) { return bound * (2 * own.Uniform(j) - 1); });
    }
  }
  return psi;
}

at::Tensor Hypernetwork::EmbedTasks(const at::Tensor& psi, const at::Tensor& features,
                                    const std::vector<int64_t>& offsets) const {
  return EmbedTasksOf(layout_.Split(psi), features, offsets);
}

at::Tensor Hypernetwork::EmbedTasksOf(const std::vector<at::Tensor>& p, const at::Tensor& features,
                                      const std::vector<int64_t>& offsets) const {
  const int64_t num_tasks = static_cast<int64_t>(offsets.size()) - 1, e = options_.task_embedding_dim;
  if (!options_.use_task_embedding) return p[0].expand({num_tasks, e});
  CHECK_SHAPE(features, {offsets.back(), options_.feature_dim});

  int next = 0;
  const auto linear = [&](const at::Tensor& x) {
    const at::Tensor y = at::linear(x, p[next], p[next + 1]);
    next += 2;
    return y;
  };
  const auto norm = [&](const at::Tensor& x) {
    const at::Tensor y = at::layer_norm(x, {e}, p[next], p[next + 1]);
    next += 2;
    return y;
  };
  // Unit-norm features have entries of size 1/√D; √D f has the unit variance that the layers' starts expect.
  at::Tensor x = linear(features * std::sqrt(static_cast<double>(options_.feature_dim)));  // [n, E]
  const std::vector<at::Tensor> qkv = linear(x).chunk(3, 1);                               // 3 of [n, E]
  const auto sets = std::make_shared<const std::vector<int64_t>>(offsets);
  x = x + linear(PackedAttention(qkv[0], qkv[1], qkv[2], sets, options_.task_encoder_heads));
  x = norm(x);
  x = x + linear(at::relu(linear(x)));
  x = norm(x);  // [n, E]
  std::vector<at::Tensor> embeddings;
  for (int64_t b = 0; b < num_tasks; ++b) {
    embeddings.push_back(x.narrow(0, offsets[b], offsets[b + 1] - offsets[b]).mean(0));
  }
  return at::stack(embeddings);  // [B, E]
}

at::Tensor Hypernetwork::Generate(const at::Tensor& psi, const at::Tensor& features,
                                  const std::vector<int64_t>& offsets) const {
  const std::vector<at::Tensor> p = layout_.Split(psi);
  const at::Tensor e = EmbedTasksOf(p, features, offsets);  // [B, E]
  const int64_t num_tasks = e.size(0), slots = options_.slots;
  const size_t first = layout_.IndexOf("generator.hidden.weight");
  at::Tensor input = e;
  if (options_.kind == HypernetworkOptions::Kind::kShared) {
    const at::Tensor& z = p[layout_.IndexOf("slot_embeddings")];
    input = at::cat(
        {e.unsqueeze(1).expand({num_tasks, slots, e.size(1)}), z.unsqueeze(0).expand({num_tasks, slots, z.size(1)})},
        -1);  // [B, slots, E + Z]
  }
  const at::Tensor hidden = at::relu(at::linear(input, p[first], p[first + 1]));  // [B, slots, h], or [B, h]
  return at::linear(hidden, p[first + 2], p[first + 3]).reshape({num_tasks, slots * slot_size_});
}

}  // namespace gbmoa
