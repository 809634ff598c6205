// The layouts "tsv", "csv" and "jsonl", and what all layouts share. RELIABILITY.md R18 and R19.
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eval/task_reader.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kTable[] = R"(
  fields { key: "text_a" value: "sentence" } fields { key: "label" value: "label" } header: true
  classes { value: "0" } classes { value: "1" })";
constexpr char kPairs[] = R"(
  fields { key: "text_a" value: "2" } fields { key: "text_b" value: "0" } fields { key: "label" value: "1" }
  classes { value: "yes" } classes { value: "no" })";
constexpr char kScores[] = R"(
  fields { key: "text_a" value: "0" } fields { key: "label" value: "1" } range { low: 0 high: 5 })";
constexpr char kObjects[] = R"(
  fields { key: "text_a" value: "passage.text" } fields { key: "text_b" value: "question" }
  fields { key: "label" value: "label" } fields { key: "id" value: "idx" }
  classes { value: "false" } classes { value: "true" } classes { value: "1" })";

struct Outcome {
  absl::Status status;
  std::vector<std::string> rows;  // "text_a|text_b|label or target|id"
  int64_t bad = 0;
};

Outcome Read(const std::string& layout, const std::string& task, const std::string& contents, bool labelled = true,
             int64_t max_bad_rows = 0) {
  TaskConfig config;
  EXPECT_THAT(ParseTextproto("task", absl::StrCat("name: 't/t' files { layout: '", layout, "' ", task, "}"), &config),
              IsOk());
  TaskFile file;
  file.path = "F";
  file.contents = contents;
  file.config = &config;
  file.fields = {config.files().fields().begin(), config.files().fields().end()};
  file.header = config.files().header();
  file.labelled = labelled;
  const auto reader = TaskReaderRegistry::Global().Create(layout);
  EXPECT_THAT(reader, IsOk());
  BadRows bad_rows(max_bad_rows);
  int64_t next_group = 0;
  std::vector<Example> examples;
  Outcome outcome;
  outcome.status = (*reader)->Read(file, &bad_rows, &next_group, &examples);
  outcome.bad = bad_rows.count();
  for (const Example& e : examples) {
    outcome.rows.push_back(absl::StrCat(e.text_a, "|", e.text_b, "|",
                                        config.files().has_range() ? absl::StrCat(e.target) : absl::StrCat(e.label),
                                        "|", e.id));
  }
  return outcome;
}

TEST(Readers, Tables) {
  const struct {
    std::string name, layout, task, contents;
    bool labelled;
    std::vector<std::string> rows;
  } kCases[] = {
      {"header", "tsv", kTable, "label\tsentence\n1\ta\n0\tb c\n", true, {"a||1|", "b c||0|"}},
      {"no final line end", "tsv", kTable, "label\tsentence\n1\ta", true, {"a||1|"}},
      {"CR LF", "tsv", kTable, "label\tsentence\r\n1\ta\r\n0\tb\r\n", true, {"a||1|", "b||0|"}},
      {"CR within a text", "tsv", kTable, "label\tsentence\n1\ta\rb\n", true, {"a\rb||1|"}},
      {"quotes are characters",
       "tsv",
       kTable,
       "label\tsentence\n1\t\"a\n0\t\" b\" \"c\n",
       true,
       {"\"a||1|", "\" b\" \"c||0|"}},
      {"spaces stay", "tsv", kTable, "label\tsentence\n1\t a \n", true, {" a ||1|"}},
      {"empty second text", "tsv", kPairs, "\tno\ta\n", true, {"a||1|"}},
      {"unlabelled has no label column", "tsv", kTable, "sentence\na\nb\n", false, {"a||0|", "b||0|"}},
      {"unlabelled labels are not read", "tsv", kTable, "label\tsentence\n-1\ta\n", false, {"a||0|"}},
      {"numbers of columns", "tsv", kPairs, "b\tno\ta\nd\tyes\tc\n", true, {"a|b|1|", "c|d|0|"}},
      {"targets", "tsv", kScores, "a\t0\nb\t5.000\nc\t3.8\n", true, {"a||0|", "b||5|", "c||3.8|"}},
      {"CSV", "csv", kPairs, "\"b, \"\"c\"\"\nd\",no,a\nd,\"yes\",c\n", true, {"a|b, \"c\"\nd|1|", "c|d|0|"}},
      {"id",
       "tsv",
       absl::StrCat(kTable, "fields { key: 'id' value: 'index' }"),
       "index\tlabel\tsentence\n7\t1\ta\n",
       true,
       {"a||1|7"}},
      {"no id",
       "tsv",
       absl::StrCat(kTable, "fields { key: 'id' value: 'index' }"),
       "label\tsentence\n1\ta\n",
       true,
       {"a||1|"}},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Read(c.layout, c.task, c.contents, c.labelled);
    EXPECT_THAT(outcome.status, IsOk()) << c.name;
    EXPECT_EQ(outcome.rows, c.rows) << c.name;
  }
}

