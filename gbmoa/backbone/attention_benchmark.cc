// PackedAttention against what LibTorch offers, on a batch like those of few-shot adaptation: 25 short sequences of
// uneven length. Each iteration runs the method and then PackedAttention; "vs_packed" is the ratio of their best times,
// which holds on a busy machine too. GFLOP/s, of the best time, count the arithmetic that the real tokens need.
//
// The padded methods get their input padded already, and their output stays padded: what padding costs is not counted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/backbone/attention.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr int64_t kHeads = 12;
constexpr int64_t kHeadDim = 32;
constexpr int64_t kWidth = kHeads * kHeadDim;

enum Method { kPacked, kPaddedMath, kPaddedFused };
// How far each iteration differentiates.
enum Depth { kForward, kBackward, kSecondBackward };

std::vector<int64_t> Lengths() {
  // Mean 14 and spread as in gloss texts; fixed, so that runs compare.
  return {14, 9, 11, 22, 8, 13, 30, 10, 12, 17, 9, 14, 8, 19, 12, 10, 25, 11, 13, 9, 16, 12, 18, 10, 20};
}

// Q, K, V of one batch in a method's own layout, with an incoming gradient and a direction for the second backward
// pass.
struct Problem {
  Method method;
  SequenceOffsets offsets;
  at::Tensor mask;  // [S, 1, 1, T], true where a key is real
  std::vector<at::Tensor> qkv, direction;
  at::Tensor g;

  explicit Problem(Method method) : method(method) {
    const std::vector<int64_t> lengths = Lengths();
    std::vector<int64_t> ends = {0};
    for (int64_t length : lengths) ends.push_back(ends.back() + length);
    const int64_t num_sequences = lengths.size();
    const int64_t max_length = *std::max_element(lengths.begin(), lengths.end());
    std::vector<int64_t> shape = {ends.back(), kWidth};
    if (method != kPacked) shape = {num_sequences, kHeads, max_length, kHeadDim};
    offsets = MakeSequenceOffsets(std::move(ends));
    mask = at::zeros({num_sequences, 1, 1, max_length}, at::kBool);
    for (int64_t s = 0; s < num_sequences; ++s) mask[s].slice(-1, 0, lengths[s]).fill_(true);
    for (int i = 0; i < 3; ++i) {
      qkv.push_back(at::randn(shape).set_requires_grad(true));
      direction.push_back(at::randn(shape));
    }
    g = at::randn(shape).set_requires_grad(true);
  }

  at::Tensor Attend() const {
    switch (method) {
      case kPacked:
        return PackedAttention(qkv[0], qkv[1], qkv[2], offsets, kHeads);
      case kPaddedMath: {
        const at::Tensor scores = at::matmul(qkv[0] * std::pow(kHeadDim, -0.5), qkv[1].transpose(-1, -2));
        return at::matmul(at::softmax(scores.masked_fill(mask.logical_not(), -1e9), -1), qkv[2]);
      }
      case kPaddedFused:
        return at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], mask);
    }
    LOG(FATAL) << "no such method";
  }

  void Run(Depth depth) const {
    if (depth == kForward) {
      const at::NoGradGuard no_grad;
      benchmark::DoNotOptimize(Attend());
      return;
    }
    const bool twice = depth == kSecondBackward;
    const auto gradients = torch::autograd::grad({Attend()}, qkv, {twice ? g : g.detach()}, twice, twice);
    if (twice) {
      benchmark::DoNotOptimize(torch::autograd::grad(gradients, {qkv[0], qkv[1], qkv[2], g}, direction));
    }
  }
};

double Seconds(const Problem& problem, Depth depth) {
  const auto start = std::chrono::steady_clock::now();
  problem.Run(depth);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void BM_Attention(benchmark::State& state, Method method, Depth depth) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  const Problem problem(method), packed(kPacked);
  Seconds(problem, depth);
  Seconds(packed, depth);
  double best = HUGE_VAL, packed_best = HUGE_VAL;
  for (auto _ : state) {
    const double seconds = Seconds(problem, depth);
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
    packed_best = std::min(packed_best, Seconds(packed, depth));
  }
  const std::vector<int64_t> lengths = Lengths();
  const double products = depth == kForward ? 2 : depth == kBackward ? 2 + 5 : 2 + 5 + 12;
  const double flops = 2 * products * kWidth * std::inner_product(lengths.begin(), lengths.end(), lengths.begin(), 0.0);
  state.counters["best_us"] = best * 1e6;
  state.counters["GFLOP/s"] = flops / best / 1e9;
  state.counters["vs_packed"] = best / packed_best;
}

#define GBMOA_ATTENTION_BENCHMARK(method, depth)                   \
  BENCHMARK_CAPTURE(BM_Attention, method##_##depth, method, depth) \
      ->ArgName("threads")                                         \
      ->Arg(1)                                                     \
      ->Arg(2)                                                     \
      ->UseManualTime()                                            \
      ->Unit(benchmark::kMicrosecond)

GBMOA_ATTENTION_BENCHMARK(kPacked, kForward);
GBMOA_ATTENTION_BENCHMARK(kPaddedMath, kForward);
GBMOA_ATTENTION_BENCHMARK(kPaddedFused, kForward);
GBMOA_ATTENTION_BENCHMARK(kPacked, kBackward);
GBMOA_ATTENTION_BENCHMARK(kPaddedMath, kBackward);
GBMOA_ATTENTION_BENCHMARK(kPaddedFused, kBackward);
GBMOA_ATTENTION_BENCHMARK(kPacked, kSecondBackward);
GBMOA_ATTENTION_BENCHMARK(kPaddedMath, kSecondBackward);  // the fused kernel has no second derivative

}  // namespace
}  // namespace gbmoa
