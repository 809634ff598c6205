// Learner: what every method is, the paper's and the baselines alike. A learner may look at many tasks first
// (MetaTrain), then adapts to one task from its support set and hands back a Predictor. No LibTorch in here.
#ifndef GBMOA_TASK_LEARNER_H_
#define GBMOA_TASK_LEARNER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

class Backbone;

// Class probabilities of n examples, or the values of a regression.
struct Prediction {
  int num_classes = 0;               // 0: a regression
  std::vector<float> probabilities;  // [n, num_classes], row-major; empty of a regression
  std::vector<float> values;         // [n] of a regression, in the unit of its targets; else empty

  int64_t size() const {
    return static_cast<int64_t>(num_classes == 0 ? values.size() : probabilities.size() / num_classes);
  }
  // The most probable class of example i; the lowest one of equals. CHECKs that there are classes.
  int64_t label(int64_t i) const;
};

// An adapted model. Immutable; safe to call from several threads.
class Predictor {
 public:
  virtual ~Predictor() = default;
  // A batch without a number of classes (0) has the model's; of one with fewer, the model's further ones are masked.
  // Errors: InvalidArgument if the batch does not fit the model (number of classes, regression or not, token ids out of
  // range).
  virtual absl::StatusOr<Prediction> Predict(const Batch& batch) const = 0;
  // Unnormalised log-probabilities, [n, num_classes] row-major: what Predict takes the softmax of; of a regression the
  // values, [n]. Errors: those of Predict; Unimplemented where there are none.
  virtual absl::StatusOr<std::vector<float>> Logits(const Batch& batch) const;

  // Everything that belongs to this task, by name ("head.weight", "layer.0.attention.adapter.down.weight", ...): as
  // many numbers as ParameterCounts says, per_task + head. Learner::Restore takes them back.
  virtual std::map<std::string, std::vector<float>> Parameters() const = 0;
};

// How many numbers a method trains or has trained.
struct ParameterCounts {
  int64_t per_task = 0;  // adapted to a task, without its head
  int64_t head = 0;      // the task's head
  int64_t meta = 0;      // trained by MetaTrain
  int64_t backbone = 0;  // of the frozen encoder
};

// How a task's linear head starts: from the support set's class prototypes (a regression's by ridge regression), or
// with outputs of zero. The same for every method that is compared, since it decides more than the method. A head with
// a layer of its own (option "head" = "tanh") has its own start either way, with the outputs at zero.
enum class HeadStart { kPrototypes, kZero };

struct AdaptOptions {
  int steps = 50;
  int batch_size = 16;  // examples a step, drawn without replacement epoch by epoch; 0: the whole support set
  HeadStart head_start = HeadStart::kPrototypes;
  uint64_t seed = 0;  // order of the examples, random starts, dropout
  // The steps after which `observer` sees the model, ascending, e.g. {0, 1, 2, 5}. Step 0 is the start.
  std::vector<int> marks;
  std::function<absl::Status(int step, const Predictor& predictor)> observer;
};

// What an adaptation cost and how it went.
struct AdaptReport {
  int steps = 0;
  double seconds = 0;  // without the observer
  double flops = 0;    // of the products with weight matrices, counted, not measured
  // Support loss before the first step, mean per example of its batch: nats, or squared errors of a regression.
  double first_loss = 0;
  double last_loss = 0;  // at the last step
  bool finite = true;    // false: a non-finite loss or gradient stopped the run; φ is the last finite one
  int64_t tokens = 0;    // of the examples of all steps
};

struct Adaptation {
  std::unique_ptr<Predictor> predictor;
  AdaptReport report;
};

// Called after each meta-step, for progress and logs.
struct MetaTrainProgress {
  int64_t step = 0, steps = 0;
  double query_loss = 0;  // mean over the step's tasks
  std::string detail;     // e.g. solver iterations and residual
  int64_t skipped = 0;    // steps so far whose loss or gradient was not finite; they left the state as it was
};

// Which tasks a meta-training visits, as positions of its EpisodeSource; all that it takes to visit them again.
struct TaskOrder {
  std::vector<int64_t> positions;  // in visiting order, steps · tasks_per_step of them
  // difficulties[j] is that of the task at positions[j], in [0, 1]; empty if nothing was measured, as without
  // curriculum.
  std::vector<double> difficulties;
};

struct MetaTrainOptions {
  uint64_t seed = 0;
  int64_t steps = -1;  // -1: the learner's default; 0: no meta-training
  // Positions to visit, exactly so, in place of the learner's own choice; empty: none. A position may come twice.
  std::vector<int64_t> replay_order;
  // Called once before the first step. An error ends the training and becomes MetaTrain's own.
  std::function<absl::Status(const TaskOrder&)> on_order;
  // An error ends the training and becomes MetaTrain's own: how a caller interrupts it.
  std::function<absl::Status(const MetaTrainProgress&)> on_step;
};

class Learner {
 public:
  virtual ~Learner() = default;

  // Learns across tasks, which are classifications. Learners that do not meta-learn return OK at once. Errors: Aborted
  // if more than half of the steps were not finite; InvalidArgument if replay_order has not steps · tasks_per_step
  // positions or one is negative, or for a task that is a regression; what on_order and on_step say.
  virtual absl::Status MetaTrain(const EpisodeSource& tasks, const MetaTrainOptions& options);
  virtual bool meta_learns() const { return false; }

  // Adapts a copy of the model to one task. Const and deterministic in its arguments: several tasks may be adapted at
  // once from several threads. Errors: InvalidArgument for an empty or unlabelled support set, and for a target that is
  // not finite.
  virtual absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const = 0;

  // The predictor whose Parameters() are `parameters`, which predicts what the one did that they came from; nothing of
  // MetaTrain is needed. Of classifications only: nothing in a regression's parameters tells them from those of one
  // class. Errors: InvalidArgument naming every slice that is missing, unknown, of another size, or not finite;
  // Unimplemented for a learner that keeps no parameters.
  virtual absl::StatusOr<std::unique_ptr<Predictor>> Restore(
      int num_classes, const std::map<std::string, std::vector<float>>& parameters) const;

  // A regression counts as one class.
  virtual ParameterCounts CountParameters(int num_classes) const = 0;
  // Vectors that it puts before each sequence; the encoder takes so many tokens fewer.
  virtual int64_t prompt_tokens() const { return 0; }

  // The meta-trained state, as a safetensors file; learners without any write and read none.
  virtual absl::Status Save(const std::string& path) const;
  virtual absl::Status Load(const std::string& path);
};

// A learner's hyper-parameters as name -> value text ("learning_rate" -> "3e-4"), from a profile or a flag. A learner's
// factory rejects names that it does not know and values that it cannot read.
using LearnerOptions = std::map<std::string, std::string>;

using LearnerRegistry = Registry<Learner, std::shared_ptr<const Backbone>, const LearnerOptions&>;

// At the end of a learner's file: GBMOA_REGISTER_LEARNER("lora", MakeLora); where the function has the registry's
// factory type.
#define GBMOA_REGISTER_LEARNER(name, factory)                                     \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::LearnerRegistry::Global().Register(name, factory)

}  // namespace gbmoa

#endif  // GBMOA_TASK_LEARNER_H_
