// A frozen encoder, a method's φ inside it, and a task head on top: logits and losses as functions of φ.
#ifndef GBMOA_ADAPTER_ADAPTED_ENCODER_H_
#define GBMOA_ADAPTER_ADAPTED_ENCODER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/adapter/adaptation_method.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/parameter_layout.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

enum class TaskHead {
  // logits = 10 (W f + b)               f: Transformer::Features, unit norm
  //
  // Slices head.weight W [C, D], head.bias b [C]. The scale makes a head of unit-norm rows as sharp as a trained one.
  // Of a regression C is 1 and the logit the predicted value.
  kUnitMean,
  // logits = W tanh(U h + u) + b        h: the last hidden state at the sequence's first position
  //
  // Slices head.dense.weight U [D, D], head.dense.bias u [D], head.weight W [C, D], head.bias b [C]; U starts
  // normal(0, 0.02), the rest at zero. It is what the libraries put on BERT and RoBERTa, without dropout: Hugging
  // Face's pooler and classifier, RobertaClassificationHead, AdapterHub's ClassificationHead of two layers. With a soft
  // prompt the first position is the prompt's, as in peft. Takes no pairs that are encoded apart.
  kTanh,
};

// φ is [B, P], one row a task, in layout() order: the method's slices, then the head's. Immutable; any number of
// threads may use it.
class AdaptedEncoder {
 public:
  static constexpr double kLogitScale = 10;
  static constexpr double kPrototypeTemperature = 0.3;  // τ; docs/reading_the_paper.md, "task head"

  AdaptedEncoder(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
                 int max_classes, TaskHead head = TaskHead::kUnitMean);

  const ParameterLayout& layout() const { return layout_; }
  const Backbone& backbone() const { return *backbone_; }
  const AdaptationMethod& method() const { return *method_; }
  int max_classes() const { return max_classes_; }
  TaskHead head() const { return head_; }
  at::ScalarType dtype() const { return backbone_->transformer().dtype(); }

  // Errors: those of gbmoa::PackBatch; InvalidArgument for a task that the head does not take.
  absl::StatusOr<PackedBatch> Pack(const std::vector<const Batch*>& tasks) const;

  // The method's and the head's usual start, [P].
  at::Tensor StandardStart(const RandomStream& stream) const;

  at::Tensor Features(const at::Tensor& phi, const PackedBatch& batch) const;  // [n, D]; CHECKs for kUnitMean
  // The same of one task, phi [1, P], a number of examples at a time, so that memory does not grow with n but for the
  // result; no gradient. CHECKs that there are examples. Errors: those of Pack, which counts from a chunk's beginning.
  absl::StatusOr<at::Tensor> FeaturesInChunks(const at::Tensor& phi, const Batch& batch) const;
  at::Tensor Logits(const at::Tensor& phi, const PackedBatch& batch) const;  // [n, C], masked beyond a task's classes
  // The same for φ by its slices, [B, shape...] each, in layout() order: for whoever has a leaf for each. In a training
  // step `training` is the stream of what is random in it (AdaptationMethod::BindTraining).
  at::Tensor Logits(const std::vector<at::Tensor>& slices, const PackedBatch& batch,
                    const RandomStream* training = nullptr) const;
  // The same from features [n, D] that are there already: only phi's head is read. CHECKs for kUnitMean.
  at::Tensor LogitsOf(const at::Tensor& features, const at::Tensor& phi, const PackedBatch& batch) const;
  // Mean cross-entropy of each task in nats, or mean squared error of a regression, in its targets' unit squared: [B].
  // CHECKs that the batch is labelled.
  static at::Tensor Losses(const at::Tensor& logits, const PackedBatch& batch);

  // The head that makes ten times its product the softmax over -τ · 10 |f − μ_c|² of class prototypes μ_c, the mean
  // features of the labelled batch's classes under φ (Snell et al. 2017; ProtoMAML, Triantafillou et al. 2020):
  //   W_c = 2 τ (μ_c − mean μ),   b_c = −τ (|μ_c|² − mean |μ|²)
  // Returns [B, C (D + 1)], the head's part of φ; no gradient. A class without examples gets a zero row. CHECKs for
  // kUnitMean.
  //
  // Of a regression, what can be known in closed form is ridge regression of the targets y_i on the features f_i (Hoerl
  // and Kennard 1970): with w = 10 W and c = 10 b, the least
  //   Σ_i (w f_i + c − y_i)² + λ |w|²,   λ = max(V, 1e-6),   V = mean_i |f_i − mean f|²
  // That is the most probable w where w is normal beforehand and the features explain half of the targets' variance:
  // noise / prior variance is then V, whatever the number of examples, their dimension and the unit. The floor keeps
  // equal features, which differ by rounding only, from being told apart. Computed in float64. Targets that are all the
  // same (of one example, too) give w = 0 and c their value.
  at::Tensor PrototypeHead(const at::Tensor& phi, const PackedBatch& batch) const;
  // The same from features [n, D] that are there already.
  static at::Tensor PrototypeHeadOf(const at::Tensor& features, const PackedBatch& batch, int max_classes);
  // φ with its head replaced by `head`, [B, numbers of the head]; differentiable in both.
  at::Tensor WithHead(const at::Tensor& phi, const at::Tensor& head) const;

  // FLOPs of the products with the encoder's weight matrices in one gradient of the loss; the start is not counted.
  double GradientFlops(int64_t num_tokens) const;

 private:
  // Last hidden states, [N, D].
  at::Tensor Hidden(std::vector<at::Tensor> slices, const PackedBatch& batch, const RandomStream* training) const;
  at::Tensor UnitMeanLogits(const at::Tensor& features, const std::vector<at::Tensor>& slices,
                            const PackedBatch& batch) const;
  at::Tensor TanhLogits(const at::Tensor& hidden, const std::vector<at::Tensor>& slices,
                        const PackedBatch& batch) const;

  std::shared_ptr<const Backbone> backbone_;
  std::shared_ptr<const AdaptationMethod> method_;
  int max_classes_;
  TaskHead head_;
  ParameterLayout layout_;
  int num_method_slices_;
};

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_ADAPTED_ENCODER_H_
