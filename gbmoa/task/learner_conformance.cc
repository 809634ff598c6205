#include "gbmoa/task/learner_conformance.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/task/random_batch.h"

namespace gbmoa {
namespace {

using testing::HasSubstr;
using Parameters = std::map<std::string, std::vector<float>>;

constexpr absl::StatusCode kInvalidArgument = absl::StatusCode::kInvalidArgument;

// Words of the backbone's vocabulary.
Batch WordBatch(int classes, int per_class, Encoding encoding, uint64_t seed) {
  return RandomBatch(classes, per_class, encoding, GetConformanceBackbone().vocab_size,
                     RandomStream(seed, "conformance"));
}

// Eight examples of two classes.
Batch EightTexts(uint64_t seed = 1) { return WordBatch(2, 4, Encoding::kOneSequence, seed); }
Batch EightPairs(uint64_t seed = 1) { return WordBatch(2, 4, Encoding::kPairApart, seed); }

// A regression of texts or pairs.
Batch Values(int size, Encoding encoding, uint64_t seed) {
  return RandomRegression(size, encoding, GetConformanceBackbone().vocab_size, RandomStream(seed, "conformance"));
}

double MeanSquare(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum / static_cast<double>(values.size());
}

double Variance(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return MeanSquare(values) - std::pow(sum / static_cast<double>(values.size()), 2);
}

// Two-way tasks of texts and three-way tasks of pairs by turns.
class SyntheticTasks : public EpisodeSource {
 public:
  Episode At(uint64_t position) const override {
    ++calls_;
    const int classes = position % 2 == 0 ? 2 : 3;
    const Encoding encoding = position % 2 == 0 ? Encoding::kOneSequence : Encoding::kPairApart;
    return {absl::StrCat("synthetic/", position), WordBatch(classes, 2, encoding, 1000 + 2 * position),
            WordBatch(classes, 2, encoding, 1001 + 2 * position)};
  }
  int calls() const { return calls_; }

 private:
  mutable std::atomic<int> calls_{0};
};

bool AllFinite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

std::string Contents(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  std::stringstream contents;
  contents << stream.rdbuf();
  return contents.str();
}

class LearnerConformanceTest : public testing::TestWithParam<std::string> {
 protected:
  static absl::StatusOr<std::unique_ptr<Learner>> Create(const LearnerOptions& options) {
    return LearnerRegistry::Global().Create(GetParam(), GetConformanceBackbone().backbone, options);
  }

  static std::unique_ptr<Learner> Make(const LearnerOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Learner>> learner = Create(options);
    EXPECT_THAT(learner, IsOk());
    return *std::move(learner);
  }

  static void MetaTrain(Learner& learner, int64_t steps = 2) {
    MetaTrainOptions options;
    options.seed = 1;
    options.steps = steps;
    EXPECT_THAT(learner.MetaTrain(SyntheticTasks(), options), IsOk());
  }

  // One that can adapt.
  static std::unique_ptr<Learner> MakeReady(const LearnerOptions& options = {}) {
    std::unique_ptr<Learner> learner = Make(options);
    if (learner->meta_learns()) MetaTrain(*learner);
    return learner;
  }

  static AdaptOptions Steps(int steps, int batch_size = 0) {
    AdaptOptions options;
    options.steps = steps;
    options.batch_size = batch_size;
    options.seed = 1;
    return options;
  }

  static Adaptation Adapt(const Learner& learner, const Batch& support_set, const AdaptOptions& options) {
    absl::StatusOr<Adaptation> adaptation = learner.Adapt(support_set, options);
    EXPECT_THAT(adaptation, IsOk());
    return *std::move(adaptation);
  }

  static std::vector<float> Probabilities(const Predictor& predictor, const Batch& batch) {
    const absl::StatusOr<Prediction> prediction = predictor.Predict(batch);
    EXPECT_THAT(prediction, IsOk());
    EXPECT_EQ(prediction->size(), batch.size());
    return prediction->probabilities;
  }

  static std::vector<float> PredictedValues(const Predictor& predictor, const Batch& batch) {
    const absl::StatusOr<Prediction> prediction = predictor.Predict(batch);
    EXPECT_THAT(prediction, IsOk());
    EXPECT_EQ(prediction->num_classes, 0);
    EXPECT_TRUE(prediction->probabilities.empty());
    EXPECT_EQ(prediction->size(), batch.size());
    EXPECT_TRUE(AllFinite(prediction->values));
    return prediction->values;
  }

  // A reference trains nothing, before or at a task: its counts say so. Learning is not asked of it.
  static bool IsReference(const Learner& learner) {
    const ParameterCounts counts = learner.CountParameters(2);
    return counts.per_task == 0 && counts.meta == 0 && Adapt(learner, EightTexts(), Steps(1)).report.steps == 0;
  }

  static bool Knows(const std::string& option) {
    const std::vector<std::string> known = KnownOptions();
    return std::find(known.begin(), known.end(), option) != known.end();
  }

  // The names that the factory knows, from its own message.
  static std::vector<std::string> KnownOptions() {
    const absl::Status status = Create({{"no_such_option", "7"}}).status();
    EXPECT_THAT(status, StatusIs(kInvalidArgument, HasSubstr("unknown option no_such_option = '7'; known: ")));
    const std::vector<std::string> parts = absl::StrSplit(std::string(status.message()), "known: ");
    return absl::StrSplit(parts.back(), ", ", absl::SkipEmpty());
  }

  // `wanted`, less what this learner does not know.
  static LearnerOptions IfKnown(const LearnerOptions& wanted) {
    LearnerOptions options;
    for (const std::string& name : KnownOptions()) {
      if (const auto found = wanted.find(name); found != wanted.end()) options.insert(*found);
    }
    return options;
  }

