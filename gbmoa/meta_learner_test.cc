// Which tasks meta-training visits and when it reads them, on a tiny random encoder.
#include "gbmoa/meta_learner.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/curriculum.h"
#include "gbmoa/task/random_batch.h"

namespace gbmoa {
namespace {

std::shared_ptr<const Backbone> TinyBackbone() {
  static const std::shared_ptr<const Backbone>* backbone = [] {
    const BackboneConfig config = BertOfSizes({40, 8, 2, 2, 16, 16});
    return new std::shared_ptr<const Backbone>(
        Backbone::FromWeights(config, LivelyEncoderWeights(config, 1), Precision::kFloat32));
  }();
  return *backbone;
}

// Tasks of two or three classes; notes which positions are read.
class NotedTasks : public EpisodeSource {
 public:
  Episode At(uint64_t position) const override {
    read_.push_back(static_cast<int64_t>(position));
    const int classes = position % 3 == 0 ? 3 : 2;
    return {absl::StrCat("noted/", position),
            RandomBatch(classes, 2, Encoding::kOneSequence, 40, RandomStream(2 * position, "task")),
            RandomBatch(classes, 2, Encoding::kOneSequence, 40, RandomStream(2 * position + 1, "task"))};
  }
  const std::vector<int64_t>& read() const { return read_; }