TEST(Readers, BadTables) {
  const std::string long_line(100'000'000, 'x'), too_long = long_line.substr(0, 2'000'000);
  const struct {
    std::string name, layout, task, contents, message;
    absl::StatusCode code = absl::StatusCode::kDataLoss;
  } kCases[] = {
      // R18
      {"too few columns", "tsv", kTable, "label\tsentence\n1\ta\n0\n", "F:3:1: expected 2 columns, found 1"},
      {"too many columns", "tsv", kTable, "label\tsentence\n1\ta\tb\n", "F:2:1: expected 2 columns, found 3"},
      {"blank line", "tsv", kTable, "label\tsentence\n1\ta\n\n", "F:3:1: expected 2 columns, found 1"},
      {"no header", "tsv", kTable, "1\ta\n", "F:1:1: expected a column 'label', found 1, a"},
      {"header twice the same", "tsv", kTable, "label\tlabel\tsentence\n", "F:1:1: two columns are called 'label'"},
      {"header only", "tsv", kTable, "label\tsentence\n", "F:2:1: expected rows after the header, found none"},
      {"empty text", "tsv", kTable, "label\tsentence\n1\t\n", "F:2:3: text_a: expected text, found ''"},
      {"blank text", "csv", kPairs, "b,no,\" \"\n", "F:1:6: text_a: expected text, found ' '"},
      {"no such column", "tsv", kScores, "a\n", "F:1:1: label: expected at least 2 columns, found 1"},
      {"100 MB line", "tsv", kTable, absl::StrCat("label\tsentence\n1\t", long_line, "\n"),
       "F:2:1: expected a row of at most 1048576 bytes, found 100000002"},
      {"long header", "tsv", kTable, too_long, "F:1:1: expected a row of at most 1048576 bytes, found 2000000"},
      {"long quote", "csv", kPairs, absl::StrCat("\"", too_long),
       "F:1:1: expected a row of at most 1048576 bytes, found more"},
      {"quote does not end", "csv", kPairs, "b,no,a\n\"c,yes,a\n", "F:2:1: the quote does not end"},
      {"text behind a quote", "csv", kPairs, "\"b\"c,no,a\n",
       "F:1:4: wanted a comma or the line's end after the quote"},
      // R19
      {"unknown label", "tsv", kTable, "label\tsentence\n1\ta\n2\tb\n",
       "F:3:1: label: expected one of 0, 1, found '2'"},
      {"float label", "tsv", kTable, "label\tsentence\n1.0\ta\n", "F:2:1: label: expected one of 0, 1, found '1.0'"},
      {"label of an unlabelled split", "tsv", kTable, "label\tsentence\n-1\ta\n",
       "F:2:1: label: expected one of 0, 1, found '-1'"},
      {"empty label", "tsv", kTable, "label\tsentence\n\ta\n", "F:2:1: label: expected one of 0, 1, found ''"},
      {"label with a space", "tsv", kTable, "label\tsentence\n 1\ta\n",
       "F:2:1: label: expected one of 0, 1, found ' 1'"},
      {"place of the label", "tsv", kScores, "a\t1\nbcd\tx\n", "F:2:5: label: expected a number of 0 to 5, found 'x'"},
      {"above the range", "tsv", kScores, "a\t5.001\n", "F:1:3: label: expected a number of 0 to 5, found '5.001'"},
      {"below the range", "tsv", kScores, "a\t-0.1\n", "F:1:3: label: expected a number of 0 to 5, found '-0.1'"},
      {"not a number", "tsv", kScores, "a\tnan\n", "F:1:3: label: expected a number of 0 to 5, found 'nan'"},
      {"empty target", "tsv", kScores, "a\t\n", "F:1:3: label: expected a number of 0 to 5, found ''"},
      // The task's own file
      {"a name without a header", "tsv", "fields { key: 'text_a' value: 'x' } fields { key: 'label' value: '0' }",
       "a\n", "t/t: files.fields: text_a: expected the number of a column, found 'x'",
       absl::StatusCode::kInvalidArgument},
      {"a column that no table has", "tsv",
       "fields { key: 'text_a' value: '18446744073709551615' } fields { key: 'label' value: '0' }", "a\n",
       "t/t: files.fields: text_a: expected the number of a column, found '18446744073709551615'",
       absl::StatusCode::kInvalidArgument},
      {"no label field", "tsv", "fields { key: 'text_a' value: '0' }", "a\n",
       "t/t: files.fields: layout 'tsv' needs 'label'", absl::StatusCode::kInvalidArgument},
      {"unknown field", "tsv", absl::StrCat(kTable, "fields { key: 'txt' value: '0' }"), "a\n",
       "t/t: files.fields: layout 'tsv' has no 'txt'", absl::StatusCode::kInvalidArgument},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Read(c.layout, c.task, c.contents);
    EXPECT_THAT(outcome.status, StatusIs(c.code, c.message)) << c.name;
  }
}

