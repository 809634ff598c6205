// What the optimizer knows about a model: nothing but the two losses and where φ starts. No transformer, no data set.
#ifndef GBMOA_META_BILEVEL_PROBLEM_H_
#define GBMOA_META_BILEVEL_PROBLEM_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/support_jacobian.h"

namespace gbmoa {

// A meta-batch of B tasks with P adapted parameters each (paper §3.1, §3.3):
//
//   minimize over ψ   Σ_b L_Q,b(φ′_b) / B     where φ′_b comes from φ₀,b(ψ) by a few steps on L_S,b
//
// A row of a [B, P] tensor is one task's φ; row b of every loss depends on row b of φ only, so that one backward pass
// serves all tasks. Losses are mean nats per example and differentiable twice. One task is B = 1, not another path.
class BilevelProblem {
 public:
  virtual ~BilevelProblem() = default;

  virtual int64_t num_tasks() const = 0;  // B

  // φ₀(ψ): [B, P], on ψ's autograd graph. psi is flat, [Q].
  virtual at::Tensor InitialParameters(const at::Tensor& psi) = 0;

  // The support outputs that the support loss is a convex function of (logits): [n, C], examples of all tasks in a row.
  virtual at::Tensor SupportOutputs(const at::Tensor& phi) = 0;
  // The convex loss of these outputs: [B]. A sum over examples of functions of their own row of outputs.
  virtual at::Tensor SupportLossOfOutputs(const at::Tensor& outputs) = 0;
  // Rows of SupportOutputs that belong to each task, [B + 1]: examples[b] ... examples[b + 1] - 1. One each by default.
  virtual std::vector<int64_t> support_examples() const;
  // L_Q(φ): [B].
  virtual at::Tensor QueryLoss(const at::Tensor& phi) = 0;

  // L_S(φ): [B].
  at::Tensor SupportLoss(const at::Tensor& phi) { return SupportLossOfOutputs(SupportOutputs(phi)); }

  // The Jacobian of SupportOutputs at phi [B, P] through the curvature of the loss there. By default the dense one.
  // Errors: ResourceExhausted if that is too large.
  virtual absl::StatusOr<std::unique_ptr<SupportJacobian>> SupportJacobianAt(const at::Tensor& phi);
};

}  // namespace gbmoa

#endif  // GBMOA_META_BILEVEL_PROBLEM_H_
