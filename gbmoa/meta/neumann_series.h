// Av = b for B independent symmetric systems in lockstep, by the Neumann series, with an account of what happened.
#ifndef GBMOA_META_NEUMANN_SERIES_H_
#define GBMOA_META_NEUMANN_SERIES_H_

#include "gbmoa/meta/linear_solver.h"

namespace gbmoa {

// With A = I + K:  x = Σ_j tⱼ,  t₀ = b,  tⱼ₊₁ = −K tⱼ = tⱼ − A tⱼ.  Converges to A⁻¹b when every eigenvalue of A lies
// strictly between 0 and 2.
//
// The residual b − Ax of the sum of terms 0 ... j is tⱼ₊₁, so it is known without another application, and
// options.recompute_residual changes nothing. An iteration is an application: after i of them the sum of i terms is
// known together with its residual. x is the partial sum of least residual, whatever ended the solve. kDiverged: the
// residual exceeded divergence ‖b‖, or was no smaller than ‖b‖ after the last iteration. options.curvature_guard is not
// used: curvature is reported along the terms, but does not stop a system.
//
// b [B, P], float32 or float64; inner products are accumulated in float64. Each system stops by itself, the others go
// on. Source: Lorraine, Vicol and Duvenaud 2020, where the inner rate takes the place of our scaling of K.
LinearSolution SolveNeumannSeries(const LinearOperator& a, const at::Tensor& b, const LinearSolverOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_META_NEUMANN_SERIES_H_
