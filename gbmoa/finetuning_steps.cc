#include "gbmoa/finetuning_steps.h"

#include <cmath>
#include <utility>

#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

AdamWOptions MakeAdamWOptions(const FinetuningOptions& options) {
  AdamWOptions adamw;
  adamw.weight_decay = options.weight_decay;
  return adamw;
}

}  // namespace

FinetuningSteps::FinetuningSteps(std::shared_ptr<const AdaptedEncoder> model, const FinetuningOptions& options,
                                 const at::Tensor& phi)
    : model_(std::move(model)),
      options_(options),
      phi_(phi.detach().clone(at::MemoryFormat::Contiguous)),
      slices_(model_->layout().Split(phi_)),
      optimizer_(MakeAdamWOptions(options)) {
  CHECK_EQ(phi_.size(0), 1);
  for (const ParameterLayout::Slice& slice : model_->layout().slices()) {
    rates_.push_back(slice.group == ParameterGroup::kHead ? options.head_learning_rate : options.learning_rate);
  }
}

FinetuningSteps::Outcome FinetuningSteps::Step(const PackedBatch& batch) {
  // Every slice is a leaf of its own: a gradient by φ would be put together from theirs, at the price of another copy.
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& slice : slices_) leaves.push_back(slice.detach().requires_grad_());
  const at::Tensor loss = AdaptedEncoder::Losses(model_->Logits(leaves, batch), batch).sum();
  std::vector<at::Tensor> gradients = torch::autograd::grad({loss}, leaves, {}, /*retain_graph=*/false,
                                                            /*create_graph=*/false, /*allow_unused=*/true);
  const at::NoGradGuard no_grad;
  Outcome outcome;
  outcome.loss = loss.item<double>();
  outcome.finite = std::isfinite(outcome.loss);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(slices_[i]);
    // One sum tells of any NaN or infinity; it must never reach φ.
    outcome.finite = outcome.finite && std::isfinite(gradients[i].sum().item<double>());
  }
  if (!outcome.finite) return outcome;
  outcome.moved = true;
  if (options_.sgd) {
    for (size_t i = 0; i < gradients.size(); ++i) slices_[i].sub_(gradients[i], rates_[i]);
  } else {
    optimizer_.Step(phi_, gradients, rates_);
  }
  outcome.finite = std::isfinite(phi_.sum().item<double>());
  return outcome;
}

}  // namespace gbmoa
