// The pieces of work that peer_work times: one gradient step of an adaptation method, or one meta-step.
#ifndef GBMOA_TOOLS_BENCH_WORK_H_
#define GBMOA_TOOLS_BENCH_WORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// "lora": one step; "imaml:5": one meta-step with k = 5 inner steps.
struct WorkSpec {
  std::string name;
  int k = 0;  // 0: a step

  std::string text() const;
};

// Errors: InvalidArgument for a name that is not known, a k that is missing, not a number in 1 to 10000, or too much.
absl::StatusOr<WorkSpec> ParseWorkSpec(absl::string_view text);

// "fp32" or "bf16". Errors: InvalidArgument; Unimplemented for bf16 where `fastest`, the processor's, is not bf16 but
// slower: its time would say nothing.
absl::StatusOr<Precision> ParseWorkPrecision(const std::string& name, Precision fastest);

// What one run worked on, and how its linear solve went if it has one.
struct WorkRun {
  int64_t examples = 0, tokens = 0;  // real tokens: special ones count, soft prompts do not
  double loss = 0;                   // of the support set before a step; of the query set in a meta-step
  double gradient_evaluations = 1;   // cost as the method reports it; grows with each product of a solver
  std::string termination;           // how the linear solve ended; empty without one
  int iterations = 0;
  double relative_residual = 0;
};

class Work {
 public:
  virtual ~Work() = default;
  // Makes the state that runs change: φ or ψ, at its usual start; the optimizer's appears in the first run.
  virtual absl::Status Start() = 0;
  // Works on episode `index` and moves the state on. Errors: Aborted if the numbers diverge.
  virtual absl::StatusOr<WorkRun> Run(int64_t index) = 0;
};

// Errors: those of PackBatch; InvalidArgument if the meta-gradient method is not linked in.
absl::StatusOr<std::unique_ptr<Work>> MakeWork(const WorkSpec& spec, std::shared_ptr<const Backbone> backbone,
                                               const std::vector<Episode>& episodes);

}  // namespace gbmoa

#endif  // GBMOA_TOOLS_BENCH_WORK_H_
