#include "gbmoa/task/episode.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Six sequences of 1, 2, 3, 1, 2 and 0 tokens: the ids of sequence s are 10 s, 10 s + 1, ...
Batch SixSequences(Encoding encoding) {
  Batch batch;
  batch.num_classes = 4;
  batch.encoding = encoding;
  batch.tokens.ids = {0, 10, 11, 20, 21, 22, 30, 40, 41};
  batch.tokens.type_ids = {0, 0, 1, 0, 0, 1, 1, 0, 1};
  batch.tokens.offsets = {0, 1, 3, 6, 7, 9, 9};
  batch.labels =
      encoding == Encoding::kPairApart ? std::vector<int64_t>{3, 0, 1} : std::vector<int64_t>{3, 0, 1, 2, 0, 1};
  return batch;
}

TEST(EpisodeTest, Sizes) {
  const Batch texts = SixSequences(Encoding::kOneSequence), pairs = SixSequences(Encoding::kPairApart);
  EXPECT_EQ(texts.tokens.num_sequences(), 6);
  EXPECT_EQ(texts.tokens.num_tokens(), 9);
  EXPECT_EQ(texts.size(), 6);
  EXPECT_EQ(pairs.size(), 3);
  EXPECT_EQ(Batch().size(), 0);
  EXPECT_EQ(Batch().tokens.num_tokens(), 0);
}

TEST(SelectExamplesTest, TakesRowsInTheOrderAskedForAndTwiceIfAskedTwice) {
  const Batch selected = SelectExamples(SixSequences(Encoding::kOneSequence), {4, 1, 5, 1});
  EXPECT_THAT(selected.tokens.ids, ElementsAre(40, 41, 10, 11, 10, 11));
  EXPECT_THAT(selected.tokens.type_ids, ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(selected.tokens.offsets, ElementsAre(0, 2, 4, 4, 6));
  EXPECT_THAT(selected.labels, ElementsAre(0, 0, 1, 0));
  EXPECT_EQ(selected.num_classes, 4);
  EXPECT_EQ(selected.encoding, Encoding::kOneSequence);
}

TEST(SelectExamplesTest, KeepsBothSidesOfAPair) {
  const Batch selected = SelectExamples(SixSequences(Encoding::kPairApart), {2, 0});
  EXPECT_THAT(selected.tokens.ids, ElementsAre(40, 41, 0, 10, 11));
  EXPECT_THAT(selected.tokens.offsets, ElementsAre(0, 2, 2, 3, 5));
  EXPECT_THAT(selected.labels, ElementsAre(1, 3));
  EXPECT_EQ(selected.encoding, Encoding::kPairApart);
  EXPECT_EQ(selected.size(), 2);
}

TEST(SelectExamplesTest, KeepsTheTargetsOfARegression) {
  Batch batch = SixSequences(Encoding::kPairApart);
  batch.regression = true;
  batch.num_classes = 1;
  batch.labels.clear();
  batch.targets = {0.5, 2.5, 4};
  const Batch selected = SelectExamples(batch, {2, 0, 2});
  EXPECT_TRUE(selected.regression);
  EXPECT_EQ(selected.num_classes, 1);
  EXPECT_THAT(selected.targets, ElementsAre(4, 0.5, 4));
  EXPECT_THAT(selected.labels, IsEmpty());
  batch.targets.clear();
  EXPECT_TRUE(SelectExamples(batch, {1}).regression);
  EXPECT_THAT(SelectExamples(batch, {1}).targets, IsEmpty());
  EXPECT_FALSE(SelectExamples(SixSequences(Encoding::kPairApart), {1}).regression);
}

TEST(SelectRangeTest, TakesNeighbours) {
  const Batch texts = SixSequences(Encoding::kOneSequence);
  const Batch selected = SelectRange(texts, 1, 4);
  EXPECT_THAT(selected.tokens.ids, ElementsAre(10, 11, 20, 21, 22, 30));
  EXPECT_THAT(selected.labels, ElementsAre(0, 1, 2));
  EXPECT_EQ(SelectRange(texts, 6, 6).size(), 0);
  EXPECT_DEATH(SelectRange(texts, 4, 7), "row < batch.size\\(\\)");
  EXPECT_DEATH(SelectRange(texts, 4, 3), "begin <= end");
}

TEST(SelectExamplesTest, NoRowsAndNoLabels) {
  Batch batch = SixSequences(Encoding::kPairApart);
  const Batch nothing = SelectExamples(batch, {});
  EXPECT_EQ(nothing.size(), 0);
  EXPECT_EQ(nothing.num_classes, 4);
  EXPECT_THAT(nothing.tokens.offsets, ElementsAre(0));
  batch.labels.clear();
  EXPECT_THAT(SelectExamples(batch, {1}).labels, IsEmpty());
  EXPECT_THAT(SelectExamples(batch, {1}).tokens.ids, ElementsAre(20, 21, 22, 30));
}

TEST(SelectExamplesDeathTest, RowsMustExist) {
  EXPECT_DEATH(SelectExamples(SixSequences(Encoding::kPairApart), {3}), "row < batch.size\\(\\)");
  EXPECT_DEATH(SelectExamples(SixSequences(Encoding::kPairApart), {-1}), "row >= 0");
}

}  // namespace
}  // namespace gbmoa
