#include "gbmoa/task/option_reader.h"

#include "gbmoa/base/testing.h"

namespace gbmoa {
namespace {

constexpr absl::StatusCode kInvalidArgument = absl::StatusCode::kInvalidArgument;

TEST(OptionReaderTest, ReadsEveryType) {
  const LearnerOptions options = {{"rate", "3e-4"}, {"steps", "-7"},  {"on", "true"},   {"off", "false"},
                                  {"kind", "sgd"},  {"part", "0.25"}, {"all", "c,a,b"}, {"one", "b"}};
  OptionReader reader(options);
  EXPECT_EQ(reader.Number("rate", 1, 0, 10), 3e-4);
  EXPECT_EQ(reader.Integer("steps", 1, -10, 10), -7);
  EXPECT_TRUE(reader.Bool("on", false));
  EXPECT_FALSE(reader.Bool("off", true));
  EXPECT_EQ(reader.Choice("kind", "adamw", {"adamw", "sgd"}), "sgd");
  EXPECT_EQ(reader.Share("part", 0.5), 0.25);
  EXPECT_EQ(reader.Subset("all", {"a"}, {"a", "b", "c"}), std::vector<std::string>({"a", "b", "c"}));
  EXPECT_EQ(reader.Subset("one", {"a"}, {"a", "b", "c"}), std::vector<std::string>({"b"}));
  EXPECT_THAT(reader.Finish(), IsOk());
}

TEST(OptionReaderTest, FallbacksHoldWhereTheOptionsAreSilent) {
  const LearnerOptions options;
  OptionReader reader(options);
  EXPECT_EQ(reader.Number("rate", 0.5, 0, 10), 0.5);
  EXPECT_EQ(reader.Integer("steps", 5, 0, 10), 5);
  EXPECT_TRUE(reader.Bool("on", true));
  EXPECT_EQ(reader.Choice("kind", "adamw", {"adamw", "sgd"}), "adamw");
  EXPECT_EQ(reader.Share("part", 0.5), 0.5);
  EXPECT_EQ(reader.Subset("parts", {"b"}, {"a", "b"}), std::vector<std::string>({"b"}));
  EXPECT_THAT(reader.Finish(), IsOk());
}

TEST(OptionReaderTest, TheEndsOfARangeBelongToIt) {
  const LearnerOptions options = {{"low", "0"}, {"high", "10"}, {"first", "1"}, {"last", "9223372036854775807"}};
  OptionReader reader(options);
  EXPECT_EQ(reader.Number("low", 1, 0, 10), 0);
  EXPECT_EQ(reader.Number("high", 1, 0, 10), 10);
  EXPECT_EQ(reader.Integer("first", 5, 1, 10), 1);
  EXPECT_EQ(reader.Integer("last", 5, 1, INT64_MAX), INT64_MAX);
  EXPECT_THAT(reader.Finish(), IsOk());
}

TEST(OptionReaderTest, RefusesWhatItCannotRead) {
  enum Type { kNumber, kShare, kInteger, kBool, kChoice, kSubset };
  const struct {
    Type type;
    const char *value, *message;
  } cases[] = {
      {kNumber, "", "option x = '': wanted a number in [0.5, 10]"},
      {kNumber, "1e-3x", "option x = '1e-3x': wanted a number in [0.5, 10]"},
      {kNumber, "1,5", "option x = '1,5': wanted a number in [0.5, 10]"},
      {kNumber, "0.4999", "option x = '0.4999': wanted a number in [0.5, 10]"},
      {kNumber, "10.001", "option x = '10.001': wanted a number in [0.5, 10]"},
      {kNumber, "nan", "option x = 'nan': wanted a number in [0.5, 10]"},
      {kNumber, "inf", "option x = 'inf': wanted a number in [0.5, 10]"},
      {kNumber, "1e999", "option x = '1e999': wanted a number in [0.5, 10]"},
      {kInteger, "", "option x = '': wanted an integer in [1, 10]"},
      {kInteger, "3.5", "option x = '3.5': wanted an integer in [1, 10]"},
      {kInteger, "0", "option x = '0': wanted an integer in [1, 10]"},
      {kInteger, "11", "option x = '11': wanted an integer in [1, 10]"},
      {kInteger, "18446744073709551617", "option x = '18446744073709551617': wanted an integer in [1, 10]"},
      {kBool, "1", "option x = '1': wanted one of true, false"},
      {kBool, "True", "option x = 'True': wanted one of true, false"},
      {kChoice, "adam", "option x = 'adam': wanted one of adamw, sgd"},
      {kChoice, "", "option x = '': wanted one of adamw, sgd"},
      {kShare, "1", "option x = '1': wanted a number in [0, 1)"},
      {kShare, "-0.1", "option x = '-0.1': wanted a number in [0, 1)"},
      {kShare, "nan", "option x = 'nan': wanted a number in [0, 1)"},
      {kShare, "a half", "option x = 'a half': wanted a number in [0, 1)"},
      {kSubset, "", "option x = '': wanted some of a, b, c, comma-separated, none twice"},
      {kSubset, "a,d", "option x = 'a,d': wanted some of a, b, c, comma-separated, none twice"},
      {kSubset, "a,", "option x = 'a,': wanted some of a, b, c, comma-separated, none twice"},
      {kSubset, "b,a,b", "option x = 'b,a,b': wanted some of a, b, c, comma-separated, none twice"},
      {kSubset, "a b", "option x = 'a b': wanted some of a, b, c, comma-separated, none twice"},
  };
  for (const auto& test : cases) {
    const LearnerOptions options = {{"x", test.value}};
    OptionReader reader(options);
    // The fallback holds, so that a factory may go on to its end before it looks at Finish().
    if (test.type == kNumber) {
      EXPECT_EQ(reader.Number("x", 2, 0.5, 10), 2) << test.value;
    }
    if (test.type == kInteger) {
      EXPECT_EQ(reader.Integer("x", 2, 1, 10), 2) << test.value;
    }
    if (test.type == kBool) {
      EXPECT_TRUE(reader.Bool("x", true)) << test.value;
    }
    if (test.type == kChoice) {
      EXPECT_EQ(reader.Choice("x", "sgd", {"adamw", "sgd"}), "sgd") << test.value;
    }
    if (test.type == kShare) {
      EXPECT_EQ(reader.Share("x", 0.5), 0.5) << test.value;
    }
    if (test.type == kSubset) {
      EXPECT_EQ(reader.Subset("x", {"c"}, {"a", "b", "c"}), std::vector<std::string>({"c"})) << test.value;
    }
    EXPECT_THAT(reader.Finish(), StatusIs(kInvalidArgument, test.message)) << test.value;
  }
}

TEST(OptionReaderTest, AnOptionThatNobodyAskedForIsUnknown) {
  const LearnerOptions options = {{"learning_rat", "1"}, {"steps", "2"}};
  OptionReader reader(options);
  reader.Integer("steps", 1, 0, 10);
  reader.Number("learning_rate", 1, 0, 10);
  EXPECT_THAT(reader.Finish(),
              StatusIs(kInvalidArgument, "unknown option learning_rat = '1'; known: learning_rate, steps"));
}

TEST(OptionReaderTest, TheFirstProblemIsTold) {
  const LearnerOptions options = {{"a", "?"}, {"b", "!"}, {"unknown", "1"}};
  OptionReader reader(options);
  reader.Integer("b", 1, 0, 10);
  reader.Integer("a", 1, 0, 10);
  EXPECT_THAT(reader.Finish(), StatusIs(kInvalidArgument, "option b = '!': wanted an integer in [0, 10]"));
}

}  // namespace
}  // namespace gbmoa
