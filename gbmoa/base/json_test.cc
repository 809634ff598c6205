#include "gbmoa/base/json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::StartsWith;

TEST(JsonTest, Reads) {
  const absl::StatusOr<nlohmann::json> value =
      ParseJson("f", R"( {"a": [1, -2.5, true, null], "b": {"c": "\u00e9"}, "c": {"a": {}}} )");
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ((*value)["a"][1], -2.5);
  EXPECT_EQ((*value)["b"]["c"], "\u00e9");
  EXPECT_THAT(ParseJson("f", std::string(99, '[') + "1" + std::string(99, ']')), IsOk());
}

TEST(JsonTest, Refuses) {
  const struct {
    std::string name, text, message;
  } kCases[] = {
      {"empty", "", "f:1:1: "},
      {"not JSON", "{\n \"a\": x}", "f:2:7: syntax error"},
      {"cut short", "{\"a\": [1,", "f:1:"},
      {"two values", "{}\n{}", "f:2:1: syntax error"},
      {"NUL", absl::StrCat("{}", std::string(1, '\0'), "x"), "f:1:3: NUL"},
      {"not UTF-8", "{\n\"\xff\": 1}", "f:2:2: not UTF-8"},
      {"surrogate", R"(["\ud800"])", "f:1:"},
      {"key twice", R"({"a": 1, "b": {"a": 2}, "a": 3})", "f: 'a' comes twice"},
      {"key twice below", R"({"a": [{"b": 1, "b": 1}]})", "f: 'b' comes twice"},
      {"101 levels", std::string(101, '[') + std::string(101, ']'), "f: more than 100 levels"},
      {"100,000 levels", std::string(100'000, '['), "f:"},
      {"number too big", "[1e999]", "f"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(ParseJson("f", c.text), StatusIs(absl::StatusCode::kDataLoss, StartsWith(c.message))) << c.name;
  }
}

// The wanted texts are those of Python's bytes.decode("utf-8", errors="replace").
TEST(Utf8Test, ReplaceInvalidUtf8) {
  const std::string kBad = "\xef\xbf\xbd";
  const struct {
    std::string name, text, want;
    int64_t count;
  } kCases[] = {
      {"nothing", "", "", 0},
      {"valid", "caf\u00e9 \u4e2d \U0001f600 \ufffd", "caf\u00e9 \u4e2d \U0001f600 \ufffd", 0},
      {"NUL", std::string("a\0b", 3), std::string("a\0b", 3), 0},
      {"stray continuation", "a\x80z", "a" + kBad + "z", 1},
      {"Latin-1", "na\xefve", "na" + kBad + "ve", 1},
      {"FE and FF", "\xfe\xff", kBad + kBad, 2},
      {"overlong slash", "\xc0\xaf", kBad + kBad, 2},
      {"overlong of three bytes", "\xe0\x80\xaf", kBad + kBad + kBad, 3},
      {"lone surrogate", "\xed\xa0\x80", kBad + kBad + kBad, 3},
      {"above U+10FFFF", "\xf4\x90\x80\x80", kBad + kBad + kBad + kBad, 4},
      {"five bytes", "\xf8\x88\x80\x80\x80", kBad + kBad + kBad + kBad + kBad, 5},
      {"two of three bytes", "\xe4\xb8z", kBad + "z", 1},
      {"three of four bytes at the end", "x\xf0\x9f\x98", "x" + kBad, 1},
      {"one of four bytes, then a character", "\xf0\u00e9", kBad + "\u00e9", 1},
      {"two of four, then two of four", "\xf0\x9f\xf0\x9f", kBad + kBad, 2},
      {"after a long valid part", std::string(100, 'a') + "\xc3", std::string(100, 'a') + kBad, 1},
  };
  for (const auto& c : kCases) {
    int64_t count = 0;
    EXPECT_EQ(ReplaceInvalidUtf8(c.text, &count), c.want) << c.name;
    EXPECT_EQ(count, c.count) << c.name;
    EXPECT_EQ(FindInvalidUtf8(c.want), std::string::npos) << c.name;
  }
}

TEST(Utf8Test, FindInvalidUtf8) {
  const struct {
    std::string text;
    size_t byte;
  } kCases[] = {
      {"", std::string::npos},
      {"ascii and more ascii", std::string::npos},
      {"\u00e9\u4e2d\U0001f600\U0010ffff", std::string::npos},
      {std::string(1, '\0'), std::string::npos},
      {"12345678\x80", 8},
      {"1234567\xc3", 7},
      {"\xc0\x80", 0},
      {"\xc1\xbf", 0},
      {"a\xe0\x9f\xbf", 1},
      {"\xed\xa0\x80", 0},
      {"\xed\x9f\xbf", std::string::npos},  // U+D7FF
      {"\xf0\x8f\xbf\xbf", 0},
      {"\xf4\x90\x80\x80", 0},
      {"\xf5\x80\x80\x80", 0},
      {"\u00e9\xe4\xb8", 2},
      {"\xfe", 0},
  };
  for (const auto& c : kCases) EXPECT_EQ(FindInvalidUtf8(c.text), c.byte) << ::testing::PrintToString(c.text);
}

TEST(Utf8Test, LineAndColumn) {
  EXPECT_EQ(LineAndColumn("ab\ncd", 0), "1:1");
  EXPECT_EQ(LineAndColumn("ab\ncd", 2), "1:3");
  EXPECT_EQ(LineAndColumn("ab\ncd", 3), "2:1");
  EXPECT_EQ(LineAndColumn("\n\n", 2), "3:1");
}

TEST(JsonTest, LinesHaveTheirPlace) {
  EXPECT_THAT(ParseJsonLine("f:7", "[1]\r"), IsOk());
  EXPECT_THAT(ParseJsonLine("f:7", "[1] x"), StatusIs(absl::StatusCode::kDataLoss, StartsWith("f:7:5: syntax error")));
  EXPECT_THAT(ParseJsonLine("f:7", R"({"a": 1, "a": 2})"),
              StatusIs(absl::StatusCode::kDataLoss, "f:7:1: 'a' comes twice"));
}

}  // namespace
}  // namespace gbmoa
