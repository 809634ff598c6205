// The element-wise kernels for any processor, with vectors of 16 bytes; and the choice at run time.
#include "gbmoa/backbone/elementwise_kernel-inl.h"
#include "gbmoa/backbone/vector_instructions.h"

namespace gbmoa {

const ElementwiseKernels& ElementwiseKernelsBaseline() { return kElementwiseKernels<16>; }

const ElementwiseKernels& BestElementwiseKernels() {
  static const ElementwiseKernels& kernels = []() -> const ElementwiseKernels& {
#if defined(__x86_64__)
    if (HaveAvx512()) return ElementwiseKernelsAvx512();
    if (HaveAvx2()) return ElementwiseKernelsAvx2();
#endif
    return ElementwiseKernelsBaseline();
  }();
  return kernels;
}

}  // namespace gbmoa
