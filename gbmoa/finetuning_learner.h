// Gradient fine-tuning of one method's φ on a support set: what every baseline is, and how the meta-learners adapt,
// too.
#ifndef GBMOA_FINETUNING_LEARNER_H_
#define GBMOA_FINETUNING_LEARNER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gbmoa/adapter/adaptation_method.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/finetuning_steps.h"
#include "gbmoa/task/learner.h"
#include "gbmoa/task/option_reader.h"

namespace gbmoa {

// Reads "learning_rate", "head_learning_rate", "weight_decay", "optimizer" ("adamw" or "sgd"); `defaults` holds where
// the options are silent.
FinetuningOptions ReadFinetuningOptions(OptionReader& reader, const FinetuningOptions& defaults);

class FinetuningLearner : public Learner {
 public:
  FinetuningLearner(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
                    const FinetuningOptions& options);

  absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const override;
  ParameterCounts CountParameters(int num_classes) const override;

  const std::shared_ptr<const AdaptationMethod>& method() const { return method_; }

 protected:
  // Where φ starts on this support set, [1, P]; the head is put in by Adapt. By default the method's standard start.
  virtual absl::StatusOr<at::Tensor> StartingPoint(const AdaptedEncoder& model, const Batch& support_set,
                                                   const RandomStream& stream) const;

  const std::shared_ptr<const Backbone>& backbone() const { return backbone_; }

 private:
  std::shared_ptr<const Backbone> backbone_;
  std::shared_ptr<const AdaptationMethod> method_;
  FinetuningOptions options_;
};

}  // namespace gbmoa

#endif  // GBMOA_FINETUNING_LEARNER_H_
