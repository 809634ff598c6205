#include "gbmoa/backbone/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "gbmoa/backbone/attention_kernel.h"
#include "gbmoa/backbone/vector_instructions.h"
#include "gbmoa/base/torch.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using at::Tensor;
using torch::autograd::grad;
using Tensors = std::vector<Tensor>;

// Double: sums of at most 600 terms, each step of which rounds by 1.1e-16, in another order than LibTorch's.
constexpr double kTolerance64 = 1e-12;
// Float: the same with 6e-8, against the result in double.
constexpr double kTolerance32 = 1e-5;

// The largest difference in units of the largest expected element.
double RelativeError(const Tensor& actual, const Tensor& expected) {
  const double scale = expected.abs().max().item<double>();
  return (actual.to(at::kDouble) - expected).abs().max().item<double>() / std::max(scale, 1e-300);
}

// Attention in LibTorch's own operators, sequence by sequence and head by head, differentiated by autograd.
Tensor NaiveAttention(const Tensors& qkv, const std::vector<int64_t>& offsets, int64_t num_heads) {
  const int64_t dim = qkv[0].size(1) / num_heads;
  Tensors sequences;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    Tensors heads;
    for (int64_t h = 0; h < num_heads; ++h) {
      const auto part = [&](const Tensor& x) {
        return x.slice(0, offsets[s], offsets[s + 1]).slice(1, h * dim, (h + 1) * dim);
      };
      const Tensor scores = part(qkv[0]).matmul(part(qkv[1]).t()) / std::sqrt(static_cast<double>(dim));
      heads.push_back(at::softmax(scores, -1).matmul(part(qkv[2])));
    }
    sequences.push_back(at::cat(heads, 1));
  }
  return at::cat(sequences, 0);
}

