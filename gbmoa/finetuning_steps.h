// Gradient steps on one task's φ: what every adaptation consists of.
#ifndef GBMOA_FINETUNING_STEPS_H_
#define GBMOA_FINETUNING_STEPS_H_

#include <memory>
#include <vector>

#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/adamw.h"

namespace gbmoa {

struct FinetuningOptions {
  double learning_rate = 3e-4;  // of the method's parameters, constant
  // Of the task head. A head that starts from prototypes is nearly right; at the bodies' small rates it would not move.
  double head_learning_rate = 1e-3;
  double weight_decay = 0.01;
  bool sgd = false;  // plain gradient descent (the inner loop of meta-training) in place of AdamW
};

// Keeps φ and AdamW's two moments, and during a step the gradient, slice by slice: nothing else of φ's size.
class FinetuningSteps {
 public:
  // phi [1, P]; copied.
  FinetuningSteps(std::shared_ptr<const AdaptedEncoder> model, const FinetuningOptions& options, const at::Tensor& phi);

  struct Outcome {
    double loss = 0;     // before the step, mean nats per example
    bool moved = false;  // false: loss or gradient was not finite, and φ is as before
    bool finite = true;  // of loss, gradient and the new φ
  };
  // One step on the only task of `batch`, which is labelled.
  Outcome Step(const PackedBatch& batch);

  const at::Tensor& phi() const { return phi_; }  // [1, P]

 private:
  std::shared_ptr<const AdaptedEncoder> model_;
  FinetuningOptions options_;
  at::Tensor phi_;
  std::vector<at::Tensor> slices_;  // views of φ, [1, shape...]
  std::vector<double> rates_;       // of each slice
  AdamW optimizer_;
};

}  // namespace gbmoa

#endif  // GBMOA_FINETUNING_STEPS_H_
