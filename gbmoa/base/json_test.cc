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

}  // namespace
}  // namespace gbmoa
