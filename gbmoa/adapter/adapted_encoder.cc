#include "gbmoa/adapter/adapted_encoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/shape.h"

namespace gbmoa {
namespace {

constexpr double kTanhStart = 0.02;  // standard deviation; BERT's own and the libraries'

}  // namespace

AdaptedEncoder::AdaptedEncoder(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
                               int max_classes, TaskHead head)
    : backbone_(std::move(backbone)), method_(std::move(method)), max_classes_(max_classes), head_(head) {
  CHECK_GT(max_classes, 0);
  const int64_t d = backbone_->config().hidden_size();
  method_->AddSlices(backbone_->config(), layout_);
  num_method_slices_ = static_cast<int>(layout_.slices().size());
  if (head == TaskHead::kTanh) {
    layout_.Add("head.dense.weight", {d, d}, ParameterGroup::kHead);
    layout_.Add("head.dense.bias", {d}, ParameterGroup::kHead);
  }
  layout_.Add("head.weight", {max_classes, d}, ParameterGroup::kHead);
  layout_.Add("head.bias", {max_classes}, ParameterGroup::kHead);
}

absl::StatusOr<PackedBatch> AdaptedEncoder::Pack(const std::vector<const Batch*>& tasks) const {
  if (head_ == TaskHead::kTanh) {
    for (size_t task = 0; task < tasks.size(); ++task) {
      if (tasks[task]->encoding == Encoding::kPairApart) {
        return absl::InvalidArgumentError(
            absl::StrCat("task ", task, " encodes pairs apart, and the head 'tanh' takes one sequence an example"));
      }
    }
  }
  return PackBatch(tasks, backbone_->config(), max_classes_, method_->prompt_tokens(), dtype());
}

at::Tensor AdaptedEncoder::StandardStart(const RandomStream& stream) const {
  at::Tensor phi = at::zeros({layout_.size()}, dtype());
  method_->Initialize(backbone_->transformer(), layout_, stream, phi);
  if (head_ == TaskHead::kTanh) FillNormal(layout_, num_method_slices_, kTanhStart, stream, phi);
  return phi;
}

at::Tensor AdaptedEncoder::Hidden(std::vector<at::Tensor> slices, const PackedBatch& batch,
                                  const RandomStream* training) const {
  slices.resize(num_method_slices_);
  const std::unique_ptr<EncoderHooks> hooks =
      training != nullptr ? method_->BindTraining(std::move(slices), *training) : method_->Bind(std::move(slices));
  return backbone_->transformer().Forward(batch, *hooks);
}

at::Tensor AdaptedEncoder::UnitMeanLogits(const at::Tensor& features, const std::vector<at::Tensor>& slices,
                                          const PackedBatch& batch) const {
  const at::Tensor outputs = GroupedLinear(features, slices[num_method_slices_], slices[num_method_slices_ + 1],
                                           batch.task_examples);  // [n, C]
  return outputs * kLogitScale + batch.class_mask;
}

at::Tensor AdaptedEncoder::TanhLogits(const at::Tensor& hidden, const std::vector<at::Tensor>& slices,
                                      const PackedBatch& batch) const {
  const at::Tensor* own = &slices[num_method_slices_];
  const at::Tensor first = hidden.index_select(0, batch.first_rows);                              // [n, D]
  const at::Tensor pooled = at::tanh(GroupedLinear(first, own[0], own[1], batch.task_examples));  // [n, D]
  return GroupedLinear(pooled, own[2], own[3], batch.task_examples) + batch.class_mask;           // [n, C]
}

at::Tensor AdaptedEncoder::Features(const at::Tensor& phi, const PackedBatch& batch) const {
  CHECK(head_ == TaskHead::kUnitMean);
  CHECK_SHAPE(phi, {batch.num_tasks(), layout_.size()});
  return backbone_->transformer().Features(Hidden(layout_.Split(phi), batch, nullptr), batch);
}

at::Tensor AdaptedEncoder::Logits(const at::Tensor& phi, const PackedBatch& batch) const {
  CHECK_SHAPE(phi, {batch.num_tasks(), layout_.size()});
  // Split once: the gradient by φ is then put together once.
  return Logits(layout_.Split(phi), batch);
}

at::Tensor AdaptedEncoder::Logits(const std::vector<at::Tensor>& slices, const PackedBatch& batch,
                                  const RandomStream* training) const {
  CHECK_EQ(slices.size(), layout_.slices().size());
  const at::Tensor hidden = Hidden(slices, batch, training);  // [N, D]
  if (head_ == TaskHead::kTanh) return TanhLogits(hidden, slices, batch);
  return UnitMeanLogits(backbone_->transformer().Features(hidden, batch), slices, batch);
}

at::Tensor AdaptedEncoder::LogitsOf(const at::Tensor& features, const at::Tensor& phi, const PackedBatch& batch) const {
  CHECK(head_ == TaskHead::kUnitMean);
  return UnitMeanLogits(features, layout_.Split(phi), batch);
}

at::Tensor AdaptedEncoder::Losses(const at::Tensor& logits, const PackedBatch& batch) {
  CHECK(batch.labels.defined()) << "a loss needs labels";
  const at::Tensor log_probabilities = at::log_softmax(logits, -1);
  const at::Tensor of_label = log_probabilities.gather(1, batch.labels.unsqueeze(1)).squeeze(1);  // [n]
  return at::zeros({batch.num_tasks()}, logits.options())
      .index_add(0, batch.example_tasks, -of_label * batch.example_weights);  // [B]
}

at::Tensor AdaptedEncoder::PrototypeHead(const at::Tensor& phi, const PackedBatch& batch) const {
  CHECK(head_ == TaskHead::kUnitMean);
  const at::NoGradGuard no_grad;
  return PrototypeHeadOf(Features(phi.detach(), batch), batch, max_classes_);
}

at::Tensor AdaptedEncoder::PrototypeHeadOf(const at::Tensor& features, const PackedBatch& batch, int max_classes) {
  const at::NoGradGuard no_grad;
  CHECK(batch.labels.defined()) << "prototypes need labels";
  const int64_t num_tasks = batch.num_tasks();
  std::vector<at::Tensor> heads;
  for (int64_t b = 0; b < num_tasks; ++b) {
    const int64_t begin = batch.task_examples[b], count = batch.task_examples[b + 1] - begin;
    const at::Tensor labels = batch.labels.narrow(0, begin, count);
    at::Tensor sums = at::zeros({max_classes, features.size(1)}, features.scalar_type());
    sums.index_add_(0, labels, features.narrow(0, begin, count));
    const at::Tensor counts = at::bincount(labels, {}, max_classes).to(features.scalar_type()).unsqueeze(1);  // [C, 1]
    const at::Tensor present = (counts > 0).to(features.scalar_type());                                       // [C, 1]
    const at::Tensor prototypes = sums / counts.clamp_min(1);                                                 // [C, D]
    const at::Tensor squares = (prototypes * prototypes).sum(1, true);                                        // [C, 1]
    const at::Tensor num_present = present.sum();
    const at::Tensor weight =
        2 * kPrototypeTemperature * (prototypes - prototypes.sum(0, true) / num_present) * present;
    const at::Tensor bias = -kPrototypeTemperature * (squares - squares.sum() / num_present) * present;
    heads.push_back(at::cat({weight.reshape({-1}), bias.reshape({-1})}));
  }
  return at::stack(heads);  // [B, C (D + 1)]
}

at::Tensor AdaptedEncoder::WithHead(const at::Tensor& phi, const at::Tensor& head) const {
  const int64_t body = layout_.size(ParameterGroup::kBody);
  CHECK_SHAPE(head, {phi.size(0), layout_.size() - body});
  return at::cat({phi.narrow(1, 0, body), head}, 1);
}

double AdaptedEncoder::GradientFlops(int64_t num_tokens) const {
  const double forward = backbone_->transformer().ForwardFlops(num_tokens);
  const double body = static_cast<double>(layout_.size(ParameterGroup::kBody));
  // Frozen weights: activations forward and back. The method's own matrices cost 2 FLOPs a number and token, three
  // times.
  return method_->trains_backbone() ? 3 * forward : 2 * forward + 6 * body * static_cast<double>(num_tokens);
}

}  // namespace gbmoa
