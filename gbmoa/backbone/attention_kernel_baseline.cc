// Attention for any processor, with vectors of 16 bytes.
#include "gbmoa/backbone/attention_kernel-inl.h"

namespace gbmoa {

template <>
const AttentionKernels<float>& AttentionKernelsBaseline<float>() {
  return kAttentionKernels<float, 16>;
}
template <>
const AttentionKernels<double>& AttentionKernelsBaseline<double>() {
  return kAttentionKernels<double, 16>;
}

}  // namespace gbmoa
