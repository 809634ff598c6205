// Layouts of SuperGLUE and of the few-shot suite, each on small files in their official form.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eval/file_task.h"
#include "eval/task_reader.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr char kTruth[] = "classes { value: 'false' } classes { value: 'true' }";
constexpr char kWrongRight[] = "classes { value: '0' } classes { value: '1' }";

std::string Root() { return ::testing::TempDir(); }

TaskConfig Config(const std::string& files) {
  TaskConfig config;
  const absl::Status status = ParseTextproto("test", absl::StrCat("name: 'some/task' files {", files, "}"), &config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

// Reads the split of a task whose file "f" (and "g") has this text. The split is no training split, which would have to
// have every class.
absl::StatusOr<FileTaskSplit> Load(const std::string& files, const std::string& f, const std::string& g = "",
                                   const FileTaskOptions& options = {}) {
  EXPECT_THAT(WriteFileAtomically(JoinPath(Root(), "f"), f), IsOk());
  EXPECT_THAT(WriteFileAtomically(JoinPath(Root(), "g"), g), IsOk());
  return LoadFileTaskSplit(Config(files), "validation", Root(), options);
}

std::string Text(const Example& example) {
  return absl::StrJoin({example.text_a, example.text_b, absl::StrCat(example.label), absl::StrCat(example.group),
                        example.answer, example.id},
                       "|");
}

struct Good {
  std::string name, files, f;
  std::vector<std::string> examples;  // text_a|text_b|label|group|answer|id
  std::string g;
};

std::string Layout(const std::string& layout, const std::string& rest, bool unlabelled = false) {
  return absl::StrCat("layout: '", layout, "' splits { name: 'validation' files: 'f' ",
                      unlabelled ? "unlabelled: true" : "", " } ", rest);
}
std::string Fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string text;
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&text, "fields { key: '", key, "' value: '", value, "' } ");
  }
  return text;
}

std::string Lines(const std::vector<std::pair<std::string, std::string>>& more = {}) {
  return Layout("lines",
                absl::StrCat(Fields({{"columns", "2"}, {"text_a", "0"}, {"label", "1"}}), Fields(more), kWrongRight));
}
std::string Parallel(const std::string& rest = "") {
  return absl::StrCat("layout: 'parallel' splits { name: 'validation' files: 'f' files: 'g' } ", rest, kWrongRight);
}
const char kChoices[] = "1-3";
std::string CsvChoices(const std::string& choices = kChoices, const std::string& rest = "") {
  return Layout("choices", absl::StrCat(Fields({{"question", "0"}, {"choices", choices}, {"answer", "4"}}),
                                        Fields({{"separator", "comma"}}), rest, kWrongRight));
}
std::string LetteredChoicesTask() {
  return Layout("choices", absl::StrCat(Fields({{"question", "Q"}, {"choices", "C"}, {"answer", "A"}, {"id", "ID"}}),
                                        "header: true ", kWrongRight));
}
std::string JsonFile(const std::string& rest = "") {
  return Layout("json", absl::StrCat(Fields({{"text_a", "0"}, {"label", "1"}}), rest, kWrongRight));
}

const char kCopaRow[] =
    R"({"premise": "It rained.", "choice1": "A.", "choice2": "B. ", "question": "cause", "label": 1, "idx": 7})";
const char kWicRow[] = R"({"word": "class", "sentence1": "Café class.", "sentence2": "😀 classes", "idx": 3, )"
                       R"("start1": 5, "end1": 10, "start2": 2, "end2": 9, "label": true})";
const char kMultircRow[] =
    R"({"idx": 4, "passage": {"text": "P.", "questions": [)"
    R"({"question": "Q?", "idx": 8, "answers": [{"text": "a", "idx": 20, "label": 1}, {"text": "", "idx": 21, "label": 0}]},)"
    R"({"question": "R?", "idx": 9, "answers": [{"text": "b", "idx": 22, "label": 0}]}]}})";
// "é" makes bytes and characters differ; "Ann" stands twice.
const char kRecordRow[] =
    R"({"idx": 0, "passage": {"text": "é Ann, Bo, Ann", "entities": [)"
    R"({"start": 2, "end": 4}, {"start": 7, "end": 8}, {"start": 11, "end": 13}]}, )"
    R"("qas": [{"query": "Says @placeholder.", "idx": 5, "answers": [{"start": 7, "end": 8, "text": "Bo"}]},)"
    R"({"query": "@placeholder and @placeholder", "idx": 6, "answers": [{"start": 2, "end": 4, "text": "Ann"}]}]})";

