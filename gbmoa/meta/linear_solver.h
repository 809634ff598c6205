// What all solvers of Av = b here share: B independent symmetric systems in lockstep, and an account of what happened.
#ifndef GBMOA_META_LINEAR_SOLVER_H_
#define GBMOA_META_LINEAR_SOLVER_H_

#include <functional>
#include <utility>
#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// Applies B symmetric matrices to the rows of u: [B, P] -> [B, P]. Linear and deterministic, so dropout is off.
using LinearOperator = std::function<at::Tensor(const at::Tensor& u)>;

struct LinearSolverOptions {
  int max_iterations = 5;
  double tolerance = 1e-2;  // stop a system when ‖b − Ax‖ <= tolerance ‖b‖
  // pᵀAp <= guard ‖p‖² counts as non-positive curvature: the matrix is not positive definite along p.
  double curvature_guard = 1e-10;
  double divergence = 10;  // ‖b − Ax‖ > divergence ‖b‖ stops a system
  // Compute the reported residual from b − Ax, at the price of one more application. Otherwise it is the recurrence's
  // own.
  bool recompute_residual = true;
};

enum class Termination {
  kConverged,
  kIterationLimit,
  kZeroRightHandSide,  // x = 0 is exact
  kNegativeCurvature,  // x is the last iterate; b itself where there was none (see `fallback`)
  kDiverged,           // the residual grew; x is the iterate of least residual, or b where none was better than x = 0
  kNotFinite,          // NaN or infinity met: likewise
};
const char* TerminationName(Termination termination);

// How one system went. Facts, not errors: the caller decides.
struct SolveSummary {
  Termination termination = Termination::kIterationLimit;
  int iterations = 0;
  double relative_residual = 0;   // ‖b − Ax‖ / ‖b‖
  double smallest_curvature = 0;  // least pᵀAp / pᵀp met along the solver's directions p; +inf if none was
  bool fallback = false;          // x = b: no iterate was better than none, so A was replaced by the identity
};

struct LinearSolution {
  at::Tensor x;                       // [B, P], always finite where b is
  std::vector<SolveSummary> systems;  // [B]
  int applications = 0;               // of the operator
};

// What every iterative solver here is: b [B, P], float32 or float64. Each system stops by itself, the others go on.
using LinearSolver = LinearSolution(const LinearOperator& a, const at::Tensor& b, const LinearSolverOptions& options);

// Where B systems stand that are solved in lockstep, and why each one stopped.
class Lockstep {
 public:
  // squares [B]: ‖b‖² of each. Systems without a right-hand side, or with one that is not finite, stop at once.
  explicit Lockstep(std::vector<double> squares);

  int64_t size() const { return static_cast<int64_t>(squares_.size()); }
  bool any_active() const;
  bool active(int64_t i) const { return active_[i]; }
  void Stop(int64_t i, Termination termination);
  // A step of system i was taken that leaves ‖b − Ax‖² = square: stops it where that is below the tolerance, or above
  // what counts as divergence.
  void Judge(int64_t i, double square, const LinearSolverOptions& options);

  SolveSummary& summary(int64_t i) { return summaries_[i]; }
  const std::vector<double>& squares() const { return squares_; }
  std::vector<SolveSummary> TakeSummaries() { return std::move(summaries_); }

 private:
  std::vector<double> squares_;
  std::vector<bool> active_;
  std::vector<SolveSummary> summaries_;
};

// Row-wise inner products, accumulated in float64: P is some 10^5 to 10^7 terms. x, y [B, P].
std::vector<double> RowDots(const at::Tensor& x, const at::Tensor& y);

// The power of two of each row's largest magnitude, 1 where that is 0 or not finite. Solvers divide b by it, which is
// exact, so that squares in float32 neither overflow nor vanish: a gradient of 1e-25 is no zero right-hand side.
std::vector<double> RowScales(const at::Tensor& b);

// One number a row, as a column [B, 1] of the type of `like`.
at::Tensor RowColumn(const std::vector<double>& values, const at::Tensor& like);

}  // namespace gbmoa

#endif  // GBMOA_META_LINEAR_SOLVER_H_
