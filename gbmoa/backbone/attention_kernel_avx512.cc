// Attention for processors with AVX-512.
#include <cstdint>
#include <utility>

#include "gbmoa/backbone/attention_kernel.h"

#if defined(__x86_64__)

#pragma GCC target("avx2,fma,avx512f,avx512dq")
#include "gbmoa/backbone/attention_kernel-inl.h"

namespace gbmoa {

template <>
const AttentionKernels<float>& AttentionKernelsAvx512<float>() {
  return kAttentionKernels<float, 64>;
}
template <>
const AttentionKernels<double>& AttentionKernelsAvx512<double>() {
  return kAttentionKernels<double, 64>;
}

}  // namespace gbmoa

#endif
