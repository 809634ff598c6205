// Which of the levels that kernels are compiled for this processor has.
#ifndef GBMOA_BACKBONE_VECTOR_INSTRUCTIONS_H_
#define GBMOA_BACKBONE_VECTOR_INSTRUCTIONS_H_

namespace gbmoa {

#if defined(__x86_64__)
inline bool HaveAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
inline bool HaveAvx512() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"); }
#endif

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_VECTOR_INSTRUCTIONS_H_
