#include "gbmoa/cli/labelled_file.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::StrEq;

class LabelledFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/labelled_file_testXXXXXX");
    ASSERT_NE(mkdtemp(&name[0]), nullptr);
    folder_ = name;
  }
  std::string Make(const std::string& name, absl::string_view contents) const {
    EXPECT_THAT(WriteFileAtomically(JoinPath(folder_, name), contents), IsOk());
    return JoinPath(folder_, name);
  }
  std::string folder_;
};

TEST_F(LabelledFileTest, Reads) {
  struct Case {
    std::string name, contents;
    bool header;
    std::vector<std::string> want;  // "first|second|label@LINE:COLUMN"
  };
  const std::vector<Case> kCases = {
      {"a.tsv", "a text\tgood\n\"b\"\tbad", false, {"a text||good@1:8", "\"b\"||bad@2:5"}},
      {"a.tsv", "a\tb\t1\r\n\t\t2\r\n", false, {"a|b|1@1:5", "||2@2:3"}},
      {"a.tsv", "text\tsecond\tlabel\tand more\na\tb\tc\n", true, {"a|b|c@2:5"}},
      {"a.csv",
       "a;b,c\r\n\"x, \"\"y\"\"\nz\",\"d\"\r\nlast,\"e\"",
       false,
       {"a;b||c@1:5", "x, \"y\"\nz||d@3:4", "last||e@4:6"}},
      {"a.csv", "\xef\xbb\xbftext,label\nt,l\n", true, {"t||l@2:3"}},
      {"a.jsonl",
       "{\"text\": \"a\\n\", \"label\": \"x\"}\n{\"label\": -3, \"text\": \"\"}",
       false,
       {"a\n||x@1:1", "||-3@2:1"}},
      {"a.jsonl", "{\"text\": \"a\", \"text_pair\": \"b\", \"label\": \"x\"}\r\n", false, {"a|b|x@1:1"}},
  };
  for (const Case& c : kCases) {
    const std::string path = Make(c.name, c.contents);
    const absl::StatusOr<std::vector<LabelledText>> examples = ReadLabelledFile(path, c.header);
    ASSERT_THAT(examples, IsOk()) << c.contents;
    std::vector<std::string> got;
    for (const LabelledText& example : *examples) {
      EXPECT_EQ(example.place.substr(0, path.size() + 1), path + ":");
      got.push_back(absl::StrCat(example.first, "|", example.second.value_or(""), "|", example.label, "@",
                                 example.place.substr(path.size() + 1)));
    }
    EXPECT_EQ(got, c.want) << c.contents;
  }
}

TEST_F(LabelledFileTest, ErrorsNameThePlace) {
  const struct {
    std::string name, contents;
    bool header;
    absl::StatusCode code;
    std::string message;  // after the file's name
  } kCases[] = {
      {"a.txt", "a\tb\n", false, absl::StatusCode::kInvalidArgument,
       ": wanted a name that ends in .tsv, .csv or .jsonl"},
      {"a.jsonl", "", true, absl::StatusCode::kInvalidArgument, ": --header is for .tsv and .csv"},
      {"a.tsv", "", false, absl::StatusCode::kDataLoss, ": has no examples"},
      {"a.tsv", "text\tlabel\n", true, absl::StatusCode::kDataLoss, ": has no examples"},
      {"a.tsv", "a\tb\nc\n", false, absl::StatusCode::kDataLoss,
       ":2:1: wanted one text or two and a label, got 1 column"},
      {"a.tsv", "a\tb\n\n", false, absl::StatusCode::kDataLoss,
       ":2:1: wanted one text or two and a label, got 1 column"},
      {"a.tsv", "a\tb\tc\td\n", false, absl::StatusCode::kDataLoss,
       ":1:1: wanted one text or two and a label, got 4 columns"},
      {"a.tsv", "a\tb\na\tb\tc\n", false, absl::StatusCode::kDataLoss, ":2:1: has 3 columns, the first line has 2"},
      {"a.tsv", "a\tb\nna\xefve\tc\n", false, absl::StatusCode::kDataLoss, ":2:3: not UTF-8"},
      {"a.tsv", std::string("a\0\tb\n", 5), false, absl::StatusCode::kDataLoss, ":1:2: NUL"},
      {"a.tsv", "a\tb\nc\t\n", false, absl::StatusCode::kDataLoss, ":2:3: the label is empty"},
      // Only carriage returns: one line.
      {"a.tsv", "a\tb\rc\td\re\tf", false, absl::StatusCode::kDataLoss,
       ":1:1: wanted one text or two and a label, got 4 columns"},
      {"a.csv", "a,b\nc,\"d\n", false, absl::StatusCode::kDataLoss, ":2:3: the quote does not end"},
      {"a.csv", "\"a\"b,c\n", false, absl::StatusCode::kDataLoss,
       ":1:4: wanted a comma or the line's end after the quote"},
      {"a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n\n", false, absl::StatusCode::kDataLoss, ":2:"},
      {"a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\" 1}\n", false, absl::StatusCode::kDataLoss, ":2:9: "},
      {"a.jsonl", "{\"text\": \"a\", \"text\": \"b\"}\n", false, absl::StatusCode::kDataLoss,
       ":1:1: 'text' comes twice"},
      {"a.jsonl", "[]\n", false, absl::StatusCode::kDataLoss, ":1:1: wanted an object"},
      {"a.jsonl", "{\"label\": \"b\"}\n", false, absl::StatusCode::kDataLoss, ":1:1: text: is missing"},
      {"a.jsonl", "{\"text\": \"b\"}\n", false, absl::StatusCode::kDataLoss, ":1:1: label: is missing"},
      {"a.jsonl", "{\"text\": \"b\", \"label\": 1.5}\n", false, absl::StatusCode::kDataLoss,
       ":1:1: label: wanted a string"},
      {"a.jsonl", "{\"text\": \"b\", \"labels\": 1}\n", false, absl::StatusCode::kDataLoss,
       ":1:1: \"labels\" is unknown"},
      {"a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\", \"text_pair\": \"c\", \"label\": \"b\"}\n",
       false, absl::StatusCode::kDataLoss, ":2:1: text_pair: all examples must have one, or none"},
  };
  for (const auto& c : kCases) {
    const std::string path = Make(c.name, c.contents);
    const absl::Status status = ReadLabelledFile(path, c.header).status();
    EXPECT_EQ(status.code(), c.code) << c.contents;
    EXPECT_EQ(std::string(status.message()).substr(0, (path + c.message).size()), path + c.message) << c.contents;
  }
  EXPECT_THAT(ReadLabelledFile("none.tsv", false).status(),
              StatusIs(absl::StatusCode::kNotFound, StrEq("none.tsv: cannot open: No such file or directory")));
}

}  // namespace
}  // namespace gbmoa
