// The templates behind attention_kernel.h, over the vector size of the instruction set that the including .cc is
// compiled for; see simd-inl.h.
//
// A sequence is processed in blocks of queries, at most two vectors of them, and everything of shape [queries, keys] is
// kept transposed: keys along rows, the block's queries along the lanes of a vector. Then
// - softmax and its derivatives reduce over rows, vector by vector: nothing is reduced across lanes, nothing is masked.
//   Lanes past the last query compute with zeros and are dropped;
// - memory is O(length), whatever the length;
// - each product is C[i, n] = Σ_k A[i, k] B[k, n] with n along lanes and single elements of A broadcast. So A may be
//   read in either direction, and only operands with queries in lanes (Qᵀ, Gᵀ, Uᵀ) are transposed, block by block.
#ifndef GBMOA_BACKBONE_ATTENTION_KERNEL_INL_H_
#define GBMOA_BACKBONE_ATTENTION_KERNEL_INL_H_

#include <cstdint>
#include <utility>

#include "gbmoa/backbone/attention_kernel.h"
#include "gbmoa/backbone/simd-inl.h"

namespace gbmoa {
namespace {

// How many rows of a product fit in the registers: a tile of rows x 2 accumulators, 2 vectors of B and a broadcast are
// 19 of AVX-512's 32 registers (27 was no faster), 11 of 16 before.
template <int kBytes>
constexpr int kTileRows = kBytes == 64 ? 8 : 4;

GBMOA_INLINE int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// ---- exp ----

// exp(x) for x <= 0 (or NaN, which stays NaN), float: x = n ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^n exp(r).
// - n by adding 1.5 · 2^23, which leaves the nearest integer in the low bits of the sum;
// - r with ln 2 in two parts, the first with 15 bits, so that n times it is exact for |n| < 2^9;
// - exp(r) by its Taylor polynomial of degree 7: the remainder is below 1.5 · 0.3466^8 / 8! = 8e-9, a seventh of half
//   an ulp of 1, so rounding decides;
// - inputs below -87 count as -87: 1.6e-38, still a normal number and nothing beside the softmax's largest term, 1.
template <int kBytes>
GBMOA_INLINE typename Simd<float, kBytes>::Vector ExpNonPositive(typename Simd<float, kBytes>::Vector x) {
  using Vector = typename Simd<float, kBytes>::Vector;
  typedef uint32_t IntVector __attribute__((vector_size(kBytes)));
  const Vector floor = Vector{} - 87.0f;
  x = x < floor ? floor : x;
  const Vector shifted = x * 1.44269504f + 12582912.0f;
  const Vector n = shifted - 12582912.0f;
  const Vector r = (x - n * 0.693145751953125f) - n * 1.42860682e-6f;
  Vector p = r * (1.0f / 5040) + (1.0f / 720);
  p = p * r + (1.0f / 120);
  p = p * r + (1.0f / 24);
  p = p * r + (1.0f / 6);
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const IntVector scale = ((IntVector)shifted << 23) + (127u << 23);  // 2^n; the shift drops all but n
  return p * (Vector)scale;
}

// Double is for tests and gradient checks: the C library's, lane by lane.
template <int kBytes>
GBMOA_INLINE typename Simd<double, kBytes>::Vector ExpNonPositive(typename Simd<double, kBytes>::Vector x) {
  for (int lane = 0; lane < Simd<double, kBytes>::kLanes; ++lane) x[lane] = __builtin_exp(x[lane]);
  return x;
}

// ---- Layout ----

// Copies rows into contiguous rows of `padded_dim` elements, zero after `dim`.
template <typename T>
GBMOA_INLINE void Pack(Rows<const T> from, int64_t length, int64_t dim, int64_t padded_dim, T* to) {
  for (int64_t i = 0; i < length; ++i) {
    const T* const row = from.data + i * from.stride;
    T* const out = to + i * padded_dim;
    for (int64_t d = 0; d < dim; ++d) out[d] = row[d];
    for (int64_t d = dim; d < padded_dim; ++d) out[d] = 0;
  }
}

// One step of a transposition: swaps the quadrants that differ in bit kStep of row and lane. `a` and `b` are rows whose
// numbers differ in that bit only.
template <int kStep, typename Vector, int... kLane>
GBMOA_INLINE void SwapQuadrants(Vector& a, Vector& b, std::integer_sequence<int, kLane...>) {
  constexpr int kLanes = sizeof...(kLane);
  const Vector upper = __builtin_shufflevector(a, b, ((kLane & kStep) ? kLanes + kLane - kStep : kLane)...);
  b = __builtin_shufflevector(a, b, ((kLane & kStep) ? kLanes + kLane : kLane + kStep)...);
  a = upper;
}

template <int kStep, typename Vector, int kLanes>
GBMOA_INLINE void TransposeInRegisters(Vector (&rows)[kLanes]) {
  if constexpr (kStep < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & kStep) == 0) {
        SwapQuadrants<kStep>(rows[i], rows[i + kStep], std::make_integer_sequence<int, kLanes>());
      }
    }
    TransposeInRegisters<2 * kStep>(rows);
  }
}

