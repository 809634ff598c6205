// Multiple choice in tables: a question, its choices, and the letter of the right one (ARC, OpenBookQA).
//
// Every choice becomes an example of its question's group, wrong (0) or right (1):
//   text_a   the question
//   text_b   the choice
// and the choice that looks most right is the answer (group_accuracy). The usual recipe scores all choices of a
// question together, by a softmax over them; ours classifies single choices, as for COPA.
//
// Fields: `question`, `answer`, `id` (optional): names of the header's columns, or numbers from 0. `choices`: a column
// with all choices, "(A) red (B) green", or the first and the last of their columns, "1-4", where empty ones at the end
// are none. `separator`: "tab" (unless given; no quotes) or "comma" (with them).
//   `unusable_rows`  so many rows of the file are known to have lost their choices, or their right one
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/delimited.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

constexpr int kMaxChoices = 26;  // they have letters

using Row = std::vector<DelimitedField>;

// What is where in a row.
struct Columns {
  size_t question = 0, answer = 0, first_choice = 0, last_choice = 0;
  size_t id = absl::string_view::npos;  // none
  bool lettered = false;                // first_choice has all choices
  size_t count = 0;                     // of the table; 0: what the first row has that reads well
};

absl::StatusOr<size_t> ColumnOf(const TaskFile& file, const Row& header, const std::string& column) {
  int64_t index;
  if (absl::SimpleAtoi(column, &index)) {
    if (index >= 0 && index <= kMaxColumn) return static_cast<size_t>(index);
    return absl::InvalidArgumentError(absl::StrCat(file.config->name(), ": files.fields: expected columns of 0 to ",
                                                   kMaxColumn, ", found '", column, "'"));
  }
  for (size_t i = 0; i < header.size(); ++i) {
    if (header[i].text == column) return i;
  }
  return absl::DataLossError(absl::StrCat(file.path, ":1:1: expected a column '", column, "', found none"));
}

absl::StatusOr<Columns> ReadColumns(const TaskFile& file, const Row& header) {
  Columns columns;
  GBMOA_ASSIGN_OR_RETURN(columns.question, ColumnOf(file, header, TextField(file, "question")));
  GBMOA_ASSIGN_OR_RETURN(columns.answer, ColumnOf(file, header, TextField(file, "answer")));
  if (file.fields.count("id") > 0) {
    GBMOA_ASSIGN_OR_RETURN(columns.id, ColumnOf(file, header, TextField(file, "id")));
  }
  const std::string choices = TextField(file, "choices");
  const std::pair<std::string, std::string> range = absl::StrSplit(choices, absl::MaxSplits('-', 1));
  if (absl::SimpleAtoi(range.first, &columns.first_choice) && absl::SimpleAtoi(range.second, &columns.last_choice)) {
    if (columns.last_choice <= columns.first_choice || columns.last_choice - columns.first_choice >= kMaxChoices ||
        columns.last_choice > kMaxColumn) {
      return absl::InvalidArgumentError(absl::StrCat(file.config->name(), ": files.fields: choices: expected 2 to ",
                                                     kMaxChoices, " columns of 0 to ", kMaxColumn, ", found '", choices,
                                                     "'"));
    }
    return columns;
  }
  GBMOA_ASSIGN_OR_RETURN(columns.first_choice, ColumnOf(file, header, choices));
  columns.last_choice = columns.first_choice;
  columns.lettered = true;
  return columns;
}

// "(A) red (B) green" -> "red", "green". A letter that is not the next one belongs to the text.
std::vector<std::string> LetteredChoices(absl::string_view text) {
  std::vector<std::string> choices;
  for (char letter = 'A'; absl::ConsumePrefix(&text, absl::StrCat("(", std::string(1, letter), ") ")); ++letter) {
    const size_t end = text.find(absl::StrCat(" (", std::string(1, static_cast<char>(letter + 1)), ") "));
    choices.emplace_back(text.substr(0, end));
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
  }
  return choices;
}

absl::StatusOr<std::vector<std::string>> Choices(const Columns& columns, const Row& row) {
  std::vector<std::string> choices;
  if (columns.lettered) {
    choices = LetteredChoices(row[columns.first_choice].text);
  } else {
    for (size_t i = columns.first_choice; i <= columns.last_choice; ++i) choices.push_back(row[i].text);
    while (!choices.empty() && choices.back().empty()) choices.pop_back();
  }
  if (choices.size() < 2) return RowError("choices", "at least 2", absl::StrCat(choices.size()));
  for (size_t i = 0; i < choices.size(); ++i) {
    GBMOA_RETURN_IF_ERROR(CheckText(absl::StrCat("choices[", i, "]"), choices[i]));
  }
  return choices;
}

