// Gradient fine-tuning of one method's φ on a support set: what every baseline is, and how the meta-learners adapt,
// too.
#ifndef GBMOA_FINETUNING_LEARNER_H_
#define GBMOA_FINETUNING_LEARNER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/adapter/adaptation_method.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/finetuning_steps.h"
#include "gbmoa/task/learner.h"
#include "gbmoa/task/option_reader.h"

namespace gbmoa {

// Reads "learning_rate", "head_learning_rate", "weight_decay", "optimizer" ("adamw" or "sgd"), "schedule" ("constant"
// or "linear"), "warm_up", "clip_norm", "decay" ("all" or "matrices") and "head" ("unit_mean" or "tanh"); `defaults`
// holds where the options are silent.
//
// In a learner that meta-learns, "warm_up" and "clip_norm" are its outer loop's: here they are "finetuning_warm_up" and
// "finetuning_clip_norm" then. Its head can only be "unit_mean".
FinetuningOptions ReadFinetuningOptions(OptionReader& reader, const FinetuningOptions& defaults,
                                        bool meta_learns = false);

// A regression's model has one output, its predictions are that output, and it is trained on squared errors.
class FinetuningLearner : public Learner {
 public:
  FinetuningLearner(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
                    const FinetuningOptions& options);

  absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const override;
  absl::StatusOr<std::unique_ptr<Predictor>> Restore(
      int num_classes, const std::map<std::string, std::vector<float>>& parameters) const override;
  ParameterCounts CountParameters(int num_classes) const override;
  int64_t prompt_tokens() const override { return method_->prompt_tokens(); }

  const std::shared_ptr<const AdaptationMethod>& method() const { return method_; }
  const FinetuningOptions& options() const { return options_; }

 protected:
  // Where φ starts on this support set, [1, P]; a head of prototypes is put in by Adapt. By default the standard start.
  virtual absl::StatusOr<at::Tensor> StartingPoint(const AdaptedEncoder& model, const Batch& support_set,
                                                   const RandomStream& stream) const;

  const std::shared_ptr<const Backbone>& backbone() const { return backbone_; }

 private:
  std::shared_ptr<const AdaptedEncoder> MakeModel(int num_classes) const;
  // The first options.steps steps of a schedule of num_steps.
  absl::StatusOr<Adaptation> Run(const Batch& support_set, const AdaptOptions& options, int64_t num_steps) const;

  std::shared_ptr<const Backbone> backbone_;
  std::shared_ptr<const AdaptationMethod> method_;
  FinetuningOptions options_;
};

}  // namespace gbmoa

#endif  // GBMOA_FINETUNING_LEARNER_H_
