#include "eval/few_shot_suite.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eval/task_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// One token, the text's length.
class LengthTokenizer : public Tokenizer {
 public:
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int) const override {
    return TokenIds{{static_cast<int32_t>(text.size())}, {0}};
  }
  absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second, int) const override {
    return TokenIds{{static_cast<int32_t>(first.size() + second.size())}, {0}};
  }
  int vocabulary_size() const override { return 1 << 30; }
  std::string fingerprint() const override { return std::string(64, 'l'); }
};

TaskConfig Config() {
  TaskConfig config;
  config.set_name("fewshot/toy");
  config.set_suite("topic");
  return config;
}

Dataset Toy(const std::string& split, const std::vector<int64_t>& counts) {
  Dataset dataset;
  dataset.name = "fewshot/toy";
  dataset.split = split;
  for (size_t c = 0; c < counts.size(); ++c) dataset.class_names.push_back(absl::StrCat("class", c));
  for (size_t c = 0; c < counts.size(); ++c) {
    for (int64_t i = 0; i < counts[c]; ++i) {
      Example example;
      example.text_a = absl::StrCat(split, " ", c, " ", i);
      example.label = static_cast<int64_t>(c);
      dataset.examples.push_back(example);
    }
  }
  return dataset;
}

absl::StatusOr<FewShotTask> Create(Dataset train, Dataset test, const FewShotOptions& options = {}) {
  return FewShotTask::Create(Config(), {std::move(train), std::move(test)}, LengthTokenizer(), 16, options);
}

TEST(FewShotTask, SupportSetsNestAndTakeTurns) {
  const auto task = Create(Toy("train", {40, 30, 3}), Toy("test", {5, 6, 7}));
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->name(), "topic/toy");
  EXPECT_EQ(task->ways(), 3);
  const auto small = task->Draw(1, 13), medium = task->Draw(5, 13), large = task->Draw(16, 13);
  ASSERT_TRUE(small.ok() && medium.ok() && large.ok());
  EXPECT_THAT(small->episode.support_set.labels, ElementsAre(0, 1, 2));
  // The third class has three examples.
  EXPECT_THAT(medium->episode.support_set.labels, ElementsAre(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0, 1));
  EXPECT_EQ(large->episode.support_set.size(), 16 + 16 + 3);
  EXPECT_EQ(large->episode.support_set.num_classes, 3);
  for (const auto* fewer : {&*small, &*medium}) {
    const std::vector<int64_t> begin(large->support_rows.begin(),
                                     large->support_rows.begin() + static_cast<int64_t>(fewer->support_rows.size()));
    EXPECT_EQ(fewer->support_rows, begin);
  }
  // Rows are those of the labels, each once, and the batch is theirs.
  const Dataset train = Toy("train", {40, 30, 3});
  std::set<int64_t> rows;
  for (size_t i = 0; i < large->support_rows.size(); ++i) {
    const Example& example = train.examples[static_cast<size_t>(large->support_rows[i])];
    EXPECT_EQ(example.label, large->episode.support_set.labels[i]);
    EXPECT_EQ(static_cast<size_t>(large->episode.support_set.tokens.ids[i]), example.text_a.size());
    EXPECT_TRUE(rows.insert(large->support_rows[i]).second);
  }
  EXPECT_THAT(medium->query_rows, SizeIs(18));
  EXPECT_EQ(medium->query_rows, large->query_rows);
  EXPECT_EQ(large->episode.query_set.labels,
            (std::vector<int64_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2}));
  // The same draw again is the same; the five seeds' are different.
  EXPECT_EQ(task->Draw(5, 13)->support_rows, medium->support_rows);
  std::set<std::vector<int64_t>> draws;
  for (const uint64_t seed : kFewShotSeeds) draws.insert(task->Draw(5, seed)->support_rows);
  EXPECT_THAT(draws, SizeIs(5));
}

TEST(FewShotTask, QuerySetIsStratifiedAndTheSameForAllSeeds) {
  FewShotOptions options;
  options.max_query = 10;
  const auto task = Create(Toy("train", {8, 8, 8}), Toy("test", {50, 30, 1}), options);
  ASSERT_TRUE(task.ok()) << task.status();
  const auto episode = task->Draw(2, 13);
  ASSERT_TRUE(episode.ok());
  // 10 of 81 as 6.17, 3.70 and 0.12: one of the last class at least, so 6, 3 and 1.
  EXPECT_THAT(episode->episode.query_set.labels, ElementsAre(0, 0, 0, 0, 0, 0, 1, 1, 1, 2));
  EXPECT_EQ(task->Draw(4, 100)->query_rows, episode->query_rows);
  // Not simply the first ones of the file.
  EXPECT_NE(episode->query_rows[5], 5);
}