  static std::string TemporaryPath(const std::string& name) {
    return absl::StrCat(testing::TempDir(), "/", GetParam(), "_", name);
  }
};

// Everything from the factory on is done twice; the learner itself need not live as long as its predictor.
TEST_P(LearnerConformanceTest, SameSeedGivesTheSamePredictions) {
  const Batch query_set = EightTexts(2);
  const auto run = [&](uint64_t seed) {
    AdaptOptions options = Steps(5, /*batch_size=*/3);
    options.seed = seed;
    return Adapt(*MakeReady(), EightTexts(), options);
  };
  const Adaptation first = run(1), second = run(1), other = run(2);
  EXPECT_EQ(Probabilities(*first.predictor, query_set), Probabilities(*second.predictor, query_set));
  EXPECT_TRUE(first.predictor->Parameters() == second.predictor->Parameters());
  EXPECT_EQ(first.report.last_loss, second.report.last_loss);
  // Batches of three come in another order.
  if (other.report.steps > 0) {
    EXPECT_FALSE(first.predictor->Parameters() == other.predictor->Parameters());
  }
}

TEST_P(LearnerConformanceTest, FrozenWeightsStayBitIdentical) {
  const uint64_t before = GetConformanceBackbone().fingerprint();
  const std::unique_ptr<Learner> learner = Make();
  MetaTrain(*learner, 3);
  EXPECT_EQ(GetConformanceBackbone().fingerprint(), before) << "after MetaTrain";
  Adapt(*learner, EightTexts(), Steps(5));
  EXPECT_EQ(GetConformanceBackbone().fingerprint(), before) << "after Adapt";
}

TEST_P(LearnerConformanceTest, CountsWhatItTrainsAndMovesAllOfIt) {
  // Without decay only a gradient moves a parameter.
  const std::unique_ptr<Learner> learner = MakeReady(IfKnown({{"weight_decay", "0"}}));
  const bool is_reference = IsReference(*learner);
  for (const int classes : {2, 3}) {
    const Batch support_set = WordBatch(classes, 4, Encoding::kOneSequence, 1);
    Parameters start;
    AdaptOptions options = Steps(4);
    options.marks = {0};
    options.observer = [&](int, const Predictor& predictor) {
      start = predictor.Parameters();
      return absl::OkStatus();
    };
    const Adaptation adaptation = Adapt(*learner, support_set, options);
    const Parameters end = adaptation.predictor->Parameters();

    const ParameterCounts counts = learner->CountParameters(classes);
    int64_t head = 0, body = 0;
    for (const auto& [name, values] : end) {
      (absl::StartsWith(name, "head.") ? head : body) += static_cast<int64_t>(values.size());
    }
    EXPECT_EQ(counts.per_task, body);
    EXPECT_EQ(counts.head, head);
    EXPECT_GT(counts.head, 0);
    EXPECT_EQ(counts.backbone, GetConformanceBackbone().num_parameters);
    EXPECT_EQ(counts.meta > 0, learner->meta_learns());

    ASSERT_EQ(start.size(), end.size());
    for (const auto& [name, values] : end) {
      ASSERT_EQ(start[name].size(), values.size()) << name;
      // A bias of the keys adds the same number to all scores of a query, and softmax takes no notice: the gradient is
      // zero but for rounding.
      if (absl::EndsWith(name, "attention.self.key.bias")) continue;
      EXPECT_EQ(start[name] == values, is_reference) << name;
    }
  }
}

TEST_P(LearnerConformanceTest, OverfitsEightExamples) {
  const std::unique_ptr<Learner> learner = MakeReady();
  if (IsReference(*learner)) GTEST_SKIP() << "trains nothing: no per-task or meta-parameters, and takes no step";
  for (const Batch& support_set : {EightTexts(), EightPairs()}) {
    AdaptOptions options = Steps(400);
    options.head_start = HeadStart::kZero;  // no knowledge of the labels
    const Adaptation adaptation = Adapt(*learner, support_set, options);
    EXPECT_NEAR(adaptation.report.first_loss, std::log(2), 1e-6);  // a zero head: float32
    EXPECT_LT(adaptation.report.last_loss, 0.05);
    EXPECT_TRUE(adaptation.report.finite);
    EXPECT_EQ(adaptation.report.steps, 400);
    EXPECT_GT(adaptation.report.flops, 0);
    const absl::StatusOr<Prediction> prediction = adaptation.predictor->Predict(support_set);
    ASSERT_THAT(prediction, IsOk());
    for (int64_t i = 0; i < support_set.size(); ++i) EXPECT_EQ(prediction->label(i), support_set.labels[i]) << i;
  }
}

TEST_P(LearnerConformanceTest, FitsEightValues) {
  const std::unique_ptr<Learner> learner = MakeReady(IfKnown({{"head_learning_rate", "0.01"}, {"weight_decay", "0"}}));
  const bool is_reference = IsReference(*learner);
  const uint64_t fingerprint = GetConformanceBackbone().fingerprint();
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    const Batch support_set = Values(8, encoding, 1);
    const double spread = Variance(support_set.targets);
    const auto error = [&](const Predictor& predictor) {
      std::vector<float> differences = PredictedValues(predictor, support_set);
      for (size_t i = 0; i < differences.size(); ++i) differences[i] -= support_set.targets[i];
      return MeanSquare(differences);
    };
    Parameters start;
    double start_error = 0;
    AdaptOptions options = Steps(4);
    options.marks = {0};
    options.observer = [&](int, const Predictor& predictor) {
      start = predictor.Parameters();
      start_error = error(predictor);
      return absl::OkStatus();
    };
    const Adaptation adaptation = Adapt(*learner, support_set, options);
    EXPECT_LT(start_error, 0.9 * spread) << "a head of ridge regression knows more than the mean";

    const Parameters end = adaptation.predictor->Parameters();
    int64_t head = 0, body = 0;
    for (const auto& [name, values] : end) {
      (absl::StartsWith(name, "head.") ? head : body) += static_cast<int64_t>(values.size());
      if (absl::EndsWith(name, "attention.self.key.bias")) continue;  // has no gradient but rounding
      EXPECT_EQ(start[name] == values, is_reference) << name;
    }
    EXPECT_EQ(learner->CountParameters(1).head, head);
    EXPECT_EQ(learner->CountParameters(1).per_task, body);
    if (is_reference) continue;

    EXPECT_NEAR(adaptation.report.first_loss, start_error, 1e-4 * start_error);  // float32
    options = Steps(300);
    options.head_start = HeadStart::kZero;
    const Adaptation from_zero = Adapt(*learner, support_set, options);
    EXPECT_NEAR(from_zero.report.first_loss, MeanSquare(support_set.targets), 1e-4);  // every value is 0: float32
    EXPECT_LT(from_zero.report.last_loss, 0.1 * spread);
    EXPECT_LT(error(*from_zero.predictor), 0.1 * spread);
    EXPECT_TRUE(from_zero.report.finite);
  }
  EXPECT_EQ(GetConformanceBackbone().fingerprint(), fingerprint);
  if (!Knows("head") || learner->meta_learns()) return;

