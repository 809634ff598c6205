// The element-wise kernels for any processor, with vectors of 16 bytes; and the choice at run time.
#include "gbmoa/backbone/elementwise_kernel-inl.h"

namespace gbmoa {

const ElementwiseKernels& ElementwiseKernelsBaseline() { return kElementwiseKernels<16>; }

const ElementwiseKernels& BestElementwiseKernels() {
  static const ElementwiseKernels& kernels = []() -> const ElementwiseKernels& {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return ElementwiseKernelsAvx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return ElementwiseKernelsAvx2();
#endif
    return ElementwiseKernelsBaseline();
  }();
  return kernels;
}

}  // namespace gbmoa