TEST(Readers, Objects) {
  const Outcome outcome =
      Read("jsonl", kObjects,
           "{\"idx\": 7, \"passage\": {\"text\": \"caf\\u00e9\"}, \"question\": \"q\", \"label\": true}\r\n"
           "{\"passage\": {\"text\": \"t\"}, \"question\": \"\", \"label\": \"false\", \"more\": []}\n"
           "{\"idx\": \"x\", \"passage\": {\"text\": \"s\"}, \"question\": \"r\", \"label\": 1}");
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_THAT(outcome.rows, ElementsAre("caf\u00e9|q|1|7", "t||0|", "s|r|2|x"));
  const Outcome unlabelled =
      Read("jsonl", kObjects, "{\"passage\": {\"text\": \"a\"}, \"question\": \"r\", \"label\": -1}\n", false);
  EXPECT_THAT(unlabelled.status, IsOk());
  EXPECT_THAT(unlabelled.rows, ElementsAre("a|r|0|"));
}

TEST(Readers, BadObjects) {
  const std::string good = R"({"passage": {"text": "a"}, "question": "q", "label": true})";
  const struct {
    std::string name, contents, message;
  } kCases[] = {
      // R18
      {"trailing garbage", absl::StrCat(good, "\n", good, " x\n"), "F:2:60: "},
      {"two objects on a line", absl::StrCat(good, good), "F:1:59: "},
      {"cut off", "{\"passage\": {\"text\": \"a", "F:1:24: "},
      {"blank line", absl::StrCat(good, "\n\n", good), "F:2:"},
      {"a list", absl::StrCat(good, "\n[1]\n"), "F:2:1: expected an object, found array"},
      {"depth", absl::StrCat(good, "\n", std::string(100'000, '['), std::string(100'000, ']')),
       "F:2:1: more than 100 levels"},
      {"key twice", R"({"label": true, "question": "q", "label": false})", "F:1:1: 'label' comes twice"},
      {"number as text", R"({"passage": {"text": 5}, "question": "q", "label": true})",
       "F:1:1: passage.text: expected a string, found 5"},
      {"blank text", R"({"passage": {"text": " "}, "question": "q", "label": true})",
       "F:1:1: passage.text: expected text, found \" \""},
      {"text as object", R"({"passage": "a", "question": "q", "label": true})",
       "F:1:1: passage.text: expected objects on the way there, found \"a\""},
      {"member missing", R"({"passage": {"text": "a"}, "label": true})", "F:1:1: question: is missing"},
      {"long line", absl::StrCat(good, "\n", std::string(2'000'000, '[')),
       "F:2:1: expected a row of at most 1048576 bytes, found 2000000"},
      // R19
      {"label missing", R"({"passage": {"text": "a"}, "question": "q"})", "F:1:1: label: is missing"},
      {"unknown label", R"({"passage": {"text": "a"}, "question": "q", "label": 2})",
       "F:1:1: label: expected one of false, true, 1, found '2'"},
      {"float label", R"({"passage": {"text": "a"}, "question": "q", "label": 1.0})",
       "F:1:1: label: expected one of false, true, 1, found '1.0'"},
      {"null label", R"({"passage": {"text": "a"}, "question": "q", "label": null})",
       "F:1:1: label: expected a string, a number, true or false, found null"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Read("jsonl", kObjects, c.contents).status,
                StatusIs(absl::StatusCode::kDataLoss, StartsWith(c.message)))
        << c.name;
  }
}

TEST(Readers, SoManyBadRowsAreLeftOutAndCounted) {
  const std::string table = "label\tsentence\n1\ta\n2\tb\n0\tc\n1\n";
  const std::string objects = R"({"passage": {"text": "a"}, "question": "q", "label": true}
{"passage": {"text": "b"}, "question": "q", "label": 5}
{
{"passage": {"text": "c"}, "question": "q", "label": false})";
  for (const auto& [layout, task, contents, second] :
       {std::tuple("tsv", kTable, table, "F:5:1: expected 2 columns, found 1"),
        std::tuple("jsonl", kObjects, objects, "F:3:")}) {
    const Outcome two = Read(layout, task, contents, true, 2);
    EXPECT_THAT(two.status, IsOk()) << layout;
    EXPECT_EQ(two.bad, 2) << layout;
    EXPECT_EQ(two.rows.size(), 2u) << layout;
    EXPECT_THAT(Read(layout, task, contents, true, 1).status,
                StatusIs(absl::StatusCode::kDataLoss,
                         ::testing::AllOf(StartsWith(second), HasSubstr("(bad row 2, 1 may be left out; the first: F:"),
                                          HasSubstr("label: expected one of "))))
        << layout;
  }
}

// Without a header the first row that reads well says how many columns there are.
TEST(Readers, ABadFirstRowIsOneBadRow) {
  for (const std::string first : {"x", "a\t9\tz", " \t1\t2"}) {
    const Outcome outcome = Read("tsv", kScores, absl::StrCat(first, "\na\t1\nb\t2\n"), true, 1);
    EXPECT_THAT(outcome.status, IsOk()) << first;
    EXPECT_EQ(outcome.bad, 1) << first;
    EXPECT_THAT(outcome.rows, ElementsAre("a||1|", "b||2|")) << first;
  }
}

TEST(Readers, ManyClassesAreNamedInPart) {
  FileTask task;
  for (int i = 0; i < 150; ++i) task.add_classes()->set_value(absl::StrCat("c", i));
  Example example;
  EXPECT_THAT(ReadLabel(task, "c149", &example), IsOk());
  EXPECT_EQ(example.label, 149);
  EXPECT_THAT(ReadLabel(task, std::string(1000, 'x'), &example),
              StatusIs(absl::StatusCode::kDataLoss,
                       ::testing::AllOf(StartsWith("label: expected one of c0, c1, "),
                                        ::testing::EndsWith(
                                            absl::StrCat("c19 and 130 more, found '", std::string(100, 'x'), "'")))));
}

}  // namespace
}  // namespace gbmoa