class ChoicesReader : public TaskReader {
 public:
  bool grouped() const override { return true; }
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                    std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {"question", "answer", "choices"}, {"id", "separator", "unusable_rows"}));
    const std::string separator = TextField(file, "separator", "tab");
    if (separator != "tab" && separator != "comma") {
      return absl::InvalidArgumentError(absl::StrCat(
          file.config->name(), ": files.fields: separator: expected 'tab' or 'comma', found '", separator, "'"));
    }
    const bool quotes = separator == "comma";
    if (quotes) GBMOA_RETURN_IF_ERROR(RefuseBadLines(file, "a table with quotes"));
    GBMOA_ASSIGN_OR_RETURN(const int64_t unusable_rows, NumberField(file, "unusable_rows"));
    int64_t unusable = 0;
    TextCursor cursor(file.path, file.contents);
    const auto next_row = [&](size_t* at) { return ReadDelimitedRow(quotes ? ',' : '\t', quotes, &cursor, at); };
    size_t at = 0;
    Row header;
    if (file.header) {
      GBMOA_ASSIGN_OR_RETURN(header, next_row(&at));
    }
    GBMOA_ASSIGN_OR_RETURN(Columns columns, ReadColumns(file, header));
    columns.count = header.size();
    while (at < file.contents.size()) {
      const size_t begin = at;
      absl::StatusOr<Row> row = next_row(&at);
      if (row.ok() && file.bad_lines.count(cursor.Line(begin)) > 0) continue;
      // Behind a quote without an end it is not known where the next row begins.
      if (!row.ok() && quotes) return row.status();
      absl::Status status = row.status();
      if (status.ok()) {
        std::vector<Example> read;
        status = ReadRow(file, columns, *row, *next_group, &read);
        if (status.ok()) {
          columns.count = row->size();
          ++*next_group;
          std::move(read.begin(), read.end(), std::back_inserter(*examples));
          continue;
        }
        status = absl::Status(status.code(), absl::StrCat(cursor.Place(begin), ": ", status.message()));
      }
      if (unusable < unusable_rows) {
        ++unusable;
        continue;
      }
      GBMOA_RETURN_IF_ERROR(bad_rows->Add(status));
    }
    if (unusable < unusable_rows) {
      return absl::DataLossError(
          absl::StrCat(file.path, ":1:1: expected ", unusable_rows, " unusable rows, found ", unusable));
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status ReadRow(const TaskFile& file, const Columns& columns, const Row& row, int64_t group,
                              std::vector<Example>* examples) {
    size_t needed = std::max({columns.question, columns.answer, columns.last_choice}) + 1;
    if (columns.id != absl::string_view::npos) needed = std::max(needed, columns.id + 1);
    if (row.size() < needed || (columns.count > 0 && row.size() != columns.count)) {
      return RowError("row", absl::StrCat(std::max(needed, columns.count), " columns"), absl::StrCat(row.size()));
    }
    const std::string& question = row[columns.question].text;
    GBMOA_RETURN_IF_ERROR(CheckText("question", question));
    GBMOA_ASSIGN_OR_RETURN(const std::vector<std::string> choices, Choices(columns, row));
    size_t right = choices.size();
    if (file.labelled) {
      const std::string& letter = row[columns.answer].text;
      if (letter.size() == 1 && letter[0] >= 'A') right = letter[0] - 'A';
      if (right >= choices.size()) {
        return RowError("answer", absl::StrCat("A to ", std::string(1, static_cast<char>('A' + choices.size() - 1))),
                        absl::StrCat("'", letter, "'"));
      }
    }
    for (size_t i = 0; i < choices.size(); ++i) {
      Example example;
      example.text_a = question;
      example.text_b = choices[i];
      example.label = i == right ? 1 : 0;
      example.group = group;
      example.answer = choices[i];
      if (columns.id != absl::string_view::npos) example.id = row[columns.id].text;
      examples->push_back(std::move(example));
    }
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_TASK_READER("choices", ChoicesReader);

}  // namespace
}  // namespace gbmoa