TEST(FewShotTask, ManyClassesGiveSomeOfThem) {
  FewShotOptions options;
  options.max_ways = 4;
  const std::vector<int64_t> many(20, 6);
  const auto task = Create(Toy("train", many), Toy("test", many), options);
  ASSERT_TRUE(task.ok()) << task.status();
  std::set<std::vector<int64_t>> classes;
  for (const uint64_t seed : kFewShotSeeds) {
    const auto episode = task->Draw(2, seed);
    ASSERT_TRUE(episode.ok());
    ASSERT_THAT(episode->classes, SizeIs(4));
    EXPECT_TRUE(std::is_sorted(episode->classes.begin(), episode->classes.end()));
    EXPECT_EQ(task->Draw(5, seed)->classes, episode->classes);
    classes.insert(episode->classes);
    EXPECT_EQ(episode->episode.support_set.num_classes, 4);
    EXPECT_THAT(episode->episode.support_set.labels, ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
    ASSERT_THAT(episode->query_rows, SizeIs(24));
    for (size_t i = 0; i < 24; ++i) {
      EXPECT_EQ(episode->query_rows[i] / 6,
                episode->classes[static_cast<size_t>(episode->episode.query_set.labels[i])]);
    }
  }
  EXPECT_THAT(classes, SizeIs(5));  // C(20, 4) = 4845 sets: that two of five are equal has a chance of 0.2 %
}

// Texts of the test split and repeated ones are not drawn from; classes without examples on both sides are in no
// episode.
TEST(FewShotTask, SupportPool) {
  Dataset train = Toy("train", {3, 3, 2, 0}), test = Toy("test", {2, 2, 0, 2});
  train.examples[1].text_a = "Test 1  1!";  // test.examples[3] in other letters
  train.examples[4].text_a = "\"TRAIN 1 0\"";
  train.examples[6].text_a = ":-)";  // no words: another text than ":-("
  train.examples[7].text_a = ":-(";
  const auto task = Create(std::move(train), std::move(test));
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_THAT(task->support_pool_counts(), ElementsAre(2, 2, 2, 0));
  const auto episode = task->Draw(9, 21);
  ASSERT_TRUE(episode.ok());
  EXPECT_THAT(episode->classes, ElementsAre(0, 1));
  EXPECT_EQ(std::set<int64_t>(episode->support_rows.begin(), episode->support_rows.end()),
            (std::set<int64_t>{0, 2, 3, 5}));
  EXPECT_THAT(episode->query_rows, ElementsAre(0, 1, 2, 3));
}

Dataset Questions(const std::string& split, int questions, int answers) {
  Dataset dataset = Toy(split, {0, 0});
  dataset.grouped = dataset.pairs = true;
  for (int q = 0; q < questions; ++q) {
    for (int a = 0; a < answers; ++a) {
      Example example;
      example.text_a = absl::StrCat(split, q);
      example.text_b = example.answer = absl::StrCat("answer ", a);
      example.label = a == q % answers ? 1 : 0;
      example.group = q;
      dataset.examples.push_back(example);
    }
  }
  return dataset;
}

TEST(FewShotTask, QuestionsStayWhole) {
  FewShotOptions options;
  options.max_query = 11;
  const auto task = Create(Questions("train", 10, 4), Questions("test", 10, 4), options);
  ASSERT_TRUE(task.ok()) << task.status();
  const auto episode = task->Draw(3, 42);
  ASSERT_TRUE(episode.ok());
  EXPECT_THAT(episode->episode.support_set.labels, ElementsAre(0, 1, 0, 1, 0, 1));
  ASSERT_THAT(episode->query_rows, SizeIs(8));
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(episode->groups[i], episode->query_rows[i] / 4);
    EXPECT_EQ(episode->query_rows[i] % 4, static_cast<int64_t>(i % 4));
    EXPECT_EQ(episode->answers[i], absl::StrCat("answer ", i % 4));
  }
  EXPECT_EQ(task->Draw(1, 87)->query_rows, episode->query_rows);
  options.max_query = 3;
  EXPECT_THAT(Create(Questions("train", 10, 4), Questions("test", 10, 4), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("room for a question, found 3")));
}

