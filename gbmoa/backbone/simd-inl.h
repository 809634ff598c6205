// Vectors of the instruction set that the including .cc is compiled for: what our kernels, *_kernel-inl.h, share.
//
// Such a .cc first includes the headers below and then turns its instruction set on: were an inline function of a
// standard header compiled with it, the linker could keep that copy for the whole program. Everything here is in the
// file's own namespace for the same reason.
#ifndef GBMOA_BACKBONE_SIMD_INL_H_
#define GBMOA_BACKBONE_SIMD_INL_H_

namespace gbmoa {
namespace {

#define GBMOA_INLINE inline __attribute__((always_inline))

// Vectors of kBytes bytes.
template <typename T, int kBytes>
struct Simd {
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  typedef T Vector __attribute__((vector_size(kBytes)));
  typedef T Unaligned __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));

  static GBMOA_INLINE Vector Load(const T* from) { return *reinterpret_cast<const Unaligned*>(from); }
  static GBMOA_INLINE void Store(Vector from, T* to) { *reinterpret_cast<Unaligned*>(to) = from; }
};

}  // namespace
}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_SIMD_INL_H_
