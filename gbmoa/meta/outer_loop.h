// One update of the meta-parameters ψ from a meta-batch of tasks (paper §3.3, "outer loop").
#ifndef GBMOA_META_OUTER_LOOP_H_
#define GBMOA_META_OUTER_LOOP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "gbmoa/meta/adamw.h"
#include "gbmoa/meta/bilevel_problem.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {

struct OuterLoopOptions {
  int64_t steps = 500;      // meta-steps of the whole schedule
  double rate = 2e-4;       // β
  int64_t warm_up = 10;     // steps of linear warm-up
  double final_rate = 0.1;  // cosine decay to this share of β
  double clip_norm = 1;     // global norm of the meta-gradient; 0: no clipping
  AdamWOptions adamw;
};

struct OuterStep {
  MetaGradient meta_gradient;
  double rate = 0;
  double gradient_norm = 0;  // before clipping
  bool applied = false;      // false: a non-finite loss or gradient; ψ and the optimizer are as before
};

class OuterLoop {
 public:
  OuterLoop(const OuterLoopOptions& options, std::unique_ptr<MetaGradientMethod> method);

  // β of the given step: linear warm-up, then cosine to final_rate β.
  double RateAt(int64_t step) const;

  // ψ ← AdamW(ψ, mean over tasks of (∂φ₀/∂ψ)ᵀ dL_Q/dφ₀). psi is a flat leaf [Q], updated in place.
  // Errors: those of the meta-gradient method.
  absl::StatusOr<OuterStep> Step(BilevelProblem& problem, const MetaGradientOptions& gradient_options, at::Tensor& psi);

  const AdamW& optimizer() const { return optimizer_; }

 private:
  OuterLoopOptions options_;
  std::unique_ptr<MetaGradientMethod> method_;
  AdamW optimizer_;
  int64_t step_ = 0;
};

}  // namespace gbmoa

#endif  // GBMOA_META_OUTER_LOOP_H_