  const Batch support_set = Values(8, Encoding::kOneSequence, 1);
  const auto tanh = Make({{"head", "tanh"}, {"head_learning_rate", "0.02"}});
  const Adaptation adaptation = Adapt(*tanh, support_set, Steps(300));
  EXPECT_NEAR(adaptation.report.first_loss, MeanSquare(support_set.targets), 1e-4);  // W = 0: float32
  EXPECT_LT(adaptation.report.last_loss, 0.05 * Variance(support_set.targets));
  EXPECT_EQ(PredictedValues(*adaptation.predictor, Values(3, Encoding::kOneSequence, 2)).size(), 3u);
}

TEST_P(LearnerConformanceTest, ValuesDependOnTheSeedAndTheirOwnExampleOnly) {
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    const auto adapt = [&] { return Adapt(*MakeReady(), Values(8, encoding, 1), Steps(5, 3)).predictor; };
    const std::unique_ptr<Predictor> predictor = adapt();
    Batch batch = Values(150, encoding, 2);  // many enough to be cut into pieces
    const std::vector<float> together = PredictedValues(*predictor, batch);
    EXPECT_EQ(PredictedValues(*adapt(), batch), together);
    batch.targets.clear();
    batch.num_classes = 0;
    EXPECT_EQ(PredictedValues(*predictor, batch), together) << "targets were read";
    EXPECT_THAT(predictor->Logits(batch), IsOkAndHolds(together));
    for (const int64_t i : {0, 63, 64, 149}) {
      const std::vector<float> alone = PredictedValues(*predictor, SelectExamples(batch, {i}));
      ASSERT_EQ(alone.size(), 1u);
      EXPECT_NEAR(alone[0], together[i], 1e-4) << i;  // float32, other shapes
    }
    EXPECT_TRUE(PredictedValues(*predictor, SelectExamples(batch, {})).empty());
  }
}

TEST_P(LearnerConformanceTest, KeepsRegressionsAndClassificationsApart) {
  const std::unique_ptr<Learner> learner = MakeReady();
  const Batch eight = Values(8, Encoding::kOneSequence, 1);
  const auto regression = Adapt(*learner, eight, Steps(1)), classification = Adapt(*learner, EightTexts(), Steps(1));
  EXPECT_THAT(regression.predictor->Predict(EightTexts()),
              StatusIs(kInvalidArgument, HasSubstr("the model is of a regression")));
  EXPECT_THAT(regression.predictor->Logits(EightTexts()),
              StatusIs(kInvalidArgument, HasSubstr("the model is of a regression")));
  EXPECT_THAT(classification.predictor->Predict(eight),
              StatusIs(kInvalidArgument, HasSubstr("the model is of a classification")));
  const struct {
    const char* name;
    std::function<void(Batch&)> spoil;
    std::string message;
  } cases[] = {
      {"empty", [](Batch& b) { b.tokens = {}, b.targets = {}; }, "the support set is empty"},
      {"no targets", [](Batch& b) { b.targets = {}; }, "the support set has no targets"},
      {"too few", [](Batch& b) { b.targets.pop_back(); }, "the support set has 8 examples and 7 targets"},
      {"no classes", [](Batch& b) { b.num_classes = 0; }, "the support set has no classes"},
      {"two classes", [](Batch& b) { b.num_classes = 2; }, "a regression of 2 classes, wanted 1"},
      {"labels, too", [](Batch& b) { b.labels.assign(8, 0); }, "a regression with labels"},
      {"NaN", [](Batch& b) { b.targets[5] = std::nanf(""); }, "example 5: target nan is not finite"},
      {"infinite", [](Batch& b) { b.targets[0] = INFINITY; }, "example 0: target inf is not finite"},
  };
  for (const auto& test : cases) {
    Batch support_set = eight;
    test.spoil(support_set);
    EXPECT_THAT(learner->Adapt(support_set, Steps(2)), StatusIs(kInvalidArgument, HasSubstr(test.message)))
        << test.name;
  }

  if (!learner->meta_learns()) return;
  class RegressionAtOne : public EpisodeSource {
   public:
    explicit RegressionAtOne(bool in_query_set) : in_query_set_(in_query_set) {}
    Episode At(uint64_t position) const override {
      Episode episode = SyntheticTasks().At(position);
      if (position == 1) {
        (in_query_set_ ? episode.query_set : episode.support_set) = Values(4, Encoding::kOneSequence, 1);
      }
      return episode;
    }

   private:
    bool in_query_set_;
  };
  MetaTrainOptions options;
  options.steps = 2;
  for (const bool in_query_set : {false, true}) {
    for (const char* curriculum : {"true", "false"}) {
      EXPECT_THAT(Make(IfKnown({{"curriculum", curriculum}}))->MetaTrain(RegressionAtOne(in_query_set), options),
                  StatusIs(kInvalidArgument, HasSubstr("task synthetic/1 at position 1 is a regression")));
    }
  }
}

