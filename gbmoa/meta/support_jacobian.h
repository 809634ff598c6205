// The Jacobian of a bilevel problem's support outputs, seen through the curvature of its loss: a factor of the
// Gauss-Newton matrix that has one row for each example and direction.
#ifndef GBMOA_META_SUPPORT_JACOBIAN_H_
#define GBMOA_META_SUPPORT_JACOBIAN_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

// The second derivative M of a loss of outputs [n, C] that is a sum over examples of convex functions of their own row:
// block-diagonal, M_i = F_i F_iᵀ. Cross-entropy has M_i = w_i (diag p − p pᵀ) and rank r = C − 1.
struct OutputCurvature {
  at::Tensor factor;        // F, [n, C, r]: r >= 1 is the largest rank of an M_i; others have columns of zeros
  at::Tensor coefficients;  // c, [n, r]: the gradient of Σ_b L_b in the outputs is F_i c_i + remainder
  at::Tensor remainder;     // [n, C], or undefined where it is no more than rounding, as for cross-entropy
};

// loss: [n, C] -> [B], differentiable twice. examples [B + 1]: rows examples[b] ... examples[b + 1] - 1 of the outputs
// are task b's. Eigenvalues below C eps times the task's largest count as zero, and so do negative ones: the loss is
// not convex there. An example with a NaN or infinity has a factor of NaN; the others do not notice.
OutputCurvature FactorOutputCurvature(const std::function<at::Tensor(const at::Tensor& outputs)>& loss,
                                      const at::Tensor& outputs, const std::vector<int64_t>& examples);

// At one φ [B, P], with J the Jacobian of the outputs:
//
//   S = Fᵀ J      JᵀMJ = SᵀS
//
// Row (i, a) of S is example i's direction a; it depends on the φ of i's task only. Numbers of rows are [n, r].
class SupportJacobian {
 public:
  virtual ~SupportJacobian() = default;

  virtual int64_t rank() const = 0;                              // r
  virtual const std::vector<int64_t>& examples() const = 0;      // [B + 1]
  virtual at::Tensor Times(const at::Tensor& v) const = 0;       // S v: [B, P] -> [n, r] float64
  virtual at::Tensor Transposed(const at::Tensor& y) const = 0;  // Sᵀ y: [n, r] float64 -> [B, P]
  // S diag(d) Sᵀ of each task, [n_b r, n_b r] float64, for d [P] >= 0.
  virtual std::vector<at::Tensor> Gram(const at::Tensor& d) const = 0;
  virtual at::Tensor support_gradient() const = 0;  // ∇L_S(φ), [B, P]
  // What it took to build and takes to solve with once, in gradients of the support loss.
  virtual double gradient_evaluations() const = 0;
};

// For any outputs [n, C] on phi's graph: one backward pass for each direction of each example of a task, all tasks at
// once, about half a gradient each. Keeps n r P numbers. Errors: ResourceExhausted if they take more than
// kMaxDenseJacobianBytes.
constexpr int64_t kMaxDenseJacobianBytes = int64_t{1} << 30;
absl::StatusOr<std::unique_ptr<SupportJacobian>> MakeDenseSupportJacobian(const at::Tensor& phi,
                                                                          const at::Tensor& outputs,
                                                                          const std::vector<int64_t>& examples,
                                                                          const OutputCurvature& curvature);

}  // namespace gbmoa

#endif  // GBMOA_META_SUPPORT_JACOBIAN_H_
