#include "gbmoa/backbone/layer_norm.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gbmoa/backbone/elementwise_kernel.h"
#include "gbmoa/backbone/vector_instructions.h"
#include "gbmoa/base/torch.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using at::Tensor;
using torch::autograd::grad;
using Tensors = std::vector<Tensor>;

constexpr double kEps = 1e-12;  // BERT's
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Double: sums of up to 400 terms, each step of which rounds by 1.1e-16, in another order than LibTorch's.
constexpr double kTolerance64 = 1e-12;
// Float against the result in double: the same with 6e-8.
constexpr double kTolerance32 = 3e-6;

// The largest difference in units of the largest expected element, or of 1 if that is more: rows of one or two columns
// have derivatives that cancel to 0.
double Error(const Tensor& actual, const Tensor& expected) {
  if (expected.numel() == 0) return 0;
  return (actual.to(at::kDouble) - expected).abs().max().item<double>() /
         std::max(expected.abs().max().item<double>(), 1.0);
}

Tensor Native(const Tensor& x, const Tensor& y, const LayerNormWeights& norm) {
  return at::layer_norm(x + y, {x.size(1)}, norm.weight, norm.bias, kEps);
}
Tensor Ours(const Tensor& x, const Tensor& y, const LayerNormWeights& norm) {
  return ResidualLayerNorm(x, y, norm, kEps);
}

struct Inputs {
  Tensor x, y, g, u, v;
  LayerNormWeights norm;

  Inputs(int64_t rows, int64_t width, at::ScalarType type) {
    at::manual_seed(rows * 1000 + width);
    // In double first, so that both types compute with the same numbers.
    const auto random = [&](at::IntArrayRef shape) { return at::randn(shape, at::kDouble).to(at::kFloat).to(type); };
    x = (2 * random({rows, width}) + 0.5).set_requires_grad(true);
    y = random({rows, width}).set_requires_grad(true);
    g = random({rows, width}).set_requires_grad(true);
    u = random({rows, width});
    v = random({rows, width});
    norm = {random({width}) + 1, random({width})};
  }
};

const char* const kNames[] = {"out", "gx", "gy", "hx", "hy", "hg", "hg alone"};

// With two directions, for the two gradients; and the gradient by g alone, which takes a shorter way.
template <typename Norm>
Tensors AllDerivatives(const Norm& norm, const Inputs& in) {
  const Tensor out = norm(in.x, in.y, in.norm);
  const Tensors first = grad({out}, {in.x, in.y}, {in.g}, /*retain_graph=*/true, /*create_graph=*/true);
  const Tensors second = grad(first, {in.x, in.y, in.g}, {in.u, in.v}, /*retain_graph=*/true);
  const Tensors tangent = grad(first, {in.g}, {in.u, in.v});
  return {out.detach(), first[0].detach(), first[1].detach(), second[0], second[1], second[2], tangent[0]};
}

struct Case {
  std::string name;
  int64_t rows, width;
};

// The float vector lengths are 4, 8 and 16, the double ones half of that; sums go four vectors at a time.
const std::vector<Case>& Cases() {
  static const auto& cases = *new std::vector<Case>{
      {"no_rows", 0, 16},    {"one_row", 1, 16},      {"two_columns", 3, 2}, {"narrower_than_a_vector", 5, 3},
      {"one_vector", 4, 16}, {"one_more", 4, 17},     {"odd", 7, 33},        {"four_vectors_and_some", 3, 77},
      {"minilm", 20, 384},   {"odd_and_wide", 2, 395}};
  return cases;
}

class LayerNormTest : public testing::TestWithParam<Case> {
 protected:
  void ExpectAgrees(at::ScalarType type, double tolerance) {
    const Tensors actual = AllDerivatives(Ours, Inputs(GetParam().rows, GetParam().width, type));
    const Tensors expected = AllDerivatives(Native, Inputs(GetParam().rows, GetParam().width, at::kDouble));
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(actual[i].scalar_type(), type);
      // With two columns n is ±1 up to eps / variance, and the derivatives of that are rounding errors times 1 / s.
      EXPECT_LT(Error(actual[i], expected[i]), GetParam().width == 2 ? 100 * tolerance : tolerance) << kNames[i];
    }
  }
};