// A linear head alone would pass OverfitsEightExamples: here it may not move, and the rest has to do the work.
TEST_P(LearnerConformanceTest, LearnsWithoutItsHead) {
  const std::unique_ptr<Learner> learner =
      MakeReady(IfKnown({{"learning_rate", "0.01"}, {"head_learning_rate", "0"}, {"weight_decay", "0"}}));
  if (IsReference(*learner)) GTEST_SKIP() << "trains nothing: no per-task or meta-parameters, and takes no step";
  AdaptOptions options = Steps(60);
  Parameters start;
  options.marks = {0};
  options.observer = [&](int, const Predictor& predictor) {
    start = predictor.Parameters();
    return absl::OkStatus();
  };
  const Adaptation adaptation = Adapt(*learner, EightTexts(), options);
  Parameters end = adaptation.predictor->Parameters();
  ASSERT_TRUE(end["head.weight"] == start["head.weight"]) << "no option head_learning_rate?";
  // A soft prompt is the same before every text, so it sheds a fifth of the loss here; the others four fifths.
  EXPECT_LT(adaptation.report.last_loss, 0.9 * adaptation.report.first_loss);
}

TEST_P(LearnerConformanceTest, ObserverSeesTheMarksAndNothingElse) {
  const std::unique_ptr<Learner> learner = MakeReady();
  std::vector<int> seen;
  Parameters last;
  AdaptOptions options = Steps(5, /*batch_size=*/3);
  options.marks = {0, 1, 3, 5, 9};
  options.observer = [&](int step, const Predictor& predictor) {
    seen.push_back(step);
    last = predictor.Parameters();
    return absl::OkStatus();
  };
  const Adaptation adaptation = Adapt(*learner, EightTexts(), options);
  EXPECT_EQ(seen, IsReference(*learner) ? std::vector<int>({0}) : std::vector<int>({0, 1, 3, 5}));
  EXPECT_TRUE(adaptation.predictor->Parameters() == last);
  // To look is not to touch.
  EXPECT_TRUE(Adapt(*learner, EightTexts(), Steps(5, 3)).predictor->Parameters() == last);

  seen.clear();
  options.observer = [&](int step, const Predictor&) {
    seen.push_back(step);
    return absl::AbortedError("the observer has seen enough");
  };
  EXPECT_THAT(learner->Adapt(EightTexts(), options),
              StatusIs(absl::StatusCode::kAborted, "the observer has seen enough"));
  EXPECT_EQ(seen, std::vector<int>({0}));
}

TEST_P(LearnerConformanceTest, TasksAdaptedAtOnceEqualOneAfterTheOther) {
  const std::unique_ptr<Learner> learner = MakeReady();
  const Batch support_sets[] = {EightTexts(1), EightPairs(3)}, query_sets[] = {EightTexts(2), EightPairs(4)};
  const auto run = [&](int task) {
    return Probabilities(*Adapt(*learner, support_sets[task], Steps(10, 3)).predictor, query_sets[task]);
  };
  std::vector<float> alone[2], at_once[2];
  for (const int task : {0, 1}) alone[task] = run(task);
  std::vector<std::thread> threads;
  for (const int task : {0, 1}) threads.emplace_back([&, task] { at_once[task] = run(task); });
  for (std::thread& thread : threads) thread.join();
  for (const int task : {0, 1}) EXPECT_EQ(alone[task], at_once[task]) << task;
}

TEST_P(LearnerConformanceTest, PredictionsAreDistributionsAndIgnoreTheNeighbours) {
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    const Adaptation adaptation = Adapt(*MakeReady(), WordBatch(3, 3, encoding, 1), Steps(5));
    Batch batch = WordBatch(3, 50, encoding, 2);  // many enough to be cut into pieces
    const std::vector<float> together = Probabilities(*adaptation.predictor, batch);
    ASSERT_EQ(together.size(), 450u);
    batch.labels.clear();
    EXPECT_EQ(Probabilities(*adaptation.predictor, batch), together) << "labels were read";
    for (int64_t i = 0; i < batch.size(); ++i) {
      float sum = 0;
      for (int64_t c = 0; c < 3; ++c) sum += together[3 * i + c];
      EXPECT_NEAR(sum, 1, 1e-6);
    }
    for (const int64_t i : {0, 63, 64, 149}) {
      const std::vector<float> alone = Probabilities(*adaptation.predictor, SelectExamples(batch, {i}));
      for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(alone[c], together[3 * i + c], 1e-5) << i;  // float32, other shapes
    }
    EXPECT_TRUE(Probabilities(*adaptation.predictor, SelectExamples(batch, {})).empty());
  }
}

