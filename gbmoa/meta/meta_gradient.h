// The meta-gradient: how the query loss at φ′ depends on where φ started. One interface, several methods.
#ifndef GBMOA_META_META_GRADIENT_H_
#define GBMOA_META_META_GRADIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/bilevel_problem.h"
#include "gbmoa/meta/inner_loop.h"
#include "gbmoa/meta/linear_solver.h"

namespace gbmoa {

struct MetaGradientOptions {
  InnerLoopOptions inner_loop;
  // The implicit methods' λ, in loss per squared parameter. 0: that of a proximal inner loop; without one λ = 1 / (k
  // α), group by group, which is what k steps at rate α amount to (docs/reading_the_paper.md).
  double lambda = 0;
  LinearSolverOptions solver;
};

// What a method found and what it did. Per-task vectors have B entries.
struct MetaGradient {
  at::Tensor initial_gradient;    // dL_Q/dφ₀, [B, P]
  at::Tensor adapted_parameters;  // φ′, [B, P]
  std::vector<double> first_support_loss, last_support_loss, query_loss;
  std::vector<SolveSummary> solves;  // of methods that solve a linear system; empty otherwise
  // ‖∇L_S(φ′) + λ(φ′ − φ₀)‖ / ‖λ(φ′ − φ₀)‖ of the same methods: 0 at the minimum that implicit differentiation assumes.
  // Of order 1 after a few plain steps; small once a proximal inner loop has converged.
  std::vector<double> stationarity;
  // What all this cost, in gradients (forward and backward pass) of one set's loss, the query loss counted alike. Whole
  // passes are counted; a forward pass alone is 1/3, a Hessian-vector product 1.5, a Gauss-Newton product 1.7 of one.
  double gradient_evaluations = 0;
};

class MetaGradientMethod {
 public:
  virtual ~MetaGradientMethod() = default;
  // phi0 [B, P], detached. ψ's share is one backward pass away: (∂φ₀/∂ψ)ᵀ initial_gradient.
  // Errors: InvalidArgument for options outside their range (they come from a profile).
  virtual absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                               const MetaGradientOptions& options) const = 0;
};

//   "unrolled"               exact: through every inner step; memory grows with k
//   "unrolled_checkpointed"  the same bits in the memory of one step, for one more gradient a step
//   "implicit_cg"            implicit differentiation, exact Hessian, conjugate gradient
//   "implicit_gn_cg"         the Gauss-Newton matrix instead, which is never indefinite
//   "implicit_gn_exact"      the same by factorization of a small matrix, without iteration
//   "implicit_fd"            Hessian-vector products by differences of gradients
//   "neumann"                exact Hessian, Neumann series
//   "first_order"            ∇L_Q(φ′) (FOMAML)
//   "reptile"                (φ₀ − φ′) / (kα), no query gradient
using MetaGradientRegistry = Registry<MetaGradientMethod>;

// At the end of a method's file: GBMOA_REGISTER_META_GRADIENT("first_order", FirstOrder);
#define GBMOA_REGISTER_META_GRADIENT(name, Method)                                                                 \
  [[maybe_unused]] static const bool gbmoa_registered_##Method = ::gbmoa::MetaGradientRegistry::Global().Register( \
      name,                                                                                                        \
      []() -> absl::StatusOr<std::unique_ptr<::gbmoa::MetaGradientMethod>> { return std::make_unique<Method>(); })

// φ′, the losses on the way and ∇L_Q(φ′) as initial_gradient: first-order MAML, and what implicit methods begin with.
// Cost: k + 1 gradients.
MetaGradient ComputeFirstOrderGradient(BilevelProblem& problem, const at::Tensor& phi0,
                                       const InnerLoopOptions& options);

// Errors: InvalidArgument, naming the value, unless steps >= 1; rates are positive, λ and the proximal λ positive or 0,
// all of them finite; solver.max_iterations >= 1, tolerance >= 0 and finite, curvature_guard >= 0, divergence >= 1.
absl::Status CheckMetaGradientOptions(const MetaGradientOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_META_META_GRADIENT_H_
