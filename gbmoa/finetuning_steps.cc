#include "gbmoa/finetuning_steps.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr double kClipEpsilon = 1e-6;  // torch.nn.utils.clip_grad_norm_'s

}  // namespace

double RateFactor(const FinetuningOptions& options, int64_t step, int64_t num_steps) {
  const auto steps = static_cast<double>(num_steps);
  const double warm_up = std::ceil(options.warm_up * steps), done = static_cast<double>(step);
  if (done < warm_up) return done / warm_up;
  if (options.schedule == FinetuningOptions::Schedule::kConstant) return 1;
  return std::max(0.0, (steps - done) / std::max(1.0, steps - warm_up));
}

FinetuningSteps::FinetuningSteps(std::shared_ptr<const AdaptedEncoder> model, const FinetuningOptions& options,
                                 const at::Tensor& phi, int64_t num_steps, uint64_t seed)
    : model_(std::move(model)),
      options_(options),
      phi_(phi.detach().clone(at::MemoryFormat::Contiguous)),
      slices_(model_->layout().Split(phi_)),
      num_steps_(num_steps),
      stream_(seed, "training step"),
      optimizer_(AdamWOptions()) {
  CHECK_EQ(phi_.size(0), 1);
  CHECK(model_->head() == options.head);
  for (const ParameterLayout::Slice& slice : model_->layout().slices()) {
    rates_.push_back(slice.group == ParameterGroup::kHead ? options.head_learning_rate : options.learning_rate);
    // Whatever has one dimension is a bias or belongs to a layer norm.
    const bool decays = options.decay == FinetuningOptions::Decay::kAll || slice.shape.size() > 1;
    decays_.push_back(decays ? options.weight_decay : 0);
  }
}

FinetuningSteps::Outcome FinetuningSteps::Step(const PackedBatch& batch) {
  const bool scheduled = options_.schedule != FinetuningOptions::Schedule::kConstant || options_.warm_up > 0;
  CHECK(!scheduled || step_ < num_steps_) << "step " << step_ << " of " << num_steps_;
  const double factor = scheduled ? RateFactor(options_, step_, num_steps_) : 1;
  const RandomStream random = stream_.Substream(step_);
  ++step_;

  // Every slice is a leaf of its own: a gradient by φ would be put together from theirs, at the price of another copy.
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& slice : slices_) leaves.push_back(slice.detach().requires_grad_());
  const at::Tensor loss = AdaptedEncoder::Losses(model_->Logits(leaves, batch, &random), batch).sum();
  std::vector<at::Tensor> gradients = torch::autograd::grad({loss}, leaves, {}, /*retain_graph=*/false,
                                                            /*create_graph=*/false, /*allow_unused=*/true);
  const at::NoGradGuard no_grad;
  Outcome outcome;
  outcome.loss = loss.item<double>();
  outcome.finite = std::isfinite(outcome.loss);
  double squares = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(slices_[i]);
    // One sum, or the norm, tells of any NaN or infinity; it must never reach φ.
    const double probe = (options_.clip_norm > 0 ? gradients[i].norm() : gradients[i].sum()).item<double>();
    outcome.finite = outcome.finite && std::isfinite(probe);
    squares += probe * probe;
  }
  if (!outcome.finite) return outcome;
  outcome.moved = true;
  const double scale =
      options_.clip_norm > 0 ? std::min(1.0, options_.clip_norm / (std::sqrt(squares) + kClipEpsilon)) : 1;
  if (options_.sgd) {
    for (size_t i = 0; i < gradients.size(); ++i) slices_[i].sub_(gradients[i], factor * scale * rates_[i]);
  } else {
    std::vector<double> rates = rates_;
    for (double& rate : rates) rate *= factor;
    optimizer_.Step(phi_, gradients, rates, decays_, scale);
  }
  outcome.finite = std::isfinite(phi_.sum().item<double>());
  return outcome;
}

}  // namespace gbmoa
