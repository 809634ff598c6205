#include "eval/tokenized_dataset.h"

#include <dirent.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One token a byte between 1 and 2; refuses '!'.
class ByteTokenizer : public Tokenizer {
 public:
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const override {
    if (absl::string_view::npos != text.find('!')) return absl::DataLossError(absl::StrCat("bad byte in '", text, "'"));
    TokenIds tokens;
    tokens.ids.push_back(1);
    for (const char c : text.substr(0, max_tokens - 2)) tokens.ids.push_back(c);
    tokens.ids.push_back(2);
    tokens.type_ids.assign(tokens.ids.size(), 0);
    return tokens;
  }
  absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second,
                                      int max_tokens) const override {
    absl::StatusOr<TokenIds> tokens = Encode(absl::StrCat(first, "|", second), max_tokens);
    if (tokens.ok()) tokens->type_ids.back() = 1;
    return tokens;
  }
  int vocabulary_size() const override { return 256; }
  std::string fingerprint() const override { return std::string(64, 'b'); }
};

// Counts the texts that it is asked for.
class CountingTokenizer : public ByteTokenizer {
 public:
  explicit CountingTokenizer(char kind = 'b') : kind_(kind) {}
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const override {
    ++calls;
    return ByteTokenizer::Encode(text, max_tokens);
  }
  std::string fingerprint() const override { return std::string(64, kind_); }

  mutable int calls = 0;

 private:
  const char kind_;
};

Dataset Pairs(Encoding encoding) {
  Dataset dataset;
  dataset.name = "mine";
  dataset.split = "train";
  dataset.class_names = {"no", "yes"};
  dataset.pairs = true;
  dataset.encoding = encoding;
  dataset.examples = {{"a", "bc", 1}, {"de", "f", 0}};
  return dataset;
}

TEST(TokenizedDataset, PairsApartAreTwoSequences) {
  const auto dataset = TokenizedDataset::Create(Pairs(Encoding::kPairApart), ByteTokenizer(), 10);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const Batch batch = dataset->MakeBatch({1, 0, 1});
  EXPECT_EQ(batch.encoding, Encoding::kPairApart);
  EXPECT_EQ(batch.size(), 3);
  EXPECT_EQ(batch.num_classes, 2);
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 0));
  EXPECT_THAT(batch.tokens.offsets, ElementsAre(0, 4, 7, 10, 14, 18, 21));
  EXPECT_THAT(batch.tokens.ids, ElementsAre(1, 'd', 'e', 2, 1, 'f', 2, 1, 'a', 2, 1, 'b', 'c', 2,  //
                                            1, 'd', 'e', 2, 1, 'f', 2));
  EXPECT_THAT(batch.tokens.type_ids, testing::Each(0));
}

TEST(TokenizedDataset, JointPairsAreOneSequence) {
  const auto dataset = TokenizedDataset::Create(Pairs(Encoding::kOneSequence), ByteTokenizer(), 5);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const Batch batch = dataset->AllExamples();
  EXPECT_EQ(batch.encoding, Encoding::kOneSequence);
  EXPECT_THAT(batch.labels, ElementsAre(1, 0));
  EXPECT_THAT(batch.tokens.offsets, ElementsAre(0, 5, 10));
  EXPECT_THAT(batch.tokens.ids, ElementsAre(1, 'a', '|', 'b', 2, 1, 'd', 'e', '|', 2));
  EXPECT_THAT(batch.tokens.type_ids, ElementsAre(0, 0, 0, 0, 1, 0, 0, 0, 0, 1));
}

TEST(TokenizedDataset, UnlabelledHasNoLabels) {
  Dataset dataset = Pairs(Encoding::kPairApart);
  dataset.labelled = false;
  dataset.examples[0].label = 99;
  const auto tokenized = TokenizedDataset::Create(dataset, ByteTokenizer(), 5);
  ASSERT_TRUE(tokenized.ok()) << tokenized.status();
  EXPECT_THAT(tokenized->AllExamples().labels, IsEmpty());
  EXPECT_EQ(tokenized->AllExamples().size(), 2);
  EXPECT_THAT(ClassCounts(dataset), ElementsAre(0, 0));
}