TEST_P(LearnerConformanceTest, RefusesBadSupportSets) {
  const std::unique_ptr<Learner> learner = MakeReady();
  const ConformanceBackbone& backbone = GetConformanceBackbone();
  const struct {
    const char* name;
    std::function<void(Batch&)> spoil;
    std::string message;
  } cases[] = {
      {"empty", [](Batch& b) { b.tokens = {}, b.labels = {}; }, "the support set is empty"},
      {"unlabelled", [](Batch& b) { b.labels = {}; }, "the support set has no labels"},
      {"too few labels", [](Batch& b) { b.labels.pop_back(); }, "the support set has 8 examples and 7 labels"},
      {"no classes", [](Batch& b) { b.num_classes = 0; }, "the support set has no classes"},
      {"label too high", [](Batch& b) { b.labels[5] = 2; }, "example 5: label 2 is outside its 2 classes"},
      {"label negative", [](Batch& b) { b.labels[0] = -1; }, "example 0: label -1 is outside its 2 classes"},
      {"id too high", [&](Batch& b) { b.tokens.ids[b.tokens.offsets[3]] = backbone.vocab_size; },
       absl::StrCat("sequence 3: token id ", backbone.vocab_size)},
      {"id negative", [](Batch& b) { b.tokens.ids[0] = -1; }, "sequence 0: token id -1"},
      {"type", [](Batch& b) { b.tokens.type_ids[0] = 9; }, "sequence 0: token type 9"},
      {"no tokens", [](Batch& b) { b.tokens.offsets[1] = 0; }, "sequence 0: no tokens"},
      {"too long",
       [&](Batch& b) {
         b.tokens.ids.resize(b.tokens.offsets[7] + backbone.max_tokens + 1, 1);
         b.tokens.type_ids.resize(b.tokens.ids.size(), 0);
         b.tokens.offsets[8] = static_cast<int64_t>(b.tokens.ids.size());
       },
       absl::StrCat("sequence 7: ", backbone.max_tokens + 1, " tokens")},
  };
  for (const auto& test : cases) {
    Batch support_set = EightTexts();
    test.spoil(support_set);
    EXPECT_THAT(learner->Adapt(support_set, Steps(2)), StatusIs(kInvalidArgument, HasSubstr(test.message)))
        << test.name;
  }
}

TEST_P(LearnerConformanceTest, RefusesBadInputToPredict) {
  const Adaptation adaptation = Adapt(*MakeReady(), EightTexts(), Steps(2));
  Batch batch = WordBatch(2, 50, Encoding::kOneSequence, 2);
  batch.labels.clear();
  Batch bad_id = batch, bad_type = batch, many_classes = batch;
  bad_id.tokens.ids[bad_id.tokens.offsets[70]] = -3;
  bad_type.tokens.type_ids[bad_type.tokens.offsets[99]] = 9;
  many_classes.num_classes = 3;
  EXPECT_THAT(adaptation.predictor->Predict(bad_id), StatusIs(kInvalidArgument, HasSubstr("sequence 70: token id -3")));
  EXPECT_THAT(adaptation.predictor->Predict(bad_type),
              StatusIs(kInvalidArgument, HasSubstr("sequence 99: token type 9")));
  EXPECT_THAT(adaptation.predictor->Predict(many_classes), StatusIs(kInvalidArgument, HasSubstr("3 classes")));
}

TEST_P(LearnerConformanceTest, RefusesOptionsThatItCannotRead) {
  for (const std::string& name : KnownOptions()) {  // CHECKs the message for an unknown one, too
    for (const char* value : {"", "!?", "nan", "inf", "-1e308", "1e308", "99999999999999999999"}) {
      EXPECT_THAT(Create({{name, value}}),
                  StatusIs(kInvalidArgument, HasSubstr(absl::StrCat("option ", name, " = '", value, "': wanted "))));
    }
  }
}

// Each changes what an adaptation leads to; what is not passed on would not.
TEST_P(LearnerConformanceTest, EveryOptionOfFineTuningCounts) {
  if (IsReference(*MakeReady())) GTEST_SKIP() << "trains nothing: no per-task or meta-parameters, and takes no step";
  const std::string stage = Knows("finetuning_warm_up") ? "finetuning_" : "";
  const auto adapted = [&](const LearnerOptions& options) {
    return Adapt(*MakeReady(options), EightTexts(), Steps(4, 3)).predictor->Parameters();
  };
  const Parameters base = adapted({});
  EXPECT_TRUE(adapted({{"schedule", "constant"}, {"decay", "all"}, {"head", "unit_mean"}}) == base);
  const struct {
    std::string name, value;
  } cases[] = {{"learning_rate", "0.02"}, {"head_learning_rate", "0.5"}, {"weight_decay", "0.5"},
               {"optimizer", "sgd"},      {"schedule", "linear"},        {stage + "warm_up", "0.3"},
               {"decay", "matrices"},     {stage + "clip_norm", "0.01"}};
  for (const auto& test : cases) EXPECT_FALSE(adapted({{test.name, test.value}}) == base) << test.name;

  // Half of two steps is the first one: it has no rate yet.
  std::vector<Parameters> seen;
  AdaptOptions options = Steps(2);
  options.marks = {0, 1, 2};
  options.observer = [&](int, const Predictor& predictor) {
    seen.push_back(predictor.Parameters());
    return absl::OkStatus();
  };
  Adapt(*MakeReady({{stage + "warm_up", "0.5"}}), EightTexts(), options);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen[1] == seen[0]);
  EXPECT_FALSE(seen[2] == seen[1]);
}

