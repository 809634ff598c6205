#include "gbmoa/episode_problem.h"

#include <numeric>
#include <utility>

#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/meta/support_jacobian_by_layer.h"

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

absl::StatusOr<std::unique_ptr<SupportJacobian>> EpisodeProblem::SupportJacobianAt(const at::Tensor& phi) {
  const at::Tensor leaf = phi.detach().contiguous().requires_grad_();
  at::Tensor outputs;
  std::vector<GroupedLinearRecorder::Product> recorded;
  {
    const GroupedLinearRecorder recorder(leaf);
    outputs = SupportOutputs(leaf);
    recorded = recorder.products();
  }
  // The rows of each example, where there is one row a token and where there is one row an example.
  std::vector<int64_t> tokens, itself(support_.num_examples() + 1);
  std::iota(itself.begin(), itself.end(), 0);
  const at::Tensor first_sequences = support_.left.contiguous();
  for (int64_t i = 0; i < support_.num_examples(); ++i) {
    tokens.push_back((*support_.sequences)[first_sequences.const_data_ptr<int64_t>()[i]]);
  }
  tokens.push_back(support_.num_tokens());

  std::vector<TrainedProduct> products;
  for (const GroupedLinearRecorder::Product& product : recorded) {
    const bool of_tokens = product.offsets == support_.task_tokens;
    if (!of_tokens && product.offsets != support_.task_examples) return BilevelProblem::SupportJacobianAt(phi);
    products.push_back({product.x, product.y, product.weight, product.bias, of_tokens ? tokens : itself});
  }
  const OutputCurvature curvature = FactorOutputCurvature(
      [this](const at::Tensor& o) { return SupportLossOfOutputs(o); }, outputs, support_.task_examples);
  std::unique_ptr<SupportJacobian> jacobian =
      MakeLayerwiseSupportJacobian(leaf, outputs, products, support_.task_examples, curvature);
  if (jacobian == nullptr) return BilevelProblem::SupportJacobianAt(phi);
  return jacobian;
}

}  // namespace gbmoa
