// u -> Hu by double backward on one retained graph.
#ifndef GBMOA_META_HESSIAN_VECTOR_PRODUCT_H_
#define GBMOA_META_HESSIAN_VECTOR_PRODUCT_H_

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

// The Hessian of every task's support loss at φ. The gradient's graph is built once; each product is one backward pass
// through it, about 1.5 times the cost of a gradient. The graph lives as long as the object.
class SupportHessian {
 public:
  // phi [B, P]; its own graph is not touched.
  SupportHessian(BilevelProblem& problem, const at::Tensor& phi);

  // [B, P] -> [B, P], block-diagonal in the tasks.
  at::Tensor operator()(const at::Tensor& u) const;

  const at::Tensor& gradient() const { return detached_gradient_; }  // ∇L_S(φ), [B, P]

 private:
  at::Tensor phi_;
  at::Tensor gradient_;  // on the graph
  at::Tensor detached_gradient_;
};

}  // namespace gbmoa

#endif  // GBMOA_META_HESSIAN_VECTOR_PRODUCT_H_