// O; gQ gK gV; hQ hK hV hG of any attention.
template <typename Attention>
Tensors AllDerivatives(const Attention& attention, const Tensors& qkv, const Tensor& g, const Tensors& uwx) {
  const Tensor o = attention(qkv);
  const Tensors first = grad({o}, qkv, {g}, /*retain_graph=*/true, /*create_graph=*/true);
  const Tensors second = grad(first, {qkv[0], qkv[1], qkv[2], g}, uwx);
  Tensors all = {o.detach()};
  for (const Tensor& x : first) all.push_back(x.detach());
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

const char* const kDerivativeNames[] = {"O", "gQ", "gK", "gV", "hQ", "hK", "hV", "hG"};

std::vector<int64_t> Offsets(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets = {0};
  for (int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

// Q, K, V as leaves (in one case as slices of one tensor), G, and a direction U, W, X.
struct Inputs {
  Tensors qkv, uwx;
  Tensor g;

  Inputs(int64_t rows, int64_t width, at::ScalarType type, bool sliced = false) {
    at::manual_seed(rows * 1000 + width);
    // In double first, so that both types compute with the same numbers. Scores of a few units make the softmax uneven.
    const auto random = [&](int64_t columns) {
      return at::randn({rows, columns}, at::kDouble).to(at::kFloat).to(type);
    };
    if (sliced) {
      for (const Tensor& x : random(3 * width).split(width, 1)) qkv.push_back(x.detach());
    } else {
      for (int i = 0; i < 3; ++i) qkv.push_back(random(width));
    }
    qkv[0].mul_(1.5);
    for (int i = 0; i < 3; ++i) uwx.push_back(random(width));
    g = random(width);
    for (Tensor& x : qkv) x.set_requires_grad(true);
    g.set_requires_grad(true);
  }
};

struct Case {
  std::string name;
  std::vector<int64_t> lengths;
  int64_t num_heads, dim;
  bool sliced = false;
};

// The float vector lengths are 4, 8 and 16, the double ones half of that, and a block has two vectors of queries.
const std::vector<Case>& Cases() {
  static const auto& cases = *new std::vector<Case>{
      {"one_token", {1}, 1, 32},
      {"single_tokens", {1, 1, 1}, 2, 32},
      {"ragged", {14, 9, 1, 22, 8, 33, 16, 17}, 3, 32},
      {"one_block_exactly", {32, 16, 64}, 2, 32},
      {"several_blocks", {70, 100}, 2, 64},
      {"longest", {512, 3}, 1, 64},
      {"empty_sequence_between", {5, 0, 7}, 2, 32},
      {"slices_of_one_product", {14, 9, 30}, 4, 32, /*sliced=*/true},
      {"width_not_whole_vectors", {14, 40, 3}, 3, 20},
      {"width_one", {6, 35}, 5, 1},
      {"width_above_two_vectors", {13, 34}, 2, 50},
  };
  return cases;
}

class AttentionTest : public testing::TestWithParam<Case> {
 protected:
  void ExpectAgrees(at::ScalarType type, double tolerance) {
    const Case& c = GetParam();
    const std::vector<int64_t> offsets = Offsets(c.lengths);
    const Inputs inputs(offsets.back(), c.num_heads * c.dim, type, c.sliced);
    const Inputs exact(offsets.back(), c.num_heads * c.dim, at::kDouble, c.sliced);
    const SequenceOffsets shared = MakeSequenceOffsets(offsets);
    const Tensors actual =
        AllDerivatives([&](const Tensors& qkv) { return PackedAttention(qkv[0], qkv[1], qkv[2], shared, c.num_heads); },
                       inputs.qkv, inputs.g, inputs.uwx);
    const Tensors expected = AllDerivatives(
        [&](const Tensors& qkv) { return NaiveAttention(qkv, offsets, c.num_heads); }, exact.qkv, exact.g, exact.uwx);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(actual[i].scalar_type(), type);
      // Derivatives that pass through the softmax of a single key are exactly 0.
      if (expected[i].abs().max().item<double>() == 0) {
        EXPECT_EQ(actual[i].abs().max().item<double>(), 0) << kDerivativeNames[i];
      } else {
        EXPECT_LT(RelativeError(actual[i], expected[i]), tolerance) << kDerivativeNames[i];
      }
    }
  }
};

TEST_P(AttentionTest, Float64AgreesWithAutogradOfNaiveAttention) { ExpectAgrees(at::kDouble, kTolerance64); }
TEST_P(AttentionTest, Float32AgreesWithAutogradOfNaiveAttention) { ExpectAgrees(at::kFloat, kTolerance32); }

INSTANTIATE_TEST_SUITE_P(Cases, AttentionTest, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

// PackedAttention runs the best kernels of this processor; here is each set on its own.
template <typename T>
void ExpectKernelsAgree(const AttentionKernels<T>& kernels, at::ScalarType type, double tolerance) {
  for (int64_t length : {1, 2, 5, 8, 13, 17, 32, 70}) {
    for (int64_t dim : {1, 7, 20, 32, 64}) {
      SCOPED_TRACE(testing::Message() << "length " << length << " dim " << dim);
      const Inputs inputs(length, dim, type), exact(length, dim, at::kDouble);
      const Tensors expected = AllDerivatives(
          [&](const Tensors& qkv) {
            return NaiveAttention(qkv, {0, length}, 1);
          },
          exact.qkv, exact.g, exact.uwx);
      const Tensors in = {inputs.qkv[0], inputs.qkv[1], inputs.qkv[2], inputs.g,
                          inputs.uwx[0], inputs.uwx[1], inputs.uwx[2]};
      std::vector<Rows<const T>> in_rows;
      for (const Tensor& x : in) in_rows.push_back({x.const_data_ptr<T>(), dim});
      Tensors actual(9);
      std::vector<Rows<T>> out;
      for (Tensor& x : actual) {
        x = at::full({length, dim}, std::numeric_limits<double>::quiet_NaN(), type);
        out.push_back({x.mutable_data_ptr<T>(), dim});
      }
      std::vector<T> scratch(kernels.scratch_size(length, dim));
      kernels.forward(length, dim, in_rows.data(), &out[0], scratch.data());
      kernels.backward(length, dim, in_rows.data(), &out[1], scratch.data());
      kernels.second_backward(length, dim, in_rows.data(), &out[4], scratch.data());
      kernels.tangent(length, dim, in_rows.data(), &out[5], scratch.data());  // its hG is 3 further
      for (size_t i = 0; i < expected.size(); ++i) {
        // Small problems have derivatives that nearly cancel, so they are compared in units of 1 where that is more.
        const double unit = std::max(expected[i].abs().max().item<double>(), 1.0);
        EXPECT_LT((actual[i].to(at::kDouble) - expected[i]).abs().max().template item<double>() / unit, tolerance)
            << kDerivativeNames[i];
      }
      EXPECT_TRUE(at::equal(actual[8], actual[7])) << "the tangent kernel's hG";
    }
  }
}

TEST(AttentionKernelsTest, BaselineAgrees) {
  ExpectKernelsAgree(AttentionKernelsBaseline<double>(), at::kDouble, kTolerance64);
  ExpectKernelsAgree(AttentionKernelsBaseline<float>(), at::kFloat, kTolerance32);
}

#if defined(__x86_64__)
TEST(AttentionKernelsTest, Avx2Agrees) {
  if (!HaveAvx2()) GTEST_SKIP() << "no AVX2 and FMA here";
  ExpectKernelsAgree(AttentionKernelsAvx2<double>(), at::kDouble, kTolerance64);
  ExpectKernelsAgree(AttentionKernelsAvx2<float>(), at::kFloat, kTolerance32);
}

TEST(AttentionKernelsTest, Avx512Agrees) {
  if (!HaveAvx512()) GTEST_SKIP() << "no AVX-512 here";
  ExpectKernelsAgree(AttentionKernelsAvx512<double>(), at::kDouble, kTolerance64);
  ExpectKernelsAgree(AttentionKernelsAvx512<float>(), at::kFloat, kTolerance32);
}
#endif

// Two tokens of width 1 with q = 1, k = (0, x), v = (0, 1) give e^x / (1 + e^x): with x down to -87 this is our exp
// alone.
TEST(AttentionTest, ExponentialIsAccurateFarFromTheMaximum) {
  const SequenceOffsets offsets = MakeSequenceOffsets({0, 2});
  const Tensor q = at::ones({2, 1}), v = at::tensor({0.0f, 1.0f}).view({2, 1});
  for (float x = 0; x > -86.9f; x -= 0.0173f) {
    const float o = PackedAttention(q, at::tensor({0.0f, x}).view({2, 1}), v, offsets, 1)[0].item<float>();
    const double exact = std::exp(static_cast<double>(x)) / (1 + std::exp(static_cast<double>(x)));
    // One ulp (1.2e-7 relative) each from exp, the sum and its reciprocal, half of one from the product.
    ASSERT_LT(std::abs(o - exact) / exact, 4.2e-7) << x;
  }
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  const SequenceOffsets offsets = MakeSequenceOffsets({0, 2});
  const Tensor q = at::full({2, 1}, 1e4), k = at::tensor({1e4f, -1e4f}).view({2, 1}),
               v = at::tensor({3.0f, 5.0f}).view({2, 1});
  EXPECT_TRUE(at::equal(PackedAttention(q, k, v, offsets, 1), at::full({2, 1}, 3.0)));
}

TEST(AttentionTest, HessianVectorProductAgreesWithCentralDifference) {
  const std::vector<int64_t> offsets = Offsets({5, 1, 19});
  const SequenceOffsets shared = MakeSequenceOffsets(offsets);
  Inputs inputs(offsets.back(), 2 * 16, at::kDouble);
  // A loss that is not linear in O, so that its second derivative passes through G too.
  const auto gradient = [&](const Tensors& qkv, bool create_graph) {
    const Tensor loss = (PackedAttention(qkv[0], qkv[1], qkv[2], shared, 2).sin() * inputs.g.detach()).sum();
    return grad({loss}, qkv, {}, create_graph, create_graph);
  };
  const Tensors product = grad(gradient(inputs.qkv, true), inputs.qkv, inputs.uwx);
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  Tensors plus, minus;
  for (int i = 0; i < 3; ++i) {
    plus.push_back((inputs.qkv[i] + h * inputs.uwx[i]).detach().set_requires_grad(true));
    minus.push_back((inputs.qkv[i] - h * inputs.uwx[i]).detach().set_requires_grad(true));
  }
  const Tensors gradient_plus = gradient(plus, false), gradient_minus = gradient(minus, false);
  for (int i = 0; i < 3; ++i) {
    // h = 6e-6: the error is h² = 4e-11 times a third derivative of some tens, and eps / h = 4e-11.
    EXPECT_LT(RelativeError((gradient_plus[i] - gradient_minus[i]) / (2 * h), product[i]), 5e-9) << "QKV"[i];
  }
}

// The gradient by G alone, which takes the shorter kernel: d O along (U, W, X).
TEST(AttentionTest, JacobianVectorProductAgreesWithCentralDifference) {
  const std::vector<int64_t> offsets = Offsets({5, 1, 19});
  const SequenceOffsets shared = MakeSequenceOffsets(offsets);
  Inputs inputs(offsets.back(), 2 * 16, at::kDouble);
  const auto attend = [&](double step) {
    return PackedAttention(inputs.qkv[0] + step * inputs.uwx[0], inputs.qkv[1] + step * inputs.uwx[1],
                           inputs.qkv[2] + step * inputs.uwx[2], shared, 2);
  };
  const Tensors first = grad({attend(0)}, inputs.qkv, {inputs.g}, true, true);
  const Tensor product = grad(first, {inputs.g}, inputs.uwx)[0];
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  EXPECT_LT(RelativeError((attend(h) - attend(-h)).detach() / (2 * h), product), 5e-9);  // as above
}

TEST(AttentionTest, GradientsMayBeExpandedOrTransposed) {
  const SequenceOffsets offsets = MakeSequenceOffsets(Offsets({4, 6}));
  const Inputs inputs(10, 8, at::kDouble);
  const auto gradients = [&](const Tensor& g) {
    return grad({PackedAttention(inputs.qkv[0], inputs.qkv[1], inputs.qkv[2], offsets, 2)}, inputs.qkv, {g});
  };
  const Tensor transposed = at::randn({8, 10}, at::kDouble).t(),
               expanded = at::ones({1, 1}, at::kDouble).expand({10, 8});
  for (const Tensor& g : {transposed, expanded}) {
    const Tensors actual = gradients(g), expected = gradients(g.contiguous());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(actual[i], expected[i])) << "QKV"[i];
  }
}

TEST(AttentionTest, OtherSequencesDoNotMatter) {
  const std::vector<int64_t> offsets = Offsets({7, 20, 3});
  const Inputs inputs(30, 64, at::kFloat);
  const auto attend = [&] {
    return PackedAttention(inputs.qkv[0], inputs.qkv[1], inputs.qkv[2], MakeSequenceOffsets(offsets), 2).detach();
  };
  const Tensor before = attend();
  {
    const at::NoGradGuard no_grad;
    inputs.qkv[1][10][40] = std::numeric_limits<float>::quiet_NaN();  // a key of the second sequence, second head
  }
  const Tensor after = attend();
  EXPECT_TRUE(at::equal(after.slice(0, 0, 7), before.slice(0, 0, 7)));
  EXPECT_TRUE(at::equal(after.slice(0, 27, 30), before.slice(0, 27, 30)));
  EXPECT_TRUE(at::equal(after.slice(1, 0, 32), before.slice(1, 0, 32)));
  EXPECT_TRUE(after.slice(0, 7, 27).slice(1, 32).isnan().all().item<bool>());
}

// Enough work for more than one thread, and for units to fall in different places.
TEST(AttentionTest, ResultDoesNotDependOnThreads) {
  const std::vector<int64_t> offsets = Offsets({14, 9, 11, 22, 8, 13, 30, 10, 12, 17, 9, 14, 8, 19, 1});
  const Inputs inputs(offsets.back(), 12 * 32, at::kFloat);
  const SequenceOffsets shared = MakeSequenceOffsets(offsets);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return AllDerivatives([&](const Tensors& qkv) { return PackedAttention(qkv[0], qkv[1], qkv[2], shared, 12); },
                          inputs.qkv, inputs.g, inputs.uwx);
  };
  const Tensors one = run(1), two = run(2);
  // And two callers at once, as in a pool of single-threaded workers.
  Tensors mine, other;
  std::thread worker([&] {
    for (int i = 0; i < 5; ++i) other = run(1);
  });
  for (int i = 0; i < 5; ++i) mine = run(1);
  worker.join();
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(two[i], one[i])) << kDerivativeNames[i] << " with two threads";
    EXPECT_TRUE(at::equal(mine[i], one[i])) << kDerivativeNames[i] << " beside another caller";
    EXPECT_TRUE(at::equal(other[i], one[i])) << kDerivativeNames[i] << " of the other caller";
  }
}

