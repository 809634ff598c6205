#include "gbmoa/base/rng.h"

#include <cmath>
#include <set>

#include "gtest/gtest.h"

namespace gbmoa {
namespace {

TEST(RandomStream, IsAFunctionOfSeedNameAndPosition) {
  const RandomStream a(7, "support"), same(7, "support"), other_seed(8, "support"), other_name(7, "query");
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(a.Bits(i), same.Bits(i));
    seen.insert({a.Bits(i), other_seed.Bits(i), other_name.Bits(i), a.Substream(3).Bits(i), a.Substream(4).Bits(i)});
  }
  EXPECT_EQ(seen.size(), 5000u);  // 64 bits: a collision among 5,000 has probability 7e-13
}

// These numbers must never change: saved runs and golden data sets depend on them.
TEST(RandomStream, IsTheSameOnEveryMachine) {
  const RandomStream stream(20261124, "golden");
  EXPECT_EQ(stream.Bits(0), 0xe657640b86642f8bu);
  EXPECT_EQ(stream.Substream(5).Bits(9), 0xc61fdc2f7c8fad14u);
}

TEST(RandomStream, MomentsAreRight) {
  const RandomStream stream(1, "moments");
  constexpr int kCount = 200000;
  double mean = 0, square = 0, normal_mean = 0, normal_square = 0, lag = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = stream.Uniform(i) - 0.5, z = stream.Normal(i);
    mean += u;
    square += u * u;
    lag += u * (stream.Uniform(i + 1) - 0.5);
    normal_mean += z;
    normal_square += z * z;
  }
  // Five standard errors of each mean: sd(u) = .289, sd(u²) = .0745, sd(u u') = 1/12, sd(z) = 1, sd(z²) = 1.41.
  const double root = std::sqrt(static_cast<double>(kCount));
  EXPECT_NEAR(mean / kCount, 0, 5 * 0.289 / root);
  EXPECT_NEAR(square / kCount, 1.0 / 12, 5 * 0.0745 / root);
  EXPECT_NEAR(lag / kCount, 0, 5 / 12.0 / root);
  EXPECT_NEAR(normal_mean / kCount, 0, 5 / root);
  EXPECT_NEAR(normal_square / kCount, 1, 5 * 1.4143 / root);
}

TEST(RandomStream, SamplesWithoutReplacementUniformly) {
  const RandomStream stream(3, "sample");
  std::vector<int> first(6, 0), member(6, 0);
  constexpr int kTrials = 60000;
  for (int t = 0; t < kTrials; ++t) {
    const std::vector<int64_t> sample = stream.Substream(t).Sample(6, 3);
    ASSERT_EQ(std::set<int64_t>(sample.begin(), sample.end()).size(), 3u);
    ++first[sample[0]];
    for (const int64_t i : sample) ++member[i];
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(first[i], kTrials / 6.0, 5 * std::sqrt(kTrials * 5.0 / 36));  // five binomial standard errors
    EXPECT_NEAR(member[i], kTrials / 2.0, 5 * std::sqrt(kTrials / 4.0));
  }
  EXPECT_EQ(stream.Sample(5, 0).size(), 0u);
  const std::vector<int64_t> all = stream.Permutation(100);
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 100u);
}

}  // namespace
}  // namespace gbmoa
