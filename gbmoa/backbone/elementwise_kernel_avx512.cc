// The element-wise kernels for processors with AVX-512.
#include <cstdint>
#include <utility>

#include "gbmoa/backbone/elementwise_kernel.h"

#if defined(__x86_64__)

#pragma GCC target("avx2,fma,avx512f,avx512dq")
#include "gbmoa/backbone/elementwise_kernel-inl.h"

namespace gbmoa {

const ElementwiseKernels& ElementwiseKernelsAvx512() { return kElementwiseKernels<64>; }

}  // namespace gbmoa

#endif
