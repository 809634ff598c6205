// The formulas, for one row of width D: ∘ multiplies elements, ā is the mean of a's elements, so that the mean of a ∘ b
// is their inner product over D.
//
// Forward.   s = x + y,  r = 1 / sqrt(variance(s) + eps),  n = r (s - s̄),  out = w ∘ n + b.
//
// Along a change v of s, r changes by -r² mean(n ∘ v) and n by r P(v), where
//     P(v) = v - v̄ - n mean(n ∘ v)
// is symmetric.
//
// Backward, for the gradient g of out.   a = w ∘ g,  gs = r P(a), for x and y alike.
//
// Second backward: the gradients of ℓ = <u, gs> with respect to g and s, for given u. With
//     α = mean(a ∘ n),  β = mean(u ∘ n),  κ = mean(u ∘ a) - ū ā - α β,
// ℓ = D r κ, and, r and n changing as above,
//     hg = w ∘ r P(u)   (the change of out along u: the Jacobian-vector product)
//     hs = -r² (κ n + β P(a) + α P(u)).
//
// n and r are kept for the backward passes, not s: as much memory, less work.
#include "gbmoa/backbone/layer_norm.h"

#include <algorithm>
#include <optional>

#include "gbmoa/backbone/elementwise_kernel.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls run(kernels, T(), first row, number of rows) for ranges of rows, in parallel.
template <typename Run>
void ForRows(const at::Tensor& like, const Run& run) {
  const int64_t rows = like.size(0), width = like.size(1);
  // At least 2^15 elements, some 10 µs, for each thread: a few times what it costs to wake it.
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / width);
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    if (like.scalar_type() == at::kDouble) {
      const LayerNormKernels<double>& kernels = BestElementwiseKernels();
      run(kernels, double(), begin, end - begin);
    } else {
      const LayerNormKernels<float>& kernels = BestElementwiseKernels();
      run(kernels, float(), begin, end - begin);
    }
  });
}

template <typename T>
const T* In(const at::Tensor& x, int64_t row) {
  if (!x.defined()) return nullptr;
  return x.const_data_ptr<T>() + row * (x.dim() == 1 ? 1 : x.size(1));
}
template <typename T>
T* Out(const at::Tensor& x, int64_t row) {
  if (!x.defined()) return nullptr;
  return x.mutable_data_ptr<T>() + row * (x.dim() == 1 ? 1 : x.size(1));
}

at::Tensor EmptyLike(const at::Tensor& x) { return at::empty(x.sizes(), x.options()); }

// n and r may be undefined.
void RunForward(const at::Tensor& x, const at::Tensor& y, const at::Tensor& w, const at::Tensor& b, double eps,
                const at::Tensor& out, const at::Tensor& n, const at::Tensor& r) {
  const at::Tensor x_rows = x.contiguous(), y_rows = y.contiguous();
  ForRows(x, [&](const auto& kernels, auto type, int64_t row, int64_t rows) {
    using T = decltype(type);
    kernels.forward(rows, x.size(1), In<T>(x_rows, row), In<T>(y_rows, row), In<T>(w, 0), In<T>(b, 0),
                    static_cast<T>(eps), Out<T>(out, row), Out<T>(n, row), Out<T>(r, row));
  });
}

// g n r w u -> hg hs, or hg alone.
class SecondBackward : public torch::autograd::Function<SecondBackward> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& g, const at::Tensor& n, const at::Tensor& r,
                               const at::Tensor& w, const at::Tensor& u, bool only_tangent) {
    const at::Tensor u_rows = u.contiguous(), hg = EmptyLike(n), hs = only_tangent ? at::Tensor() : EmptyLike(n);
    ForRows(n, [&](const auto& kernels, auto type, int64_t row, int64_t rows) {
      using T = decltype(type);
      if (only_tangent) {
        kernels.tangent(rows, n.size(1), In<T>(n, row), In<T>(r, row), In<T>(w, 0), In<T>(u_rows, row),
                        Out<T>(hg, row));
      } else {
        kernels.second_backward(rows, n.size(1), In<T>(n, row), In<T>(r, row), In<T>(w, 0), In<T>(g, row),
                                In<T>(u_rows, row), Out<T>(hs, row), Out<T>(hg, row));
      }
    });
    if (only_tangent) return {hg};
    return {hg, hs};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    TORCH_CHECK(false, "ResidualLayerNorm has no third derivative");
  }
};

