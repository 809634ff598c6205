// Full fine-tuning: every weight of the encoder and the head.
#include <memory>
#include <utility>

#include "gbmoa/adapter/full_weights.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

absl::StatusOr<std::unique_ptr<Learner>> MakeFullFinetuning(std::shared_ptr<const Backbone> backbone,
                                                            const LearnerOptions& options) {
  OptionReader reader(options);
  FinetuningOptions defaults;
  defaults.learning_rate = 3e-5;
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, defaults);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  return std::make_unique<FinetuningLearner>(std::move(backbone), std::make_shared<const FullWeights>(), finetuning);
}

GBMOA_REGISTER_LEARNER("full_finetuning", MakeFullFinetuning);

}  // namespace
}  // namespace gbmoa