TEST_P(LearnerConformanceTest, TakesTheTanhHeadOrRefusesIt) {
  if (!Knows("head")) GTEST_SKIP() << "has no option head";
  const LearnerOptions tanh = {{"head", "tanh"}, {"head_learning_rate", "0.02"}};
  if (Make()->meta_learns()) {
    EXPECT_THAT(Create(tanh), StatusIs(kInvalidArgument, HasSubstr("option head = 'tanh': wanted one of unit_mean")));
    return;
  }
  const std::unique_ptr<Learner> learner = Make(tanh);
  for (const HeadStart start : {HeadStart::kZero, HeadStart::kPrototypes}) {  // no prototypes for this head
    AdaptOptions options = Steps(300);
    options.head_start = start;
    const Adaptation adaptation = Adapt(*learner, EightTexts(), options);
    EXPECT_NEAR(adaptation.report.first_loss, std::log(2), 1e-6);  // W = 0: float32
    EXPECT_LT(adaptation.report.last_loss, 0.05);
    int64_t head = 0;
    Parameters parameters = adaptation.predictor->Parameters();
    for (const auto& [name, values] : parameters) {
      if (absl::StartsWith(name, "head.")) head += static_cast<int64_t>(values.size());
    }
    const int64_t width = static_cast<int64_t>(parameters["head.dense.bias"].size());
    EXPECT_EQ(head, width * (width + 1) + 2 * (width + 1));
    EXPECT_EQ(learner->CountParameters(2).head, head);
    EXPECT_THAT(adaptation.predictor->Predict(EightPairs()), StatusIs(kInvalidArgument, HasSubstr("pairs apart")));

    const auto restored = Make(tanh)->Restore(2, parameters);
    ASSERT_THAT(restored, IsOk());
    EXPECT_EQ(Probabilities(**restored, EightTexts(2)), Probabilities(*adaptation.predictor, EightTexts(2)));
  }
  EXPECT_THAT(learner->Adapt(EightPairs(), Steps(1)), StatusIs(kInvalidArgument, HasSubstr("pairs apart")));
}

TEST_P(LearnerConformanceTest, DropsByTheSeedAndInTrainingOnly) {
  if (!Knows("lora_dropout")) GTEST_SKIP() << "has no dropout";
  const Batch query_set = EightTexts(2);
  const std::unique_ptr<Learner> learner = Make({{"lora_dropout", "0.5"}}), without = Make();
  const auto adapt = [&](const Learner& which) { return Adapt(which, EightTexts(), Steps(5)); };
  const Adaptation first = adapt(*learner), second = adapt(*learner);
  EXPECT_TRUE(first.predictor->Parameters() == second.predictor->Parameters());
  EXPECT_FALSE(first.predictor->Parameters() == adapt(*without).predictor->Parameters());
  const auto restored = without->Restore(2, first.predictor->Parameters());
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(Probabilities(**restored, query_set), Probabilities(*first.predictor, query_set));
}

// Nothing but the parameters is needed, no meta-training either.
TEST_P(LearnerConformanceTest, RestoresAPredictorFromItsParameters) {
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    const Adaptation adaptation = Adapt(*MakeReady(), WordBatch(3, 3, encoding, 1), Steps(5, 4));
    const Parameters parameters = adaptation.predictor->Parameters();
    const auto restored = Make()->Restore(3, parameters);
    ASSERT_THAT(restored, IsOk());
    EXPECT_TRUE((*restored)->Parameters() == parameters);

    Batch query_set = WordBatch(3, 30, encoding, 2);
    const std::vector<float> expected = Probabilities(*adaptation.predictor, query_set);
    EXPECT_EQ(Probabilities(**restored, query_set), expected);
    const absl::StatusOr<std::vector<float>> logits = (*restored)->Logits(query_set);
    ASSERT_THAT(logits, IsOk());
    EXPECT_EQ(*logits, *adaptation.predictor->Logits(query_set));
    ASSERT_EQ(logits->size(), expected.size());
    for (size_t i = 0; i < logits->size(); i += 3) {
      const double sum = std::exp((*logits)[i]) + std::exp((*logits)[i + 1]) + std::exp((*logits)[i + 2]);
      for (size_t c = i; c < i + 3; ++c) EXPECT_NEAR(std::exp((*logits)[c]) / sum, expected[c], 1e-5);  // float32
    }
    // A batch that knows of no classes is the same.
    query_set.labels.clear();
    query_set.num_classes = 0;
    EXPECT_EQ(Probabilities(**restored, query_set), expected);
    query_set.tokens.ids[query_set.tokens.offsets[70]] = -3;
    EXPECT_THAT((*restored)->Logits(query_set), StatusIs(kInvalidArgument, HasSubstr("sequence 70: token id -3")));
  }
}

TEST_P(LearnerConformanceTest, RefusesToRestoreWhatDoesNotFit) {
  const std::unique_ptr<Learner> learner = Make();
  const Parameters parameters = Adapt(*MakeReady(), EightTexts(), Steps(1)).predictor->Parameters();
  const std::string first = parameters.begin()->first;
  const float nan = std::nanf(""), infinity = INFINITY;
  const struct {
    const char* name;
    std::function<void(Parameters&)> spoil;
    std::vector<std::string> messages;
  } cases[] = {
      {"missing", [](Parameters& p) { p.erase("head.bias"); }, {"head.bias is missing"}},
      {"unknown", [](Parameters& p) { p["layer.9"] = {1}; }, {"layer.9 is unknown"}},
      {"too short", [](Parameters& p) { p["head.bias"].pop_back(); }, {"head.bias has 1 numbers, wanted 2"}},
      {"too long", [](Parameters& p) { p["head.bias"].push_back(0); }, {"head.bias has 3 numbers, wanted 2"}},
      {"NaN", [&](Parameters& p) { p["head.weight"].back() = nan; }, {"head.weight is not finite"}},
      {"infinite", [&](Parameters& p) { p["head.bias"][0] = -infinity; }, {"head.bias is not finite"}},
      {"the first", [](Parameters& p) { p.begin()->second.push_back(0); }, {first + " has "}},
      {"all at once",
       [&](Parameters& p) {
         p["head.bias"][1] = nan;
         p.erase("head.weight");
         p["new"] = {};
       },
       {"head.bias is not finite", "head.weight is missing", "new is unknown"}},
      {"nothing", [](Parameters& p) { p.clear(); }, {"head.bias is missing", first + " is missing"}},
  };
  for (const auto& test : cases) {
    Parameters spoilt = parameters;
    test.spoil(spoilt);
    for (const std::string& message : test.messages) {
      EXPECT_THAT(learner->Restore(2, spoilt), StatusIs(kInvalidArgument, HasSubstr(message))) << test.name;
    }
  }
  EXPECT_THAT(learner->Restore(3, parameters),
              StatusIs(kInvalidArgument, HasSubstr("head.bias has 2 numbers, wanted 3")));
  EXPECT_THAT(learner->Restore(0, parameters), StatusIs(kInvalidArgument, HasSubstr("0 classes")));
  EXPECT_THAT(learner->Restore(2, parameters), IsOk());
}

