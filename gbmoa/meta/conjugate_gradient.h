// Av = b for B independent symmetric systems in lockstep, by conjugate gradient, with an account of what happened.
#ifndef GBMOA_META_CONJUGATE_GRADIENT_H_
#define GBMOA_META_CONJUGATE_GRADIENT_H_

#include "gbmoa/meta/linear_solver.h"

namespace gbmoa {

// b [B, P], float32 or float64; inner products are accumulated in float64. Each system stops by itself, the others go
// on. Source: Hestenes and Stiefel 1952; stopping on non-positive curvature as in truncated Newton methods (Nash 2000).
LinearSolution SolveConjugateGradient(const LinearOperator& a, const at::Tensor& b, const LinearSolverOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_META_CONJUGATE_GRADIENT_H_
