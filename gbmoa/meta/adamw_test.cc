// AdamW's stretches with decays and a gradient's scale of their own; outer_loop_test.cc has the algorithm itself.
#include "gbmoa/meta/adamw.h"

#include <cmath>

#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

// The algorithm of the paper (Loshchilov and Hutter 2019, Algorithm 2) on plain numbers.
TEST(AdamW, StretchesHaveTheirOwnDecayAndTheGradientAScale) {
  const double rates[] = {0.1, 0.01, 0.2}, decays[] = {0, 0.1, 0.3}, scale = 0.25;
  AdamWOptions options;
  options.weight_decay = 7;  // not used
  AdamW optimizer(options);
  at::Tensor x = RandomNormal({6}, 1);  // stretches of 1, 2 and 3
  const int stretch[] = {0, 1, 1, 2, 2, 2};
  double expected[6], m[6] = {}, s[6] = {};
  for (int i = 0; i < 6; ++i) expected[i] = x[i].item<double>();
  for (int t = 1; t <= 4; ++t) {
    const at::Tensor gradient = RandomNormal({6}, 1 + t);
    for (int i = 0; i < 6; ++i) {
      const double g = scale * gradient[i].item<double>(), rate = rates[stretch[i]];
      m[i] = 0.9 * m[i] + 0.1 * g;
      s[i] = 0.999 * s[i] + 0.001 * g * g;
      const double m_hat = m[i] / (1 - std::pow(0.9, t)), s_hat = s[i] / (1 - std::pow(0.999, t));
      expected[i] -= rate * decays[stretch[i]] * expected[i];
      expected[i] -= rate * m_hat / (std::sqrt(s_hat) + 1e-8);
    }
    optimizer.Step(x, gradient.split_with_sizes({1, 2, 3}), {rates[0], rates[1], rates[2]},
                   {decays[0], decays[1], decays[2]}, scale);
    // float64, four steps of numbers of order 1.
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(x[i].item<double>(), expected[i], 1e-14) << t << " " << i;
  }
}

}  // namespace
}  // namespace gbmoa
