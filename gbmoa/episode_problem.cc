#include "gbmoa/episode_problem.h"

#include <utility>

#include "gbmoa/base/shape.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {

absl::StatusOr<std::unique_ptr<EpisodeProblem>> EpisodeProblem::Create(std::shared_ptr<const AdaptedEncoder> model,
                                                                       const std::vector<const Episode*>& episodes,
                                                                       Start start) {
  std::vector<const Batch*> supports, queries;
  for (const Episode* episode : episodes) {
    supports.push_back(&episode->support_set);
    queries.push_back(&episode->query_set);
  }
  GBMOA_ASSIGN_OR_RETURN(PackedBatch support, model->Pack(supports));
  GBMOA_ASSIGN_OR_RETURN(PackedBatch query, model->Pack(queries));
  return std::unique_ptr<EpisodeProblem>(
      new EpisodeProblem(std::move(model), std::move(support), std::move(query), std::move(start)));
}

EpisodeProblem::EpisodeProblem(std::shared_ptr<const AdaptedEncoder> model, PackedBatch support, PackedBatch query,
                               Start start)
    : model_(std::move(model)), support_(std::move(support)), query_(std::move(query)), start_(std::move(start)) {}

at::Tensor EpisodeProblem::InitialParameters(const at::Tensor& psi) {
  const ParameterLayout& layout = model_->layout();
  const at::Tensor body = start_(psi);  // [B, body]
  CHECK_SHAPE(body, {num_tasks(), layout.size(ParameterGroup::kBody)});
  const at::Tensor zero_head = at::zeros({num_tasks(), layout.size(ParameterGroup::kHead)}, body.options());
  const at::Tensor phi = at::cat({body, zero_head}, 1);  // [B, P]
  return model_->WithHead(phi, model_->PrototypeHead(phi, support_));
}

}  // namespace gbmoa
