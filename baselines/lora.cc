// LoRA (Hu et al. 2022): low-rank updates of the query and value projections, y = W x + (α / r) B A x.
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

class LoraHooks : public EncoderHooks {
 public:
  LoraHooks(std::vector<at::Tensor> slices, double scale) : slices_(std::move(slices)), scale_(scale) {}

  at::Tensor AfterProjection(int layer, Projection projection, const at::Tensor& x, const at::Tensor& y,
                             const PackedBatch& batch) const override {
    if (projection != Projection::kQuery && projection != Projection::kValue) return y;
    const at::Tensor* pair = &slices_[4 * layer + (projection == Projection::kValue ? 2 : 0)];
    const at::Tensor low = GroupedLinear(x, pair[0], {}, batch.task_tokens);  // [N, r]
    return y + scale_ * GroupedLinear(low, pair[1], {}, batch.task_tokens);   // [N, D]
  }

 private:
  std::vector<at::Tensor> slices_;  // a layer: query A, query B, value A, value B
  double scale_;                    // α / r
};

class Lora : public AdaptationMethod {
 public:
  Lora(int64_t rank, double alpha) : rank_(rank), alpha_(alpha) {}

  void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const override {
    const int64_t d = config.hidden_size();
    for (int i = 0; i < config.num_hidden_layers(); ++i) {
      for (const char* target : {"query", "value"}) {
        layout.Add(absl::StrCat("layer.", i, ".attention.", target, ".lora.a"), {rank_, d});
        layout.Add(absl::StrCat("layer.", i, ".attention.", target, ".lora.b"), {d, rank_});
      }
    }
  }

  // B = 0: the start is the frozen encoder. A is normal with the variance of peft's uniform start, 1 / (3 D).
  void Initialize(const Transformer&, const ParameterLayout& layout, const RandomStream& stream,
                  at::Tensor& phi) const override {
    for (size_t i = 0; i < layout.slices().size(); i += 2) {
      const ParameterLayout::Slice& a = layout.slices()[i];
      if (a.group == ParameterGroup::kHead) break;
      FillNormal(layout, static_cast<int>(i), 1 / std::sqrt(3.0 * static_cast<double>(a.shape[1])), stream, phi);
    }
  }

  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override {
    return std::make_unique<LoraHooks>(std::move(slices), alpha_ / static_cast<double>(rank_));
  }

 private:
  int64_t rank_;
  double alpha_;
};

absl::StatusOr<std::unique_ptr<Learner>> MakeLora(std::shared_ptr<const Backbone> backbone,
                                                  const LearnerOptions& options) {
  OptionReader reader(options);
  const FinetuningOptions finetuning = ReadFinetuningOptions(reader, {});
  const int64_t rank = reader.Integer("lora_rank", 8, 1, 1 << 20);
  const double alpha = reader.Number("lora_alpha", 16, 1e-6, 1e6);
  GBMOA_RETURN_IF_ERROR(reader.Finish());
  return std::make_unique<FinetuningLearner>(std::move(backbone), std::make_shared<const Lora>(rank, alpha),
                                             finetuning);
}

GBMOA_REGISTER_LEARNER("lora", MakeLora);

}  // namespace
}  // namespace gbmoa
