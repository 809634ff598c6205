// The templates behind elementwise_kernel.h, over the vector size of the instruction set that the including .cc is
// compiled for; see simd-inl.h.
#ifndef GBMOA_BACKBONE_ELEMENTWISE_KERNEL_INL_H_
#define GBMOA_BACKBONE_ELEMENTWISE_KERNEL_INL_H_

#include <cstdint>
#include <utility>

#include "gbmoa/backbone/elementwise_kernel.h"
#include "gbmoa/backbone/simd-inl.h"

namespace gbmoa {
namespace {

// ---- Layer norm ----
//
// A row fits in the first-level cache, so what counts is how often it is read from beyond. A loop's body is written
// once, for V = a vector of columns or V = T, one column: the few that fill no vector.

template <typename V, typename T>
GBMOA_INLINE V Read(const T* from) {
  if constexpr (sizeof(V) == sizeof(T)) {
    return *from;
  } else {
    return Simd<T, sizeof(V)>::Load(from);
  }
}
template <typename V, typename T>
GBMOA_INLINE void Write(V from, T* to) {
  if constexpr (sizeof(V) == sizeof(T)) {
    *to = from;
  } else {
    Simd<T, sizeof(V)>::Store(from, to);
  }
}

template <typename V>
struct As {
  using Type = V;
};

// body(As<V>(), column) for every column.
template <typename T, int kBytes, typename Body>
GBMOA_INLINE void ForColumns(int64_t width, const Body& body) {
  using S = Simd<T, kBytes>;
  int64_t i = 0;
  for (; i + S::kLanes <= width; i += S::kLanes) body(As<typename S::Vector>(), i);
  for (; i < width; ++i) body(As<T>(), i);
}

// The sum over lanes, in every lane: halves, quarters, ...
template <int kStep, typename Vector, int... kLane>
GBMOA_INLINE Vector SumLanes(Vector v, std::integer_sequence<int, kLane...> lanes) {
  if constexpr (kStep > 0) {
    return SumLanes<kStep / 2>(v + __builtin_shufflevector(v, v, (kLane ^ kStep)...), lanes);
  } else {
    return v;
  }
}

// body(As<V>(), column, V* sums) adds its columns to kSums sums; returns their totals over columns.
// Four vectors of each sum: an addition takes four times as long as the processor needs to begin one.
template <typename T, int kBytes, int kSums, typename Body>
GBMOA_INLINE void SumColumns(int64_t width, T (&totals)[kSums], const Body& body) {
  using S = Simd<T, kBytes>;
  using Vector = typename S::Vector;
  Vector sums[4][kSums] = {};
  T rest[kSums] = {};
  int64_t i = 0;
  for (; i + 4 * S::kLanes <= width; i += 4 * S::kLanes) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) body(As<Vector>(), i + k * S::kLanes, sums[k]);
  }
  for (; i + S::kLanes <= width; i += S::kLanes) body(As<Vector>(), i, sums[0]);
  for (; i < width; ++i) body(As<T>(), i, rest);
#pragma GCC unroll 8
  for (int k = 0; k < kSums; ++k) {
    const Vector sum = (sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]);
    totals[k] = SumLanes<S::kLanes / 2>(sum, std::make_integer_sequence<int, S::kLanes>())[0] + rest[k];
  }
}

GBMOA_INLINE float SquareRoot(float x) { return __builtin_sqrtf(x); }
GBMOA_INLINE double SquareRoot(double x) { return __builtin_sqrt(x); }

#define GBMOA_BODY __attribute__((always_inline))