TEST(TokenizedDataset, RegressionHasTargets) {
  Dataset dataset = Pairs(Encoding::kOneSequence);
  dataset.class_names.clear();
  dataset.regression = true;
  dataset.examples[0].target = 3.8;
  dataset.examples[1].target = -1;
  auto tokenized = TokenizedDataset::Create(dataset, ByteTokenizer(), 10);
  ASSERT_THAT(tokenized, IsOk());
  EXPECT_EQ(tokenized->num_classes(), 1);
  const Batch batch = tokenized->MakeBatch({1, 0, 1});
  EXPECT_TRUE(batch.regression);
  EXPECT_EQ(batch.num_classes, 1);
  EXPECT_THAT(batch.labels, IsEmpty());
  EXPECT_THAT(batch.targets, ElementsAre(-1, 3.8f, -1));
  EXPECT_THAT(tokenized->AllExamples().targets, ElementsAre(3.8f, -1));
  EXPECT_THAT(ClassCounts(dataset), IsEmpty());
  dataset.labelled = false;
  tokenized = TokenizedDataset::Create(dataset, ByteTokenizer(), 10);
  ASSERT_THAT(tokenized, IsOk());
  EXPECT_TRUE(tokenized->AllExamples().regression);
  EXPECT_THAT(tokenized->AllExamples().targets, IsEmpty());
}

TEST(TokenizedDataset, NamesTheExampleThatIsWrong) {
  struct Case {
    const char* name;
    void (*change)(Dataset*);
    absl::StatusCode code;
    const char* message;
  };
  const Case kCases[] = {
      {"label too large", [](Dataset* d) { d->examples[1].label = 2; }, absl::StatusCode::kInvalidArgument,
       "mine/train: example 2 has label 2, classes are 0 to 1"},
      {"label negative", [](Dataset* d) { d->examples[0].label = -1; }, absl::StatusCode::kInvalidArgument,
       "mine/train: example 1 has label -1"},
      {"one class", [](Dataset* d) { d->class_names.pop_back(); }, absl::StatusCode::kInvalidArgument,
       "mine/train: needs two classes, has 1"},
      {"same class", [](Dataset* d) { d->class_names[1] = "no"; }, absl::StatusCode::kInvalidArgument,
       "two classes are called 'no'"},
      {"no pairs", [](Dataset* d) { d->pairs = false; }, absl::StatusCode::kInvalidArgument, "there are no pairs"},
      {"classes of a regression", [](Dataset* d) { d->regression = true; }, absl::StatusCode::kInvalidArgument,
       "mine/train: a regression has neither classes nor groups"},
      {"target",
       [](Dataset* d) {
         d->class_names.clear();
         d->regression = true;
         d->examples[1].target = std::nan("");
       },
       absl::StatusCode::kInvalidArgument, "mine/train: example 2 has target nan"},
      {"no group", [](Dataset* d) { d->grouped = true; }, absl::StatusCode::kInvalidArgument,
       "mine/train: example 1 has no group"},
      {"groups of three classes",
       [](Dataset* d) {
         d->grouped = true;
         d->class_names.push_back("maybe");
       },
       absl::StatusCode::kInvalidArgument, "mine/train: answers are wrong or right, but there are 3 classes"},
      {"group in two places",
       [](Dataset* d) {
         d->grouped = true;
         d->examples.push_back(d->examples[0]);
         d->examples[0].group = d->examples[2].group = 4;
         d->examples[1].group = 7;
       },
       absl::StatusCode::kInvalidArgument, "mine/train: example 3 has group 4, others of which stand before"},
      {"bad first text", [](Dataset* d) { d->examples[1].text_a = "x!"; }, absl::StatusCode::kDataLoss,
       "mine/train: example 2: bad byte in 'x!'"},
      {"bad second text", [](Dataset* d) { d->examples[0].text_b = "y!"; }, absl::StatusCode::kDataLoss,
       "mine/train: example 1: bad byte in 'y!'"},
  };
  for (const Case& c : kCases) {
    Dataset dataset = Pairs(Encoding::kPairApart);
    c.change(&dataset);
    const absl::Status status = TokenizedDataset::Create(dataset, ByteTokenizer(), 10).status();
    EXPECT_EQ(status.code(), c.code) << c.name;
    EXPECT_THAT(status.message(), HasSubstr(c.message)) << c.name;
  }
}

