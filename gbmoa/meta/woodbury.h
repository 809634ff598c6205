// (I + RᵀR) x = b through the small matrix I + RRᵀ.
#ifndef GBMOA_META_WOODBURY_H_
#define GBMOA_META_WOODBURY_H_

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/linear_solver.h"
#include "gbmoa/meta/support_jacobian.h"

namespace gbmoa {

// Solves A w = b, A = I + D^½ JᵀMJ D^½ = I + RᵀR with R = S D^½ (support_jacobian.h), exactly:
//
//   w = b − Rᵀ y,   (I + RRᵀ) y = R b
//
// by a Cholesky factorization of n_b r rows in float64 for each of B tasks. root = D^½ [P]; b [B, P].
//
// Of the summary: iterations is 1 where a factorization was used, and smallest_curvature is wᵀAw / wᵀw = 1 + ‖y‖² /
// ‖w‖², the only direction met (A's least eigenvalue is 1 unless there are as many rows as parameters). Without
// recompute_residual the residual is that of the small system. A task with a NaN or infinity ends as kNotFinite, one
// whose RRᵀ is so large that I + RRᵀ is not positive definite in its rounding as kNegativeCurvature; both answer with
// b. Tolerance and iteration limit mean nothing here. Source: Woodbury (1950).
LinearSolution SolveWoodbury(const SupportJacobian& jacobian, const at::Tensor& root, const at::Tensor& b,
                             const LinearSolverOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_META_WOODBURY_H_