template <typename T, int kBytes>
void LayerNormForward(int64_t rows, int64_t width, const T* x, const T* y, const T* w, const T* b, T eps, T* out, T* n,
                      T* r) {
  const T one_by_width = 1 / static_cast<T>(width);
  for (int64_t row = 0; row < rows; ++row, x += width, y += width, out += width) {
    T* const s = n != nullptr ? n : out;  // x + y for now
    T sum[1];
    SumColumns<T, kBytes>(width, sum, [=](auto as, int64_t i, auto* sums) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V s_i = Read<V>(x + i) + Read<V>(y + i);
      Write<V>(s_i, s + i);
      sums[0] += s_i;
    });
    // The mean in two steps: what the first one lost in rounding is found by the second. So a constant row becomes 0
    // although eps is only 1e-12, and the variance is that of nearly centred numbers, one pass with their mean.
    const T about_mean = sum[0] * one_by_width;
    T centered[2];
    SumColumns<T, kBytes>(width, centered, [=](auto as, int64_t i, auto* sums) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V c = Read<V>(s + i) - about_mean;
      sums[0] += c;
      sums[1] += c * c;
    });
    const T correction = centered[0] * one_by_width;
    T variance = centered[1] * one_by_width - correction * correction;
    if (variance < 0) variance = 0;  // and NaN stays
    const T scale = 1 / SquareRoot(variance + eps);
    ForColumns<T, kBytes>(width, [=](auto as, int64_t i) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V n_i = ((Read<V>(s + i) - about_mean) - correction) * scale;
      if (n != nullptr) Write<V>(n_i, n + i);
      Write<V>(n_i * Read<V>(w + i) + Read<V>(b + i), out + i);
    });
    if (n != nullptr) {
      n += width;
      *r++ = scale;
    }
  }
}

template <typename T, int kBytes>
void LayerNormBackward(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* g, const T* h, T* gs) {
  const T one_by_width = 1 / static_cast<T>(width);
  for (int64_t row = 0; row < rows; ++row, n += width, g += width, gs += width) {
    T sums[2];
    SumColumns<T, kBytes>(width, sums, [=](auto as, int64_t i, auto* sums) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V a = Read<V>(w + i) * Read<V>(g + i);
      sums[0] += a;
      sums[1] += a * Read<V>(n + i);
    });
    const T mean = sums[0] * one_by_width, alpha = sums[1] * one_by_width, scale = r[row];
    ForColumns<T, kBytes>(width, [=](auto as, int64_t i) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      V out = scale * (Read<V>(w + i) * Read<V>(g + i) - mean - alpha * Read<V>(n + i));
      if (h != nullptr) out += Read<V>(h + i);
      Write<V>(out, gs + i);
    });
    if (h != nullptr) h += width;
  }
}

template <typename T, int kBytes>
void LayerNormSecondBackward(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* g, const T* u,
                             T* hs, T* hg) {
  const T one_by_width = 1 / static_cast<T>(width);
  for (int64_t row = 0; row < rows; ++row, n += width, g += width, u += width, hs += width, hg += width) {
    T sums[5];
    SumColumns<T, kBytes>(width, sums, [=](auto as, int64_t i, auto* sums) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V a = Read<V>(w + i) * Read<V>(g + i), n_i = Read<V>(n + i), u_i = Read<V>(u + i);
      sums[0] += a;
      sums[1] += a * n_i;
      sums[2] += u_i;
      sums[3] += u_i * n_i;
      sums[4] += u_i * a;
    });
    const T a_mean = sums[0] * one_by_width, alpha = sums[1] * one_by_width, u_mean = sums[2] * one_by_width,
            beta = sums[3] * one_by_width, gamma = sums[4] * one_by_width, scale = r[row];
    const T kappa = gamma - u_mean * a_mean - alpha * beta;
    ForColumns<T, kBytes>(width, [=](auto as, int64_t i) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V w_i = Read<V>(w + i), n_i = Read<V>(n + i);
      const V p_a = w_i * Read<V>(g + i) - a_mean - alpha * n_i;
      const V p_u = Read<V>(u + i) - u_mean - beta * n_i;
      Write<V>(-(scale * scale) * (kappa * n_i + beta * p_a + alpha * p_u), hs + i);
      Write<V>(scale * w_i * p_u, hg + i);
    });
  }
}

