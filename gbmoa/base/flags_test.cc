#include "gbmoa/base/flags.h"

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(std::string, word, "none", "a word");
ABSL_FLAG(int, number, 7, "a number");
ABSL_FLAG(bool, yes, false, "yes or no");
ABSL_FLAG(bool, secret, false, "not for this command");

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kAllowed = {"word", "number", "yes"};

TEST(FlagsTest, Parses) {
  const struct {
    std::vector<std::string> arguments, rest;
    std::string word;
    int number;
    bool yes;
  } kCases[] = {
      {{}, {}, "none", 7, false},
      {{"a", "--word=x", "b"}, {"a", "b"}, "x", 7, false},
      {{"--word", "x", "--number", "-3"}, {}, "x", -3, false},
      {{"-word=x=y", "-yes"}, {}, "x=y", 7, true},
      {{"--word=", "--yes=true"}, {}, "", 7, true},
      {{"--yes", "--noyes"}, {}, "none", 7, false},
      {{"--number=1", "--number=2"}, {}, "none", 2, false},
      {{"-", "--", "--number=1"}, {"-", "--number=1"}, "none", 7, false},
      {{"--word", "--yes"}, {}, "--yes", 7, false},
  };
  for (const auto& c : kCases) {
    const absl::FlagSaver saver;
    EXPECT_THAT(ParseFlags(c.arguments, kAllowed), IsOkAndHolds(c.rest));
    EXPECT_EQ(absl::GetFlag(FLAGS_word), c.word);
    EXPECT_EQ(absl::GetFlag(FLAGS_number), c.number);
    EXPECT_EQ(absl::GetFlag(FLAGS_yes), c.yes);
  }
}

TEST(FlagsTest, Refuses) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } kCases[] = {
      {{"--wrod=x"}, "unknown flag --wrod; known: --word, --number, --yes"},
      {{"--secret"}, "unknown flag --secret; known: "},
      {{"--noword"}, "unknown flag --noword; known: "},
      {{"--nosecret"}, "unknown flag --nosecret; known: "},
      {{"--help"}, "unknown flag --help; known: "},
      {{"--word"}, "--word: needs a value"},
      {{"--number=x"}, "--number: Illegal value 'x' specified for flag 'number'"},
      {{"--number=99999999999"}, "--number: "},
      {{"--yes=maybe"}, "--yes: "},
      {{"---"}, "unknown flag ---"},
  };
  for (const auto& c : kCases) {
    const absl::FlagSaver saver;
    EXPECT_THAT(ParseFlags(c.arguments, kAllowed), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

TEST(FlagsTest, Describes) {
  EXPECT_EQ(DescribeFlags(std::vector<std::string>{"word", "number"}),
            "  --word    a word; default: none\n  --number  a number; default: 7\n");
}

}  // namespace
}  // namespace gbmoa
