// What a meta-gradient adds to the peak of resident memory, by the number k of inner steps: nothing, for every method
// that claims so (paper §3.3).
//
// Each (method, k) is measured in a fresh child process on one thread: a first meta-gradient with k = 1 allocates what
// stays, then the kernel's peak is reset and the second one is measured. glibc is told to return freed memory at once
// (blocks above 64 KB are mappings of their own), or the peak would depend on how the heap is cut up.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/threads.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/meta/meta_gradient.h"
#include "gbmoa/task/random_batch.h"

namespace gbmoa {
namespace {

// Two tasks of about 300 tokens in each set through 4 layers of width 64: one gradient's activations are 8 MB. φ of
// both tasks is 144 KB, so 75 copies of it are more than that, and a method that keeps one of each step cannot hide.
constexpr int kTasks = 2, kLayers = 4, kWidth = 64, kBottleneck = 16, kClasses = 2, kPerClass = 38;
constexpr double kPhiBytes =
    4.0 * kTasks * (2 * kLayers * (2 * kBottleneck * kWidth + kBottleneck + kWidth) + kClasses * (kWidth + 1));

// In a process that does nothing else before or after; an exception must end it before GoogleTest sees it.
double MeasureGrowth(const std::string& name, int steps) noexcept {
  CHECK(mallopt(M_MMAP_THRESHOLD, 64 << 10) && mallopt(M_TRIM_THRESHOLD, 64 << 10) && mallopt(M_ARENA_MAX, 1));
  SetIntraOpThreads(1);
  const BackboneConfig config = BertOfSizes({100, kWidth, kLayers, 4, 4 * kWidth, 16});
  const auto backbone = Backbone::FromWeights(config, RandomEncoderWeights(config, 1), Precision::kFloat32);
  const auto model = std::make_shared<const AdaptedEncoder>(
      backbone, std::make_shared<const BottleneckAdapter>(kBottleneck), kClasses);
  Episode episodes[kTasks];
  std::vector<const Episode*> pointers;
  for (int i = 0; i < kTasks; ++i) {
    const auto batch = [&](uint64_t seed) {
      return RandomBatch(kClasses, kPerClass, Encoding::kOneSequence, 100, RandomStream(seed, "batch"));
    };
    episodes[i] = {"random", batch(2 * i), batch(2 * i + 1)};
    pointers.push_back(&episodes[i]);
  }
  const int64_t body = model->layout().size(ParameterGroup::kBody);
  auto problem = EpisodeProblem::Create(model, pointers, [&](const at::Tensor& psi) {
    return psi.unsqueeze(0).expand({kTasks, body});
  });
  CHECK(problem.ok()) << problem.status();
  const at::Tensor phi0 =
      (*problem)->InitialParameters(model->StandardStart(RandomStream(1, "start")).narrow(0, 0, body)).detach();
  CHECK_EQ(4.0 * static_cast<double>(phi0.numel()), kPhiBytes);

  auto method = MetaGradientRegistry::Global().Create(name);
  CHECK(method.ok()) << method.status();
  MetaGradientOptions options;
  options.inner_loop.rates = at::full({phi0.size(1)}, 0.01, at::kFloat);
  options.lambda = 10;  // the same system for every k
  options.solver.max_iterations = 3;
  const auto compute = [&](int k) {
    options.inner_loop.steps = k;
    const auto gradient = (*method)->Compute(**problem, phi0, options);
    CHECK(gradient.ok()) << gradient.status();
    CHECK(gradient->initial_gradient.isfinite().all().item<bool>());
  };
  if (ResetPeakResident()) {
    compute(1);
    CHECK(ResetPeakResident());
  }
  // Else the peak is that of the whole life, so nothing may come before; what stays is then part of the growth for
  // every k.
  const int64_t before = ResidentBytes();
  compute(steps);
  return static_cast<double>(PeakResidentBytes() - before);
}

// In a child; 0 if it failed, with its message on stderr. This process itself must not have run LibTorch: its threads
// would be missing in the child.
double GrowthInChild(const std::string& name, int steps) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    const double growth = MeasureGrowth(name, steps);
    _exit(write(ends[1], &growth, sizeof(growth)) == sizeof(growth) ? 0 : 1);
  }
  close(ends[1]);
  double growth = 0;
  if (read(ends[0], &growth, sizeof(growth)) != sizeof(growth)) growth = 0;
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << name << ", k = " << steps;
  EXPECT_GT(growth, 4e6) << name << ", k = " << steps << ": less than the activations of a gradient";
  std::printf("%-22s k = %2d: %6.1f MB\n", name.c_str(), steps, growth / 1e6);
  return growth;
}

// Every registered method, those of the future too, but for the two that keep something of each step.
TEST(MetaMemory, DoesNotGrowWithInnerSteps) {
  int checked = 0;
  for (const std::string& name : MetaGradientRegistry::Global().Names()) {
    if (absl::StartsWith(name, "unrolled")) continue;
    const double few = GrowthInChild(name, 5), many = GrowthInChild(name, 80);
    // The kernel brings its counts up to date every 64 pages, those of files and others apart: half a MB.
    EXPECT_LT(many, 1.1 * few + 0.5e6) << name;
    EXPECT_GT(many, 0.9 * few - 0.5e6) << name;
    ++checked;
  }
  EXPECT_GE(checked, 2);
}

// The measurement can fail: four times the steps keep nearly four times the activations.
TEST(MetaMemory, UnrolledGrows) { EXPECT_GT(GrowthInChild("unrolled", 20), 2 * GrowthInChild("unrolled", 5)); }

// It keeps φ of each step and the graph of one; and copies of φ alone do show.
TEST(MetaMemory, CheckpointedUnrolledGrowsByPhiOnly) {
  const std::string name = "unrolled_checkpointed";
  const double few = GrowthInChild(name, 5), many = GrowthInChild(name, 80);
  EXPECT_LT(many, 1.1 * few + 75 * kPhiBytes);
  EXPECT_GT(many, few + 0.7 * 75 * kPhiBytes);
  EXPECT_LT(many, GrowthInChild("unrolled", 5));
}

}  // namespace
}  // namespace gbmoa
