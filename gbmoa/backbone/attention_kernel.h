// The arithmetic of self-attention for one head of one sequence: what attention.cc calls for every (sequence, head).
//
// The formulas are derived in attention.cc. attention_kernel_{baseline,avx2,avx512}.cc compile the same templates,
// attention_kernel-inl.h, for three levels of x86-64 vector instructions; the best one is chosen at run time, so the
// library runs on every x86-64 and needs no global -march.
#ifndef GBMOA_BACKBONE_ATTENTION_KERNEL_H_
#define GBMOA_BACKBONE_ATTENTION_KERNEL_H_

#include <cstdint>

namespace gbmoa {

// A [T, dim] matrix whose rows are contiguous and `stride` elements apart: one head's columns of one sequence's rows.
template <typename T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;
};

// One head of one sequence: every matrix of `in` and `out` is [length, dim]; outputs are overwritten. `scratch` holds
// scratch_size(length, dim) elements. There is no other state, so threads may call it at once.
template <typename T>
using AttentionKernel = void (*)(int64_t length, int64_t dim, const Rows<const T>* in, const Rows<T>* out, T* scratch);

// In the names of attention.cc:
template <typename T>
struct AttentionKernels {
  AttentionKernel<T> forward;          // Q K V -> O
  AttentionKernel<T> backward;         // Q K V G -> gQ gK gV
  AttentionKernel<T> second_backward;  // Q K V G U W X -> hQ hK hV hG
  AttentionKernel<T> tangent;          // Q K V G U W X -> (unused) (unused) (unused) hG, in about half of the time
  int64_t (*scratch_size)(int64_t length, int64_t dim);
};

// T is float or double.
template <typename T>
const AttentionKernels<T>& AttentionKernelsBaseline();
#if defined(__x86_64__)
template <typename T>
const AttentionKernels<T>& AttentionKernelsAvx2();  // needs AVX2 and FMA
template <typename T>
const AttentionKernels<T>& AttentionKernelsAvx512();  // needs AVX-512 F and DQ
#endif

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ATTENTION_KERNEL_H_
