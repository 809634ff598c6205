#include "gbmoa/adapter/adapted_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

constexpr double kTanhStart = 0.02;  // standard deviation; BERT's own and the libraries'
// Examples at once where nothing but features is wanted: without a graph they take less than a step on 16 does.
constexpr int64_t kFeatureChunk = 128;
constexpr double kLeastRidge = 1e-6;  // features of norm about 1, apart by less than a thousandth

// The solution of a x = b for a symmetric positive definite a.
at::Tensor SolvePositive(const at::Tensor& a, const at::Tensor& b) {
  return at::cholesky_solve(b, std::get<0>(at::linalg_cholesky_ex(a)));
}

// One task's head of ridge regression, [D + 1]: features [n, D], targets [n]. Float64 inside, because the normal
// equations square the condition number.
at::Tensor RidgeHead(const at::Tensor& features, const at::Tensor& targets) {
  const at::Tensor f = features.to(at::kDouble), y = targets.to(at::kDouble);
  const int64_t n = f.size(0), d = f.size(1);
  const at::Tensor feature_mean = f.mean(0, true), target_mean = y.mean();  // [1, D], []
  const at::Tensor x = f - feature_mean, t = (y - target_mean).unsqueeze(1);
  at::Tensor w = at::zeros({d, 1}, at::kDouble);
  if (y.min().item<double>() < y.max().item<double>()) {
    const double lambda = std::max(kLeastRidge, x.square().sum().item<double>() / static_cast<double>(n));
    // On pairs of STS-B's training file, with 8 to 1,000 examples, λ = V is within 0.03 of the best Pearson correlation
    // that any factor from 0.01 to 30 gives.
    // (XᵀX + λI)⁻¹ Xᵀ = Xᵀ (XXᵀ + λI)⁻¹: the smaller of the two.
    if (n <= d) {
      w = x.t().matmul(SolvePositive(x.matmul(x.t()) + lambda * at::eye(n, at::kDouble), t));
    } else {
      w = SolvePositive(x.t().matmul(x) + lambda * at::eye(d, at::kDouble), x.t().matmul(t));
    }
  }
  const at::Tensor c = target_mean - feature_mean.matmul(w).squeeze();  // []
  return (at::cat({w.squeeze(1), c.reshape({1})}) / AdaptedEncoder::kLogitScale).to(features.scalar_type());
}

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

absl::StatusOr<at::Tensor> AdaptedEncoder::FeaturesInChunks(const at::Tensor& phi, const Batch& batch) const {
  CHECK_GT(batch.size(), 0);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> chunks;
  for (int64_t begin = 0; begin < batch.size(); begin += kFeatureChunk) {
    const Batch chunk = SelectRange(batch, begin, std::min(begin + kFeatureChunk, batch.size()));
    GBMOA_ASSIGN_OR_RETURN(const PackedBatch packed, Pack({&chunk}));
    chunks.push_back(Features(phi, packed));
  }
  return at::cat(chunks);  // [n, D]
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
  at::Tensor losses;  // [n]
  if (batch.targets.defined()) {
    losses = (logits.select(1, 0) - batch.targets).square();
  } else {
    CHECK(batch.labels.defined()) << "a loss needs labels";
    losses = -at::log_softmax(logits, -1).gather(1, batch.labels.unsqueeze(1)).squeeze(1);
  }
  return at::zeros({batch.num_tasks()}, logits.options())
      .index_add(0, batch.example_tasks, losses * batch.example_weights);  // [B]
}

at::Tensor AdaptedEncoder::PrototypeHead(const at::Tensor& phi, const PackedBatch& batch) const {
  CHECK(head_ == TaskHead::kUnitMean);
  const at::NoGradGuard no_grad;
  return PrototypeHeadOf(Features(phi.detach(), batch), batch, max_classes_);
}

at::Tensor AdaptedEncoder::PrototypeHeadOf(const at::Tensor& features, const PackedBatch& batch, int max_classes) {
  const at::NoGradGuard no_grad;
  const bool regression = batch.targets.defined();
  CHECK(regression || batch.labels.defined()) << "prototypes need labels";
  CHECK(!regression || max_classes == 1);
  const int64_t num_tasks = batch.num_tasks();
  std::vector<at::Tensor> heads;
  for (int64_t b = 0; b < num_tasks; ++b) {
    const int64_t begin = batch.task_examples[b], count = batch.task_examples[b + 1] - begin;
    if (regression) {
      heads.push_back(RidgeHead(features.narrow(0, begin, count), batch.targets.narrow(0, begin, count)));
      continue;
    }
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
