// How many bytes of English prose a second each tokenizer takes, on one core; and how long it is in loading.

#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "eval/tokenizer.h"
#include "eval/tokenizers/tokenizer_testing.h"
#include "gbmoa/base/runfiles.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

std::string Folder(bool wordpiece) {
  const absl::StatusOr<std::string> folder =
      wordpiece ? BundledBackboneFolder() : RunfilePath("gbmoa/eval/tokenizers/testdata/byte_level_bpe");
  CHECK(folder.ok()) << folder.status();
  return *folder;
}

std::unique_ptr<Tokenizer> Load(bool wordpiece) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(Folder(wordpiece));
  CHECK(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// WordNet's glosses, one after the other: 9.6 MB.
void BM_Encode(benchmark::State& state) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(state.range(0) == 1);
  const std::vector<std::string> glosses = WordNetGlosses();
  size_t next = 0;
  int64_t bytes = 0, tokens = 0;
  for (auto _ : state) {
    const std::string& gloss = glosses[next];
    next = (next + 1) % glosses.size();
    const absl::StatusOr<TokenIds> encoded = tokenizer->Encode(gloss, 512);
    CHECK(encoded.ok());
    bytes += static_cast<int64_t>(gloss.size());
    tokens += static_cast<int64_t>(encoded->ids.size());
  }
  state.SetBytesProcessed(bytes);
  state.SetItemsProcessed(tokens);
}
BENCHMARK(BM_Encode)->ArgName("wordpiece")->Arg(0)->Arg(1);

// One word of so many letters: time must grow with it no faster than n log n.
void BM_LongWord(benchmark::State& state) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(false);
  std::string word;
  while (word.size() < state.range(0)) word += "unaffable";
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->Encode(word, 512));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * word.size()));
}
BENCHMARK(BM_LongWord)->Arg(1000)->Arg(1000000)->Unit(benchmark::kMillisecond);

void BM_Load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Load(state.range(0) == 1));
}
BENCHMARK(BM_Load)->ArgName("wordpiece")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gbmoa