template <typename T, int kBytes>
void LayerNormTangent(int64_t rows, int64_t width, const T* n, const T* r, const T* w, const T* u, T* hg) {
  const T one_by_width = 1 / static_cast<T>(width);
  for (int64_t row = 0; row < rows; ++row, n += width, u += width, hg += width) {
    T sums[2];
    SumColumns<T, kBytes>(width, sums, [=](auto as, int64_t i, auto* sums) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      const V u_i = Read<V>(u + i);
      sums[0] += u_i;
      sums[1] += u_i * Read<V>(n + i);
    });
    const T u_mean = sums[0] * one_by_width, beta = sums[1] * one_by_width, scale = r[row];
    ForColumns<T, kBytes>(width, [=](auto as, int64_t i) GBMOA_BODY {
      using V = typename decltype(as)::Type;
      Write<V>(scale * Read<V>(w + i) * (Read<V>(u + i) - u_mean - beta * Read<V>(n + i)), hg + i);
    });
  }
}

#undef GBMOA_BODY

// ---- GELU ----
//
// Elements that fill no vector are copied to and from a vector's worth of memory.

template <typename T, int kBytes>
GBMOA_INLINE typename Simd<T, kBytes>::Vector LoadSome(const T* from, int64_t count) {
  using S = Simd<T, kBytes>;
  if (count >= S::kLanes) return S::Load(from);
  T buffer[S::kLanes] = {};
  for (int64_t i = 0; i < count; ++i) buffer[i] = from[i];
  return S::Load(buffer);
}
template <typename T, int kBytes>
GBMOA_INLINE void StoreSome(typename Simd<T, kBytes>::Vector from, T* to, int64_t count) {
  using S = Simd<T, kBytes>;
  if (count >= S::kLanes) return S::Store(from, to);
  T buffer[S::kLanes];
  S::Store(from, buffer);
  for (int64_t i = 0; i < count; ++i) to[i] = buffer[i];
}

// The normal distribution function Φ(x) and density φ(x).
template <typename Vector>
struct Normal {
  Vector cdf, density;
};

// float: e = exp(-x²/2) gives both, φ = e / √(2π) and, with t = |x|, Φ(-t) = e p(t). The polynomials are minimax ones,
// computed in 40 digits by Remez's algorithm:
// - p minimizes the absolute error of e p(t), 1.7e-8 for 0 <= t <= 6; beyond, t counts as 6, and Φ(-t) < 1e-9 gets no
//   larger error than that;
// - e = 2^v, v = -x²/2 log2 e: 2^(v - n) for the nearest integer n with relative error 1.9e-9, n by adding 1.5 · 2^23,
//   which leaves it in the low bits of the sum. Rounding x² and log2 e adds x² · 6e-8;
// - v below -126 gives 0: Φ is exactly 0 or 1 from |x| = 13.3 on.
// With the rounding of some steps near ½ and 1, Φ is right to 1e-7, and φ to 1e-7 of its largest value.
template <int kBytes>
GBMOA_INLINE Normal<typename Simd<float, kBytes>::Vector> NormalOf(typename Simd<float, kBytes>::Vector x) {
  using Vector = typename Simd<float, kBytes>::Vector;
  typedef uint32_t Words __attribute__((vector_size(kBytes)));
  const Vector floor = Vector{} - 126.0f, end = Vector{} + 6.0f;

  const Vector v = x * x * -0.721347520f;
  const Vector in_range = v < floor ? floor : v;  // and NaN stays
  const Vector shifted = in_range + 12582912.0f;
  const Vector f = in_range - (shifted - 12582912.0f);
  Vector e = f * 1.53458062e-4f + 1.33999316e-3f;
  e = e * f + 9.61848899e-3f;
  e = e * f + 5.55032878e-2f;
  e = e * f + 0.240226469f;
  e = e * f + 0.693147206f;
  e = e * f + 1.0f;
  const Words scale = ((Words)shifted << 23) + (127u << 23);  // 2^n; the shift drops all but n
  e *= (Vector)scale;
  e = v < floor ? Vector{} : e;

  Vector t = (Vector)((Words)x & 0x7fffffffu);
  t = t > end ? end : t;
  Vector p = t * -3.15460199e-7f + 7.70713575e-6f;
  p = p * t - 8.47571675e-5f;
  p = p * t + 5.63588249e-4f;
  p = p * t - 2.58990764e-3f;
  p = p * t + 9.00352319e-3f;
  p = p * t - 2.54714589e-2f;
  p = p * t + 6.19236941e-2f;
  p = p * t - 0.132805699f;
  p = p * t + 0.249972558f;
  p = p * t - 0.398940602f;
  p = p * t + 0.499999983f;
  const Vector tail = e * p;
  return {x < 0.0f ? tail : 1.0f - tail, e * 0.398942280f};
}

