// The formulas, for one element: f(x) = x Φ(x), with the normal density φ, Φ' = φ and φ'(x) = -x φ(x).
//
// Backward, for the gradient g of f.   gx = g f'(x),   f'(x) = Φ(x) + x φ(x).
//
// Second backward: the gradients of u gx.
//     hg = u f'(x)   (the change of f along u, the Jacobian-vector product: the backward kernel with u for g)
//     hx = u g f''(x),   f''(x) = (2 - x²) φ(x).
//
// Φ and φ are computed again in each pass, from one exponential: they cost little more than the memory traffic of
// keeping them would. The forward pass is LibTorch's own, which is faster than our kernel was (216 against 276 µs for
// 312 x 1536 numbers on one core). Its backward pass is slower than ours (376 against 301 µs), and the second one, made
// of many operators, takes several times as long as ours (323 µs).
#include "gbmoa/backbone/activation.h"

#include <algorithm>

#include "gbmoa/backbone/elementwise_kernel.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls run(kernels, T(), first element, number of elements) for ranges of the elements of x, in parallel.
template <typename Run>
void ForElements(const at::Tensor& x, const Run& run) {
  // Ranges begin at whole vectors, so that an element is computed in the same way for any number of threads; and a
  // range takes some 10 µs, a few times what it costs to wake a thread.
  constexpr int64_t kBlock = 1 << 14;
  const int64_t count = x.numel();
  at::parallel_for(0, (count + kBlock - 1) / kBlock, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kBlock, size = std::min(end * kBlock, count) - first;
    if (x.scalar_type() == at::kDouble) {
      const GeluKernels<double>& kernels = BestElementwiseKernels();
      run(kernels, double(), first, size);
    } else {
      const GeluKernels<float>& kernels = BestElementwiseKernels();
      run(kernels, float(), first, size);
    }
  });
}

at::Tensor EmptyLike(const at::Tensor& x) { return at::empty(x.sizes(), x.options()); }

// x g -> g f'(x). Both are contiguous.
at::Tensor TimesDerivative(const at::Tensor& x, const at::Tensor& g) {
  at::Tensor out = EmptyLike(x);
  ForElements(x, [&](const auto& kernels, auto type, int64_t i, int64_t size) {
    using T = decltype(type);
    kernels.backward(size, x.const_data_ptr<T>() + i, g.const_data_ptr<T>() + i, out.mutable_data_ptr<T>() + i);
  });
  return out;
}

// x g u -> hg hx, or hg alone.
class SecondBackward : public torch::autograd::Function<SecondBackward> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& g, const at::Tensor& u,
                               bool only_tangent) {
    const at::Tensor g_dense = g.contiguous(), u_dense = u.contiguous();
    if (only_tangent) return {TimesDerivative(x, u_dense)};
    at::Tensor hg = EmptyLike(x), hx = EmptyLike(x);
    ForElements(x, [&](const auto& kernels, auto type, int64_t i, int64_t size) {
      using T = decltype(type);
      kernels.second_backward(size, x.const_data_ptr<T>() + i, g_dense.const_data_ptr<T>() + i,
                              u_dense.const_data_ptr<T>() + i, hx.mutable_data_ptr<T>() + i,
                              hg.mutable_data_ptr<T>() + i);
    });
    return {hg, hx};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    TORCH_CHECK(false, "Gelu has no third derivative");
  }
};

// g x -> gx.
class Backward : public torch::autograd::Function<Backward> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& g, const at::Tensor& x) {
    ctx->save_for_backward({g, x});
    return TimesDerivative(x, g.contiguous());  // gradients may come expanded or transposed
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const bool only_tangent = !ctx->needs_input_grad(1);
    variable_list h = SecondBackward::apply(saved[1], saved[0], gradients[0], only_tangent);
    if (only_tangent) h.emplace_back();
    return h;
  }
};

// x -> f.
class Forward : public torch::autograd::Function<Forward> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return at::gelu(x);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    return {Backward::apply(gradients[0], ctx->get_saved_variables()[0])};
  }
};

}  // namespace

at::Tensor Gelu(const at::Tensor& x) {
  CHECK(x.device().is_cpu()) << x.device();
  CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) << x.scalar_type();
  return Forward::apply(x.contiguous());
}

}  // namespace gbmoa