TEST(TokenTable, EncodesAndAppends) {
  const std::vector<absl::string_view> texts = {"abc", "", "d"};
  const auto table = TokenTable::Encode(ByteTokenizer(), texts, 4);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 3);
  EXPECT_EQ(table->length(0), 4);
  EXPECT_EQ(table->length(1), 2);
  const std::vector<ExampleRef> refs = {{2, -1, 1}, {0, -1, 0}};
  const Batch batch = MakeBatch(*table, refs, 3);
  EXPECT_EQ(batch.encoding, Encoding::kOneSequence);
  EXPECT_EQ(batch.num_classes, 3);
  EXPECT_THAT(batch.tokens.ids, ElementsAre(1, 'd', 2, 1, 'a', 'b', 2));
  EXPECT_THAT(batch.labels, ElementsAre(1, 0));

  const std::vector<absl::string_view> bad = {"abc", "d!"};
  const absl::Status status = TokenTable::Encode(ByteTokenizer(), bad, 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("text 2 of 2: bad byte in 'd!'"));
}

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(::testing::TempDir(), "/token_cacheXXXXXX");
    ASSERT_NE(mkdtemp(&folder_[0]), nullptr);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    DIR* dir = opendir(folder_.c_str());
    while (const dirent* entry = readdir(dir)) {
      if (entry->d_name[0] != '.') names.push_back(entry->d_name);
    }
    closedir(dir);
    return names;
  }
  std::string OnlyFile() const {
    const std::vector<std::string> names = Files();
    EXPECT_EQ(names.size(), 1u);
    return names.size() == 1 ? JoinPath(folder_, names[0]) : "";
  }
  static std::vector<int32_t> AllIds(const TokenTable& table) {
    PackedTokens tokens;
    for (int64_t i = 0; i < table.size(); ++i) table.AppendTo(i, &tokens);
    return tokens.ids;
  }

  std::string folder_;
  const std::vector<absl::string_view> texts_ = {"abc", "", "d"};
};

