#include "eval/episode_sampler.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "eval/desk_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::unique_ptr<DeskEpisodeSource> MakeSource(const DeskEpisodeOptions& options) {
  const auto corpus = TestDeskCorpus();
  auto source = DeskEpisodeSource::Create(corpus, IndexTable(corpus->texts().size()), options);
  EXPECT_TRUE(source.ok()) << source.status();
  return *std::move(source);
}

std::vector<int> CountLabels(const std::vector<int64_t>& labels, int num_classes) {
  std::vector<int> counts(num_classes);
  for (const int64_t label : labels) ++counts.at(label);
  return counts;
}

// Checks what holds for every episode: labels balanced, no text twice, tokens those of the drawn texts.
void CheckEpisode(const DeskEpisodeSource& source, uint64_t position, int ways, int shots, int queries) {
  const DeskEpisode drawn = source.Draw(position);
  const Episode episode = source.At(position);
  SCOPED_TRACE(testing::Message() << drawn.task << " at " << position);
  EXPECT_EQ(episode.task, drawn.task);
  EXPECT_THAT(drawn.task, HasSubstr(std::to_string(ways) + "-way-" + std::to_string(shots) + "-shot"));
  EXPECT_EQ(std::set<std::string>(drawn.class_ids.begin(), drawn.class_ids.end()).size(), ways);
  const bool pairs = IsPairFamily(drawn.family);
  std::set<int32_t> texts;
  for (const auto* side : {&episode.support_set, &episode.query_set}) {
    EXPECT_EQ(side->num_classes, ways);
    EXPECT_EQ(side->encoding, pairs ? Encoding::kPairApart : Encoding::kOneSequence);
    ASSERT_EQ(side->labels.size(), side->size());
    EXPECT_THAT(CountLabels(side->labels, ways), Each(side == &episode.support_set ? shots : queries));
    EXPECT_EQ(side->tokens.ids.size(), side->size() * (pairs ? 2 : 1));  // one token a text
    for (const int32_t id : side->tokens.ids) EXPECT_TRUE(texts.insert(id).second) << "twice: text " << id;
  }
  std::vector<int32_t> support_texts;
  for (const ExampleRef& ref : drawn.support_set) {
    support_texts.push_back(ref.first);
    if (pairs) support_texts.push_back(ref.second);
  }
  EXPECT_EQ(episode.support_set.tokens.ids, support_texts);
}

TEST(DeskEpisodeSource, FewShotSuitesHaveTheirShape) {
  for (const DeskSplit split : {DeskSplit::kTrain, DeskSplit::kValidation, DeskSplit::kTest}) {
    for (const int shots : {1, 5, 16}) {
      const auto source = MakeSource(FewShotSuite(split, shots, 0));
      for (uint64_t position = 0; position < 60; ++position) {
        const DeskEpisode drawn = source->Draw(position);
        EXPECT_EQ(static_cast<uint64_t>(drawn.family), position % kNumDeskFamilies);  // in turn
        const bool pairs = IsPairFamily(drawn.family);
        const int ways = drawn.class_ids.size();
        if (pairs) {
          EXPECT_EQ(ways, 2);
        } else if (drawn.family == DeskFamily::kBranch) {
          EXPECT_TRUE(ways >= 3 && ways <= 5) << ways;
        } else if (drawn.family == DeskFamily::kVerbSupersense && split == DeskSplit::kValidation) {
          EXPECT_EQ(ways, 3);  // all files that there are
        } else {
          EXPECT_EQ(ways, 5);
        }
        CheckEpisode(*source, position, ways, shots, pairs ? 20 : 8);
      }
    }
  }
}

TEST(DeskEpisodeSource, MetaTrainingDrawsFamiliesAndShapesAsSaid) {
  const auto source = MakeSource(DeskEpisodeOptions());
  constexpr int kEpisodes = 3000;
  std::map<DeskFamily, int> families;
  std::map<std::pair<int, int>, int> shapes;  // of the families that have enough classes for all
  int plain = 0;
  for (uint64_t position = 0; position < kEpisodes; ++position) {
    const DeskEpisode drawn = source->Draw(position);
    const int ways = drawn.class_ids.size();
    const bool pairs = IsPairFamily(drawn.family);
    const int queries = pairs ? 8 : 4;
    const int shots = drawn.support_set.size() / ways;
    ++families[drawn.family];
    if (pairs) {
      EXPECT_EQ(ways, 2);
      EXPECT_EQ(shots, 8);
    } else if (drawn.family == DeskFamily::kBranch) {
      EXPECT_TRUE(ways == 5 ? shots == 2 || shots == 4 : shots == 5) << drawn.task;
    } else {
      ++shapes[{ways, shots}];
      ++plain;
    }
    if (position < 300) CheckEpisode(*source, position, ways, shots, queries);
  }
  // 5 standard deviations of a binomial count.
  const auto near = [](int count, double p, int n) { return std::abs(count - p * n) < 5 * std::sqrt(n * p * (1 - p)); };
  EXPECT_EQ(families.size(), kNumDeskFamilies);
  for (const auto& [family, count] : families) EXPECT_TRUE(near(count, 1.0 / 6, kEpisodes)) << count;
  EXPECT_EQ(shapes.size(), 4);
  EXPECT_TRUE(near(shapes[std::pair(3, 5)], 1.0 / 3, plain));
  EXPECT_TRUE(near(shapes[std::pair(4, 5)], 1.0 / 3, plain));
  EXPECT_TRUE(near(shapes[std::pair(5, 2)], 1.0 / 6, plain));
  EXPECT_TRUE(near(shapes[std::pair(5, 4)], 1.0 / 6, plain));
}