// Weight decay at a rate of 10 multiplies every parameter by −9 a step: 9^41 is beyond float32. A rate that falls over
// 200 steps gets there, too.
TEST_P(LearnerConformanceTest, DivergenceIsReportedAndLeavesAFinitePredictor) {
  LearnerOptions options = {{"learning_rate", "10"}, {"head_learning_rate", "10"}, {"weight_decay", "1"}};
  const std::unique_ptr<Learner> learner = MakeReady(IfKnown(options));
  if (IsReference(*learner)) GTEST_SKIP() << "trains nothing: no per-task or meta-parameters, and takes no step";
  ASSERT_EQ(IfKnown(options), options) << "the test needs these options";
  options["schedule"] = "linear";
  const std::unique_ptr<Learner> falling = MakeReady(options);
  for (const int steps : {200, 60, 40, 30, 20, 10}) {
    std::vector<int> all(steps + 1);
    std::iota(all.begin(), all.end(), 0);
    std::vector<Parameters> seen;
    AdaptOptions adapt = Steps(steps);
    adapt.marks = all;
    adapt.observer = [&](int, const Predictor& predictor) {
      seen.push_back(predictor.Parameters());
      return absl::OkStatus();
    };
    const Adaptation adaptation = Adapt(steps == 200 ? *falling : *learner, EightTexts(), adapt);
    const AdaptReport& report = adaptation.report;
    EXPECT_TRUE(steps < 60 || !report.finite);
    EXPECT_EQ(report.finite, report.steps == steps);
    EXPECT_TRUE(std::isfinite(report.last_loss));
    ASSERT_LT(report.steps, seen.size());
    EXPECT_TRUE(adaptation.predictor->Parameters() == seen[report.steps]) << "not the φ of that step";
    for (const auto& [name, values] : seen[report.steps]) EXPECT_TRUE(AllFinite(values)) << name;
    EXPECT_TRUE(report.finite || AllFinite(Probabilities(*adaptation.predictor, EightTexts())));
  }
}