// Transposes `count` packed rows [count, padded_dim] to [padded_dim, lanes]; lanes past `count` are zero. `padded_dim`
// and `lanes` are multiples of the vector length.
template <typename T, int kBytes>
void Transpose(const T* from, int64_t count, int64_t padded_dim, int64_t lanes, T* to) {
  using S = Simd<T, kBytes>;
  for (int64_t row = 0; row < lanes; row += S::kLanes) {
    for (int64_t d = 0; d < padded_dim; d += S::kLanes) {
      typename S::Vector block[S::kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < S::kLanes; ++i) {
        if (row + i < count) {
          block[i] = S::Load(from + (row + i) * padded_dim + d);
        } else {
          block[i] = typename S::Vector{};
        }
      }
      TransposeInRegisters<1>(block);
#pragma GCC unroll 16
      for (int i = 0; i < S::kLanes; ++i) S::Store(block[i], to + (d + i) * lanes + row);
    }
  }
}

// ---- Products ----

// A [rows, depth], read at a[i * row + k * column], times B [depth, columns] with contiguous rows. B must be readable
// up to a whole number of vectors in a row.
template <typename T>
struct Factors {
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row;
  int64_t depth;
};

// The kRows x kVectors vectors of alpha (A1 B1 + A2 B2 + ...) from (row, column) on, stored in or added to c.
template <typename T, int kBytes, int kRows, int kVectors, int kTerms>
GBMOA_INLINE void Tile(const Factors<T> (&terms)[kTerms], int64_t row, int64_t column, T alpha, bool accumulate, T* c,
                       int64_t c_row) {
  using S = Simd<T, kBytes>;
  using Vector = typename S::Vector;
  Vector sum[kRows][kVectors] = {};
  for (const Factors<T>& term : terms) {
    const T* a = term.a + row * term.a_row;
    const T* b = term.b + column;
    for (int64_t k = 0; k < term.depth; ++k) {
      Vector b_lanes[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) b_lanes[v] = S::Load(b + v * S::kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] += b_lanes[v] * a[i * term.a_row];
      }
      a += term.a_column;
      b += term.b_row;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      T* const to = c + i * c_row + v * S::kLanes;
      sum[i][v] *= alpha;
      if (accumulate) sum[i][v] += S::Load(to);
      S::Store(sum[i][v], to);
    }
  }
}

template <typename T, int kBytes, int kVectors, int kTerms, int kRows = kTileRows<kBytes>>
GBMOA_INLINE void TileOfHeight(int height, const Factors<T> (&terms)[kTerms], int64_t row, int64_t column, T alpha,
                               bool accumulate, T* c, int64_t c_row) {
  if constexpr (kRows > 0) {
    if (height == kRows) {
      Tile<T, kBytes, kRows, kVectors>(terms, row, column, alpha, accumulate, c, c_row);
    } else {
      TileOfHeight<T, kBytes, kVectors, kTerms, kRows - 1>(height, terms, row, column, alpha, accumulate, c, c_row);
    }
  }
}

