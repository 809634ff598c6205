// Products with weights that differ by task: the adapters, the head.
#ifndef GBMOA_BACKBONE_GROUPED_LINEAR_H_
#define GBMOA_BACKBONE_GROUPED_LINEAR_H_

#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// Rows offsets[b] ... offsets[b + 1] - 1 of x go through task b's own y = x W_bᵀ + bias_b.
// x [N, in]; weight [B, out, in]; bias [B, out] or undefined; offsets [B + 1] with offsets[B] = N. Returns [N, out].
at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const std::vector<int64_t>& offsets);

// While one lives, its thread's GroupedLinear writes down every product whose weight and bias are parts of the given
// parameters, and takes these as constants: what depends on them depends on the results y alone. A weight's derivative
// is then a product of the x written down and the derivative in y.
//
// Other products, and other uses of the parameters, keep their graph. Recorders nest; the innermost writes.
class GroupedLinearRecorder {
 public:
  struct Product {
    at::Tensor x;                  // [N, in], detached
    at::Tensor y;                  // [N, out], with a gradient
    int64_t weight = 0;            // W_b is out · in numbers in a row of task b's parameters, from here on
    int64_t bias = -1;             // likewise; -1 if there is none
    std::vector<int64_t> offsets;  // [B + 1]
  };

  // parameters [B, P], contiguous. CHECKs that gradients are being recorded.
  explicit GroupedLinearRecorder(const at::Tensor& parameters);
  ~GroupedLinearRecorder();
  GroupedLinearRecorder(const GroupedLinearRecorder&) = delete;
  GroupedLinearRecorder& operator=(const GroupedLinearRecorder&) = delete;

  const std::vector<Product>& products() const { return products_; }  // in the order of the forward pass

 private:
  friend at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                  const std::vector<int64_t>& offsets);
  // Where part [B, ...] begins in a row of the parameters; -1 if it is anything but a stretch of each row.
  int64_t Find(const at::Tensor& part) const;

  at::Tensor parameters_;
  GroupedLinearRecorder* outer_;
  std::vector<Product> products_;
};

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_GROUPED_LINEAR_H_