TEST(AttentionTest, NoTokens) {
  const Tensor x = at::empty({0, 8});
  EXPECT_EQ(PackedAttention(x, x, x, MakeSequenceOffsets({0}), 2).sizes(), x.sizes());
}

TEST(AttentionTest, ThirdDerivativeIsAnError) {
  const Inputs inputs(3, 8, at::kDouble);
  const Tensor o = PackedAttention(inputs.qkv[0], inputs.qkv[1], inputs.qkv[2], MakeSequenceOffsets({0, 3}), 2);
  const Tensors first = grad({o.sin().sum()}, inputs.qkv, {}, true, true);
  const Tensors second = grad(first, inputs.qkv, inputs.uwx, true, true);
  try {
    grad(second, inputs.qkv, inputs.uwx);
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("PackedAttention has no third derivative"), std::string::npos);
  }
}

TEST(AttentionDeathTest, Misuse) {
  const Tensor x = at::ones({3, 8});
  const auto attend = [&](const Tensor& q, const Tensor& k, std::vector<int64_t> offsets, int64_t num_heads) {
    PackedAttention(q, k, x, MakeSequenceOffsets(std::move(offsets)), num_heads);
  };
  EXPECT_DEATH(attend(x, x, {0, 2}, 2), "Check failed");
  EXPECT_DEATH(attend(x, x, {1, 3}, 2), "must start with 0");
  EXPECT_DEATH(attend(x, x, {0, 3, 2, 3}, 2), "must ascend");
  EXPECT_DEATH(attend(x, x, {0, 3}, 3), "3 heads of width 8");
  EXPECT_DEATH(attend(x, x.slice(1, 0, 4), {0, 3}, 2), "has shape \\[3, 4\\]");
  EXPECT_DEATH(attend(x, x.to(at::kDouble), {0, 3}, 2), "Double beside Float");
  EXPECT_DEATH(attend(x.to(at::kBFloat16), x, {0, 3}, 2), "BFloat16");
}

}  // namespace
}  // namespace gbmoa