// C [rows, columns] = alpha Σ A B over the terms, added to what C holds if `accumulate`.
template <typename T, int kBytes, int kTerms>
__attribute__((noinline)) void Product(int64_t rows, int64_t columns, const Factors<T> (&terms)[kTerms], T alpha,
                                       bool accumulate, T* c, int64_t c_row) {
  using S = Simd<T, kBytes>;
  // Tiles of nearly equal height: 14 rows as 7 + 7, not 8 + 6; 9 as 5 + 4, not 8 + 1, which would wait for its few
  // accumulators.
  const int64_t tiles = (rows + kTileRows<kBytes> - 1) / kTileRows<kBytes>;
  for (int64_t column = 0; column < columns; column += 2 * S::kLanes) {
    const int64_t width = columns - column < 2 * S::kLanes ? columns - column : 2 * S::kLanes;
    for (int64_t tile = 0, row = 0; tile < tiles; ++tile) {
      const int height = static_cast<int>((rows - row + tiles - tile - 1) / (tiles - tile));
      T* const to = c + row * c_row + column;
      T buffer[kTileRows<kBytes> * 2 * S::kLanes];
      const bool direct = width % S::kLanes == 0;
      T* const out = direct ? to : buffer;
      const int64_t out_row = direct ? c_row : 2 * S::kLanes;
      if (width > S::kLanes) {
        TileOfHeight<T, kBytes, 2>(height, terms, row, column, alpha, direct && accumulate, out, out_row);
      } else {
        TileOfHeight<T, kBytes, 1>(height, terms, row, column, alpha, direct && accumulate, out, out_row);
      }
      if (!direct) {
        for (int i = 0; i < height; ++i) {
          for (int64_t n = 0; n < width; ++n)
            to[i * c_row + n] = out[i * out_row + n] + (accumulate ? to[i * c_row + n] : 0);
        }
      }
      row += height;
    }
  }
}

// ---- One block of queries ----

// What all three functions share: the sizes, the packed operands' pitch and the block of queries at hand.
template <typename T, int kBytes>
struct Block {
  using S = Simd<T, kBytes>;

  static constexpr int64_t kMaxQueries = 2 * S::kLanes;

  Block(int64_t length, int64_t dim)
      : length(length), dim(dim), padded_dim(RoundUp(dim, S::kLanes)), scale(1 / static_cast<T>(__builtin_sqrt(dim))) {}

  void Start(int64_t first) {
    begin = first;
    count = length - first < kMaxQueries ? length - first : kMaxQueries;
    lanes = RoundUp(count, S::kLanes);
  }

  // Packed rows -> their block's columns, [padded_dim, lanes].
  void TransposeQueries(const T* packed, T* to) const {
    Transpose<T, kBytes>(packed + begin * padded_dim, count, padded_dim, lanes, to);
  }

  // keys [length, dim] times transposed queries [dim, lanes].
  Factors<T> KeysTimesQueries(const T* keys, const T* queries) const {
    return {keys, padded_dim, 1, queries, lanes, dim};
  }
  // The products' result, [length, lanes]; `alpha` scales it.
  template <int kTerms>
  void Scores(const Factors<T> (&terms)[kTerms], T alpha, T* to) const {
    Product<T, kBytes>(length, lanes, terms, alpha, false, to, lanes);
  }

  // Σ_j m[j, i] b[j, :] for every query i of the block: m [length, lanes], b packed [length, dim].
  Factors<T> OverKeys(const T* m, const T* b) const { return {m, 1, lanes, b, padded_dim, length}; }
  template <int kTerms>
  void ToQueries(const Factors<T> (&terms)[kTerms], T alpha, Rows<T> to) const {
    Product<T, kBytes>(count, dim, terms, alpha, false, to.data + begin * to.stride, to.stride);
  }

  // Σ_i m[j, i] b[i, :] over the queries i of the block, for every key j: added up from block to block.
  Factors<T> OverQueries(const T* m, const T* b) const {
    return {m, lanes, 1, b + begin * padded_dim, padded_dim, count};
  }
  template <int kTerms>
  void ToKeys(const Factors<T> (&terms)[kTerms], T alpha, Rows<T> to) const {
    Product<T, kBytes>(length, dim, terms, alpha, begin > 0, to.data, to.stride);
  }

