// Randomness as a function: every draw is f(seed, stream, position), so there is no generator whose state could be lost
// between a checkpoint and its resume, and no draw depends on how many others were made before it.
#ifndef GBMOA_BASE_RNG_H_
#define GBMOA_BASE_RNG_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace gbmoa {

// A named stream of random numbers. Copyable and stateless: the same (seed, stream name, position) always gives the
// same value, on every machine. Streams of different names, and positions of one stream, are independent.
class RandomStream {
 public:
  RandomStream(uint64_t seed, absl::string_view name);

  // A stream of its own for item `index` of this one, for example one per episode.
  RandomStream Substream(uint64_t index) const;

  uint64_t Bits(uint64_t position) const;
  // Uniform in [0, 1), 53 random bits.
  double Uniform(uint64_t position) const;
  // Uniform in {0, ..., bound - 1}. CHECKs bound > 0. Bias below 2^-64 * bound.
  uint64_t Below(uint64_t bound, uint64_t position) const;
  // Standard normal (Box-Muller on two values of the position).
  double Normal(uint64_t position) const;
  // `count` different numbers of {0, ..., bound - 1} in random order (partial Fisher-Yates). CHECKs count <= bound.
  std::vector<int64_t> Sample(int64_t bound, int64_t count) const;
  // A random order of {0, ..., bound - 1}.
  std::vector<int64_t> Permutation(int64_t bound) const { return Sample(bound, bound); }

 private:
  explicit RandomStream(uint64_t key) : key_(key) {}
  uint64_t key_;
};

}  // namespace gbmoa

#endif  // GBMOA_BASE_RNG_H_
