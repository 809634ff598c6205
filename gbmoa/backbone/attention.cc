// The formulas, for one head of one sequence (T tokens, width `dim`, c = 1 / sqrt(dim)). Matrices are [T, dim] or, with
// queries as rows and keys as columns, [T, T]; ∘ multiplies elements; r, z, b are column vectors [T] and "A - r" takes
// r_i off every element of row i.
//
// Forward.   S = c Q Kᵀ,  P = softmax of each row of S,  O = P V.
//
// The softmax of a row, p = softmax(s), has the Jacobian diag(p) - p pᵀ, which is symmetric. So for any matrix X, as a
// gradient with respect to P or as a change of S,
//     J(X) = P ∘ (X - x),  x_i = Σ_j P_ij X_ij,
// is the gradient with respect to S, or the change of P; J ignores whatever is constant along a row of X.
//
// Backward, for the gradient G of O.   A = G Vᵀ (gradient of P),  r_i = Σ_j P_ij A_ij,  D = J(A) = P ∘ (A - r):
//     gQ = c D K,   gK = c Dᵀ Q,   gV = Pᵀ G.
//
// Second backward: the gradients of ℓ = <U, gQ> + <W, gK> + <X, gV> with respect to G, Q, K, V, for given U, W, X. With
//     Z = c (U Kᵀ + Q Wᵀ)  (the change of S along (U, W)),   Y = G Xᵀ,
// <U, c D K> = <c U Kᵀ, D>, <W, c Dᵀ Q> = <c Q Wᵀ, D> and <X, Pᵀ G> = <Y, P>, so
//     ℓ = <Z, D> + <Y, P>,   where <Z, D> = <Z, J(A)> = Σ_ij P_ij A_ij Z_ij - Σ_i r_i z_i,   z_i = Σ_j P_ij Z_ij.
// Partial derivatives of ℓ, taking P, A, Z, Y as independent:
//     by A:  E = J(Z) = P ∘ (Z - z)
//     by Z:  D
//     by Y:  P
//     by P:  A ∘ Z - r Z - z A + Y  =  (Z - z) ∘ (A - r) + Y - z r,  and from P on to S by J, which drops z r:
//            F = J(B),  B = (Z - z) ∘ (A - r) + Y.
// Then through A = G Vᵀ, Z, Y = G Xᵀ and S = c Q Kᵀ:
//     hG = E V + P X   (the change of O along (U, W, X): the Jacobian-vector product)
//     hQ = c (F K + D W)
//     hK = c (Fᵀ Q + Dᵀ U)
//     hV = Eᵀ G.
// These are 12 products of T x T x dim multiplications (5 for hG alone), where forward has 2 and backward has 5.
//
// P is computed again in every pass, not stored: on 25 sequences of 14 tokens that is at most a third of a backward
// pass (0.15 of 0.43 ms, one core, 12 heads of 32), and storing it would take NH T numbers a token, 16 D for 512
// tokens.
#include "gbmoa/backbone/attention.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "gbmoa/backbone/attention_kernel.h"
#include "gbmoa/backbone/vector_instructions.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <typename T>
const AttentionKernels<T>& Kernels() {
  static const AttentionKernels<T>& kernels = []() -> const AttentionKernels<T>& {
#if defined(__x86_64__)
    if (HaveAvx512()) return AttentionKernelsAvx512<T>();
    if (HaveAvx2()) return AttentionKernelsAvx2<T>();
#endif
    return AttentionKernelsBaseline<T>();
  }();
  return kernels;
}

// What the backward passes need beside tensors; an IValue can hold it.
struct Packing : torch::CustomClassHolder {
  SequenceOffsets offsets;
  int64_t num_heads;

  Packing(SequenceOffsets offsets, int64_t num_heads) : offsets(std::move(offsets)), num_heads(num_heads) {}
};
using PackingPtr = c10::intrusive_ptr<Packing>;

