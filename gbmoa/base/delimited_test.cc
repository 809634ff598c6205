#include "gbmoa/base/delimited.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;

// "text@BEGIN" of every field, rows with "/" between.
absl::StatusOr<std::string> Read(absl::string_view text, char separator, bool quotes) {
  TextCursor cursor("F", text);
  std::string all;
  for (size_t at = 0; at < text.size();) {
    const auto row = ReadDelimitedRow(separator, quotes, &cursor, &at);
    if (!row.ok()) return row.status();
    for (const DelimitedField& field : *row) absl::StrAppend(&all, field.text, "@", field.begin, " ");
    all += "/";
  }
  return all;
}

TEST(Delimited, Rows) {
  EXPECT_THAT(Read("a\t\"b\n\tc\r\n\n", '\t', false), IsOkAndHolds("a@0 \"b@2 /@5 c@6 /@9 /"));
  EXPECT_THAT(Read("a,\"b,\"\"\n\",c\r\nd", ',', true), IsOkAndHolds("a@0 b,\"\n@2 c@10 /d@13 /"));
  EXPECT_THAT(Read("", ',', true), IsOkAndHolds(""));
  EXPECT_THAT(Read("a\n\"b", ',', true), StatusIs(absl::StatusCode::kDataLoss, "F:2:1: the quote does not end"));
}

TEST(Delimited, ALongRowIsPassedOver) {
  const std::string text = absl::StrCat("a\tb\n", std::string(kMaxRowBytes + 1, 'x'), "\nc\td\n");
  TextCursor cursor("F", text);
  size_t at = 4;
  EXPECT_THAT(ReadDelimitedRow('\t', false, &cursor, &at),
              StatusIs(absl::StatusCode::kDataLoss, "F:2:1: expected a row of at most 1048576 bytes, found 1048577"));
  const auto row = ReadDelimitedRow('\t', false, &cursor, &at);
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ((*row)[0].text, "c");
  EXPECT_EQ(at, text.size());
}

TEST(Delimited, PlacesInAnyOrder) {
  TextCursor cursor("F", "ab\n\ncd");
  std::vector<std::string> places;
  for (const size_t byte : {5, 0, 1, 3, 4, 2, 6}) places.push_back(cursor.Place(byte));
  EXPECT_THAT(places, ElementsAre("F:3:2", "F:1:1", "F:1:2", "F:2:1", "F:3:1", "F:1:3", "F:3:3"));
}

}  // namespace
}  // namespace gbmoa
