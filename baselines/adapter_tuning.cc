// Adapter tuning (Houlsby et al. 2019): bottleneck adapters and head are trained on the support set, on demand the
// layers' norms, too, as in the paper; the rest is frozen.
#include <memory>
#include <string>
#include <utility>

#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

absl::StatusOr<std::unique_ptr<Learner>> MakeAdapterTuning(std::shared_ptr<const Backbone> backbone,
                                                           const LearnerOptions& options) {
  OptionReader reader(options);
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, {});
  const int64_t bottleneck_dim = reader.Integer("bottleneck_dim", 64, 1, 1 << 20);
  const std::string activation = reader.Choice("activation", "relu", {"relu", "gelu", "swish"});
  const bool train_layer_norms = reader.Bool("train_layer_norms", false);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  const AdapterActivation a = activation == "gelu"    ? AdapterActivation::kGelu
                              : activation == "swish" ? AdapterActivation::kSwish
                                                      : AdapterActivation::kRelu;
  return std::make_unique<FinetuningLearner>(
      std::move(backbone), std::make_shared<const BottleneckAdapter>(bottleneck_dim, a, train_layer_norms), finetuning);
}

GBMOA_REGISTER_LEARNER("adapter_tuning", MakeAdapterTuning);

}  // namespace
}  // namespace gbmoa