 private:
  mutable std::vector<int64_t> read_;
};

constexpr int64_t kSteps = 10, kTasks = 20;  // two tasks a step

struct Training {
  TaskOrder order;
  std::vector<int64_t> read;
  std::string state;  // the bytes of the saved file
};

Training Train(LearnerOptions learner_options, const std::vector<int64_t>& replay_order = {}, int64_t steps = kSteps) {
  learner_options["bottleneck_dim"] = "2";
  absl::StatusOr<std::unique_ptr<Learner>> learner =
      LearnerRegistry::Global().Create("gbmoa", TinyBackbone(), learner_options);
  EXPECT_THAT(learner, IsOk());
  Training training;
  MetaTrainOptions options;
  options.seed = 7;
  options.steps = steps;
  options.replay_order = replay_order;
  options.on_order = [&](const TaskOrder& order) {
    training.order = order;
    return absl::OkStatus();
  };
  NotedTasks tasks;
  EXPECT_THAT((*learner)->MetaTrain(tasks, options), IsOk());
  training.read = tasks.read();
  const std::string path = absl::StrCat(testing::TempDir(), "/state");
  EXPECT_THAT((*learner)->Save(path), IsOk());
  std::ifstream file(path, std::ios::binary);
  training.state = std::string(std::istreambuf_iterator<char>(file), {});
  return training;
}

std::vector<int64_t> Counting() {
  std::vector<int64_t> positions(kTasks);
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

TEST(MetaLearner, CurriculumOrderIsThatOfTheDifficultiesTold) {
  for (const char* share : {"0.2", "0.5"}) {
    const Training training = Train({{"curriculum", "true"}, {"curriculum_initial_share", share}});
    ASSERT_EQ(training.order.positions.size(), kTasks);
    ASSERT_EQ(training.order.difficulties.size(), kTasks);
    std::vector<double> by_position(kTasks, -1);
    for (int64_t j = 0; j < kTasks; ++j) {
      EXPECT_GE(training.order.difficulties[j], 0);
      EXPECT_LE(training.order.difficulties[j], 1 + 1e-6);  // float32 probabilities
      by_position[training.order.positions[j]] = training.order.difficulties[j];
    }
    EXPECT_GT(*std::max_element(by_position.begin(), by_position.end()),
              *std::min_element(by_position.begin(), by_position.end()));
    CurriculumOptions options;
    options.initial_share = std::stod(share);
    EXPECT_EQ(training.order.positions, CurriculumOrder(by_position, options, RandomStream(7, "curriculum")));
    EXPECT_NE(training.order.positions, Counting());
  }
}

TEST(MetaLearner, WithoutCurriculumCountsUpAndMeasuresNothing) {
  const Training training = Train({{"curriculum", "false"}});
  EXPECT_EQ(training.order.positions, Counting());
  EXPECT_TRUE(training.order.difficulties.empty());
}

TEST(MetaLearner, AReplayGivesTheSameBytesAndAnotherOrderOthers) {
  const Training first = Train({{"curriculum", "true"}});
  const Training again = Train({{"curriculum", "false"}}, first.order.positions);
  EXPECT_EQ(again.order.positions, first.order.positions);
  EXPECT_TRUE(again.state == first.state);
  EXPECT_FALSE(Train({{"curriculum", "false"}}).state == first.state);
  // The same tasks in pairs of others.
  std::vector<int64_t> rotated = first.order.positions;
  std::rotate(rotated.begin(), rotated.begin() + 1, rotated.end());
  EXPECT_FALSE(Train({{"curriculum", "true"}}, rotated).state == first.state);
  // A replay may leave the first N positions and come back to one.
  std::vector<int64_t> elsewhere(kTasks, 1000000);
  elsewhere[3] = 5;
  EXPECT_EQ(Train({{"curriculum", "true"}}, elsewhere).read, elsewhere);
}

// The curriculum reads each task once to measure it, in order, and once when its step comes; otherwise once is enough.
TEST(MetaLearner, ReadsTasksInOrderAndNoMoreOftenThanItMust) {
  const Training with = Train({{"curriculum", "true"}});
  std::vector<int64_t> expected = Counting();
  expected.insert(expected.end(), with.order.positions.begin(), with.order.positions.end());
  EXPECT_EQ(with.read, expected);
  EXPECT_EQ(Train({{"curriculum", "false"}}).read, Counting());
  EXPECT_EQ(Train({{"curriculum", "true"}}, with.order.positions).read, with.order.positions);
}

// Each changes where training ends up; what is not passed on would not.
TEST(MetaLearner, EveryOptionOfTheOuterLoopCounts) {
  LearnerOptions options = {{"meta_steps", "3"}, {"warm_up", "1"}};
  const auto state = [&](const std::string& name, const std::string& value) {
    LearnerOptions changed = options;
    if (!name.empty()) changed[name] = value;
    return Train(changed, {}, /*steps=*/-1).state;
  };
  const std::string base = state("", "");
  EXPECT_TRUE(state("", "") == base);
  const struct {
    const char *name, *value;
  } cases[] = {{"meta_steps", "4"},    {"outer_rate", "0.001"},    {"warm_up", "2"}, {"final_rate", "1"},
               {"clip_norm", "0.001"}, {"tasks_per_step", "1"},    {"lambda", "50"}, {"inner_steps", "2"},
               {"inner_rate", "0.3"},  {"inner_head_rate", "0.01"}};
  for (const auto& test : cases) EXPECT_FALSE(state(test.name, test.value) == base) << test.name;
}

TEST(GbmoaLearner, GeneratesWithASharedOrAFullLastLayer) {
  // D = 8, M = 2, 4 slots: 2 · 2 · 8 + 2 + 8 = 42 numbers a slot. Task encoder with E = 4 and F = 256.
  const int64_t task_encoder = (8 + 1) * 4 + (4 + 1) * 12 + (4 + 1) * 4 + 8 + (4 + 1) * 256 + (256 + 1) * 4 + 8;
  const struct {
    const char* kind;
    int64_t generator;
  } cases[] = {{"shared", 4 * 64 + (4 + 64 + 1) * 3 + (3 + 1) * 42}, {"full", (4 + 1) * 3 + (3 + 1) * 4 * 42}};
  const Batch support_set = RandomBatch(2, 4, Encoding::kOneSequence, 40, RandomStream(1, "support"));
  for (const auto& test : cases) {
    const LearnerOptions options = {{"hypernetwork", test.kind},
                                    {"bottleneck_dim", "2"},
                                    {"task_embedding_dim", "4"},
                                    {"hypernetwork_hidden", "3"}};
    const auto make = [&] { return *LearnerRegistry::Global().Create("gbmoa", TinyBackbone(), options); };
    const std::unique_ptr<Learner> learner = make(), untrained = make(), loaded = make();
    EXPECT_EQ(learner->CountParameters(2).meta, task_encoder + test.generator) << test.kind;
    EXPECT_EQ(learner->CountParameters(2).per_task, 4 * 42);
    MetaTrainOptions training;
    training.steps = 3;
    std::vector<double> losses;
    training.on_step = [&](const MetaTrainProgress& progress) {
      losses.push_back(progress.query_loss);
      EXPECT_EQ(progress.skipped, 0);
      return absl::OkStatus();
    };
    ASSERT_THAT(learner->MetaTrain(NotedTasks(), training), IsOk());
    ASSERT_EQ(losses.size(), 3);
    for (const double loss : losses) EXPECT_TRUE(std::isfinite(loss)) << test.kind;
    training.steps = 0;
    training.on_step = nullptr;
    ASSERT_THAT(untrained->MetaTrain(NotedTasks(), training), IsOk());

    const std::string path = absl::StrCat(testing::TempDir(), "/", test.kind);
    ASSERT_THAT(learner->Save(path), IsOk());
    ASSERT_THAT(loaded->Load(path), IsOk());
    AdaptOptions adapt;
    adapt.steps = 3;
    const auto parameters = [&](const Learner& which) {
      absl::StatusOr<Adaptation> adaptation = which.Adapt(support_set, adapt);
      EXPECT_THAT(adaptation, IsOk());
      return adaptation->predictor->Parameters();
    };
    EXPECT_TRUE(parameters(*loaded) == parameters(*learner)) << test.kind;
    EXPECT_FALSE(parameters(*untrained) == parameters(*learner)) << test.kind;
  }
  EXPECT_THAT(LearnerRegistry::Global().Create("gbmoa", TinyBackbone(), {{"hypernetwork", "none"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("option hypernetwork = 'none': wanted one of shared, full")));
}

}  // namespace
}  // namespace gbmoa
