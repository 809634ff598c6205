// The element-wise kernels for processors with AVX2 and FMA.
#include <cstdint>
#include <utility>

#include "gbmoa/backbone/elementwise_kernel.h"

#if defined(__x86_64__)

#pragma GCC target("avx2,fma")
#include "gbmoa/backbone/elementwise_kernel-inl.h"

namespace gbmoa {

const ElementwiseKernels& ElementwiseKernelsAvx2() { return kElementwiseKernels<32>; }

}  // namespace gbmoa

#endif