// g n r w h -> gs + h; h may be missing. n stands for s in the graph.
class Backward : public torch::autograd::Function<Backward> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& g, const at::Tensor& n, const at::Tensor& r,
                            const at::Tensor& w, const std::optional<at::Tensor>& h) {
    // Gradients may come expanded or transposed; the kernels want contiguous rows.
    const at::Tensor g_rows = g.contiguous(), h_rows = h.has_value() ? h->contiguous() : at::Tensor();
    ctx->save_for_backward({g, n, r, w});
    ctx->saved_data["h"] = h.has_value();
    at::Tensor gs = EmptyLike(n);
    ForRows(n, [&](const auto& kernels, auto type, int64_t row, int64_t rows) {
      using T = decltype(type);
      kernels.backward(rows, n.size(1), In<T>(n, row), In<T>(r, row), In<T>(w, 0), In<T>(g_rows, row),
                       In<T>(h_rows, row), Out<T>(gs, row));
    });
    return gs;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& u = gradients[0];
    const bool only_tangent = !ctx->needs_input_grad(1);
    const variable_list h = SecondBackward::apply(saved[0].contiguous(), saved[1], saved[2], saved[3], u, only_tangent);
    return {h[0], only_tangent ? at::Tensor() : h[1], at::Tensor(), at::Tensor(),
            ctx->saved_data["h"].toBool() ? u : at::Tensor()};
  }
};

// x y w b -> out n. The second output is there for the graph only: its gradient is meant with respect to s. That is how
// hs arrives here, and is added to gs without another pass over memory.
class Forward : public torch::autograd::Function<Forward> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& y, const at::Tensor& w,
                               const at::Tensor& b, double eps) {
    at::Tensor out = EmptyLike(x), n = EmptyLike(x), r = at::empty({x.size(0)}, x.options());
    RunForward(x, y, w, b, eps, out, n, r);
    ctx->save_for_backward({n, r, w});
    ctx->set_materialize_grads(false);
    return {out, n};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    at::Tensor gs = gradients[1];
    if (gradients[0].defined()) {
      const std::optional<at::Tensor> h = gs.defined() ? std::optional<at::Tensor>(gs) : std::nullopt;
      gs = Backward::apply(gradients[0], saved[0], saved[1], saved[2], h);
    }
    return {gs, gs, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor ResidualLayerNorm(const at::Tensor& x, const at::Tensor& y, const LayerNormWeights& norm, double eps) {
  CHECK_EQ(x.dim(), 2);
  CHECK(x.device().is_cpu()) << x.device();
  CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) << x.scalar_type();
  CHECK_GT(x.size(1), 0);
  CHECK_SHAPE(y, {x.size(0), x.size(1)});
  CHECK(y.scalar_type() == x.scalar_type()) << y.scalar_type() << " beside " << x.scalar_type();
  for (const at::Tensor* w : {&norm.weight, &norm.bias}) {
    CHECK_SHAPE(*w, {x.size(1)});
    CHECK(w->scalar_type() == x.scalar_type()) << w->scalar_type() << " beside " << x.scalar_type();
  }
  if (norm.weight.requires_grad() || norm.bias.requires_grad()) {
    return at::layer_norm(x + y, {x.size(1)}, norm.weight, norm.bias, eps);
  }
  const at::Tensor weight = norm.weight.contiguous(), bias = norm.bias.contiguous();
  if (at::GradMode::is_enabled() && (x.requires_grad() || y.requires_grad())) {
    return Forward::apply(x, y, weight, bias, eps)[0];
  }
  at::Tensor out = EmptyLike(x);
  RunForward(x, y, weight, bias, eps, out, at::Tensor(), at::Tensor());
  return out;
}

}  // namespace gbmoa