TEST_P(LearnerConformanceTest, SavesAndLoadsWhatItMetaLearned) {
  const std::string path = TemporaryPath("saved");
  std::unique_ptr<Learner> learner = Make();
  if (!learner->meta_learns()) {
    // Nothing is read, written or looked at.
    SyntheticTasks tasks;
    EXPECT_THAT(learner->MetaTrain(tasks, {}), IsOk());
    EXPECT_EQ(tasks.calls(), 0);
    EXPECT_THAT(learner->Save(path), IsOk());
    EXPECT_FALSE(std::ifstream(path).good());
    EXPECT_THAT(learner->Load(path), IsOk());
    return;
  }
  const Batch support_set = EightTexts(), query_set = EightTexts(2);
  EXPECT_THAT(learner->Adapt(support_set, Steps(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not meta-trained")));
  EXPECT_THAT(learner->Save(path), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not meta-trained")));

  SyntheticTasks tasks;
  MetaTrainOptions options;
  options.seed = 1;
  options.steps = 3;
  std::vector<int64_t> steps;
  options.on_step = [&](const MetaTrainProgress& progress) -> absl::Status {
    steps.push_back(progress.step);
    EXPECT_EQ(progress.steps, 3);
    EXPECT_TRUE(std::isfinite(progress.query_loss));
    return absl::OkStatus();
  };
  ASSERT_THAT(learner->MetaTrain(tasks, options), IsOk());
  EXPECT_EQ(steps, std::vector<int64_t>({1, 2, 3}));
  ASSERT_THAT(learner->Save(path), IsOk());

  // As many numbers as it says it has.
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  int64_t numbers = 0;
  for (const SafetensorsView& tensor : file->tensors()) numbers += tensor.num_elements();
  EXPECT_EQ(numbers, learner->CountParameters(2).meta);

  // Who watches can stop it.
  MetaTrainOptions stopped = options;
  int64_t taken = 0;
  stopped.on_step = [&](const MetaTrainProgress& progress) -> absl::Status {
    taken = progress.step;
    return absl::CancelledError("enough");
  };
  EXPECT_THAT(Make()->MetaTrain(tasks, stopped), StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(taken, 1);

  // Training again gives the same bytes; not training, others.
  const std::unique_ptr<Learner> again = Make(), untrained = Make();
  ASSERT_THAT(again->MetaTrain(tasks, options), IsOk());
  ASSERT_THAT(again->Save(TemporaryPath("again")), IsOk());
  EXPECT_TRUE(Contents(path) == Contents(TemporaryPath("again")));
  MetaTrain(*untrained, 0);
  ASSERT_THAT(untrained->Save(TemporaryPath("untrained")), IsOk());
  EXPECT_FALSE(Contents(path) == Contents(TemporaryPath("untrained")));

  const Adaptation before = Adapt(*learner, support_set, Steps(5, 3));
  const std::unique_ptr<Learner> loaded = Make();
  ASSERT_THAT(loaded->Load(path), IsOk());
  const Adaptation after = Adapt(*loaded, support_set, Steps(5, 3));
  EXPECT_EQ(before.report.first_loss, after.report.first_loss);
  EXPECT_EQ(before.report.last_loss, after.report.last_loss);
  EXPECT_EQ(Probabilities(*before.predictor, query_set), Probabilities(*after.predictor, query_set));

  // What cannot be loaded changes nothing.
  const std::string garbage = TemporaryPath("garbage"), other = TemporaryPath("other"), cut = TemporaryPath("cut");
  std::ofstream(garbage) << "not a safetensors file";
  std::ofstream(cut, std::ios::binary) << Contents(path).substr(0, Contents(path).size() - 4);
  const std::vector<float> three = {1, 2, 3};
  ASSERT_THAT(WriteSafetensors(
                  other, {{"meta_parameters", SafetensorsDtype::kFloat32, {3}, AsBytes(absl::MakeConstSpan(three))}}),
              IsOk());
  const std::unique_ptr<Learner> fresh = Make();
  for (const std::string& wrong : {garbage, cut, other}) {
    EXPECT_THAT(loaded->Load(wrong), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(wrong)));
    EXPECT_THAT(fresh->Load(wrong), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(wrong)));
  }
  EXPECT_THAT(fresh->Load(TemporaryPath("missing")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(TemporaryPath("missing"))));
  EXPECT_THAT(fresh->Adapt(support_set, Steps(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not meta-trained")));
  EXPECT_EQ(Probabilities(*Adapt(*loaded, support_set, Steps(5, 3)).predictor, query_set),
            Probabilities(*before.predictor, query_set));
}

// The order of tasks is told before the first step, and visiting it again gives the same state, curriculum or not.
TEST_P(LearnerConformanceTest, TellsItsOrderOfTasksAndReplaysOne) {
  if (!Make()->meta_learns()) GTEST_SKIP() << "does not meta-learn";
  MetaTrainOptions options;
  options.seed = 1;
  options.steps = 4;
  const auto train = [&](const LearnerOptions& learner_options, const std::vector<int64_t>& replay_order) {
    MetaTrainOptions own = options;
    own.replay_order = replay_order;
    std::vector<TaskOrder> told;
    own.on_order = [&](const TaskOrder& order) {
      told.push_back(order);
      return absl::OkStatus();
    };
    own.on_step = [&](const MetaTrainProgress&) {
      EXPECT_EQ(told.size(), 1);
      return absl::OkStatus();
    };
    const std::unique_ptr<Learner> learner = Make(IfKnown(learner_options));
    EXPECT_THAT(learner->MetaTrain(SyntheticTasks(), own), IsOk());
    EXPECT_EQ(told.size(), 1);
    EXPECT_THAT(learner->Save(TemporaryPath("ordered")), IsOk());
    return std::make_pair(told[0].positions, Contents(TemporaryPath("ordered")));
  };
  const auto [order, state] = train({{"curriculum", "true"}}, {});
  EXPECT_EQ(order.size() % 4, 0);
  for (const char* curriculum : {"true", "false"}) {
    const auto [replayed, same_state] = train({{"curriculum", curriculum}}, order);
    EXPECT_EQ(replayed, order) << curriculum;
    EXPECT_TRUE(same_state == state) << curriculum;
  }
  std::vector<int64_t> changed = order;  // one task of the first step is another one
  changed[0] += 1000;
  EXPECT_FALSE(train({}, changed).second == state);

  const int64_t tasks = static_cast<int64_t>(order.size());
  std::vector<int64_t> too_short = order, negative = order;
  too_short.pop_back();
  negative[1] = -3;
  options.replay_order = too_short;
  EXPECT_THAT(Make()->MetaTrain(SyntheticTasks(), options),
              StatusIs(kInvalidArgument, testing::AllOf(HasSubstr(absl::StrCat("has ", tasks - 1, " positions")),
                                                        HasSubstr(absl::StrCat("need ", tasks)))));
  options.replay_order = negative;
  EXPECT_THAT(Make()->MetaTrain(SyntheticTasks(), options), StatusIs(kInvalidArgument, HasSubstr("position -3 at 1")));

  options.replay_order = {};
  options.on_order = [](const TaskOrder&) { return absl::CancelledError("not this order"); };
  options.on_step = [](const MetaTrainProgress&) {
    ADD_FAILURE() << "a step after the order was refused";
    return absl::OkStatus();
  };
  EXPECT_THAT(Make()->MetaTrain(SyntheticTasks(), options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("not this order")));
}

// A bad task stops meta-training with its error, and the state is as before.
TEST_P(LearnerConformanceTest, MetaTrainReportsABadTask) {
  class BadTasks : public EpisodeSource {
   public:
    Episode At(uint64_t position) const override {
      Episode episode = SyntheticTasks().At(position);
      if (position == 1) episode.support_set.tokens.ids[0] = -7;
      return episode;
    }
  };
  const std::unique_ptr<Learner> learner = Make();
  if (!learner->meta_learns()) GTEST_SKIP() << "does not meta-learn";
  MetaTrainOptions options;
  options.steps = 2;
  EXPECT_THAT(learner->MetaTrain(BadTasks(), options), StatusIs(kInvalidArgument, HasSubstr("token id -7")));
  EXPECT_THAT(learner->Adapt(EightTexts(), Steps(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not meta-trained")));
}

INSTANTIATE_TEST_SUITE_P(EveryLearner, LearnerConformanceTest, testing::ValuesIn(LearnerRegistry::Global().Names()),
                         [](const testing::TestParamInfo<std::string>& info) { return info.param; });

TEST(LearnerRegistryTest, UnknownNameListsTheKnownOnes) {
  const std::vector<std::string> names = LearnerRegistry::Global().Names();
  ASSERT_FALSE(names.empty());
  const absl::Status status =
      LearnerRegistry::Global().Create("no_such_learner", GetConformanceBackbone().backbone, {}).status();
  EXPECT_THAT(status, StatusIs(kInvalidArgument, HasSubstr("no_such_learner")));
  for (const std::string& name : names) EXPECT_THAT(std::string(status.message()), HasSubstr(name));
}

}  // namespace
}  // namespace gbmoa
