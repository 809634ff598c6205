// One text and its label on a line, as sentence classification data sets often come: "LABEL TEXT" or "TEXT<tab>LABEL".
//
// Fields: `columns`: of a line. `text_a`, `label`, `id`: numbers of columns from 0; an id is optional. `separator`:
// "tab" (unless given) or "space". Only the text may have separators in it. There are no quotes.
//   `at_least`       the label is a number, and the class is 1 if it reaches this, else 0
//   `left_out`       labels of rows that are no examples of the task, with blanks between
//   `unusable_rows`  so many rows of the file are known to have no text
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

// How a line is taken apart.
struct Shape {
  char separator;
  int64_t columns, text, label, id;  // label and id: -1 if there is none
};

absl::StatusOr<Shape> ReadShape(const TaskFile& file) {
  GBMOA_RETURN_IF_ERROR(
      CheckFields(file, {"columns", "text_a", "label"}, {"id", "separator", "at_least", "left_out", "unusable_rows"}));
  Shape shape;
  const std::string separator = TextField(file, "separator", "tab");
  shape.separator = separator == "space" ? ' ' : '\t';
  GBMOA_ASSIGN_OR_RETURN(shape.columns, NumberField(file, "columns", 0, kMaxColumn));
  GBMOA_ASSIGN_OR_RETURN(shape.text, NumberField(file, "text_a", 0, kMaxColumn));
  GBMOA_ASSIGN_OR_RETURN(shape.label, NumberField(file, "label", 0, kMaxColumn));
  GBMOA_ASSIGN_OR_RETURN(shape.id, NumberField(file, "id", -1, kMaxColumn));
  const bool known = separator == "space" || separator == "tab";
  if (!known || shape.text >= shape.columns || shape.label >= shape.columns || shape.id >= shape.columns ||
      shape.text == shape.label || shape.text == shape.id) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.config->name(), ": files.fields: expected separator 'tab' or 'space' and columns of their own below ",
        shape.columns, ", found '", separator, "', text_a ", shape.text, ", label ", shape.label, ", id ", shape.id));
  }
  return shape;
}

// The cells of a line: from the left up to the text, from the right down to it, and the text is what is between.
absl::StatusOr<std::vector<absl::string_view>> Cells(const Shape& shape, absl::string_view line) {
  std::vector<absl::string_view> cells(shape.columns);
  const auto too_few = [&] {
    const int64_t found = 1 + std::count(line.begin(), line.end(), shape.separator);
    return RowError("row", absl::StrCat(shape.columns, " columns"), absl::StrCat(found));
  };
  absl::string_view rest = line;
  for (int64_t i = 0; i < shape.text; ++i) {
    const size_t end = rest.find(shape.separator);
    if (end == absl::string_view::npos) return too_few();
    cells[i] = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  for (int64_t i = shape.columns - 1; i > shape.text; --i) {
    const size_t begin = rest.rfind(shape.separator);
    if (begin == absl::string_view::npos) return too_few();
    cells[i] = rest.substr(begin + 1);
    rest = rest.substr(0, begin);
  }
  cells[shape.text] = rest;
  return cells;
}

class LinesReader : public TaskReader {
 public:
  bool pairs(const FileTask&) const override { return false; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_ASSIGN_OR_RETURN(const Shape shape, ReadShape(file));
    GBMOA_ASSIGN_OR_RETURN(const std::set<std::string> left_out, LeftOutLabels(file));
    double at_least = 0;
    const bool rated = file.fields.count("at_least") > 0;
    if (rated && !absl::SimpleAtod(TextField(file, "at_least"), &at_least)) {
      return absl::InvalidArgumentError(absl::StrCat(file.config->name(),
                                                     ": files.fields: at_least: expected a number, ", "found '",
                                                     TextField(file, "at_least"), "'"));
    }
    const auto read = [&](absl::string_view line, int64_t, std::vector<Example>* row) -> absl::Status {
      GBMOA_ASSIGN_OR_RETURN(const std::vector<absl::string_view> cells, Cells(shape, line));
      Example example;
      example.text_a = std::string(cells[shape.text]);
      GBMOA_RETURN_IF_ERROR(CheckText("text_a", example.text_a));
      if (shape.id >= 0) example.id = std::string(cells[shape.id]);
      if (file.labelled) {
        const absl::string_view label = cells[shape.label];
        if (left_out.count(std::string(label)) > 0) return absl::OkStatus();
        if (rated) {
          double rating;
          if (!absl::SimpleAtod(label, &rating) || !std::isfinite(rating)) {
            return RowError("label", "a number", absl::StrCat("'", label, "'"));
          }
          example.label = rating >= at_least ? 1 : 0;
        } else {
          GBMOA_RETURN_IF_ERROR(ReadLabel(file.config->files(), label, &example));
        }
      }
      row->push_back(std::move(example));
      return absl::OkStatus();
    };
    return ReadLines(file, bad_rows, examples, read);
  }
};

GBMOA_REGISTER_TASK_READER("lines", LinesReader);

}  // namespace
}  // namespace gbmoa