TEST_F(CacheTest, TheSecondCallReadsTheFile) {
  const CountingTokenizer tokenizer;
  const auto first = TokenTable::EncodeCached(tokenizer, texts_, 4, folder_);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(tokenizer.calls, 3);
  EXPECT_THAT(Files(), ElementsAre(testing::MatchesRegex("[0-9a-f]{64}\\.safetensors")));
  const auto second = TokenTable::EncodeCached(tokenizer, texts_, 4, folder_);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(tokenizer.calls, 3);
  EXPECT_THAT(AllIds(*second), ElementsAre(1, 'a', 'b', 2, 1, 2, 1, 'd', 2));
  EXPECT_EQ(AllIds(*first), AllIds(*second));
  EXPECT_EQ(second->length(1), 2);

  // No texts at all.
  for (int i = 0; i < 2; ++i) EXPECT_THAT(TokenTable::EncodeCached(tokenizer, {}, 4, folder_), IsOk());
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(CacheTest, WhateverDecidesTheTokensIsInTheName) {
  const CountingTokenizer tokenizer, other('c');
  const std::vector<absl::string_view> moved = {"ab", "c", "d"}, longer = {"abc", "", "d", ""},
                                       order = {"", "abc", "d"};
  const struct {
    const char* name;
    const CountingTokenizer* tokenizer;
    const std::vector<absl::string_view>* texts;
    int max_tokens;
  } kCases[] = {
      {"this", &tokenizer, &texts_, 4},          {"another tokenizer", &other, &texts_, 4},
      {"longer", &tokenizer, &texts_, 5},        {"the same letters", &tokenizer, &moved, 4},
      {"one more text", &tokenizer, &longer, 4}, {"another order", &tokenizer, &order, 4},
  };
  size_t files = 0;
  for (const auto& c : kCases) {
    c.tokenizer->calls = 0;
    ASSERT_THAT(TokenTable::EncodeCached(*c.tokenizer, *c.texts, c.max_tokens, folder_), IsOk()) << c.name;
    EXPECT_EQ(c.tokenizer->calls, static_cast<int>(c.texts->size())) << c.name;
    EXPECT_EQ(Files().size(), ++files) << c.name;
  }
}

TEST_F(CacheTest, DamagedFilesAreMadeAnew) {
  const CountingTokenizer tokenizer;
  ASSERT_THAT(TokenTable::EncodeCached(tokenizer, texts_, 4, folder_), IsOk());
  const std::string path = OnlyFile();
  const absl::StatusOr<std::string> good = ReadFile(path, 1 << 20);
  ASSERT_THAT(good, IsOk());
  // Another set's file under this one's name, damage anywhere, and files that are cut short.
  const std::vector<absl::string_view> others = {"xyz", "", "z"};
  ASSERT_THAT(TokenTable::EncodeCached(tokenizer, others, 4, folder_), IsOk());
  std::vector<std::string> bad = {"", "no file of ours", *good + "x"};
  for (const std::string& name : Files()) {
    const absl::StatusOr<std::string> contents = ReadFile(JoinPath(folder_, name), 1 << 20);
    ASSERT_THAT(contents, IsOk());
    if (*contents != *good) bad.push_back(*contents);
  }
  ASSERT_EQ(bad.size(), 4u);
  for (size_t byte = 0; byte < good->size(); byte += 7) {
    bad.push_back(good->substr(0, byte));
    bad.push_back(*good);
    bad.back()[byte] ^= 1;
  }
  for (size_t i = 0; i < bad.size(); ++i) {
    ASSERT_THAT(WriteFileAtomically(path, bad[i]), IsOk());
    tokenizer.calls = 0;
    const auto table = TokenTable::EncodeCached(tokenizer, texts_, 4, folder_);
    ASSERT_THAT(table, IsOk()) << i;
    EXPECT_THAT(AllIds(*table), ElementsAre(1, 'a', 'b', 2, 1, 2, 1, 'd', 2)) << i;
    EXPECT_EQ(tokenizer.calls, 3) << i;
    EXPECT_THAT(ReadFile(path, 1 << 20), IsOkAndHolds(*good)) << i;
  }
}

TEST_F(CacheTest, FolderThatCannotBeWritten) {
  const CountingTokenizer tokenizer;
  for (const std::string folder : {"/proc", "/no/such/folder"}) {
    const absl::Status status = TokenTable::EncodeCached(tokenizer, texts_, 4, folder).status();
    EXPECT_TRUE(absl::IsUnknown(status) || absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(folder));
  }
  EXPECT_EQ(tokenizer.calls, 0);  // found out first
  // Errors of the tokenizer leave nothing.
  const std::vector<absl::string_view> bad = {"abc", "d!"};
  EXPECT_THAT(TokenTable::EncodeCached(tokenizer, bad, 4, folder_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("text 2 of 2: bad byte in 'd!'")));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CacheTest, Datasets) {
  const CountingTokenizer tokenizer;
  for (const Encoding encoding : {Encoding::kPairApart, Encoding::kOneSequence}) {
    const auto fresh = TokenizedDataset::Create(Pairs(encoding), tokenizer, 5);
    ASSERT_THAT(fresh, IsOk());
    for (int i = 0; i < 2; ++i) {
      const auto cached = TokenizedDataset::Create(Pairs(encoding), tokenizer, 5, folder_);
      ASSERT_THAT(cached, IsOk());
      EXPECT_EQ(cached->AllExamples().tokens.ids, fresh->AllExamples().tokens.ids);
      EXPECT_EQ(cached->AllExamples().tokens.type_ids, fresh->AllExamples().tokens.type_ids);
      EXPECT_EQ(cached->AllExamples().tokens.offsets, fresh->AllExamples().tokens.offsets);
      EXPECT_EQ(cached->AllExamples().labels, fresh->AllExamples().labels);
    }
  }
  EXPECT_EQ(tokenizer.calls, 2 * 4 + 2 * 2);  // fresh and once more: four texts apart, two pairs
  EXPECT_EQ(Files().size(), 2u);
}

TEST(TokenTableDeathTest, ChecksIndicesAndMixedBatches) {
  const std::vector<absl::string_view> texts = {"a", "b"};
  const auto table = TokenTable::Encode(ByteTokenizer(), texts, 4);
  const auto mixed = [&] {
    const std::vector<ExampleRef> refs = {{0, 1, 0}, {0, -1, 0}};
    MakeBatch(*table, refs, 2);
  };
  EXPECT_DEATH(mixed(), "Check failed");
  EXPECT_DEATH(table->length(2), "Check failed");
}

}  // namespace
}  // namespace gbmoa
