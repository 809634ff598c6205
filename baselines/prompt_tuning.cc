// Prompt tuning (Lester et al. 2021): trained embeddings before every sequence; the encoder is frozen. The mean over a
// sequence's tokens leaves the prompt's own positions out.
#include <memory>
#include <utility>

#include "gbmoa/base/torch.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

class PromptHooks : public EncoderHooks {
 public:
  explicit PromptHooks(at::Tensor prompt) : prompt_(std::move(prompt)) {}
  at::Tensor Prompt() const override { return prompt_; }

 private:
  at::Tensor prompt_;  // [B, prompt_tokens, D]
};

class PromptTuning : public AdaptationMethod {
 public:
  explicit PromptTuning(int64_t prompt_tokens) : prompt_tokens_(prompt_tokens) {}

  void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const override {
    layout.Add("prompt", {prompt_tokens_, config.hidden_size()});
  }

  // Embeddings of words drawn from the vocabulary, which the paper found better than noise.
  void Initialize(const Transformer& transformer, const ParameterLayout& layout, const RandomStream& stream,
                  at::Tensor& phi) const override {
    const at::Tensor& words = transformer.weights().word_embeddings;  // [V, D]
    // BERT's first thousand entries are special or unused; a small vocabulary is taken whole.
    const int64_t first = words.size(0) > 10000 ? 1000 : 0;
    for (int64_t i = 0; i < prompt_tokens_; ++i) {
      const int64_t id = first + static_cast<int64_t>(stream.Below(words.size(0) - first, i));
      phi.narrow(0, i * words.size(1), words.size(1)).copy_(words[id]);
    }
  }

  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override {
    return std::make_unique<PromptHooks>(std::move(slices[0]));
  }

  int64_t prompt_tokens() const override { return prompt_tokens_; }

 private:
  int64_t prompt_tokens_;
};

absl::StatusOr<std::unique_ptr<Learner>> MakePromptTuning(std::shared_ptr<const Backbone> backbone,
                                                          const LearnerOptions& options) {
  OptionReader reader(options);
  FinetuningOptions defaults;
  defaults.learning_rate = 1e-2;
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, defaults);
  const int64_t prompt_tokens =
      reader.Integer("prompt_tokens", 20, 1, backbone->config().max_position_embeddings() / 2);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  return std::make_unique<FinetuningLearner>(std::move(backbone), std::make_shared<const PromptTuning>(prompt_tokens),
                                             finetuning);
}

GBMOA_REGISTER_LEARNER("prompt_tuning", MakePromptTuning);

}  // namespace
}  // namespace gbmoa