void SavePacking(AutogradContext* ctx, const PackingPtr& packing) {
  ctx->saved_data["packing"] = c10::IValue::make_capsule(packing);
}

PackingPtr SavedPacking(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Packing>(ctx->saved_data["packing"].toCapsule());
}

// The kernel `which` for every head of every sequence, in parallel. All tensors are packed [N, D].
template <typename T>
void ForEachHead(AttentionKernel<T> AttentionKernels<T>::*which, const Packing& packing, at::TensorList in,
                 at::TensorList out) {
  constexpr int kMaxMatrices = 7;
  const std::vector<int64_t>& offsets = *packing.offsets;
  const int64_t num_sequences = static_cast<int64_t>(offsets.size()) - 1;
  const int64_t width = in[0].size(1);
  const int64_t dim = width / packing.num_heads;
  int64_t max_length = 0, multiplications = 0;
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int64_t length = offsets[s + 1] - offsets[s];
    max_length = std::max(max_length, length);
    multiplications += length * length * width * static_cast<int64_t>(in.size());
  }
  if (max_length == 0) return;

  std::array<Rows<const T>, kMaxMatrices> in_rows;
  for (size_t m = 0; m < in.size(); ++m) in_rows[m] = {in[m].const_data_ptr<T>(), in[m].stride(0)};
  std::array<Rows<T>, kMaxMatrices> out_rows;
  for (size_t m = 0; m < out.size(); ++m) {
    if (out[m].defined()) out_rows[m] = {out[m].mutable_data_ptr<T>(), out[m].stride(0)};
  }

  // At least 2^18 multiplications for each thread, about 10 µs: a few times what it costs to wake it.
  const int64_t units = num_sequences * packing.num_heads;
  const int64_t grain = std::max<int64_t>(1, (units << 18) / multiplications);
  // Heads are the slow index, so that each thread gets sequences of all lengths.
  at::parallel_for(0, units, grain, [&](int64_t begin, int64_t end) {
    const AttentionKernels<T>& kernels = Kernels<T>();
    constexpr uintptr_t kAlignment = 64;  // a cache line, and the widest vector
    const std::unique_ptr<T[]> memory(new T[kernels.scratch_size(max_length, dim) + kAlignment / sizeof(T)]);
    T* const scratch = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory.get()) + kAlignment - 1) & -kAlignment);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = offsets[i % num_sequences];
      const int64_t length = offsets[i % num_sequences + 1] - row;
      const int64_t column = i / num_sequences * dim;
      if (length == 0) continue;
      std::array<Rows<const T>, kMaxMatrices> head_in;
      for (size_t m = 0; m < in.size(); ++m) {
        head_in[m] = {in_rows[m].data + row * in_rows[m].stride + column, in_rows[m].stride};
      }
      std::array<Rows<T>, kMaxMatrices> head_out;
      for (size_t m = 0; m < out.size(); ++m) {
        if (out[m].defined()) head_out[m] = {out_rows[m].data + row * out_rows[m].stride + column, out_rows[m].stride};
      }
      (kernels.*which)(length, dim, head_in.data(), head_out.data(), scratch);
    }
  });
}

enum class Pass { kForward, kBackward, kSecondBackward, kTangent };

template <typename T>
void RunAs(Pass pass, const Packing& packing, at::TensorList in, at::TensorList out) {
  switch (pass) {
    case Pass::kForward:
      return ForEachHead<T>(&AttentionKernels<T>::forward, packing, in, out);
    case Pass::kBackward:
      return ForEachHead<T>(&AttentionKernels<T>::backward, packing, in, out);
    case Pass::kSecondBackward:
      return ForEachHead<T>(&AttentionKernels<T>::second_backward, packing, in, out);
    case Pass::kTangent:
      return ForEachHead<T>(&AttentionKernels<T>::tangent, packing, in, out);
  }
}

