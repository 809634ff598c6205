// MAML-FT (Finn et al. 2017): meta-learns the start of all the encoder's weights, then fine-tunes all of them.
// First-order by default; "meta_gradient" = "unrolled" keeps the inner loop on the graph.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/adapter/full_weights.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta_learner.h"

namespace gbmoa {
namespace {

class MamlFinetuning : public MetaLearner {
 public:
  MamlFinetuning(std::shared_ptr<const Backbone> backbone, const FinetuningOptions& finetuning,
                 const MetaLearnerOptions& meta)
      : MetaLearner(backbone, std::make_shared<const FullWeights>(), finetuning, meta),
        num_weights_(backbone->num_parameters()) {}

 protected:
  at::Tensor Start(const at::Tensor& psi, const at::Tensor&, const std::vector<int64_t>& offsets) const override {
    return psi.unsqueeze(0).expand({static_cast<int64_t>(offsets.size()) - 1, num_weights_});
  }
  bool reads_features() const override { return false; }
  int64_t num_meta_parameters() const override { return num_weights_; }
  at::Tensor InitialMetaParameters(uint64_t seed) const override {
    const AdaptedEncoder model(backbone(), method(), 1);
    return model.StandardStart(RandomStream(seed, "start")).narrow(0, 0, num_weights_).clone();
  }

 private:
  int64_t num_weights_;
};

absl::StatusOr<std::unique_ptr<Learner>> MakeMamlFinetuning(std::shared_ptr<const Backbone> backbone,
                                                            const LearnerOptions& options) {
  OptionReader reader(options);
  FinetuningOptions finetuning_defaults;
  finetuning_defaults.learning_rate = 3e-5;
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, finetuning_defaults, /*meta_learns=*/true);
  MetaLearnerOptions defaults;
  defaults.meta_gradient = "first_order";
  defaults.tasks_per_step = 1;  // full weights take one task at a time
  defaults.outer_loop.rate = 2e-5;
  defaults.inner_rate = 0.01;
  defaults.curriculum = false;  // GB-MOA's own
  const MetaLearnerOptions meta = ReadMetaLearnerOptions(reader, defaults);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  if (meta.tasks_per_step != 1) {
    return absl::InvalidArgumentError(absl::StrCat("option tasks_per_step = '", meta.tasks_per_step,
                                                   "': wanted 1, full weights take one task at a time"));
  }
  return std::make_unique<MamlFinetuning>(std::move(backbone), finetuning, meta);
}

GBMOA_REGISTER_LEARNER("maml_ft", MakeMamlFinetuning);

}  // namespace
}  // namespace gbmoa
