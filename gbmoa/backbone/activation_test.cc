#include "gbmoa/backbone/activation.h"

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

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// f' and f'' in double.
double FirstDerivative(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
}
double SecondDerivative(double x) { return (2 - x * x) * std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }

// f; gx; hx hg; hg alone.
template <typename Activation>
Tensors AllDerivatives(const Activation& activation, const Tensor& x, const Tensor& g, const Tensor& u) {
  const Tensor out = activation(x);
  const Tensor first = grad({out}, {x}, {g}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  const Tensors second = grad({first}, {x, g}, {u}, /*retain_graph=*/true);
  return {out.detach(), first.detach(), second[0], second[1], grad({first}, {g}, {u})[0]};
}

const char* const kNames[] = {"f", "gx", "hx", "hg", "hg alone"};

struct Inputs {
  Tensor x, g, u;
  Inputs(at::IntArrayRef shape, at::ScalarType type) {
    at::manual_seed(1);
    const auto random = [&] { return at::randn(shape, at::kDouble).to(at::kFloat).to(type); };
    x = (2 * random()).set_requires_grad(true);
    g = random().set_requires_grad(true);
    u = random();
  }
};

TEST(GeluTest, AgreesWithNativeInFloat64) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{0, 5}, {1}, {3}, {7, 9}, {4, 16}, {33}, {2, 3, 5}, {50, 700}}) {
    SCOPED_TRACE(at::IntArrayRef(shape));
    const Inputs exact(shape, at::kDouble), rounded(shape, at::kFloat);
    const auto native = [](const Tensor& x) { return at::gelu(x); };
    const Tensors expected = AllDerivatives(native, exact.x, exact.g, exact.u);
    const Tensors actual64 = AllDerivatives(Gelu, exact.x, exact.g, exact.u);
    const Tensors actual32 = AllDerivatives(Gelu, rounded.x, rounded.g, rounded.u);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(actual32[i].scalar_type(), at::kFloat);
      EXPECT_EQ(actual64[i].sizes(), at::IntArrayRef(shape));
      if (expected[i].numel() == 0) continue;
      const double scale = std::max(1.0, expected[i].abs().max().item<double>());
      // A few units of 1.1e-16 and of 6e-8: erf, exp and some products.
      EXPECT_LT((actual64[i] - expected[i]).abs().max().item<double>(), 2e-15 * scale) << kNames[i];
      EXPECT_LT((actual32[i] - expected[i]).abs().max().item<double>(), 5e-7 * scale) << kNames[i];
    }
  }
}

// Each set of kernels at 120,000 points of [-15, 15], at every place in a vector, alone and after whole vectors.
template <typename T>
void ExpectKernelsAccurate(const GeluKernels<T>& kernels, double tolerance) {
  for (const int64_t count : {1, 2, 3, 5, 8, 15, 16, 17, 63}) {
    const int64_t steps = 120000 / count;
    for (int64_t step = 0; step < steps; ++step) {
      std::vector<T> x(count), g(count), u(count), gx(count), hx(count), hg(count);
      for (int64_t i = 0; i < count; ++i) {
        x[i] = static_cast<T>(-15 + 30.0 * static_cast<double>(step * count + i) / 120000.0);
        g[i] = static_cast<T>(i % 2 == 0 ? 1 : -2);
        u[i] = static_cast<T>(i % 3 == 0 ? 1 : 0.5);
      }
      kernels.backward(count, x.data(), g.data(), gx.data());
      kernels.second_backward(count, x.data(), g.data(), u.data(), hx.data(), hg.data());
      for (int64_t i = 0; i < count; ++i) {
        const double first = FirstDerivative(x[i]), second = SecondDerivative(x[i]);
        ASSERT_NEAR(gx[i], g[i] * first, 2 * tolerance) << "f' at " << x[i];
        ASSERT_NEAR(hg[i], u[i] * first, tolerance) << "f' at " << x[i];
        ASSERT_NEAR(hx[i], u[i] * g[i] * second, 4 * tolerance) << "f'' at " << x[i];
      }
    }
  }
}

// float: Φ to 1e-7 as elementwise_kernel-inl.h says, x φ to x times 1e-7 of φ <= 0.4 e^(-x²/2), and rounding at 1.1:
// below 2e-7. double: the C library's few units.
constexpr double kTolerance32 = 2e-7, kTolerance64 = 1e-15;

TEST(GeluKernelsTest, BaselineAccurate) {
  ExpectKernelsAccurate<float>(ElementwiseKernelsBaseline(), kTolerance32);
  ExpectKernelsAccurate<double>(ElementwiseKernelsBaseline(), kTolerance64);
}

