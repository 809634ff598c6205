// For benchmarks: MiniLM-L6's shapes with random weights and adapters, texts like definitions, and times as ratios.
#ifndef GBMOA_ADAPTER_MINILM_BENCHMARK_H_
#define GBMOA_ADAPTER_MINILM_BENCHMARK_H_

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

constexpr int kMiniLmVocabulary = 1000;  // words are looked up, not multiplied

// Bottleneck adapters of 64, five classes, products in the fastest type here.
inline std::shared_ptr<const AdaptedEncoder> RandomMiniLm() {
  const BackboneConfig config = BertOfSizes({kMiniLmVocabulary, 384, 6, 12, 1536, 512});
  return std::make_shared<const AdaptedEncoder>(
      Backbone::FromWeights(config, RandomEncoderWeights(config, 1), FastestPrecision()),
      std::make_shared<const BottleneckAdapter>(64), 5);
}

// 312 tokens in 25 sequences of five classes, as in five-way five-shot adaptation: mean 12.5 and spread as in
// definitions, fixed, so that runs compare.
inline Batch DefinitionLikeTexts() {
  const std::vector<int> lengths = {13, 8,  10, 20, 7,  12, 27, 9,  11, 15, 8, 13, 7,
                                    17, 11, 9,  22, 10, 12, 8,  14, 11, 10, 9, 19};
  const RandomStream stream(1, "texts");
  Batch batch;
  batch.num_classes = 5;
  for (size_t i = 0; i < lengths.size(); ++i) {
    batch.labels.push_back(static_cast<int64_t>(i % 5));
    for (int t = 0; t < lengths[i]; ++t) {
      batch.tokens.ids.push_back(static_cast<int32_t>(stream.Below(kMiniLmVocabulary, batch.tokens.ids.size())));
      batch.tokens.type_ids.push_back(0);
    }
    batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
  }
  return batch;
}

// Times `run`, and in turns with it `yardstick`; reports the best time of `run` as best_ms and its ratio to that of the
// yardstick, which holds on a busy machine too, under `name`. The benchmark's argument is the number of threads.
// Returns the best time in seconds.
template <typename Run, typename Yardstick>
double TimeAgainst(benchmark::State& state, const Run& run, const char* name, const Yardstick& yardstick) {
  const auto seconds = [](const auto& function) {
    const auto start = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  at::set_num_threads(static_cast<int>(state.range(0)));
  run();
  yardstick();
  double best = HUGE_VAL, yardstick_best = HUGE_VAL;
  for (auto _ : state) {
    const double time = seconds(run);
    state.SetIterationTime(time);
    best = std::min(best, time);
    yardstick_best = std::min(yardstick_best, seconds(yardstick));
  }
  state.counters["best_ms"] = best * 1e3;
  state.counters[name] = best / yardstick_best;
  return best;
}

// `function`(state, what) at one and at two threads.
#define GBMOA_BENCHMARK_BY_THREADS(function, what) \
  BENCHMARK_CAPTURE(function, what, what)          \
      ->ArgName("threads")                         \
      ->Arg(1)                                     \
      ->Arg(2)                                     \
      ->UseManualTime()                            \
      ->Unit(benchmark::kMillisecond)

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_MINILM_BENCHMARK_H_
