// ResidualLayerNorm and Gelu against LibTorch's own operators, at the sizes of MiniLM: 312 tokens, 384 and 1536 wide.
// "vs_native" is the ratio of their best times, run in turns, which holds on a busy machine too.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/backbone/activation.h"
#include "gbmoa/backbone/layer_norm.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

enum Function { kLayerNorm, kGelu };
// A graph is kept and walked once more in each iteration, except by kForward.
enum Depth { kForward, kBackward, kSecondBackward, kTangent };

struct Problem {
  at::Tensor x, y, g, u, out, gx;
  LayerNormWeights norm;
  Function function;
  bool native;

  Problem(Function function, bool native) : function(function), native(native) {
    const int64_t width = function == kGelu ? 1536 : 384;
    x = at::randn({312, width}).set_requires_grad(true);
    y = at::randn({312, width});
    g = at::randn({312, width}).set_requires_grad(true);
    u = at::randn({312, width});
    norm = {at::randn({width}), at::randn({width})};
    out = Apply();
    gx = torch::autograd::grad({out}, {x}, {g}, true, true)[0];
  }

  at::Tensor Apply() const {
    if (function == kGelu) return native ? at::gelu(x) : Gelu(x);
    if (native) return at::layer_norm(x + y, {x.size(1)}, norm.weight, norm.bias, 1e-12);
    return ResidualLayerNorm(x, y, norm, 1e-12);
  }

  double Seconds(Depth depth) const {
    const auto start = std::chrono::steady_clock::now();
    switch (depth) {
      case kForward:
        benchmark::DoNotOptimize(Apply());
        break;
      case kBackward:
        benchmark::DoNotOptimize(torch::autograd::grad({out}, {x}, {g.detach()}, true));
        break;
      case kSecondBackward:
        benchmark::DoNotOptimize(torch::autograd::grad({gx}, {x, g}, {u}, true));
        break;
      case kTangent:
        benchmark::DoNotOptimize(torch::autograd::grad({gx}, {g}, {u}, true));
        break;
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

void BM_Elementwise(benchmark::State& state, Function function, Depth depth) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  const Problem ours(function, false), native(function, true);
  double best = HUGE_VAL, native_best = HUGE_VAL;
  for (auto _ : state) {
    const double seconds = ours.Seconds(depth);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
    native_best = std::min(native_best, native.Seconds(depth));
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["vs_native"] = best / native_best;
}

#define GBMOA_ELEMENTWISE_BENCHMARK(function, depth)                     \
  BENCHMARK_CAPTURE(BM_Elementwise, function##_##depth, function, depth) \
      ->ArgName("threads")                                               \
      ->Arg(1)                                                           \
      ->Arg(2)                                                           \
      ->UseManualTime()                                                  \
      ->Unit(benchmark::kMicrosecond)

GBMOA_ELEMENTWISE_BENCHMARK(kLayerNorm, kForward);
GBMOA_ELEMENTWISE_BENCHMARK(kLayerNorm, kBackward);
GBMOA_ELEMENTWISE_BENCHMARK(kLayerNorm, kSecondBackward);
GBMOA_ELEMENTWISE_BENCHMARK(kLayerNorm, kTangent);
GBMOA_ELEMENTWISE_BENCHMARK(kGelu, kForward);
GBMOA_ELEMENTWISE_BENCHMARK(kGelu, kBackward);
GBMOA_ELEMENTWISE_BENCHMARK(kGelu, kSecondBackward);
GBMOA_ELEMENTWISE_BENCHMARK(kGelu, kTangent);

}  // namespace
}  // namespace gbmoa
