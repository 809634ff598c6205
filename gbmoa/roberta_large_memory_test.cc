// What one gradient of bottleneck adapters in RoBERTa-large takes of resident memory, weights included.
//
// Each precision is measured in a fresh child process on one thread, from before the weights are made. What is
// measured beside the asserted peak is printed.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/backbone/published.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/threads.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr int kSequences = 8, kTokens = 64, kBottleneck = 64, kClasses = 2;

// 355 M numbers of a million: normal, standard deviation 0.02, around 1 for layer norm's weights. Drawing each would
// take half a minute.
EncoderWeights CheapWeights(const BackboneConfig& config) {
  constexpr int64_t kDrawn = 1'000'003;  // prime: no two rows are alike
  const RandomStream stream(1, "weights");
  std::vector<float> drawn(kDrawn);
  for (int64_t i = 0; i < kDrawn; ++i) drawn[i] = static_cast<float>(0.02 * stream.Normal(i));
  EncoderWeights weights;
  weights.layers.resize(config.num_hidden_layers());
  std::vector<std::vector<int64_t>> shapes;
  ForEachShape(config, [&](const std::string&, const std::vector<int64_t>& shape) { shapes.push_back(shape); });
  size_t next = 0;
  int64_t from = 0;
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) {
    tensor = at::empty(shapes[next++], at::kFloat);
    float* const data = tensor.mutable_data_ptr<float>();
    for (int64_t done = 0; done < tensor.numel();) {
      const int64_t count = std::min(tensor.numel() - done, kDrawn - from);
      std::copy_n(drawn.data() + from, count, data + done);
      done += count;
      from = (from + count) % kDrawn;
    }
    if (name.find("LayerNorm.weight") != std::string::npos) tensor.add_(1);
  });
  return weights;
}

Batch RandomSequences(const BackboneConfig& config) {
  const RandomStream stream(2, "tokens");
  Batch batch;
  batch.num_classes = kClasses;
  for (int s = 0; s < kSequences; ++s) {
    std::vector<int32_t> ids;
    for (int t = 0; t < kTokens; ++t) {
      ids.push_back(static_cast<int32_t>(stream.Below(config.vocab_size(), s * kTokens + t)));
    }
    batch.tokens.Append(ids, std::vector<int32_t>(kTokens, 0));
    batch.labels.push_back(s % kClasses);
  }
  return batch;
}

struct Growth {
  double weights = 0, gradient = 0;  // peaks so far, bytes: once the backbone is there; once the gradient is
};

// In a process that does nothing else before or after; an exception must end it before GoogleTest sees it.
Growth Measure(const BackboneConfig& config, Precision precision) noexcept {
  CHECK(mallopt(M_MMAP_THRESHOLD, 64 << 10) && mallopt(M_TRIM_THRESHOLD, 64 << 10) && mallopt(M_ARENA_MAX, 1));
  SetIntraOpThreads(1);
  const int64_t before = ResidentBytes();
  const auto growth = [&] { return static_cast<double>(PeakResidentBytes() - before); };
  const auto backbone = Backbone::FromWeights(config, CheapWeights(config), precision);
  Growth result;
  result.weights = growth();

  const AdaptedEncoder model(backbone, std::make_shared<const BottleneckAdapter>(kBottleneck), kClasses);
  const Batch batch = RandomSequences(config);
  const auto packed = model.Pack({&batch});
  CHECK(packed.ok()) << packed.status();
  const at::Tensor phi =
      model.StandardStart(RandomStream(1, "start")).add_(1e-3).unsqueeze(0).set_requires_grad(true);  // [1, P]
  const at::Tensor loss = AdaptedEncoder::Losses(model.Logits(phi, *packed), *packed).sum();
  const at::Tensor gradient = torch::autograd::grad({loss}, {phi})[0];
  CHECK(gradient.isfinite().all().item<bool>());
  CHECK_GT(gradient.abs().sum().item<double>(), 0);
  result.gradient = growth();
  return result;
}

// In a child. This process itself must not have run LibTorch: its threads would be missing in the child.
Growth MeasureInChild(const BackboneConfig& config, Precision precision) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    const Growth growth = Measure(config, precision);
    _exit(write(ends[1], &growth, sizeof(growth)) == sizeof(growth) ? 0 : 1);
  }
  close(ends[1]);
  Growth growth;
  if (read(ends[0], &growth, sizeof(growth)) != sizeof(growth)) growth = Growth();
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return growth;
}

TEST(RobertaLargeMemoryTest, OneGradientOfAdapters) {
  const absl::StatusOr<BackboneConfig> config = PublishedBackboneConfig("roberta-large");
  ASSERT_THAT(config, IsOk());
  const struct {
    const char* name;
    Precision precision;
    double limit;  // bytes
  } kCases[] = {// Measured 2.35 and 2.66 GB, and 15 % for the allocator and other numbers of threads: one more copy of
                // the weights
                // (1.4 GB) does not pass.
                {"float32", Precision::kFloat32, 2.7e9},
                {"bfloat16", Precision::kBFloat16, 3.1e9}};
  for (const auto& c : kCases) {
    const Growth growth = MeasureInChild(*config, c.precision);
    std::printf("%s: %.2f GB with the weights, %.2f GB with the gradient of %d sequences of %d tokens\n", c.name,
                growth.weights / 1e9, growth.gradient / 1e9, kSequences, kTokens);
    EXPECT_LT(growth.gradient, c.limit) << c.name;
    // 354 M weights in float32, whatever the products' type: less was not measured.
    EXPECT_GT(growth.weights, 1.4e9) << c.name;
    EXPECT_GT(growth.gradient, growth.weights) << c.name;
  }
}

}  // namespace
}  // namespace gbmoa
