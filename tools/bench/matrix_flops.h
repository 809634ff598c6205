// The FLOPs of matrix products, counted as LibTorch runs them.
#ifndef GBMOA_TOOLS_BENCH_MATRIX_FLOPS_H_
#define GBMOA_TOOLS_BENCH_MATRIX_FLOPS_H_

#include <cstdint>

namespace gbmoa {

// Watches every operation of every thread from its construction on: 2 FLOPs for each multiplication of a product of two
// matrices or of a batch of them, in whatever type, forward or backward. Not counted: products with a vector, and what
// is no LibTorch operation, as the attention kernels are. Watching takes time, so do not measure it meanwhile. CHECKs
// that there is one at a time.
class MatrixFlopCounter {
 public:
  MatrixFlopCounter();
  ~MatrixFlopCounter();
  MatrixFlopCounter(const MatrixFlopCounter&) = delete;
  MatrixFlopCounter& operator=(const MatrixFlopCounter&) = delete;

  double flops() const;

 private:
  uint64_t handle_;
};

}  // namespace gbmoa

#endif  // GBMOA_TOOLS_BENCH_MATRIX_FLOPS_H_
