#include "tools/bench/work.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/task/random_batch.h"
#include "tools/bench/matrix_flops.h"

namespace gbmoa {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr int64_t kVocabulary = 60, kWidth = 16, kLayers = 2, kIntermediate = 24, kBottleneck = 64;

class WorkTest : public ::testing::Test {
 protected:
  WorkTest() {
    const BackboneConfig config = BertOfSizes({kVocabulary, kWidth, kLayers, 2, kIntermediate, 64});
    backbone_ = Backbone::FromWeights(config, LivelyEncoderWeights(config, 1), Precision::kFloat32);
    // The second has fewer classes than the first.
    for (const int classes : {3, 2}) {
      const auto batch = [&](uint64_t seed) {
        return RandomBatch(classes, 2, Encoding::kOneSequence, kVocabulary, RandomStream(seed, "batch"));
      };
      episodes_.push_back({"task", batch(classes), batch(10 + classes)});
    }
  }

  std::unique_ptr<Work> Started(const std::string& text) const {
    const absl::StatusOr<WorkSpec> spec = ParseWorkSpec(text);
    EXPECT_THAT(spec, IsOk());
    absl::StatusOr<std::unique_ptr<Work>> work = MakeWork(*spec, backbone_, episodes_);
    EXPECT_THAT(work, IsOk());
    EXPECT_THAT((*work)->Start(), IsOk());
    return *std::move(work);
  }

  double Flops(const std::string& text, int64_t index) const {
    const std::unique_ptr<Work> work = Started(text);
    const MatrixFlopCounter counter;
    EXPECT_THAT(work->Run(index), IsOk());
    return counter.flops();
  }

  // Of one pass with frozen weights over the support set of episode 0.
  double Forward() const {
    return 2.0 * static_cast<double>(SupportTokens()) * kLayers * (4 * kWidth * kWidth + 2 * kWidth * kIntermediate);
  }
  int64_t SupportTokens() const { return episodes_[0].support_set.tokens.num_tokens(); }

  std::shared_ptr<const Backbone> backbone_;
  std::vector<Episode> episodes_;
};

TEST_F(WorkTest, Specs) {
  for (const char* text :
       {"full", "adapter", "lora", "prompt", "fomaml:1", "imaml:5", "ggn:5", "exact:7", "unrolled:10000"}) {
    const absl::StatusOr<WorkSpec> spec = ParseWorkSpec(text);
    ASSERT_THAT(spec, IsOk()) << text;
    EXPECT_EQ(spec->text(), text);
  }
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "unknown work ''; known: full, adapter, lora, prompt, fomaml:K, imaml:K, ggn:K, exact:K, unrolled:K"},
      {"adaptor", "unknown work 'adaptor'"},
      {"full:5", "'full:5': a step has no inner steps, wanted 'full'"},
      {"imaml", "'imaml': wanted imaml:K with K in 1 to 10000"},
      {"imaml:", "'imaml:': wanted imaml:K"},
      {"imaml:0", "'imaml:0': wanted imaml:K"},
      {"imaml:-3", "'imaml:-3': wanted imaml:K"},
      {"imaml:5x", "'imaml:5x': wanted imaml:K"},
      {"imaml:10001", "'imaml:10001': wanted imaml:K"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ParseWorkSpec(c.text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message))) << c.text;
  }
}

TEST_F(WorkTest, Precisions) {
  EXPECT_THAT(ParseWorkPrecision("fp32", Precision::kFloat32), IsOkAndHolds(Precision::kFloat32));
  EXPECT_THAT(ParseWorkPrecision("bf16", Precision::kBFloat16), IsOkAndHolds(Precision::kBFloat16));
  EXPECT_THAT(ParseWorkPrecision("bf16", Precision::kFloat32),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("bf16: this processor")));
  for (const char* name : {"", "fp64", "BF16"}) {
    EXPECT_THAT(
        ParseWorkPrecision(name, Precision::kBFloat16),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("unknown precision '", name, "'"))));
  }
}

TEST_F(WorkTest, RunsSayWhatTheyWorkedOnAndTrain) {
  const char* const all[] = {"full",    "adapter", "lora",    "prompt",    "fomaml:2",
                             "imaml:2", "ggn:2",   "exact:2", "unrolled:2"};
  for (const std::string text : all) {
    const std::unique_ptr<Work> work = Started(text);
    const bool meta = absl::StrContains(text, ':');
    for (const int64_t index : {0, 1}) {
      const absl::StatusOr<WorkRun> run = work->Run(index);
      ASSERT_THAT(run, IsOk()) << text;
      const Episode& episode = episodes_[index];
      EXPECT_EQ(run->examples, episode.support_set.size() + (meta ? episode.query_set.size() : 0)) << text;
      EXPECT_EQ(run->tokens,
                episode.support_set.tokens.num_tokens() + (meta ? episode.query_set.tokens.num_tokens() : 0))
          << text;
      EXPECT_EQ(!run->termination.empty(), text == "imaml:2" || text == "ggn:2" || text == "exact:2") << text;
      // As many as asked for: no tolerance is met. The Hessian of a random encoder need not be positive definite.
      if (text == "ggn:2") {
        EXPECT_EQ(run->iterations, 5);
      } else if (text == "imaml:2") {
        EXPECT_THAT(run->iterations, AllOf(Ge(1), Le(5)));
      }
    }
    // The state goes on from run to run; at these rates 60 steps on one episode lower its loss.
    const double first = work->Run(0)->loss;
    double last = first;
    for (int i = 0; i < 60; ++i) last = work->Run(0)->loss;
    EXPECT_LT(last, first) << text;
  }
}

TEST_F(WorkTest, FlopsAreThoseOfTheProductsThatAStepNeeds) {
  const double tokens = static_cast<double>(SupportTokens());
  const double head = 2.0 * static_cast<double>(episodes_[0].support_set.size()) * kWidth * 3;  // one of its products
  // Every matrix forward and for two gradients; only the first layer's input needs one too, for the embeddings.
  EXPECT_EQ(Flops("full", 0), 3 * Forward() + 3 * head);
  // Nothing lies below the first adapter: the four attention matrices before it have no backward product, and its
  // down-projection none for its input. Two matrices in each of 2 L adapters.
  const double down = 2.0 * tokens * kWidth * kBottleneck;
  EXPECT_EQ(Flops("adapter", 0),
            2 * Forward() - 2.0 * tokens * 4 * kWidth * kWidth + 3 * 2 * 2 * kLayers * down - down + 3 * head);
  // One more inner step is one more gradient on the support set, whose φ is a leaf just like a step's.
  EXPECT_EQ(Flops("fomaml:3", 0) - Flops("fomaml:2", 0), Flops("adapter", 0));
  // The unrolled loop's gradients are differentiated in turn: more than another gradient, less than three.
  const double unrolled = (Flops("unrolled:3", 0) - Flops("unrolled:2", 0)) / Flops("adapter", 0);
  EXPECT_GT(unrolled, 2);
  EXPECT_LT(unrolled, 4);
}

TEST_F(WorkTest, ABatchThatDoesNotFitTheEncoderIsAnError) {
  episodes_[1].query_set.tokens.ids[0] = kVocabulary;
  EXPECT_THAT(MakeWork(*ParseWorkSpec("fomaml:1"), backbone_, episodes_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat(kVocabulary))));
}

}  // namespace
}  // namespace gbmoa