TEST(DeskEpisodeSource, LabelsFollowNoOrderOfClassesOrExamples) {
  DeskEpisodeOptions options = FewShotSuite(DeskSplit::kTest, 5, 0);
  options.families = {DeskFamily::kVerbSupersense};  // five classes, all in every episode
  const auto source = MakeSource(options);
  std::map<std::string, std::set<int>> labels_of_class;
  std::set<int32_t> first_labels;
  for (uint64_t position = 0; position < 100; ++position) {
    const DeskEpisode drawn = source->Draw(position);
    for (int label = 0; label < 5; ++label) labels_of_class[drawn.class_ids[label]].insert(label);
    first_labels.insert(drawn.support_set[0].label);
  }
  // 100 draws miss one of 5 labels with probability 2e-10.
  EXPECT_EQ(labels_of_class.size(), 5);
  for (const auto& [name, labels] : labels_of_class) EXPECT_EQ(labels.size(), 5) << name;
  EXPECT_EQ(first_labels.size(), 5);
}

bool SameEpisode(const Episode& a, const Episode& b) {
  return a.task == b.task && a.support_set.tokens.ids == b.support_set.tokens.ids &&
         a.support_set.labels == b.support_set.labels && a.query_set.tokens.ids == b.query_set.tokens.ids &&
         a.query_set.labels == b.query_set.labels;
}

TEST(DeskEpisodeSource, AtIsAPureFunctionOfSeedAndPosition) {
  const auto source = MakeSource(DeskEpisodeOptions());
  const auto again = MakeSource(DeskEpisodeOptions());
  DeskEpisodeOptions other_seed;
  other_seed.seed = 1;
  const auto other = MakeSource(other_seed);
  int same_as_other = 0, same_as_next = 0;
  for (const uint64_t position : {99u, 3u, 0u, 3u, 4000000000u}) {
    EXPECT_TRUE(SameEpisode(source->At(position), again->At(position))) << position;
    same_as_other += SameEpisode(source->At(position), other->At(position));
    same_as_next += SameEpisode(source->At(position), source->At(position + 1));
  }
  EXPECT_EQ(same_as_other, 0);
  EXPECT_EQ(same_as_next, 0);
}

TEST(DeskEpisodeSource, RefusesOptionsThatMakeNoSense) {
  struct Case {
    const char* name;
    void (*change)(DeskEpisodeOptions*);
    const char* message;
  };
  const Case kCases[] = {
      {"no families", [](DeskEpisodeOptions* o) { o->families.clear(); }, "families must be at least one"},
      {"no shapes", [](DeskEpisodeOptions* o) { o->shapes.clear(); }, "shapes must be at least one"},
      {"one way",
       [](DeskEpisodeOptions* o) {
         o->shapes = {{1, 5}};
       },
       "ways must be at least 2, not 1"},
      {"no shots",
       [](DeskEpisodeOptions* o) {
         o->shapes = {{5, 0}};
       },
       "shots must be at least 1, not 0"},
      {"no query", [](DeskEpisodeOptions* o) { o->query_per_class = 0; }, "query_per_class must be at least 1, not 0"},
      {"no pair shots", [](DeskEpisodeOptions* o) { o->pair_shots = -1; }, "pair_shots must be at least 1, not -1"},
      {"no pair query", [](DeskEpisodeOptions* o) { o->pair_query_per_class = 0; }, "pair_query_per_class must be"},
      {"too many shots",
       [](DeskEpisodeOptions* o) {
         o->shapes = {{3, 100}};
       },
       "shots and queries need 104"},
      {"too many pairs", [](DeskEpisodeOptions* o) { o->pair_shots = 2000; }, "class no of glossmatch/train"},
  };
  const auto corpus = TestDeskCorpus();
  const auto table = IndexTable(corpus->texts().size());
  for (const Case& c : kCases) {
    DeskEpisodeOptions options;
    c.change(&options);
    const absl::Status status = DeskEpisodeSource::Create(corpus, table, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_THAT(status.message(), HasSubstr(c.message)) << c.name;
  }
  const absl::Status status = DeskEpisodeSource::Create(corpus, IndexTable(3), DeskEpisodeOptions()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("the token table has 3 texts"));
}

TEST(TakeUnused, SkipsEveryTextThatIsInUse) {
  const std::vector<DeskExample> pairs = {{0, 10}, {1, 10}, {2, 11}, {3, 0}, {4, 12}};
  absl::flat_hash_set<int32_t> used = {12};
  const std::vector<int64_t> order = {0, 1, 2, 3, 4};
  const std::vector<DeskExample> taken = TakeUnused(pairs, order, 5, &used);
  ASSERT_EQ(taken.size(), 2);  // 1 shares 10, 3 shares 0, 4 has 12
  EXPECT_EQ(taken[0].first, 0);
  EXPECT_EQ(taken[1].first, 2);
  EXPECT_THAT(used, testing::UnorderedElementsAre(0, 10, 2, 11, 12));
}

}  // namespace
}  // namespace gbmoa