  // Scores [length, lanes] -> probabilities, in place; the sum over keys is 1 in every lane.
  void Softmax(T* scores) const {
    for (int64_t lane = 0; lane < lanes; lane += S::kLanes) {
      typename S::Vector max = S::Load(scores + lane), sum = {};
      for (int64_t j = 1; j < length; ++j) {
        const typename S::Vector x = S::Load(scores + j * lanes + lane);
        max = x > max ? x : max;
      }
      for (int64_t j = 0; j < length; ++j) {
        const typename S::Vector e = ExpNonPositive<kBytes>(S::Load(scores + j * lanes + lane) - max);
        sum += e;
        S::Store(e, scores + j * lanes + lane);
      }
      const typename S::Vector factor = T{1} / sum;
      for (int64_t j = 0; j < length; ++j) {
        S::Store(S::Load(scores + j * lanes + lane) * factor, scores + j * lanes + lane);
      }
    }
  }

  // a -> a - r, or p (a - r) if kTimesP, where r = Σ_j p a in every lane. In place.
  template <bool kTimesP>
  void Center(const T* p, T* a) const {
    for (int64_t lane = 0; lane < lanes; lane += S::kLanes) {
      typename S::Vector r = {};
      for (int64_t j = 0; j < length; ++j) {
        r += S::Load(p + j * lanes + lane) * S::Load(a + j * lanes + lane);
      }
      for (int64_t j = 0; j < length; ++j) {
        typename S::Vector centered = S::Load(a + j * lanes + lane) - r;
        if constexpr (kTimesP) centered *= S::Load(p + j * lanes + lane);
        S::Store(centered, a + j * lanes + lane);
      }
    }
  }

  const int64_t length, dim, padded_dim;
  const T scale;
  int64_t begin = 0, count = 0, lanes = 0;
};

// ---- The three functions ----

template <typename T, int kBytes>
int64_t ScratchSize(int64_t length, int64_t dim) {
  using S = Simd<T, kBytes>;
  const int64_t packed = 7 * length * RoundUp(dim, S::kLanes);
  const int64_t transposed = 3 * RoundUp(dim, S::kLanes) * Block<T, kBytes>::kMaxQueries;
  const int64_t scores = 4 * length * Block<T, kBytes>::kMaxQueries;
  return packed + transposed + scores;
}

// Packs the matrices of `in`, in their order, into `packed`; returns the rest of `scratch`.
template <typename T, int kMatrices>
GBMOA_INLINE T* PackAll(int64_t length, int64_t dim, int64_t padded_dim, const Rows<const T>* in, T* scratch,
                        const T* (&packed)[kMatrices]) {
  for (int m = 0; m < kMatrices; ++m) {
    Pack(in[m], length, dim, padded_dim, scratch);
    packed[m] = scratch;
    scratch += length * padded_dim;
  }
  return scratch;
}

template <typename T, int kBytes>
void Forward(int64_t length, int64_t dim, const Rows<const T>* in, const Rows<T>* out, T* scratch) {
  Block<T, kBytes> block(length, dim);
  const T* packed[3];
  T* const qt = PackAll(length, dim, block.padded_dim, in, scratch, packed);
  T* const p = qt + block.padded_dim * block.kMaxQueries;
  const auto [q, k, v] = packed;
  for (int64_t begin = 0; begin < length; begin += block.kMaxQueries) {
    block.Start(begin);
    block.TransposeQueries(q, qt);
    block.Scores({block.KeysTimesQueries(k, qt)}, block.scale, p);
    block.Softmax(p);
    block.ToQueries({block.OverKeys(p, v)}, 1, out[0]);
  }
}

