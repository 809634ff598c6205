// The reference: the frozen encoder with a head of class prototypes (Snell et al. 2017), no gradient step. Not a method
// of the paper; a table without it would credit the methods with what the encoder knew before.
#include <memory>
#include <utility>

#include "gbmoa/adapter/frozen.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

class FrozenPrototypes : public FinetuningLearner {
 public:
  explicit FrozenPrototypes(std::shared_ptr<const Backbone> backbone)
      : FinetuningLearner(std::move(backbone), std::make_shared<const Frozen>(), {}) {}

  absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const override {
    AdaptOptions start_only = options;
    start_only.steps = 0;
    start_only.head_start = HeadStart::kPrototypes;
    return FinetuningLearner::Adapt(support_set, start_only);
  }
};

absl::StatusOr<std::unique_ptr<Learner>> MakeFrozenPrototypes(std::shared_ptr<const Backbone> backbone,
                                                              const LearnerOptions& options) {
  OptionReader reader(options);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  return std::make_unique<FrozenPrototypes>(std::move(backbone));
}

GBMOA_REGISTER_LEARNER("frozen_prototypes", MakeFrozenPrototypes);

}  // namespace
}  // namespace gbmoa
