// Gradient steps on one task's φ: what every adaptation consists of.
#ifndef GBMOA_FINETUNING_STEPS_H_
#define GBMOA_FINETUNING_STEPS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/adamw.h"

namespace gbmoa {

struct FinetuningOptions {
  enum class Schedule { kConstant, kLinear };  // kLinear falls to 0, which the step after the last would have
  enum class Decay { kAll, kMatrices };        // kMatrices: neither biases nor layer norms, as Hugging Face's Trainer

  double learning_rate = 3e-4;  // of the method's parameters
  // Of the task head. A head that starts from prototypes is nearly right; at the bodies' small rates it would not move.
  double head_learning_rate = 1e-3;
  double weight_decay = 0.01;
  bool sgd = false;  // plain gradient descent (the inner loop of meta-training) in place of AdamW
  Schedule schedule = Schedule::kConstant;
  double warm_up = 0;    // share of the steps in which the rates rise from 0
  double clip_norm = 0;  // largest norm of the whole gradient; 0: no clipping
  Decay decay = Decay::kAll;
  TaskHead head = TaskHead::kUnitMean;
};

// The share of its rates that step `step` of `num_steps` takes. With w = ⌈warm_up · num_steps⌉ it is step / w before
// step w, so that the first of them moves nothing, and then 1, or (num_steps − step) / (num_steps − w) where it is
// linear: Hugging Face's get_constant_schedule_with_warmup and get_linear_schedule_with_warmup.
double RateFactor(const FinetuningOptions& options, int64_t step, int64_t num_steps);

// Keeps φ and AdamW's two moments, and during a step the gradient, slice by slice: nothing else of φ's size.
class FinetuningSteps {
 public:
  // phi [1, P]; copied. num_steps is the length of the schedule, which a constant one without warm-up does not need;
  // seed decides what is random in a step (dropout). CHECKs that the model has the options' head.
  FinetuningSteps(std::shared_ptr<const AdaptedEncoder> model, const FinetuningOptions& options, const at::Tensor& phi,
                  int64_t num_steps = 0, uint64_t seed = 0);

  struct Outcome {
    double loss = 0;     // before the step, as AdaptReport's
    bool moved = false;  // false: loss or gradient was not finite, and φ is as before
    bool finite = true;  // of loss, gradient and the new φ
  };
  // The next step, on the only task of `batch`, which is labelled.
  Outcome Step(const PackedBatch& batch);

  const at::Tensor& phi() const { return phi_; }  // [1, P]

 private:
  std::shared_ptr<const AdaptedEncoder> model_;
  FinetuningOptions options_;
  at::Tensor phi_;
  std::vector<at::Tensor> slices_;  // views of φ, [1, shape...]
  std::vector<double> rates_;       // of each slice, before the schedule
  std::vector<double> decays_;      // of each slice
  int64_t num_steps_;
  RandomStream stream_;
  int64_t step_ = 0;
  AdamW optimizer_;
};

}  // namespace gbmoa

#endif  // GBMOA_FINETUNING_STEPS_H_