TEST(LayoutsTest, Reads) {
  const std::vector<Good> cases = {
      {"COPA",
       Layout("copa", kWrongRight),
       absl::StrCat(kCopaRow, "\n",
                    R"({"premise": " P", "choice1": "C", "choice2": "D", "question": "effect", "label": 0, "idx": 8})"),
       {"It rained. What was the cause?|A.|0|0|A.|7", "It rained. What was the cause?|B. |1|0|B. |7",
        " P What happened as a result?|C|1|1|C|8", " P What happened as a result?|D|0|1|D|8"}},
      {"COPA's test file",
       Layout("copa", kWrongRight, true),
       R"({"premise": "P", "choice1": "C", "choice2": "D", "question": "effect", "idx": 0})",
       {"P What happened as a result?|C|0|0|C|0", "P What happened as a result?|D|0|0|D|0"}},
      {"WiC counts characters", Layout("wic", kTruth), kWicRow, {"Café * class *.|😀 * classes *|1|-1||3"}},
      {"WSC: the word itself",
       Layout("wsc", kTruth),
       R"({"text": "Bob  left, as he said.", "target": {"span1_text": "bob", "span1_index": 0, )"
       R"("span2_text": "he", "span2_index": 3}, "idx": 1, "label": false})",
       {"Bob  left, as * he * said.|bob|0|-1||1"}},
      {"WSC: within a word, and elsewhere in it, too",
       Layout("wsc", kTruth),
       R"({"text": "Ann's \"The-he's\" is", "target": {"span1_text": "Ann", "span1_index": 0, )"
       R"("span2_text": "He", "span2_index": 1}, "idx": 1, "label": true})",
       {"Ann's \"The-* he *'s\" is|Ann|1|-1||1"}},
      {"WSC: an index that is off by one",
       Layout("wsc", kTruth),
       R"({"text": "they want to use it , but", "target": {"span1_text": "they", "span1_index": 0, )"
       R"("span2_text": "it", "span2_index": 3}, "idx": 42, "label": false})",
       {"they want to use * it * , but|they|0|-1||42"}},
      {"MultiRC",
       Layout("multirc", kWrongRight),
       kMultircRow,
       {"P.|Q? a|1|0|a|4,8,20", "P.|Q? |0|0||4,8,21", "P.|R? b|0|1|b|4,9,22"}},
      {"ReCoRD",
       Layout("record", kWrongRight),
       absl::StrCat(kRecordRow, "\n", kRecordRow, "\n"),
       {"é Ann, Bo, Ann|Says Ann.|0|0|Ann|5", "é Ann, Bo, Ann|Says Bo.|1|0|Bo|5",
        "é Ann, Bo, Ann|Ann and Ann|1|1|Ann|6", "é Ann, Bo, Ann|Bo and Bo|0|1|Bo|6",
        "é Ann, Bo, Ann|Says Ann.|0|2|Ann|5", "é Ann, Bo, Ann|Says Bo.|1|2|Bo|5",
        "é Ann, Bo, Ann|Ann and Ann|1|3|Ann|6", "é Ann, Bo, Ann|Bo and Bo|0|3|Bo|6"}},
      {"lines: only the text has separators",
       Lines({{"left_out", "2 3"}}),
       "a\tb \"c\t1\r\nd\t0\r\ne\t2\r\nf\t3",
       {"a\tb \"c||1|-1||", "d||0|-1||"}},
      {"lines: the label first, an id, a header",
       Layout("lines", absl::StrCat(Fields({{"columns", "3"}, {"id", "0"}, {"label", "1"}, {"text_a", "2"}}),
                                    Fields({{"separator", "space"}}), "header: true ", kWrongRight)),
       "id label text\n9 1  a b \n",
       {" a b ||1|-1||9"}},
      {"lines: ratings",
       Lines({{"at_least", "0.8"}}),
       "a\t0.8\nb\t0.799\nc\t1.0\n",
       {"a||1|-1||", "b||0|-1||", "c||1|-1||"}},
      {"lines: rows known to be unusable", Lines({{"unusable_rows", "2"}}), "\t1\na\t1\n \t0\n", {"a||1|-1||"}},
      {"two files", Parallel(Fields({{"left_out", "x#y"}})), "a b\nc\nd\n", {"a b||1|-1||", "d||0|-1||"}, "1\nx#y\n0"},
      {"choices in columns",
       CsvChoices(),
       "\"Is it \"\"a\"\", b?\",a,\"b, c\",d,B\nR?,e,f,,A\n",
       {"Is it \"a\", b?|a|0|0|a|", "Is it \"a\", b?|b, c|1|0|b, c|", "Is it \"a\", b?|d|0|0|d|", "R?|e|1|1|e|",
        "R?|f|0|1|f|"}},
      {"choices in columns: rows that have lost them",
       CsvChoices(kChoices, Fields({{"unusable_rows", "2"}})),
       "Q?,,,,1\nQ?,a,b,c,D\nQ?,a,b,c,C\n",
       {"Q?|a|0|0|a|", "Q?|b|0|0|b|", "Q?|c|1|0|c|"}},
      {"lettered choices",
       LetteredChoicesTask(),
       "ID\tQ\tC\tA\n1-2\tWhat\t(A) \"x (y) (B) z (A) w (C) v (C) u\tB\n",
       {"What|\"x (y)|0|0|\"x (y)|1-2", "What|z (A) w|1|0|z (A) w|1-2", "What|v (C) u|0|0|v (C) u|1-2"}},
      {"a JSON list of lists",
       JsonFile("fields { key: 'rows' value: 'x' }"),
       R"({"y": [], "x": [["a", 1], ["b", "0"]]})",
       {"a||1|-1||", "b||0|-1||"}},
      {"a JSON object of objects, in the order of numbers",
       Layout("json", absl::StrCat(Fields({{"text_a", "p"}, {"text_b", "h"}, {"label", "l"}, {"id", "i"}}), kTruth)),
       R"({"10": {"p": "k", "h": "l", "l": true, "i": 4}, "2": {"p": "c", "h": "", "l": true, "i": 4},)"
       R"("0": {"p": "a", "h": "b", "l": false, "i": 4}, "1": {"p": "b", "h": "c", "l": true, "i": "x"},)"
       R"("3": {"p": "d", "h": "e", "l": true, "i": 4}, "4": {"p": "e", "h": "f", "l": true, "i": 4},)"
       R"("5": {"p": "f", "h": "g", "l": true, "i": 4}, "6": {"p": "g", "h": "h", "l": true, "i": 4},)"
       R"("7": {"p": "h", "h": "i", "l": true, "i": 4}, "8": {"p": "i", "h": "j", "l": true, "i": 4},)"
       R"("9": {"p": "j", "h": "k", "l": true, "i": 4}})",
       {"a|b|0|-1||4", "b|c|1|-1||x", "c||1|-1||4", "d|e|1|-1||4", "e|f|1|-1||4", "f|g|1|-1||4", "g|h|1|-1||4",
        "h|i|1|-1||4", "i|j|1|-1||4", "j|k|1|-1||4", "k|l|1|-1||4"}},
  };
  for (const Good& c : cases) {
    const absl::StatusOr<FileTaskSplit> split = Load(c.files, c.f, c.g);
    ASSERT_TRUE(split.ok()) << c.name << ": " << split.status();
    std::vector<std::string> examples;
    for (const Example& example : split->dataset.examples) examples.push_back(Text(example));
    EXPECT_THAT(examples, ElementsAreArray(c.examples)) << c.name;
  }
}