TEST(FewShotTask, Refuses) {
  const Dataset good = Toy("train", {2, 2});
  Dataset unlabelled = good, regression = good, other = good;
  unlabelled.labelled = false;
  regression.regression = true;
  other.class_names[0] = "other";
  FewShotOptions one_way, small;
  one_way.max_ways = 1;
  small.max_query = 1;
  const struct {
    std::string name;
    Dataset train, test;
    FewShotOptions options;
    std::string message;
  } kCases[] = {
      {"unlabelled", good, unlabelled, {}, "expected labelled splits"},
      {"regression", regression, good, {}, "found a regression"},
      {"other classes", good, other, {}, "splits of the same classes"},
      {"one way", good, Toy("test", {2, 2}), one_way, "max_ways: expected 2 or more, found 1"},
      {"few queries", good, Toy("test", {2, 2}), small, "max_query: expected room for 2 classes, found 1"},
      {"one class", good, Toy("test", {2, 0}), {}, "2 or more classes with examples in both splits, found 1"},
      {"the test split again", good, good, {}, "2 or more classes with examples in both splits, found 0"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(
        Create(c.train, c.test, c.options),
        StatusIs(absl::StatusCode::kInvalidArgument, ::testing::AllOf(HasSubstr("fewshot/toy"), HasSubstr(c.message))))
        << c.name;
  }
  EXPECT_THAT(Create(good, Toy("test", {2, 2}))->Draw(0, 13),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("shots: expected 1 or more, found 0")));
}

// Without a test split every fifth example of each class is one, in the file's order.
TEST(FewShotSplits, DividesASplitCalledAll) {
  TaskConfig config;
  ASSERT_THAT(ParseTextproto("test", R"(
      name: 'fewshot/toy' suite: 'topic'
      files {
        layout: 'lines' splits { name: 'all' files: 'all.txt' official_rows: 20 }
        classes { value: '0' } classes { value: '1' }
        fields { key: 'columns' value: '2' } fields { key: 'label' value: '0' } fields { key: 'text_a' value: '1' }
      })",
                             &config),
              IsOk());
  std::string file;
  for (int i = 0; i < 17; ++i) absl::StrAppend(&file, i < 11 ? 0 : 1, "\t", i, "\n");
  ASSERT_THAT(WriteFileAtomically(JoinPath(::testing::TempDir(), "all.txt"), file), IsOk());
  const auto splits = LoadFewShotSplits(config, ::testing::TempDir());
  ASSERT_TRUE(splits.ok()) << splits.status();
  std::vector<std::string> test;
  for (const Example& example : splits->test.examples) test.push_back(example.text_a);
  EXPECT_THAT(test, ElementsAre("4", "9", "15"));
  EXPECT_EQ(splits->train.size(), 14);
  EXPECT_EQ(splits->train.split, "train");
  EXPECT_EQ(splits->test.split, "test");
  EXPECT_EQ(splits->test.class_names, splits->train.class_names);
  EXPECT_EQ(splits->subset, "all: 17 of 20 rows");
  EXPECT_EQ(splits->bad_rows, 0);
  EXPECT_THAT(LoadFewShotSplits(config, "/none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none/all.txt")));
}

// What is no official split is said, up to the task that episodes are drawn from.
TEST(FewShotSplits, SayThatTheyAreSubsets) {
  TaskConfig config;
  ASSERT_THAT(ParseTextproto("test", R"(
      name: 'fewshot/toy' suite: 'topic'
      files {
        layout: 'lines' classes { value: '0' } classes { value: '1' }
        splits { name: 'train' files: 'train.txt' official_rows: 3 }
        splits { name: 'test' files: 'test.txt' official_rows: 7600 }
        fields { key: 'columns' value: '2' } fields { key: 'label' value: '0' } fields { key: 'text_a' value: '1' }
      })",
                             &config),
              IsOk());
  ASSERT_THAT(WriteFileAtomically(JoinPath(::testing::TempDir(), "train.txt"), "0\ta\n1\tb\n7\tc\n"), IsOk());
  ASSERT_THAT(WriteFileAtomically(JoinPath(::testing::TempDir(), "test.txt"), "0\td\n1\te\n"), IsOk());
  FileTaskOptions options;
  options.max_bad_rows = 1;
  const auto splits = LoadFewShotSplits(config, ::testing::TempDir(), options);
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->bad_rows, 1);
  const auto task = FewShotTask::Create(config, *splits, LengthTokenizer(), 16);
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->subset(), "train: 1 of 3 rows left out, which are bad; test: 2 of 7,600 rows");
  EXPECT_EQ(task->bad_rows(), 1);
}

