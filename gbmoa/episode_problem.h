// A meta-batch of episodes as a bilevel problem: joins the encoder, a method's φ and the episodes' tokens for the
// optimizer.
#ifndef GBMOA_EPISODE_PROBLEM_H_
#define GBMOA_EPISODE_PROBLEM_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

class EpisodeProblem : public BilevelProblem {
 public:
  // ψ -> the method's part of φ₀ of each task, [B, body]; the rest of φ₀ is the head, started from the prototypes of
  // the support features under this start, without a gradient (docs/reading_the_paper.md, "task head").
  using Start = std::function<at::Tensor(const at::Tensor& psi)>;

  // Errors: those of PackBatch. The episodes' tokens are copied.
  static absl::StatusOr<std::unique_ptr<EpisodeProblem>> Create(std::shared_ptr<const AdaptedEncoder> model,
                                                                const std::vector<const Episode*>& episodes,
                                                                Start start);

  int64_t num_tasks() const override { return support_.num_tasks(); }
  at::Tensor InitialParameters(const at::Tensor& psi) override;
  at::Tensor SupportOutputs(const at::Tensor& phi) override { return model_->Logits(phi, support_); }
  at::Tensor SupportLossOfOutputs(const at::Tensor& outputs) override {
    return AdaptedEncoder::Losses(outputs, support_);
  }
  std::vector<int64_t> support_examples() const override { return support_.task_examples; }
  at::Tensor QueryLoss(const at::Tensor& phi) override {
    return AdaptedEncoder::Losses(model_->Logits(phi, query_), query_);
  }

  // Layer by layer (support_jacobian_by_layer.h) for a method whose every trained weight is one of a GroupedLinear:
  // adapters, LoRA. The dense one for others.
  absl::StatusOr<std::unique_ptr<SupportJacobian>> SupportJacobianAt(const at::Tensor& phi) override;

 private:
  EpisodeProblem(std::shared_ptr<const AdaptedEncoder> model, PackedBatch support, PackedBatch query, Start start);

  std::shared_ptr<const AdaptedEncoder> model_;
  PackedBatch support_, query_;
  Start start_;
};

}  // namespace gbmoa

#endif  // GBMOA_EPISODE_PROBLEM_H_
