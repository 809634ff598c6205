// The frozen products of a 384-wide encoder on 352 tokens, forward (Wᵀ) and backward (W). "vs_product" is the best time
// in units of the best of the bare product in the same type, run in turns; what is above 1 goes to conversions and
// bias.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "benchmark/benchmark.h"
#include "gbmoa/backbone/frozen_linear.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

template <typename Function>
double Seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(function());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void BM_FrozenLinear(benchmark::State& state, at::ScalarType type, bool backward) {
  constexpr int64_t kTokens = 352;
  const int64_t in = state.range(0), out = state.range(1);
  at::set_num_threads(static_cast<int>(state.range(2)));
  const at::NoGradGuard no_grad;
  const at::Tensor weight = at::randn({out, in}).to(type), bias = at::randn({out});
  const at::Tensor matrix = backward ? weight.t() : weight;
  const at::Tensor x = at::randn({kTokens, matrix.size(1)}), rounded = x.to(type);
  const auto product = [&] { return at::linear(rounded, matrix); };
  const auto linear = [&] { return FrozenLinear(x, matrix, backward ? at::Tensor() : bias); };
  Seconds(product);
  Seconds(linear);
  double best = HUGE_VAL, product_best = HUGE_VAL;
  for (auto _ : state) {
    const double seconds = Seconds(linear);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
    product_best = std::min(product_best, Seconds(product));
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["GFLOP/s"] = 2e-9 * static_cast<double>(kTokens * in * out) / best;
  state.counters["vs_product"] = best / product_best;
}

void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"in", "out", "threads"})->UseManualTime()->Unit(benchmark::kMicrosecond);
  for (int64_t threads : {1, 2}) {
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>(384, 384), {384, 1536}, {1536, 384}}) {
      benchmark->Args({in, out, threads});
    }
  }
}

BENCHMARK_CAPTURE(BM_FrozenLinear, bfloat16_forward, at::kBFloat16, false)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_FrozenLinear, bfloat16_backward, at::kBFloat16, true)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_FrozenLinear, float32_forward, at::kFloat, false)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_FrozenLinear, float32_backward, at::kFloat, true)->Apply(Shapes);

}  // namespace
}  // namespace gbmoa
