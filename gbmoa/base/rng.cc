#include "gbmoa/base/rng.h"

#include <cmath>
#include <numeric>
#include <unordered_map>

#include "glog/logging.h"

namespace gbmoa {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits whose output bits all depend on all
// input bits. Two rounds with the key in between make a counter-based generator.
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

uint64_t HashName(absl::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (unsigned char c : name) hash = (hash ^ c) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, absl::string_view name) : key_(Mix(Mix(seed + kGolden) ^ HashName(name))) {}

RandomStream RandomStream::Substream(uint64_t index) const {
  return RandomStream(Mix(Mix(key_ + kGolden) ^ Mix(index + 2 * kGolden)));
}

uint64_t RandomStream::Bits(uint64_t position) const { return Mix(Mix(position * kGolden + key_) ^ key_); }

double RandomStream::Uniform(uint64_t position) const { return static_cast<double>(Bits(position) >> 11) * 0x1.0p-53; }

uint64_t RandomStream::Below(uint64_t bound, uint64_t position) const {
  CHECK_GT(bound, 0u);
  return static_cast<uint64_t>((static_cast<unsigned __int128>(Bits(position)) * bound) >> 64);
}

double RandomStream::Normal(uint64_t position) const {
  const double u = 1.0 - Uniform(2 * position);  // (0, 1]: its logarithm is finite
  const double v = Uniform(2 * position + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * M_PI * v);
}

std::vector<int64_t> RandomStream::Sample(int64_t bound, int64_t count) const {
  CHECK_GE(count, 0);
  CHECK_LE(count, bound);
  // A sparse Fisher-Yates: `moved` holds the entries that differ from the identity, so the cost is O(count).
  std::unordered_map<int64_t, int64_t> moved;
  std::vector<int64_t> sample(count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t j = i + static_cast<int64_t>(Below(bound - i, i));
    const auto at_j = moved.find(j);
    sample[i] = at_j == moved.end() ? j : at_j->second;
    const auto at_i = moved.find(i);
    moved[j] = at_i == moved.end() ? i : at_i->second;
  }
  return sample;
}

}  // namespace gbmoa
