// Products by task, and what a recorder makes of them.
#include "gbmoa/backbone/grouped_linear.h"

#include <vector>

#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

constexpr int64_t kIn = 4, kOut = 3;

at::Tensor Weight(const at::Tensor& flat, int64_t at) {
  return flat.narrow(1, at, kOut * kIn).reshape({flat.size(0), kOut, kIn});
}
at::Tensor Bias(const at::Tensor& flat, int64_t at) { return flat.narrow(1, at, kOut); }

TEST(GroupedLinear, EachTaskHasItsOwnWeights) {
  const at::Tensor flat = RandomNormal({2, 20}, 1), x = RandomNormal({5, kIn}, 2);
  const at::Tensor y = GroupedLinear(x, Weight(flat, 1), Bias(flat, 15), {0, 2, 5});
  for (int64_t row = 0; row < 5; ++row) {
    const int64_t task = row < 2 ? 0 : 1;
    const at::Tensor expected = at::mv(Weight(flat, 1)[task], x[row]) + Bias(flat, 15)[task];
    EXPECT_LT(MaxAbsError(y[row], expected), 1e-14);
  }
}

// The derivative in the weights from what was written down, against autograd's.
TEST(GroupedLinearRecorder, HoldsWhatAWeightsDerivativeNeeds) {
  for (const int64_t tasks : {1, 2}) {
    const std::vector<int64_t> offsets = tasks == 1 ? std::vector<int64_t>{0, 5} : std::vector<int64_t>{0, 2, 5};
    const at::Tensor flat = RandomNormal({tasks, 40}, 1).requires_grad_(), x = RandomNormal({5, kIn}, 2);
    const auto forward = [&] {
      const at::Tensor hidden = at::tanh(GroupedLinear(x, Weight(flat, 1), Bias(flat, 13), offsets));
      return GroupedLinear(at::cat({hidden, hidden.narrow(1, 0, 1)}, 1), Weight(flat, 20), {}, offsets);
    };
    const at::Tensor expected = torch::autograd::grad({forward().square().sum()}, {flat})[0];

    const GroupedLinearRecorder recorder(flat);
    const at::Tensor loss = forward().square().sum();
    ASSERT_EQ(recorder.products().size(), 2);
    const GroupedLinearRecorder::Product &first = recorder.products()[0], &second = recorder.products()[1];
    EXPECT_EQ(first.weight, 1);
    EXPECT_EQ(first.bias, 13);
    EXPECT_EQ(second.weight, 20);
    EXPECT_EQ(second.bias, -1);
    EXPECT_EQ(first.offsets, offsets);
    const auto deltas = torch::autograd::grad({loss}, {first.y, second.y, flat}, {}, /*retain_graph=*/false,
                                              /*create_graph=*/false, /*allow_unused=*/true);
    EXPECT_FALSE(deltas[2].defined());
    at::Tensor gradient = at::zeros({tasks, 40}, at::kDouble);
    for (int64_t b = 0; b < tasks; ++b) {
      const int64_t begin = offsets[b], count = offsets[b + 1] - begin;
      for (int p = 0; p < 2; ++p) {
        const GroupedLinearRecorder::Product& product = recorder.products()[p];
        const at::Tensor delta = deltas[p].narrow(0, begin, count);
        gradient[b]
            .narrow(0, product.weight, kOut * kIn)
            .add_(at::mm(delta.t(), product.x.narrow(0, begin, count)).reshape({-1}));
        if (product.bias >= 0) gradient[b].narrow(0, product.bias, kOut).add_(delta.sum(0));
      }
    }
    EXPECT_LT(RelativeError(gradient, expected), 1e-14);
  }
}

TEST(GroupedLinearRecorder, LeavesOtherProductsAlone) {
  const at::Tensor flat = RandomNormal({2, 40}, 1).requires_grad_(), x = RandomNormal({5, kIn}, 2);
  const std::vector<int64_t> offsets = {0, 2, 5};
  const at::Tensor square = flat.narrow(1, 0, 16).reshape({2, 4, 4});
  const struct {
    const char* name;
    at::Tensor weight, bias;
  } cases[] = {
      {"computed", 2 * Weight(flat, 0), Bias(flat, 20)},
      {"computed bias", Weight(flat, 0), 2 * Bias(flat, 20)},
      {"transposed", square.transpose(1, 2), {}},
      {"another tensor", RandomNormal({2, kOut, kIn}, 3).requires_grad_(), {}},
      {"a copy", Weight(flat, 0).clone(), {}},
  };
  for (const auto& test : cases) {
    const GroupedLinearRecorder recorder(flat);
    const at::Tensor y = GroupedLinear(x, test.weight, test.bias, offsets);
    EXPECT_TRUE(recorder.products().empty()) << test.name;
    EXPECT_TRUE(torch::autograd::grad({y.sum()}, {test.weight})[0].defined()) << test.name;
  }
}

TEST(GroupedLinearRecorder, TheInnermostWritesWhileItLives) {
  const at::Tensor flat = RandomNormal({1, 20}, 1).requires_grad_(), x = RandomNormal({5, kIn}, 2);
  const auto multiply = [&] { return GroupedLinear(x, Weight(flat, 0), {}, {0, 5}); };
  const GroupedLinearRecorder outer(flat);
  {
    const GroupedLinearRecorder inner(flat);
    multiply();
    EXPECT_EQ(inner.products().size(), 1);
    EXPECT_EQ(outer.products().size(), 0);
  }
  multiply();
  EXPECT_EQ(outer.products().size(), 1);
}

}  // namespace
}  // namespace gbmoa
