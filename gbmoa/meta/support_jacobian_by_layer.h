// The support Jacobian of a model whose parameters are matrices that multiply its activations: kept as the factors of
// its rows, never as rows.
#ifndef GBMOA_META_SUPPORT_JACOBIAN_BY_LAYER_H_
#define GBMOA_META_SUPPORT_JACOBIAN_BY_LAYER_H_

#include <memory>
#include <vector>

#include "gbmoa/base/tensor.h"
#include "gbmoa/meta/support_jacobian.h"

namespace gbmoa {

// One y = x Wᵀ + bias of the forward pass. W_b [out, in] and bias_b [out] are stretches of task b's φ; the graph holds
// them as constants.
struct TrainedProduct {
  at::Tensor x;               // [N, in], detached
  at::Tensor y;               // [N, out], on the outputs' graph
  int64_t weight = 0;         // where W_b begins in φ_b
  int64_t bias = -1;          // likewise; -1 if there is none
  std::vector<int64_t> rows;  // [n + 1]: rows rows[i] ... rows[i + 1] - 1 of x and y are example i's
};

// One backward pass of activations for each direction a = 1 ... r gives δᵃ = ∂ Σ_i F_iaᵀ o_i / ∂y of every product,
// for all examples of all tasks at once, because no example sees another. Then row (i, a) of S is Σ_t δᵃ_t x_tᵀ in a
// product's place, t over example i's rows, and everything else is small products without the model:
//
//   (S v)_ia = Σ_products Σ_t δᵃ_t · (V x_t + v)       Sᵀ y = per product  Σ_t (Σ_a y_ia δᵃ_t) x_tᵀ
//
// and S diag(d) Sᵀ, product by product, by whichever is less work: blocks of explicit rows, or, where d is constant
// in the product, from inner products of rows of x, Σ_t,s (δᵃ_t · δᵇ_s) (x_t · x_s). Keeps x and δ: r + 1 times the
// numbers that pass through the products, in and out. Results do not depend on the number of threads beyond those of
// LibTorch's own products.
//
// phi [B, P] and outputs [n, C] as in MakeDenseSupportJacobian. Null if the outputs depend on phi in another way than
// through the products, or if products share parameters: then this is not the whole Jacobian.
std::unique_ptr<SupportJacobian> MakeLayerwiseSupportJacobian(const at::Tensor& phi, const at::Tensor& outputs,
                                                              const std::vector<TrainedProduct>& products,
                                                              const std::vector<int64_t>& examples,
                                                              const OutputCurvature& curvature);

}  // namespace gbmoa

#endif  // GBMOA_META_SUPPORT_JACOBIAN_BY_LAYER_H_
