#include "gbmoa/backbone/grouped_linear.h"

#include <optional>
#include <utility>

#include "gbmoa/base/shape.h"

namespace gbmoa {
namespace {

thread_local GroupedLinearRecorder* current_recorder = nullptr;

at::Tensor Multiply(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const std::vector<int64_t>& offsets) {
  const int64_t num_tasks = static_cast<int64_t>(offsets.size()) - 1;
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

}  // namespace

at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const std::vector<int64_t>& offsets) {
  const int64_t num_tasks = static_cast<int64_t>(offsets.size()) - 1;
  CHECK_SHAPE(weight, {num_tasks, weight.size(1), x.size(1)});
  CHECK_EQ(offsets.back(), x.size(0));
  GroupedLinearRecorder* const recorder = current_recorder;
  const int64_t weight_at = recorder != nullptr ? recorder->Find(weight) : -1;
  const int64_t bias_at = weight_at >= 0 && bias.defined() ? recorder->Find(bias) : -1;
  if (weight_at < 0 || (bias.defined() && bias_at < 0)) return Multiply(x, weight, bias, offsets);

  at::Tensor y = Multiply(x, weight.detach(), bias.defined() ? bias.detach() : bias, offsets);
  if (!y.requires_grad()) y.requires_grad_();
  recorder->products_.push_back({x.detach(), y, weight_at, bias_at, offsets});
  return y;
}

GroupedLinearRecorder::GroupedLinearRecorder(const at::Tensor& parameters)
    : parameters_(parameters), outer_(std::exchange(current_recorder, this)) {
  CHECK_EQ(parameters.dim(), 2);
  CHECK(parameters.is_contiguous());
  CHECK(at::GradMode::is_enabled());
}

GroupedLinearRecorder::~GroupedLinearRecorder() { current_recorder = outer_; }

int64_t GroupedLinearRecorder::Find(const at::Tensor& part) const {
  if (!part.is_alias_of(parameters_) || part.scalar_type() != parameters_.scalar_type()) return -1;
  if (part.size(0) != parameters_.size(0)) return -1;
  if (part.size(0) > 1 && part.stride(0) != parameters_.size(1)) return -1;
  int64_t size = 1;
  for (int64_t dim = part.dim() - 1; dim > 0; size *= part.size(dim--)) {
    if (part.size(dim) > 1 && part.stride(dim) != size) return -1;
  }
  const int64_t at = part.storage_offset() - parameters_.storage_offset();
  return at >= 0 && at + size <= parameters_.size(1) ? at : -1;
}

}  // namespace gbmoa