// double: the C library's, lane by lane.
template <int kBytes>
GBMOA_INLINE Normal<typename Simd<double, kBytes>::Vector> NormalOf(typename Simd<double, kBytes>::Vector x) {
  Normal<typename Simd<double, kBytes>::Vector> normal;
  for (int lane = 0; lane < Simd<double, kBytes>::kLanes; ++lane) {
    normal.cdf[lane] = 0.5 * __builtin_erfc(-0.7071067811865476 * x[lane]);
    normal.density[lane] = 0.3989422804014327 * __builtin_exp(-0.5 * x[lane] * x[lane]);
  }
  return normal;
}

template <typename T, int kBytes>
void GeluBackward(int64_t count, const T* x, const T* g, T* gx) {
  for (int64_t i = 0; i < count; i += Simd<T, kBytes>::kLanes) {
    const auto z = LoadSome<T, kBytes>(x + i, count - i);
    const auto normal = NormalOf<kBytes>(z);
    StoreSome<T, kBytes>(LoadSome<T, kBytes>(g + i, count - i) * (normal.cdf + z * normal.density), gx + i, count - i);
  }
}

template <typename T, int kBytes>
void GeluSecondBackward(int64_t count, const T* x, const T* g, const T* u, T* hx, T* hg) {
  for (int64_t i = 0; i < count; i += Simd<T, kBytes>::kLanes) {
    const auto z = LoadSome<T, kBytes>(x + i, count - i);
    const auto normal = NormalOf<kBytes>(z);
    const auto u_lanes = LoadSome<T, kBytes>(u + i, count - i);
    const auto second = normal.density * (T{2} - z * z);
    StoreSome<T, kBytes>(u_lanes * LoadSome<T, kBytes>(g + i, count - i) * second, hx + i, count - i);
    StoreSome<T, kBytes>(u_lanes * (normal.cdf + z * normal.density), hg + i, count - i);
  }
}

// ---- bfloat16 ----

// GCC makes vectors of these loops by itself.
void Widen(int64_t rows, int64_t width, const uint16_t* __restrict x, const float* __restrict b,
           float* __restrict out) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    if (b == nullptr) {
      for (int64_t i = 0; i < width; ++i) out[i] = __builtin_bit_cast(float, uint32_t{x[i]} << 16);
    } else {
      for (int64_t i = 0; i < width; ++i) out[i] = __builtin_bit_cast(float, uint32_t{x[i]} << 16) + b[i];
    }
  }
}

// ---- All of them ----

template <typename T, int kBytes>
constexpr LayerNormKernels<T> kLayerNormKernels = {LayerNormForward<T, kBytes>, LayerNormBackward<T, kBytes>,
                                                   LayerNormSecondBackward<T, kBytes>, LayerNormTangent<T, kBytes>};

template <typename T, int kBytes>
constexpr GeluKernels<T> kGeluKernels = {GeluBackward<T, kBytes>, GeluSecondBackward<T, kBytes>};

template <int kBytes>
constexpr ElementwiseKernels kElementwiseKernels = {kLayerNormKernels<float, kBytes>, kLayerNormKernels<double, kBytes>,
                                                    kGeluKernels<float, kBytes>, kGeluKernels<double, kBytes>, Widen};

#undef GBMOA_INLINE

}  // namespace
}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ELEMENTWISE_KERNEL_INL_H_