template <typename T, int kBytes>
void Backward(int64_t length, int64_t dim, const Rows<const T>* in, const Rows<T>* out, T* scratch) {
  Block<T, kBytes> block(length, dim);
  const T* packed[4];
  T* const qt = PackAll(length, dim, block.padded_dim, in, scratch, packed);
  T* const gt = qt + block.padded_dim * block.kMaxQueries;
  T* const p = gt + block.padded_dim * block.kMaxQueries;
  T* const d = p + length * block.kMaxQueries;
  const auto [q, k, v, g] = packed;
  for (int64_t begin = 0; begin < length; begin += block.kMaxQueries) {
    block.Start(begin);
    block.TransposeQueries(q, qt);
    block.TransposeQueries(g, gt);
    block.Scores({block.KeysTimesQueries(k, qt)}, block.scale, p);
    block.Softmax(p);
    block.Scores({block.KeysTimesQueries(v, gt)}, 1, d);  // A
    block.template Center<true>(p, d);                    // D
    block.ToQueries({block.OverKeys(d, k)}, block.scale, out[0]);
    block.ToKeys({block.OverQueries(d, q)}, block.scale, out[1]);
    block.ToKeys({block.OverQueries(p, g)}, 1, out[2]);
  }
}

template <typename T, int kBytes, bool kOnlyTangent>
void SecondBackward(int64_t length, int64_t dim, const Rows<const T>* in, const Rows<T>* out, T* scratch) {
  using S = Simd<T, kBytes>;
  Block<T, kBytes> block(length, dim);
  const T* packed[7];
  T* const qt = PackAll(length, dim, block.padded_dim, in, scratch, packed);
  T* const ut = qt + block.padded_dim * block.kMaxQueries;
  T* const gt = ut + block.padded_dim * block.kMaxQueries;
  T* const p = gt + block.padded_dim * block.kMaxQueries;
  T* const z = p + length * block.kMaxQueries;
  T* const a = z + length * block.kMaxQueries;
  T* const y = a + length * block.kMaxQueries;
  const auto [q, k, v, g, u, w, x] = packed;
  for (int64_t begin = 0; begin < length; begin += block.kMaxQueries) {
    block.Start(begin);
    block.TransposeQueries(q, qt);
    block.TransposeQueries(u, ut);
    block.Scores({block.KeysTimesQueries(k, qt)}, block.scale, p);
    block.Softmax(p);
    block.Scores({block.KeysTimesQueries(k, ut), block.KeysTimesQueries(w, qt)}, block.scale, z);
    if constexpr (kOnlyTangent) {
      block.template Center<true>(p, z);  // E
    } else {
      block.TransposeQueries(g, gt);
      block.Scores({block.KeysTimesQueries(v, gt)}, 1, a);
      block.Scores({block.KeysTimesQueries(x, gt)}, 1, y);
      block.template Center<false>(p, z);
      block.template Center<false>(p, a);
      for (int64_t i = 0; i < length * block.lanes; i += S::kLanes) {
        const typename S::Vector p_lanes = S::Load(p + i), z_lanes = S::Load(z + i), a_lanes = S::Load(a + i);
        S::Store(S::Load(y + i) + z_lanes * a_lanes, y + i);  // B
        S::Store(p_lanes * z_lanes, z + i);                   // E
        S::Store(p_lanes * a_lanes, a + i);                   // D
      }
      block.template Center<true>(p, y);  // F
      block.ToQueries({block.OverKeys(y, k), block.OverKeys(a, w)}, block.scale, out[0]);
      block.ToKeys({block.OverQueries(y, q), block.OverQueries(a, u)}, block.scale, out[1]);
      block.ToKeys({block.OverQueries(z, g)}, 1, out[2]);
    }
    block.ToQueries({block.OverKeys(z, v), block.OverKeys(p, x)}, 1, out[3]);
  }
}

template <typename T, int kBytes>
constexpr AttentionKernels<T> kAttentionKernels = {Forward<T, kBytes>, Backward<T, kBytes>,
                                                   SecondBackward<T, kBytes, false>, SecondBackward<T, kBytes, true>,
                                                   ScratchSize<T, kBytes>};

#undef GBMOA_INLINE

}  // namespace
}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ATTENTION_KERNEL_INL_H_