TEST_P(LayerNormTest, Float64AgreesWithNative) { ExpectAgrees(at::kDouble, kTolerance64); }
TEST_P(LayerNormTest, Float32AgreesWithNativeInFloat64) { ExpectAgrees(at::kFloat, kTolerance32); }

INSTANTIATE_TEST_SUITE_P(Cases, LayerNormTest, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

// ResidualLayerNorm runs the best kernels of this processor; here is each set on its own.
template <typename T>
void ExpectKernelsAgree(const LayerNormKernels<T>& kernels, at::ScalarType type, double tolerance) {
  for (const int64_t width : {3, 4, 8, 15, 16, 31, 64, 65, 384, 395}) {
    SCOPED_TRACE(testing::Message() << "width " << width);
    constexpr int64_t kRows = 3;
    const Inputs in(kRows, width, type), exact(kRows, width, at::kDouble);
    const Tensor out = Native(exact.x, exact.y, exact.norm);
    const Tensor gs = grad({out}, {exact.x}, {exact.g}, true, true)[0];
    const Tensors h = grad({gs}, {exact.x, exact.g}, {exact.u});
    const Tensors expected = {out.detach(), gs.detach(), gs.detach() + exact.v, h[0], h[1], h[1], out.detach()};
    Tensors actual;
    for (size_t i = 0; i < expected.size(); ++i) actual.push_back(at::full({kRows, width}, kNaN, type));
    Tensor n = at::full({kRows, width}, kNaN, type), r = at::full({kRows}, kNaN, type);
    const auto of = [](const Tensor& x) { return x.data_ptr<T>(); };
    const T *w = of(in.norm.weight), *b = of(in.norm.bias);
    const T eps = static_cast<T>(kEps);
    kernels.forward(kRows, width, of(in.x), of(in.y), w, b, eps, of(actual[0]), of(n), of(r));
    kernels.backward(kRows, width, of(n), of(r), w, of(in.g), nullptr, of(actual[1]));
    kernels.backward(kRows, width, of(n), of(r), w, of(in.g), of(in.v), of(actual[2]));
    kernels.second_backward(kRows, width, of(n), of(r), w, of(in.g), of(in.u), of(actual[3]), of(actual[4]));
    kernels.tangent(kRows, width, of(n), of(r), w, of(in.u), of(actual[5]));
    kernels.forward(kRows, width, of(in.x), of(in.y), w, b, eps, of(actual[6]), nullptr, nullptr);
    const char* const names[] = {"forward", "backward", "backward + h", "hs", "hg", "tangent", "forward alone"};
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_LT(Error(actual[i], expected[i]), tolerance) << names[i];
    EXPECT_TRUE(at::equal(actual[6], actual[0]));
  }
}

TEST(LayerNormKernelsTest, BaselineAgrees) {
  ExpectKernelsAgree<double>(ElementwiseKernelsBaseline(), at::kDouble, kTolerance64);
  ExpectKernelsAgree<float>(ElementwiseKernelsBaseline(), at::kFloat, kTolerance32);
}

#if defined(__x86_64__)
TEST(LayerNormKernelsTest, Avx2Agrees) {
  if (!HaveAvx2()) GTEST_SKIP() << "no AVX2 and FMA here";
  ExpectKernelsAgree<double>(ElementwiseKernelsAvx2(), at::kDouble, kTolerance64);
  ExpectKernelsAgree<float>(ElementwiseKernelsAvx2(), at::kFloat, kTolerance32);
}

TEST(LayerNormKernelsTest, Avx512Agrees) {
  if (!HaveAvx512()) GTEST_SKIP() << "no AVX-512 here";
  ExpectKernelsAgree<double>(ElementwiseKernelsAvx512(), at::kDouble, kTolerance64);
  ExpectKernelsAgree<float>(ElementwiseKernelsAvx512(), at::kFloat, kTolerance32);
}
#endif

// A loss that is not linear in the output, so that its second derivative passes through g and through s; two layers, so
// that both meet again below.
TEST(LayerNormTest, HessianVectorProductAgreesWithCentralDifference) {
  const Inputs in(4, 19, at::kDouble);
  const auto gradient = [&](const Tensors& xy, bool create_graph) {
    const Tensor hidden = ResidualLayerNorm(xy[0], xy[1].sin(), in.norm, kEps);
    const Tensor loss = (ResidualLayerNorm(hidden, hidden.cos(), in.norm, kEps).sin() * in.g.detach()).sum();
    return grad({loss}, xy, {}, create_graph, create_graph);
  };
  const Tensors product = grad(gradient({in.x, in.y}, true), {in.x, in.y}, {in.u, in.v});
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const auto gradient_at = [&](double step) {
    return gradient(
        {(in.x + step * in.u).detach().set_requires_grad(true), (in.y + step * in.v).detach().set_requires_grad(true)},
        false);
  };
  const Tensors plus = gradient_at(h), minus = gradient_at(-h);
  for (int i = 0; i < 2; ++i) {
    // h = 6e-6: the error is h² = 4e-11 times a third derivative of some hundreds, and eps / h = 4e-11.
    EXPECT_LT(Error((plus[i] - minus[i]) / (2 * h), product[i]), 1e-7) << "xy"[i];
  }
}

// The gradient by g alone, which takes the shorter kernel: d out along (u, v).
TEST(LayerNormTest, JacobianVectorProductAgreesWithCentralDifference) {
  const Inputs in(4, 19, at::kDouble);
  const auto norm = [&](double step) { return Ours(in.x + step * in.u, in.y + step * in.v, in.norm); };
  const Tensors first = grad({norm(0)}, {in.x, in.y}, {in.g}, true, true);
  const Tensor product = grad(first, {in.g}, {in.u, in.v})[0];
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  EXPECT_LT(Error((norm(h) - norm(-h)).detach() / (2 * h), product), 1e-8);  // as above, with some tens
}

// Second derivatives where only one input, or only the path past g, is wanted.
TEST(LayerNormTest, OneInputAlone) {
  const Inputs in(3, 21, at::kDouble);
  const auto products = [&](const auto& norm) {
    const Tensor first = grad({norm(in.x, in.y.detach(), in.norm).pow(3).sum()}, {in.x}, {}, true, true)[0];
    const Tensor linear = grad({norm(in.x.detach(), in.y, in.norm)}, {in.y}, {in.g.detach()}, true, true)[0];
    return Tensors{grad({first}, {in.x}, {in.u})[0], grad({linear}, {in.y}, {in.u})[0]};
  };
  const Tensors actual = products(Ours), expected = products(Native);
  EXPECT_LT(Error(actual[0], expected[0]), kTolerance64);
  EXPECT_LT(Error(actual[1], expected[1]), kTolerance64);
}

TEST(LayerNormTest, TrainedWeightsGetTheirGradients) {
  Inputs in(5, 12, at::kDouble);
  in.norm.weight.set_requires_grad(true);
  in.norm.bias.set_requires_grad(true);
  const auto derivatives = [&](const auto& norm) {
    const Tensors inputs = {in.x, in.y, in.norm.weight, in.norm.bias};
    Tensors all = grad({norm(in.x, in.y, in.norm).pow(3).sum()}, inputs, {}, true, true);
    const Tensors second = grad({all[0].pow(2).sum() + all[2].pow(2).sum()}, inputs);
    all.insert(all.end(), second.begin(), second.end());
    return all;
  };
  const Tensors actual = derivatives(Ours), expected = derivatives(Native);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(actual[i], expected[i])) << i;
}

