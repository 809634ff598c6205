// Attention for processors with AVX2 and FMA.
#include <cstdint>
#include <utility>

#include "gbmoa/backbone/attention_kernel.h"

#if defined(__x86_64__)

#pragma GCC target("avx2,fma")
#include "gbmoa/backbone/attention_kernel-inl.h"

namespace gbmoa {

template <>
const AttentionKernels<float>& AttentionKernelsAvx2<float>() {
  return kAttentionKernels<float, 32>;
}
template <>
const AttentionKernels<double>& AttentionKernelsAvx2<double>() {
  return kAttentionKernels<double, 32>;
}

}  // namespace gbmoa

#endif