std::string Digest(const Dataset& dataset) {
  Sha256 sha;
  for (const Example& e : dataset.examples) sha.Update(absl::StrCat(e.text_a, "\n", e.text_b, "\n", e.label, "\n"));
  return sha.Finish();
}

// Every task of the suite on its real files, which hold what tools/golden/few_shot_files.py reads: needs GBMOA_DATA, a
// folder with fewshot/ in it.
TEST(FewShotSuite, RealFiles) {
  const char* root = std::getenv("GBMOA_DATA");
  if (root == nullptr || *root == '\0')
    GTEST_SKIP() << "GBMOA_DATA is not set: the few-shot suite's files are not read";
  const auto golden_path = RunfilePath("gbmoa/eval/testdata/few_shot_files.json");
  ASSERT_TRUE(golden_path.ok()) << golden_path.status();
  const auto golden = LoadJson(*golden_path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  const auto folder = RunfilePath("gbmoa/eval/tasks/fewshot");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto configs = LoadTaskConfigs(*folder);
  ASSERT_TRUE(configs.ok()) << configs.status();
  EXPECT_EQ(configs->size(), golden->size());
  // The others are complete.
  const std::map<std::string, std::string> subsets = {
      {"fewshot/ag_news", "train: 1,000 of 120,000 rows; test: 1,000 of 7,600 rows"},
      {"fewshot/arc_challenge", "train: 1,096 of 1,119 questions; test: 294 of 1,172 questions"},
      {"fewshot/arc_easy", "train: 2,147 of 2,251 questions; test: 549 of 2,376 questions"},
      {"fewshot/atis", "train: 4,449 of 4,478 rows; test: 876 of 893 rows"},
      {"fewshot/cr", "all: 3,771 of 3,775 rows"},
      {"fewshot/dbpedia14", "train: 1,120 of 560,000 rows; test: 1,120 of 70,000 rows"},
      {"fewshot/poem_sentiment", "train: 843 of 892 rows"},
      {"fewshot/snli", "train: 8,999 of 549,367 rows; test: 1,000 of 9,824 rows"},
  };
  for (const TaskConfig& config : *configs) {
    SCOPED_TRACE(config.name());
    auto splits = LoadFewShotSplits(config, root);
    ASSERT_TRUE(splits.ok()) << splits.status();
    const FewShotSplits copy = *splits;
    const auto subset = subsets.find(config.name());
    EXPECT_EQ(copy.subset, subset == subsets.end() ? "" : subset->second);
    ASSERT_TRUE(golden->contains(config.name()));
    for (const Dataset* dataset : {&copy.train, &copy.test}) {
      const nlohmann::json& wanted = (*golden)[config.name()][dataset->split];
      EXPECT_EQ(dataset->size(), wanted["examples"].get<int64_t>()) << dataset->split;
      EXPECT_EQ(Digest(*dataset), wanted["sha256"].get<std::string>()) << dataset->split;
    }
    FewShotOptions options;
    options.max_query = 200;
    const auto task = FewShotTask::Create(config, *std::move(splits), LengthTokenizer(), config.max_tokens(), options);
    ASSERT_TRUE(task.ok()) << task.status();
    const auto episode = task->Draw(16, 13);
    ASSERT_TRUE(episode.ok()) << episode.status();
    EXPECT_LE(episode->episode.query_set.size(), 200);
    std::set<std::string> texts;
    for (const int64_t row : episode->query_rows) texts.insert(copy.test.examples[static_cast<size_t>(row)].text_a);
    for (const int64_t row : episode->support_rows) {
      EXPECT_EQ(texts.count(copy.train.examples[static_cast<size_t>(row)].text_a), 0u);
    }
    EXPECT_EQ(
        std::set<int64_t>(episode->episode.query_set.labels.begin(), episode->episode.query_set.labels.end()).size(),
        static_cast<size_t>(task->ways()));
  }
}

}  // namespace
}  // namespace gbmoa
