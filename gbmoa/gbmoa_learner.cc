// GB-MOA (paper §3): a hypernetwork reads the support set and writes the adapters' starting weights; a few gradient
// steps adapt them; the hypernetwork is trained through those steps by implicit differentiation.
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/hypernet/hypernetwork.h"
#include "gbmoa/meta_learner.h"

namespace gbmoa {
namespace {

class GbmoaLearner : public MetaLearner {
 public:
  GbmoaLearner(std::shared_ptr<const Backbone> backbone, const FinetuningOptions& finetuning,
               const MetaLearnerOptions& meta, const HypernetworkOptions& hypernetwork, double shift_scale)
      : MetaLearner(std::move(backbone), std::make_shared<const BottleneckAdapter>(hypernetwork.bottleneck_dim),
                    finetuning, meta),
        use_task_embedding_(hypernetwork.use_task_embedding),
        shift_scale_(shift_scale),
        hypernetwork_(hypernetwork) {}

 protected:
  at::Tensor Start(const at::Tensor& psi, const at::Tensor& features,
                   const std::vector<int64_t>& offsets) const override {
    return hypernetwork_.Generate(psi, features, offsets);
  }
  bool reads_features() const override { return use_task_embedding_; }
  int64_t num_meta_parameters() const override { return hypernetwork_.layout().size(); }
  at::Tensor InitialMetaParameters(uint64_t seed) const override {
    return hypernetwork_.Initialize(RandomStream(seed, "hypernetwork")).to(backbone()->transformer().dtype());
  }

  // At test time the adapters' contribution can be shrunk: x + s (U relu(V x + v) + u). s = 0 is the frozen encoder.
  absl::StatusOr<at::Tensor> StartingPoint(const AdaptedEncoder& model, const Batch& support_set,
                                           const RandomStream& stream) const override {
    GBMOA_ASSIGN_OR_RETURN(at::Tensor phi, MetaLearner::StartingPoint(model, support_set, stream));
    if (shift_scale_ == 1) return phi;
    for (const ParameterLayout::Slice& slice : model.layout().slices()) {
      if (absl::StrContains(slice.name, ".adapter.up.")) phi.narrow(1, slice.offset, slice.size).mul_(shift_scale_);
    }
    return phi;
  }

 private:
  bool use_task_embedding_;
  double shift_scale_;
  Hypernetwork hypernetwork_;
};

absl::StatusOr<std::unique_ptr<Learner>> MakeGbmoa(std::shared_ptr<const Backbone> backbone,
                                                   const LearnerOptions& options) {
  OptionReader reader(options);
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, {}, /*meta_learns=*/true);
  const MetaLearnerOptions meta = ReadMetaLearnerOptions(reader, {});
  HypernetworkOptions hypernetwork;
  hypernetwork.kind = reader.Choice("hypernetwork", "shared", {"shared", "full"}) == "full"
                          ? HypernetworkOptions::Kind::kFull
                          : HypernetworkOptions::Kind::kShared;
  hypernetwork.feature_dim = backbone->config().hidden_size();
  hypernetwork.slots = 2 * backbone->config().num_hidden_layers();
  hypernetwork.bottleneck_dim = reader.Integer("bottleneck_dim", 64, 1, 1 << 20);
  hypernetwork.task_embedding_dim = reader.Integer("task_embedding_dim", 128, 4, 1 << 20);
  hypernetwork.hidden_dim = reader.Integer("hypernetwork_hidden", 128, 1, 1 << 20);
  hypernetwork.near_identity_scale = reader.Number("near_identity_scale", hypernetwork.near_identity_scale, 0, 10);
  hypernetwork.use_task_embedding = reader.Bool("task_embedding", true);
  const double shift_scale = reader.Number("shift_scale", 1, 0, 10);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  if (hypernetwork.task_embedding_dim % hypernetwork.task_encoder_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("option task_embedding_dim = '", hypernetwork.task_embedding_dim,
                                                   "': wanted a multiple of ", hypernetwork.task_encoder_heads,
                                                   ", the task encoder's heads"));
  }
  return std::make_unique<GbmoaLearner>(std::move(backbone), finetuning, meta, hypernetwork, shift_scale);
}

GBMOA_REGISTER_LEARNER("gbmoa", MakeGbmoa);

}  // namespace
}  // namespace gbmoa
