#include "gbmoa/backbone/grouped_linear.h"

#include "gbmoa/base/shape.h"

namespace gbmoa {

at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const std::vector<int64_t>& offsets) {
  const int64_t num_tasks = static_cast<int64_t>(offsets.size()) - 1;
  CHECK_SHAPE(weight, {num_tasks, weight.size(1), x.size(1)});
  CHECK_EQ(offsets.back(), x.size(0));
  // unbind, split and cat are each other's gradients: no task's gradient is padded with the others' zeros.
  const std::vector<at::Tensor> weights = weight.unbind(0);
  const std::vector<at::Tensor> biases = bias.defined() ? bias.unbind(0) : std::vector<at::Tensor>();
  const auto bias_of = [&](int64_t b) { return bias.defined() ? std::optional<at::Tensor>(biases[b]) : std::nullopt; };
  if (num_tasks == 1) return at::linear(x, weights[0], bias_of(0));

  std::vector<int64_t> sizes;
  for (int64_t b = 0; b < num_tasks; ++b) sizes.push_back(offsets[b + 1] - offsets[b]);
  std::vector<at::Tensor> parts = x.split_with_sizes(sizes, 0);
  for (int64_t b = 0; b < num_tasks; ++b) parts[b] = at::linear(parts[b], weights[b], bias_of(b));
  return at::cat(parts, 0);  // [N, out]
}

}  // namespace gbmoa
