#include "gbmoa/backbone/frozen_linear.h"

#include <algorithm>
#include <vector>

#include "gbmoa/base/torch.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using at::Tensor;
using torch::autograd::grad;

class FrozenLinearTest : public testing::Test {
 protected:
  FrozenLinearTest() { at::manual_seed(1); }

  const Tensor weight_ = at::randn({7, 5}, at::kDouble), bias_ = at::randn({7}, at::kDouble);
  const Tensor x_ = at::randn({11, 5}, at::kDouble).set_requires_grad(true);
  const Tensor g_ = at::randn({11, 7}, at::kDouble).set_requires_grad(true);
};

double MaxError(const Tensor& actual, const Tensor& expected) {
  return (actual.to(at::kDouble) - expected).abs().max().item<double>();
}

TEST_F(FrozenLinearTest, Float64AgreesWithLinear) {
  // Sums of at most 11 terms of size 1 to 10, rounded by 1.1e-16 each.
  const double tolerance = 1e-13;
  const Tensor u = at::randn({11, 5}, at::kDouble);
  std::vector<std::vector<Tensor>> results;
  for (const bool frozen : {true, false}) {
    const Tensor y = frozen ? FrozenLinear(x_, weight_, bias_) : at::linear(x_, weight_, bias_);
    // A loss that is not linear in y, so that its Hessian is not 0: grad of <gx(x), u>.
    const Tensor gx = grad({(y.sin() * g_).sum()}, {x_}, {}, true, true)[0];
    const std::vector<Tensor> second = grad({gx}, {x_, g_}, {u}, true, true);
    const Tensor third = grad({second[0]}, {x_}, {u})[0];
    results.push_back({y, gx, second[0], second[1], third});
  }
  const char* const names[] = {"y", "gx", "Hessian u", "gx by g", "third derivative"};
  for (size_t i = 0; i < results[0].size(); ++i) {
    const double scale = std::max(1.0, results[1][i].abs().max().item<double>());
    EXPECT_LT(MaxError(results[0][i], results[1][i]) / scale, tolerance) << names[i];
  }
}

TEST_F(FrozenLinearTest, WithoutBias) {
  EXPECT_LT(MaxError(FrozenLinear(x_, weight_, {}), at::linear(x_, weight_)), 1e-13);  // as above
}

// The bound of the header, element by element: 2^-9 of every |x w| for the rounding of x, 2^-9 of the product's own
// size for its rounding, and 5 % for float32 and for the two together.
TEST_F(FrozenLinearTest, Bfloat16IsWithinItsRounding) {
  const Tensor weight = at::randn({33, 64}).to(at::kBFloat16), bias = at::randn({33});
  const Tensor x = at::randn({20, 64}).set_requires_grad(true), g = at::randn({20, 33});
  const Tensor y = FrozenLinear(x, weight, bias), gx = grad({y}, {x}, {g})[0];
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_EQ(gx.scalar_type(), at::kFloat);
  const auto expect_within = [](const Tensor& actual, const Tensor& in, const Tensor& matrix, const Tensor& offset) {
    const Tensor product = at::matmul(in, matrix);
    const Tensor bound = 1.05 / 512 * (at::matmul(in.abs(), matrix.abs()) + product.abs());
    const Tensor error = (actual.to(at::kDouble) - product - offset).abs();
    EXPECT_TRUE((error <= bound).all().item<bool>()) << (error / bound).max();
    EXPECT_GT(error.max().item<double>(), 0) << "not rounded at all?";
  };
  const Tensor exact = weight.to(at::kDouble);
  expect_within(y, x.detach().to(at::kDouble), exact.t(), bias.to(at::kDouble));
  expect_within(gx, g.to(at::kDouble), exact, at::zeros({1}, at::kDouble));
}

// Small integers survive bfloat16 (8 bits); the bias does not, so it must not have been rounded.
TEST_F(FrozenLinearTest, Bfloat16AddsBiasInFloat32) {
  const Tensor x = at::tensor({1.0f, -3.0f, 5.0f, 2.0f}).view({2, 2}), weight = at::tensor({4.0f, 7.0f}).view({1, 2});
  const Tensor bias = at::tensor({0.1001f});
  const Tensor expected = at::tensor({-17.0f + 0.1001f, 34.0f + 0.1001f}).view({2, 1});
  EXPECT_TRUE(at::equal(FrozenLinear(x, weight.to(at::kBFloat16), bias), expected));
}

TEST_F(FrozenLinearTest, Bfloat16IsDifferentiableTwice) {
  const Tensor weight = at::tensor({4.0f, 7.0f}).view({1, 2}).to(at::kBFloat16);
  const Tensor x = at::tensor({1.0f, -3.0f}).view({1, 2}).set_requires_grad(true);
  // Loss y²: gx = 2 y W = -34 (4, 7), Hessian 2 Wᵀ W; all exact in bfloat16.
  const Tensor gx = grad({FrozenLinear(x, weight, {}).square().sum()}, {x}, {}, true, true)[0];
  EXPECT_TRUE(at::equal(gx, at::tensor({-136.0f, -238.0f}).view({1, 2})));
  EXPECT_TRUE(
      at::equal(grad({gx}, {x}, {at::tensor({1.0f, 0.0f}).view({1, 2})})[0], at::tensor({32.0f, 56.0f}).view({1, 2})));
}

TEST_F(FrozenLinearTest, KeepsNothingButTheWeight) {
  Tensor x = at::randn({3, 5}).set_requires_grad(true);
  const Tensor scaled = x * 2;
  const Tensor y = FrozenLinear(scaled, weight_.to(at::kFloat), {});
  EXPECT_EQ(scaled.use_count(), 1) << "the graph holds the input";
}

TEST_F(FrozenLinearTest, Misuse) {
  EXPECT_DEATH(FrozenLinear(x_, weight_.t(), {}), "has shape \\[11, 5\\]");
  EXPECT_DEATH(FrozenLinear(x_, weight_, bias_.slice(0, 1)), "has shape \\[6\\]");
  EXPECT_DEATH(FrozenLinear(x_, weight_.to(at::kFloat), {}), "Float weight for Double");
  EXPECT_DEATH(FrozenLinear(x_, weight_, bias_.to(at::kFloat)), "Float bias for Double");
  EXPECT_DEATH(FrozenLinear(x_, weight_.clone().set_requires_grad(true), {}), "frozen weight gets no gradient");
  EXPECT_DEATH(FrozenLinear(x_, weight_, bias_.clone().set_requires_grad(true)), "frozen bias gets no gradient");
}

}  // namespace
}  // namespace gbmoa