// Rounding a mean in float leaves up to 1e-7 of it; divided by √eps = 1e-6 that would not be small.
TEST(LayerNormTest, ConstantRows) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const int64_t width : {1, 5, 384}) {
      Inputs in(4, width, type);
      const Tensor x = at::tensor({0.0, 0.1, -77.7, 1234.5}, type).view({4, 1}).expand({4, width}).contiguous();
      const Tensor y = at::zeros_like(x);
      const Tensor out = ResidualLayerNorm(x, y, in.norm, kEps);
      // In float, the mean's error after both steps is below 1e-14 of the number: 1e-11 of 1e-6 for the largest.
      EXPECT_LT((out - in.norm.bias).abs().max().item<double>(), 1e-4) << type << " " << width;
    }
  }
}

TEST(LayerNormTest, NaNAndInfinityStayInTheirRows) {
  for (const double bad : {kNaN, HUGE_VAL}) {
    Inputs in(5, 40, at::kFloat);
    const Tensors before = AllDerivatives(Ours, in);
    {
      const at::NoGradGuard no_grad;
      in.y[2][33] = bad;
    }
    const Tensors after = AllDerivatives(Ours, in);
    for (size_t i = 0; i < after.size(); ++i) {
      EXPECT_TRUE(after[i][2].isnan().all().item<bool>()) << kNames[i];
      for (const int64_t row : {0, 1, 3, 4}) EXPECT_TRUE(at::equal(after[i][row], before[i][row])) << kNames[i];
    }
  }
}