// What the row above says, with one thing replaced.
std::string With(const std::string& row, const std::string& from, const std::string& to) {
  const size_t at = row.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return row.substr(0, at) + to + row.substr(at + from.size());
}

TEST(LayoutsTest, RefusesBadRows) {
  const std::string copa = Layout("copa", kWrongRight), wic = Layout("wic", kTruth), wsc = Layout("wsc", kTruth);
  const std::string multirc = Layout("multirc", kWrongRight), record = Layout("record", kWrongRight);
  const std::string wsc_row =
      R"({"text": "Bob left as he said", "target": {"span1_text": "Bob", "span1_index": 0, "span2_text": "he", )"
      R"("span2_index": 3}, "idx": 1, "label": false})";
  const struct {
    std::string name, files, f, message, g;  // the message behind "ROOT/f"
  } kCases[] = {
      {"not JSON", copa, absl::StrCat(kCopaRow, "\n{\"a\": x}"), ":2:7: syntax error"},
      {"no object", copa, "[1]", ":1:1: expected an object, found array"},
      {"no premise", copa, With(kCopaRow, "premise", "x"), ":1:1: premise: is missing"},
      {"empty choice", copa, With(kCopaRow, "B. ", " "), ":1:1: choice2: expected text, found \" \""},
      {"number for a text", copa, With(kCopaRow, "\"A.\"", "3"), ":1:1: choice1: expected a string, found 3"},
      {"question", copa, With(kCopaRow, "cause", "why"), ":1:1: question: expected 'cause' or 'effect', found 'why'"},
      {"label", copa, With(kCopaRow, "\"label\": 1", "\"label\": 2"), ":1:1: label: expected 0 or 1, found 2"},
      {"no label", copa, With(kCopaRow, "label", "x"), ":1:1: label: is missing"},
      {"float label", copa, With(kCopaRow, "\"label\": 1", "\"label\": 1.0"),
       ":1:1: label: expected a whole number, found 1.0"},
      {"span beyond the end", wic, With(kWicRow, "\"end2\": 9", "\"end2\": 10"),
       ":1:1: start2, end2: expected a span within the characters of sentence2, found 2 to 10"},
      {"empty span", wic, With(kWicRow, "\"end1\": 10", "\"end1\": 5"),
       ":1:1: start1, end1: expected a span within the characters of sentence1, found 5 to 5"},
      {"negative span", wic, With(kWicRow, "\"start1\": 5", "\"start1\": -1"),
       ":1:1: start1, end1: expected a span within the characters of sentence1, found -1 to 10"},
      {"unknown label", wic, With(kWicRow, "true", "1"), ":1:1: label: expected one of false, true, found '1'"},
      {"index beyond the end", wsc, With(wsc_row, "3}", "5}"),
       ":1:1: target.span2_index: expected one of the text's 5 words, found 5"},
      {"phrase's index", wsc, With(wsc_row, "\"span1_index\": 0", "\"span1_index\": -1"),
       ":1:1: target.span1_index: expected one of the text's 5 words, found -1"},
      {"pronoun elsewhere", wsc, With(wsc_row, "3}", "1}"),
       ":1:1: target.span2_index: expected a place of 'he', found 1, where 'left' stands"},
      {"phrase of another text", wsc, With(wsc_row, "\"Bob\"", "\"Bob Ross\""),
       ":1:1: target.span1_text: expected words of the text, found 'Ross'"},
      {"no target", wsc, With(wsc_row, "target", "x"), ":1:1: target.span1_text: is missing"},
      {"no answers", multirc,
       R"({"idx": 4, "passage": {"text": "P.", "questions": [{"question": "Q", "idx": 1, "answers": []}]}})",
       ":1:1: passage.questions[0].answers: expected a list with an object in it, found an empty one"},
      {"no questions", multirc, R"({"idx": 4, "passage": {"text": "P.", "questions": []}})",
       ":1:1: passage.questions: expected a list with an object in it, found an empty one"},
      {"an answer's label", multirc, With(kMultircRow, "22, \"label\": 0", "22, \"label\": 2"),
       ":1:1: passage.questions[1].answers[0].label: expected one of 0, 1, found '2'"},
      {"an answer's text", multirc, With(kMultircRow, "\"a\"", "null"),
       ":1:1: passage.questions[0].answers[0].text: expected a string, found null"},
      {"a question's text", multirc, With(kMultircRow, "\"R?\"", "\"\""),
       ":1:1: passage.questions[1].question: expected text, found \"\""},
      {"an answer that is none", multirc, With(kMultircRow, "[{\"text\": \"b\"", "[7, {\"text\": \"b\""),
       ":1:1: passage.questions[1].answers[0]: expected an object, found number"},
      {"entity beyond the passage", record, With(kRecordRow, "\"end\": 13", "\"end\": 14"),
       ":1:1: passage.entities[2].start, end: expected a span within the passage, found 11 to 14"},
      {"entity that ends before it starts", record, With(kRecordRow, "\"end\": 4", "\"end\": 1"),
       ":1:1: passage.entities[0].start, end: expected a span within the passage, found 2 to 1"},
      {"entity at the end of numbers", record, With(kRecordRow, "\"end\": 4", "\"end\": 9223372036854775807"),
       ":1:1: passage.entities[0].start, end: expected a span within the passage, found 2 to 9223372036854775807"},
      {"one entity", record, With(kRecordRow, "{\"start\": 7, \"end\": 8}, ", ""),
       ":1:1: passage.entities: expected at least 2 different ones, found 1"},
      {"no gap", record, With(kRecordRow, "Says @placeholder", "Says X"),
       ":1:1: qas[0].query: expected @placeholder, found none"},
      {"no right answer", record, With(kRecordRow, "\"text\": \"Bo\"", "\"text\": \"Cy\""),
       ":1:1: qas[0].answers: expected one of the passage's entities, found 'Cy'"},
      {"no answers", record, With(kRecordRow, "[{\"start\": 7, \"end\": 8, \"text\": \"Bo\"}]", "[]"),
       ":1:1: qas[0].answers: expected a list with an object in it, found an empty one"},
      {"too few columns", Lines(), "a\t1\nb 1\n", ":2:1: row: expected 2 columns, found 1"},
      {"empty line", Lines(), "a\t1\n\nb\t1\n", ":2:1: row: expected 2 columns, found 1"},
      {"no text", Lines(), " \t1\n", ":1:1: text_a: expected text, found ' '"},
      {"no class", Lines(), "a\t7\n", ":1:1: label: expected one of 0, 1, found '7'"},
      {"no number", Lines({{"at_least", "0.5"}}), "a\tnan\n", ":1:1: label: expected a number, found 'nan'"},
      {"carriage return", Lines(), "a\rb\t1\n", ":1:2: carriage return within the line"},
      {"more unusable rows than known", Lines({{"unusable_rows", "1"}}), "a\t1\n\t1\n\t0\n",
       ":3:1: text_a: expected text, found ''"},
      {"fewer unusable rows than known", Lines({{"unusable_rows", "2"}}), "a\t1\n\t1\n",
       ":1:1: expected 2 unusable rows, found 1"},
      {"more texts than labels", Parallel(), "a\nb\n", ":2:1: expected 1 lines, as many as ", "1\n"},
      {"more labels than texts", Parallel(), "a\n", ":2:1: expected 3 lines, as many as ", "1\n0\n1\n"},
      {"a label of two files", Parallel(), "a\nb\n",
       absl::StrCat(":2:1: ", JoinPath(Root(), "g"), ":2:1: label: expected one of 0, 1, found '2'"), "1\n2\n"},
      {"an empty text of two files", Parallel(), "a\n\n", ":2:1: text_a: expected text, found ''", "1\n1\n"},
      {"columns of choices", CsvChoices(), "Q,a,b,c,A\nQ,a,b,A\n", ":2:1: row: expected 5 columns, found 4"},
      {"columns of the first row", CsvChoices(), "Q,a,b,A\n", ":1:1: row: expected 5 columns, found 4"},
      {"lost choices", CsvChoices(), "Q,,,,1\n", ":1:1: choices: expected at least 2, found 0"},
      {"a gap in the choices", CsvChoices(), "Q,a,,c,A\n", ":1:1: choices[1]: expected text, found ''"},
      {"an answer without a choice", CsvChoices(), "Q,a,b,,C\n", ":1:1: answer: expected A to B, found 'C'"},
      {"an answer that is no letter", CsvChoices(), "Q,a,b,,1\n", ":1:1: answer: expected A to B, found '1'"},
      {"no question", CsvChoices(), ",a,b,,A\n", ":1:1: question: expected text, found ''"},
      {"an open quote", CsvChoices(), "Q,a,b,,A\nQ,\"a,b,,A\n", ":2:3: "},
      {"one lettered choice", LetteredChoicesTask(), "ID\tQ\tC\tA\n1\tWhat\t(A) x (C) y\tA\n",
       ":2:1: choices: expected at least 2, found 1"},
      {"no such column", LetteredChoicesTask(), "ID\tQ\tX\tA\n1\tWhat\t(A) x (B) y\tA\n",
       ":1:1: expected a column 'C', found none"},
      {"JSON cut short", JsonFile(), "[[\"a\", 1]", ":1:"},
      {"JSON of something else", JsonFile(), "3", ":1:1: file: expected a list or an object, found number"},
      {"JSON without the rows", JsonFile("fields { key: 'rows' value: 'x' }"), "{}", ":1:1: x: is missing"},
      {"JSON row too short", JsonFile("fields { key: 'rows' value: 'x' }"), R"({"x": [["a", 1], ["b"]]})",
       ":1:1: x[1].1: is missing"},
      {"JSON row without a number", JsonFile(), R"({"0": ["a", 1], "2": ["b", 1]})", ":1:1: [1]: is missing"},
      {"JSON class", JsonFile(), R"([["a", 2]])", ":1:1: [0].label: expected one of 0, 1, found '2'"},
      {"JSON text", JsonFile(), R"([[["a"], 1]])", ":1:1: [0].0: expected a string, found array"},
      {"JSON without a text", JsonFile(), R"([["a", 1], ["\n", 1]])", ":1:1: [1].0: expected text, found '\n'"},
      {"JSON with a key twice", JsonFile(), R"({"0": ["a", 1], "0": ["b", 1]})", ":1:1: '0' comes twice"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Load(c.files, c.f, c.g),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(absl::StrCat(JoinPath(Root(), "f"), c.message))))
        << c.name;
  }
}

