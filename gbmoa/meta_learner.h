// What learners that meta-learn share: the walk over tasks, the outer loop, the saved state.
#ifndef GBMOA_META_LEARNER_H_
#define GBMOA_META_LEARNER_H_

#include <memory>
#include <string>
#include <vector>

#include "gbmoa/episode_problem.h"
#include "gbmoa/finetuning_learner.h"
#include "gbmoa/meta/outer_loop.h"

namespace gbmoa {

struct MetaLearnerOptions {
  OuterLoopOptions outer_loop;                // steps, β ...
  MetaGradientOptions gradient;               // k, λ, solver; the inner rates follow from the two below
  std::string meta_gradient = "implicit_cg";  // a name of MetaGradientRegistry
  int64_t tasks_per_step = 2;                 // B
  double inner_rate = 0.05;                   // α of the method's parameters
  double inner_head_rate = 0.03;  // α of the head, whose curvature is larger (about 25: rates from 0.08 on diverge)
  bool curriculum = true;
  double curriculum_initial_share = 0.2;
};

// Reads "meta_steps", "outer_rate", "warm_up" (in steps), "final_rate", "clip_norm", "inner_steps", "inner_rate",
// "inner_head_rate", "lambda", "solver_iterations", "solver_tolerance", "recompute_residual", "meta_gradient",
// "tasks_per_step", "curriculum", "curriculum_initial_share".
MetaLearnerOptions ReadMetaLearnerOptions(OptionReader& reader, const MetaLearnerOptions& defaults);

// Trains ψ, a flat vector, so that φ₀(ψ, support set) adapts well.
class MetaLearner : public FinetuningLearner {
 public:
  MetaLearner(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
              const FinetuningOptions& finetuning, const MetaLearnerOptions& meta);

  // Visits steps · tasks_per_step episodes at positions 0, 1, ... once each, in the curriculum's order if it is on, or
  // in that of a replay. The difficulty of a task is the entropy of the frozen encoder with a prototype head on its
  // support set (paper §3.4). The curriculum measures it beforehand, task by task from position 0 on; of a task that
  // waits only its support features are kept, [n, D] (1,000 tasks of 25 examples and D = 384: 38 MB), and no episode.
  // Without the curriculum a task is read when its step comes. Regressions are refused: a difficulty of theirs, and
  // rates that suit squared errors of any unit, would be other choices than the paper's. Adapt takes them.
  absl::Status MetaTrain(const EpisodeSource& tasks, const MetaTrainOptions& options) override;
  bool meta_learns() const override { return true; }
  ParameterCounts CountParameters(int num_classes) const override;
  absl::Status Save(const std::string& path) const override;
  absl::Status Load(const std::string& path) override;

 protected:
  // The start of φ's body for the tasks whose frozen support features are given: features [n, D], offsets [B + 1] ->
  // [B, body], on psi's graph.
  virtual at::Tensor Start(const at::Tensor& psi, const at::Tensor& features,
                           const std::vector<int64_t>& offsets) const = 0;
  // Whether Start looks at the features at all; if not, they are not computed.
  virtual bool reads_features() const = 0;
  virtual int64_t num_meta_parameters() const = 0;  // Q
  // ψ before training, [Q].
  virtual at::Tensor InitialMetaParameters(uint64_t seed) const = 0;

  absl::StatusOr<at::Tensor> StartingPoint(const AdaptedEncoder& model, const Batch& support_set,
                                           const RandomStream& stream) const override;

 private:
  MetaLearnerOptions meta_;
  at::Tensor psi_;  // undefined before MetaTrain or Load
};

}  // namespace gbmoa

#endif  // GBMOA_META_LEARNER_H_
