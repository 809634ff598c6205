// The arithmetic of an encoder between its products, row by row: what layer_norm.cc, activation.cc and frozen_linear.cc
// call for a range of rows.
//
// The formulas are in those files. elementwise_kernel_{baseline,avx2,avx512}.cc compile the same templates,
// elementwise_kernel-inl.h, for three levels of x86-64 vector instructions.
#ifndef GBMOA_BACKBONE_ELEMENTWISE_KERNEL_H_
#define GBMOA_BACKBONE_ELEMENTWISE_KERNEL_H_

#include <cstdint>

namespace gbmoa {

// Every matrix is [rows, width] and contiguous, every vector [width]; outputs are overwritten and overlap no input.
// There is no state, so threads may call at once.

// In the names of layer_norm.cc; T is float or double.
template <typename T>
struct LayerNormKernels {
  // x y w b -> out n r; n and r may be null together, when there will be no backward pass.
  void (*forward)(int64_t rows, int64_t width, const T* x, const T* y, const T* w, const T* b, T eps, T* out, T* n,
                  T* r);
  // n r w g h -> r P(w ∘ g) + h; h may be null.
  void (*backward)(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* g, const T* h, T* gs);
  // n r w g u -> hs hg.
  void (*second_backward)(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* g, const T* u,
                          T* hs, T* hg);
  // n r w u -> hg.
  void (*tangent)(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* u, T* hg);
};

// In the names of activation.cc, for `count` elements; T is float or double.
template <typename T>
struct GeluKernels {
  void (*backward)(int64_t count, const T* x, const T* g, T* gx);                            // x g -> gx
  void (*second_backward)(int64_t count, const T* x, const T* g, const T* u, T* hx, T* hg);  // x g u -> hx hg
};

struct ElementwiseKernels : LayerNormKernels<float>, LayerNormKernels<double>, GeluKernels<float>, GeluKernels<double> {
  // The bfloat16 numbers x as float32, plus b, which may be null.
  void (*widen)(int64_t rows, int64_t width, const uint16_t* x, const float* b, float* out);
};

const ElementwiseKernels& ElementwiseKernelsBaseline();
#if defined(__x86_64__)
const ElementwiseKernels& ElementwiseKernelsAvx2();    // needs AVX2 and FMA
const ElementwiseKernels& ElementwiseKernelsAvx512();  // needs AVX-512 F and DQ
#endif

// The best for this processor.
const ElementwiseKernels& BestElementwiseKernels();

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ELEMENTWISE_KERNEL_H_