#if defined(__x86_64__)
TEST(GeluKernelsTest, Avx2Accurate) {
  if (!HaveAvx2()) GTEST_SKIP() << "no AVX2 and FMA here";
  ExpectKernelsAccurate<float>(ElementwiseKernelsAvx2(), kTolerance32);
  ExpectKernelsAccurate<double>(ElementwiseKernelsAvx2(), kTolerance64);
}

TEST(GeluKernelsTest, Avx512Accurate) {
  if (!HaveAvx512()) GTEST_SKIP() << "no AVX-512 here";
  ExpectKernelsAccurate<float>(ElementwiseKernelsAvx512(), kTolerance32);
  ExpectKernelsAccurate<double>(ElementwiseKernelsAvx512(), kTolerance64);
}
#endif

TEST(GeluTest, ExtremeNumbers) {
  const Tensor x = at::tensor({-1e30f, -1e4f, -14.0f, 14.0f, 1e4f, 1e30f, HUGE_VALF}).set_requires_grad(true);
  const Tensor ones = at::ones({7}).set_requires_grad(true);
  const Tensors actual = AllDerivatives(Gelu, x, ones, at::ones({7}));
  const Tensor step = at::tensor({0.0f, 0.0f, 0.0f, 1.0f, 1.0f, 1.0f});
  EXPECT_TRUE(at::equal(actual[1].slice(0, 0, 6), step)) << actual[1];
  EXPECT_TRUE(at::equal(actual[2].slice(0, 1, 5), at::zeros({4}))) << actual[2];  // beyond, x² is infinite
  EXPECT_TRUE(at::equal(actual[3].slice(0, 0, 6), step)) << actual[3];
}

TEST(GeluTest, NaNStaysWhereItIs) {
  Inputs in({5, 7}, at::kFloat);
  const Tensors before = AllDerivatives(Gelu, in.x, in.g, in.u);
  {
    const at::NoGradGuard no_grad;
    in.x[2][3] = kNaN;
  }
  const Tensors after = AllDerivatives(Gelu, in.x, in.g, in.u);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(std::isnan(after[i][2][3].item<float>())) << kNames[i];
    EXPECT_EQ((after[i] != before[i]).sum().item<int64_t>(), 1) << kNames[i];
  }
}

TEST(GeluTest, HessianVectorProductAgreesWithCentralDifference) {
  const Inputs in({6, 11}, at::kDouble);
  const auto gradient = [&](const Tensor& x, bool create_graph) {
    return grad({(Gelu(Gelu(x) - 0.5).sin() * in.g.detach()).sum()}, {x}, {}, create_graph, create_graph)[0];
  };
  const Tensor product = grad({gradient(in.x, true)}, {in.x}, {in.u})[0];
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const auto at_step = [&](double step) {
    return gradient((in.x + step * in.u).detach().set_requires_grad(true), false);
  };
  // h = 6e-6: the error is h² = 4e-11 times a third derivative of some tens, and eps / h = 4e-11.
  EXPECT_LT(((at_step(h) - at_step(-h)) / (2 * h) - product).abs().max().item<double>(), 5e-9);
}

// Enough numbers for more than one thread, and no whole number of vectors.
TEST(GeluTest, ResultDoesNotDependOnThreads) {
  const Inputs in({97, 1537}, at::kFloat);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return AllDerivatives(Gelu, in.x, in.g, in.u);
  };
  const Tensors one = run(1), two = run(2), three = run(3);
  at::set_num_threads(1);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(two[i], one[i])) << kNames[i];
    EXPECT_TRUE(at::equal(three[i], one[i])) << kNames[i];
  }
}

TEST(GeluTest, InputsAndGradientsMayBeExpandedOrTransposed) {
  const Tensor transposed = at::randn({7, 5}, at::kDouble).t().set_requires_grad(true);
  const Tensor expanded = at::ones({1, 1}, at::kDouble).expand({5, 7});
  const auto derivatives = [&](const Tensor& g) {
    const Tensors first = grad({Gelu(transposed)}, {transposed}, {g}, true, true);
    return Tensors{first[0], grad(first, {transposed}, {g})[0]};
  };
  const Tensors actual = derivatives(expanded), expected = derivatives(expanded.contiguous());
  EXPECT_TRUE(at::equal(actual[0], expected[0]));
  EXPECT_TRUE(at::equal(actual[1], expected[1]));
}

TEST(GeluTest, ThirdDerivativeIsAnError) {
  const Inputs in({3}, at::kDouble);
  const Tensor first = grad({Gelu(in.x).sin().sum()}, {in.x}, {}, true, true)[0];
  const Tensor second = grad({first}, {in.x}, {in.u}, true, true)[0];
  try {
    grad({second}, {in.x}, {in.u});
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("Gelu has no third derivative"), std::string::npos);
  }
}

TEST(GeluDeathTest, Misuse) { EXPECT_DEATH(Gelu(at::ones({3}, at::kBFloat16)), "BFloat16"); }

}  // namespace
}  // namespace gbmoa