void Run(Pass pass, const Packing& packing, variable_list in, const variable_list& out) {
  for (at::Tensor& x : in) {
    CHECK_SHAPE(x, {in[0].size(0), in[0].size(1)});
    CHECK(x.scalar_type() == in[0].scalar_type()) << x.scalar_type() << " beside " << in[0].scalar_type();
    // Gradients may come expanded or transposed; the kernels want contiguous rows.
    if (x.size(1) > 1 && x.stride(1) != 1) x = x.contiguous();
  }
  if (in[0].scalar_type() == at::kDouble) {
    RunAs<double>(pass, packing, in, out);
  } else {
    RunAs<float>(pass, packing, in, out);
  }
}

// Q K V G U W X -> hQ hK hV hG, or hG alone.
class SecondBackward : public torch::autograd::Function<SecondBackward> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& g, const at::Tensor& u, const at::Tensor& w, const at::Tensor& x,
                               const PackingPtr& packing, bool only_tangent) {
    variable_list out(4);  // undefined where not asked for
    for (int m = only_tangent ? 3 : 0; m < 4; ++m) out[m] = at::empty(q.sizes(), q.options());
    Run(only_tangent ? Pass::kTangent : Pass::kSecondBackward, *packing, {q, k, v, g, u, w, x}, out);
    if (only_tangent) return {out[3]};
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    TORCH_CHECK(false, "PackedAttention has no third derivative");
  }
};

// Q K V G -> gQ gK gV.
class Backward : public torch::autograd::Function<Backward> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& g, const PackingPtr& packing) {
    ctx->save_for_backward({q, k, v, g});
    SavePacking(ctx, packing);
    variable_list out(3);
    for (at::Tensor& x : out) x = at::empty(q.sizes(), q.options());
    Run(Pass::kBackward, *packing, {q, k, v, g}, out);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const bool only_tangent = !ctx->needs_input_grad(0) && !ctx->needs_input_grad(1) && !ctx->needs_input_grad(2);
    variable_list h = SecondBackward::apply(saved[0], saved[1], saved[2], saved[3], gradients[0], gradients[1],
                                            gradients[2], SavedPacking(ctx), only_tangent);
    if (only_tangent) h.insert(h.begin(), 3, at::Tensor());
    h.emplace_back();  // the packing
    return h;
  }
};

// Q K V -> O.
class Forward : public torch::autograd::Function<Forward> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const PackingPtr& packing) {
    ctx->save_for_backward({q, k, v});
    SavePacking(ctx, packing);
    at::Tensor o = at::empty(q.sizes(), q.options());
    Run(Pass::kForward, *packing, {q, k, v}, {o});
    return o;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    variable_list g = Backward::apply(saved[0], saved[1], saved[2], gradients[0], SavedPacking(ctx));
    g.emplace_back();  // the packing
    return g;
  }
};

}  // namespace

SequenceOffsets MakeSequenceOffsets(std::vector<int64_t> offsets) {
  CHECK(!offsets.empty() && offsets.front() == 0) << "sequence offsets must start with 0";
  CHECK(std::is_sorted(offsets.begin(), offsets.end())) << "sequence offsets must ascend";
  return std::make_shared<const std::vector<int64_t>>(std::move(offsets));
}

at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const SequenceOffsets& offsets, int64_t num_heads) {
  CHECK_EQ(q.dim(), 2);
  CHECK(q.device().is_cpu()) << q.device();
  CHECK(q.scalar_type() == at::kFloat || q.scalar_type() == at::kDouble) << q.scalar_type();
  CHECK_EQ(q.size(0), offsets->back());
  CHECK_GT(num_heads, 0);
  CHECK_GT(q.size(1), 0);
  CHECK_EQ(q.size(1) % num_heads, 0) << num_heads << " heads of width " << q.size(1);
  return Forward::apply(q, k, v, c10::make_intrusive<Packing>(offsets, num_heads));
}

}  // namespace gbmoa