TEST(LayoutsTest, RefusesFieldsThatDoNotFit) {
  const struct {
    std::string name, files, message;
  } kCases[] = {
      {"unknown", Layout("copa", absl::StrCat(Fields({{"text_a", "x"}}), kWrongRight)),
       "layout 'copa' has no 'text_a'"},
      {"missing", Layout("lines", absl::StrCat(Fields({{"columns", "2"}, {"text_a", "0"}}), kWrongRight)),
       "layout 'lines' needs 'label'"},
      {"no number", Lines({{"unusable_rows", "-1"}}), "unusable_rows: expected a number from 0, found '-1'"},
      {"a class left out", Lines({{"left_out", "5 1"}}), "left_out: expected no class, found '1'"},
      {"separator", Lines({{"separator", ";"}}), "found ';'"},
      {"rating", Lines({{"at_least", "most"}}), "at_least: expected a number, found 'most'"},
      {"range of choices", CsvChoices("3-1"), "choices: expected 2 to 26 columns of 0 to 1000, found '3-1'"},
      {"too many columns",
       Layout("lines",
              absl::StrCat(Fields({{"columns", "1000000000000"}, {"text_a", "0"}, {"label", "1"}}), kWrongRight)),
       "columns: expected a number from 0 to 1000, found '1000000000000'"},
      {"too large a column",
       Layout("choices", absl::StrCat(Fields({{"question", "9223372036854775807"}}),
                                      Fields({{"choices", "1-3"}, {"answer", "4"}}), kWrongRight)),
       "expected columns of 0 to 1000, found '9223372036854775807'"},
      {"too large a range", CsvChoices("9223372036854775805-9223372036854775807"),
       "choices: expected 2 to 26 columns of 0 to 1000"},
      {"half a pair", Layout("parallel", kWrongRight), "expected pairs of files for layout 'parallel', found 1"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Load(c.files, "a\t1\n"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  ::testing::AllOf(HasSubstr("some/task"), HasSubstr(c.message))))
        << c.name;
  }
}