// Enough rows for more than one thread.
TEST(LayerNormTest, ResultDoesNotDependOnThreads) {
  const Inputs in(331, 384, at::kFloat);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return AllDerivatives(Ours, in);
  };
  const Tensors one = run(1), two = run(2), three = run(3);
  at::set_num_threads(1);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(two[i], one[i])) << kNames[i];
    EXPECT_TRUE(at::equal(three[i], one[i])) << kNames[i];
  }
}

TEST(LayerNormTest, InputsAndGradientsMayBeExpandedOrTransposed) {
  const Inputs in(6, 10, at::kDouble);
  const Tensor transposed = at::randn({10, 6}, at::kDouble).t(),
               expanded = at::ones({1, 1}, at::kDouble).expand({6, 10});
  for (const Tensor& odd : {transposed, expanded}) {
    EXPECT_TRUE(at::equal(Ours(odd, in.y, in.norm), Ours(odd.contiguous(), in.y, in.norm)));
    const auto gradients = [&](const Tensor& g) {
      const Tensors first = grad({Ours(in.x, in.y, in.norm)}, {in.x}, {g}, true, true);
      return Tensors{first[0], grad(first, {in.x}, {g})[0]};
    };
    const Tensors actual = gradients(odd), expected = gradients(odd.contiguous());
    EXPECT_TRUE(at::equal(actual[0], expected[0]));
    EXPECT_TRUE(at::equal(actual[1], expected[1]));
  }
}

TEST(LayerNormTest, ThirdDerivativeIsAnError) {
  const Inputs in(3, 8, at::kDouble);
  const Tensor first = grad({Ours(in.x, in.y, in.norm).sin().sum()}, {in.x}, {}, true, true)[0];
  const Tensor second = grad({first}, {in.x}, {in.u}, true, true)[0];
  try {
    grad({second}, {in.x}, {in.u});
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("ResidualLayerNorm has no third derivative"), std::string::npos);
  }
}

TEST(LayerNormDeathTest, Misuse) {
  const Inputs in(3, 8, at::kFloat);
  EXPECT_DEATH(Ours(in.x, in.y.slice(0, 1), in.norm), "y has shape \\[2, 8\\]");
  EXPECT_DEATH(Ours(in.x, in.y.to(at::kDouble), in.norm), "Double beside Float");
  EXPECT_DEATH(Ours(in.x, in.y, {in.norm.weight, in.norm.bias.slice(0, 1)}), "\\[7\\]");
  EXPECT_DEATH(Ours(in.x.to(at::kBFloat16), in.y, in.norm), "BFloat16");
}

}  // namespace
}  // namespace gbmoa
