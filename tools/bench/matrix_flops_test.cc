#include "tools/bench/matrix_flops.h"

#include "gbmoa/backbone/frozen_linear.h"
#include "gbmoa/base/torch.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

double Count(const std::function<void()>& run) {
  const MatrixFlopCounter counter;
  run();
  return counter.flops();
}

TEST(MatrixFlopCounterTest, CountsEveryFormOfAProduct) {
  // 2 · 3 · 5 · 7 for a product of [3, 5] and [5, 7].
  constexpr double kOne = 210;
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor x = at::ones({3, 5}, type), w = at::ones({7, 5}, type), bias = at::ones({7}, type);
    at::Tensor y = at::ones({3, 7}, type);
    const at::Tensor xs = at::ones({4, 3, 5}, type), ws = at::ones({4, 5, 7}, type);
    at::Tensor ys = at::ones({4, 3, 7}, type);
    struct Case {
      const char* name;
      std::function<void()> run;
      double products;
    };
    const Case cases[] = {
        {"mm", [&] { at::mm(x, w.t()); }, 1},
        {"matmul", [&] { x.matmul(w.t()); }, 1},
        {"linear", [&] { at::linear(x, w); }, 1},
        {"linear with a bias", [&] { at::linear(x, w, bias); }, 1},
        {"addmm in place", [&] { y.addmm_(x, w.t()); }, 1},
        {"mm into a tensor", [&] { at::mm_out(y, x, w.t()); }, 1},
        {"linear of three dimensions", [&] { at::linear(xs, w); }, 4},
        {"matmul of batches", [&] { xs.matmul(ws); }, 4},
        {"baddbmm in place", [&] { ys.baddbmm_(xs, ws); }, 4},
        {"einsum",
         [&] {
           at::einsum("bij,bjk->bik", {xs, ws});
         },
         4},
        {"no product", [&] { (x * x).sum(); }, 0},
    };
    for (const Case& c : cases) EXPECT_EQ(Count(c.run), kOne * c.products) << c.name << " " << type;
  }
}

TEST(MatrixFlopCounterTest, CountsDerivatives) {
  const at::Tensor x = at::ones({3, 5}).requires_grad_(), w = at::ones({7, 5}).requires_grad_();
  // Forward, and one product for each of two gradients.
  EXPECT_EQ(Count([&] { torch::autograd::grad({at::linear(x, w).sum()}, {x, w}); }), 3 * 210);
  // A frozen weight gets no gradient; here its product is in bfloat16.
  const at::Tensor frozen = at::ones({7, 5}, at::kBFloat16);
  EXPECT_EQ(Count([&] { torch::autograd::grad({FrozenLinear(x, frozen, {}).sum()}, {x}); }), 2 * 210);
  // Other threads' products count as well.
  at::set_num_threads(2);
  EXPECT_EQ(Count([&] {
              at::parallel_for(0, 8, 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) at::mm(x.detach(), w.detach().t());
              });
            }),
            8 * 210);
  // A counter begins at zero, and nothing is counted without one.
  at::mm(x, w.t());
  EXPECT_EQ(Count([] {}), 0);
}

}  // namespace
}  // namespace gbmoa