// Of a bad row nothing stays, and questions are numbered without gaps.
TEST(LayoutsTest, BadRowsLeaveNoTrace) {
  const std::string bad = With(kRecordRow, "@placeholder and @placeholder", "and");
  FileTaskOptions options;
  options.max_bad_rows = 1;
  const auto split = Load(Layout("record", kWrongRight), absl::StrCat(bad, "\n", kRecordRow, "\n"), "", options);
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->bad_rows, 1);
  ASSERT_EQ(split->dataset.size(), 4);
  EXPECT_EQ(split->dataset.examples[0].group, 0);
  EXPECT_EQ(split->dataset.examples[3].group, 1);
}

// A table without a header has as many columns as its first good row.
TEST(LayoutsTest, ABadFirstRowIsOneBadRow) {
  FileTaskOptions options;
  options.max_bad_rows = 1;
  const auto split = Load(CsvChoices(), "Q,a,b\nQ,a,b,c,A\nR,a,b,c,B\n", "", options);
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->bad_rows, 1);
  EXPECT_EQ(split->questions, 2);
}

// Layouts in which nobody knows what a bad line was part of.
TEST(LayoutsTest, WholeOrNotAtAll) {
  FileTaskOptions options;
  options.max_bad_rows = 1;
  for (const std::string& files : {JsonFile(), CsvChoices()}) {
    EXPECT_THAT(Load(files, "[[\"a\", 1],\n[\"b\xff\", 1]]", "", options),
                StatusIs(absl::StatusCode::kDataLoss, ::testing::AllOf(HasSubstr("/f:2:1: not UTF-8 or NUL; "),
                                                                       HasSubstr(" is read whole or not at all"))));
  }
}

// A benchmark that counts questions is compared by questions.
TEST(LayoutsTest, OfficialQuestions) {
  const std::string task =
      absl::StrCat("layout: 'record' ", kWrongRight, "splits { name: 'validation' files: 'f' official_questions: 4 }");
  const auto half = Load(task, kRecordRow);
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_TRUE(half->subset());
  const auto whole = Load(task, absl::StrCat(kRecordRow, "\n", kRecordRow));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->questions, 4);
  EXPECT_FALSE(whole->subset());
}

}  // namespace
}  // namespace gbmoa
