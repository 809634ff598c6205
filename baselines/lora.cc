// LoRA (Hu et al. 2022): low-rank updates of projections, y = W x + (α / r) B A x; by default of query and value.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

// What "lora_targets" may name, in the order of the forward pass.
constexpr struct {
  const char* name;
  Projection projection;
  const char* slice;  // after "layer.I."
} kTargets[] = {
    {"query", Projection::kQuery, "attention.query"},
    {"key", Projection::kKey, "attention.key"},
    {"value", Projection::kValue, "attention.value"},
    {"attention_output", Projection::kAttentionOutput, "attention.output"},
    {"intermediate", Projection::kIntermediate, "intermediate"},
    {"output", Projection::kOutput, "output"},
};

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;
  std::vector<int> targets;  // of kTargets, ascending
  double dropout = 0;        // share of x that A does not see in a training step
};

class LoraHooks : public EncoderHooks {
 public:
  LoraHooks(std::vector<at::Tensor> slices, const LoraOptions& options, std::optional<RandomStream> dropout)
      : slices_(std::move(slices)), options_(options), dropout_(dropout) {}

  at::Tensor AfterProjection(int layer, Projection projection, const at::Tensor& x, const at::Tensor& y,
                             const PackedBatch& batch) const override {
    for (size_t i = 0; i < options_.targets.size(); ++i) {
      if (kTargets[options_.targets[i]].projection != projection) continue;
      const at::Tensor* pair = &slices_[2 * (layer * options_.targets.size() + i)];
      const at::Tensor seen = Drop(x, layer, projection);
      const at::Tensor low = GroupedLinear(seen, pair[0], {}, batch.task_tokens);  // [N, r]
      const double scale = options_.alpha / static_cast<double>(options_.rank);
      return y + scale * GroupedLinear(low, pair[1], {}, batch.task_tokens);  // [N, out]
    }
    return y;
  }

 private:
  // Each number is zero with probability p, or x / (1 - p).
  at::Tensor Drop(const at::Tensor& x, int layer, Projection projection) const {
    if (!dropout_.has_value()) return x;
    const RandomStream stream = dropout_->Substream(layer).Substream(static_cast<uint64_t>(projection));
    at::Tensor mask = at::empty(x.sizes(), at::kFloat);
    auto* const values = mask.mutable_data_ptr<float>();
    const double p = options_.dropout;
    const auto kept = static_cast<float>(1 / (1 - p));
    for (int64_t i = 0; i < mask.numel(); ++i) values[i] = stream.Uniform(i) < p ? 0 : kept;
    return x * mask.to(x.scalar_type());
  }

  std::vector<at::Tensor> slices_;  // layer by layer, target by target: A, B
  LoraOptions options_;
  std::optional<RandomStream> dropout_;  // none outside of training steps
};

class Lora : public AdaptationMethod {
 public:
  explicit Lora(const LoraOptions& options) : options_(options) {}

  void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const override {
    const int64_t d = config.hidden_size(), f = config.intermediate_size(), r = options_.rank;
    for (int i = 0; i < config.num_hidden_layers(); ++i) {
      for (const int target : options_.targets) {
        const Projection projection = kTargets[target].projection;
        const std::string prefix = absl::StrCat("layer.", i, ".", kTargets[target].slice, ".lora.");
        layout.Add(prefix + "a", {r, projection == Projection::kOutput ? f : d});
        layout.Add(prefix + "b", {projection == Projection::kIntermediate ? f : d, r});
      }
    }
  }

  // B = 0: the start is the frozen encoder. A is normal with the variance of peft's uniform start, 1 / (3 in).
  void Initialize(const Transformer&, const ParameterLayout& layout, const RandomStream& stream,
                  at::Tensor& phi) const override {
    for (size_t i = 0; i < layout.slices().size(); i += 2) {
      const ParameterLayout::Slice& a = layout.slices()[i];
      if (a.group == ParameterGroup::kHead) break;
      FillNormal(layout, static_cast<int>(i), 1 / std::sqrt(3.0 * static_cast<double>(a.shape[1])), stream, phi);
    }
  }

  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override {
    return std::make_unique<LoraHooks>(std::move(slices), options_, std::nullopt);
  }

  std::unique_ptr<EncoderHooks> BindTraining(std::vector<at::Tensor> slices,
                                             const RandomStream& stream) const override {
    if (options_.dropout == 0) return Bind(std::move(slices));
    return std::make_unique<LoraHooks>(std::move(slices), options_, stream);
  }

 private:
  LoraOptions options_;
};

absl::StatusOr<std::unique_ptr<Learner>> MakeLora(std::shared_ptr<const Backbone> backbone,
                                                  const LearnerOptions& options) {
  OptionReader reader(options);
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, {});
  LoraOptions lora;
  lora.rank = reader.Integer("lora_rank", lora.rank, 1, 1 << 20);
  lora.alpha = reader.Number("lora_alpha", lora.alpha, 1e-6, 1e6);
  lora.dropout = reader.Share("lora_dropout", lora.dropout);
  std::vector<std::string> known;
  for (const auto& target : kTargets) known.push_back(target.name);
  for (const std::string& name : reader.Subset("lora_targets", {"query", "value"}, known)) {
    lora.targets.push_back(static_cast<int>(std::find(known.begin(), known.end(), name) - known.begin()));
  }
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  return std::make_unique<FinetuningLearner>(std::move(backbone), std::make_shared<const Lora>(lora), finetuning);
}

GBMOA_REGISTER_LEARNER("lora", MakeLora);

}  // namespace
}  // namespace gbmoa
