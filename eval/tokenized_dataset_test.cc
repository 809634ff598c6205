#include "eval/tokenized_dataset.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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
