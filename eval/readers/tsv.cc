// Layouts "tsv" and "csv": an example a line, in columns. GLUE's files are "tsv": a quote in them is a character like
// others. In "csv" commas separate the columns, and a field may be quoted.
//
//   text_a   the text, or the first of two
//   text_b   the second one, if the task has pairs
//   label    not read where the split is unlabelled
//   id       may be absent
//
// are names of the header's columns, or numbers of columns from 0. All rows have as many columns as the header, or
// without one as the first row that reads well.
#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eval/readers/rows.h"
#include "eval/task_reader.h"
#include "gbmoa/base/delimited.h"

namespace gbmoa {
namespace {

using Row = std::vector<DelimitedField>;

std::string NamesOf(const Row& header) {
  return absl::StrJoin(header, ", ", [](std::string* out, const DelimitedField& field) {
    absl::StrAppend(out, absl::string_view(field.text).substr(0, 50));
  });
}

class TableReader : public TaskReader {
 public:
  TableReader(char separator, bool quotes) : separator_(separator), quotes_(quotes) {}

  bool pairs(const FileTask& task) const override { return HasField(task, "text_b"); }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(file.labelled ? CheckFields(file, {"text_a", "label"}, {"text_b", "id"})
                                        : CheckFields(file, {"text_a"}, {"text_b", "label", "id"}));
    if (quotes_) GBMOA_RETURN_IF_ERROR(RefuseBadLines(file, "a table with quotes"));
    TextCursor cursor(file.path, file.contents);
    Columns columns;
    bool header = file.header;
    for (size_t at = 0; at < file.contents.size();) {
      const size_t begin = at;
      const absl::StatusOr<Row> row = ReadDelimitedRow(separator_, quotes_, &cursor, &at);
      if (file.bad_lines.count(cursor.Line(begin)) > 0) {
        if (header) return absl::DataLossError(absl::StrCat(file.path, ":1:1: the header is not UTF-8"));
        continue;
      }
      // Behind a quote without an end it is not known where the next row begins.
      if (!row.ok() && quotes_) return row.status();
      absl::Status status = row.status();
      const bool first = columns.count == 0;
      if (status.ok() && first) status = FindColumns(file, *row, cursor.Place(begin), &columns);
      if (header || absl::IsInvalidArgument(status)) {
        if (!status.ok()) return status;
        if (at == file.contents.size()) {
          return absl::DataLossError(absl::StrCat(file.path, ":2:1: expected rows after the header, found none"));
        }
        header = false;
        continue;
      }
      Example example;
      if (status.ok()) status = ReadRow(file, columns, *row, &cursor, &example);
      if (status.ok()) {
        examples->push_back(std::move(example));
      } else {
        if (first) columns = Columns();
        GBMOA_RETURN_IF_ERROR(bad_rows->Add(status));
      }
    }
    return absl::OkStatus();
  }

 private:
  struct Columns {
    size_t count = 0;                       // of every row
    std::map<std::string, size_t> numbers;  // by field
  };

  // Finds the fields' columns with the help of the first row, which may be a header.
  static absl::Status FindColumns(const TaskFile& file, const Row& first, const std::string& place, Columns* columns) {
    columns->count = first.size();
    for (const auto& [field, value] : file.fields) {
      if (field == "label" && !file.labelled) continue;
      const auto named = [&wanted = value](const DelimitedField& column) { return column.text == wanted; };
      const auto found = file.header ? std::find_if(first.begin(), first.end(), named) : first.end();
      size_t number = 0;
      if (found != first.end()) {
        number = static_cast<size_t>(found - first.begin());
        if (std::find_if(std::next(found), first.end(), named) != first.end()) {
          return absl::DataLossError(absl::StrCat(place, ": two columns are called '", value, "'"));
        }
      } else if (!absl::SimpleAtoi(value, &number) || number > kMaxColumn) {
        if (!file.header) {
          return absl::InvalidArgumentError(absl::StrCat(file.config->name(), ": files.fields: ", field,
                                                         ": expected the number of a column, found '", value, "'"));
        }
        if (field == "id") continue;  // only files that are sent somewhere need it
        return absl::DataLossError(absl::StrCat(place, ": expected a column '", value, "', found ", NamesOf(first)));
      }
      if (number >= first.size()) {
        return absl::DataLossError(
            absl::StrCat(place, ": ", field, ": expected at least ", number + 1, " columns, found ", first.size()));
      }
      columns->numbers[field] = number;
    }
    return absl::OkStatus();
  }

  static absl::Status ReadRow(const TaskFile& file, const Columns& columns, const Row& row, TextCursor* cursor,
                              Example* example) {
    if (row.size() != columns.count) {
      return absl::DataLossError(
          absl::StrCat(cursor->Place(row[0].begin), ": expected ", columns.count, " columns, found ", row.size()));
    }
    for (const auto& [field, number] : columns.numbers) {
      const DelimitedField& found = row[number];
      absl::Status status;
      if (field == "text_a") {
        example->text_a = found.text;
        status = CheckText(field, found.text);
      }
      if (field == "text_b") example->text_b = found.text;
      if (field == "id") example->id = found.text;
      if (field == "label") status = ReadLabel(file.config->files(), found.text, example);
      if (!status.ok()) {
        return absl::Status(status.code(), absl::StrCat(cursor->Place(found.begin), ": ", status.message()));
      }
    }
    return absl::OkStatus();
  }

  const char separator_;
  const bool quotes_;
};

class TsvReader : public TableReader {
 public:
  TsvReader() : TableReader('\t', false) {}
};

class CsvReader : public TableReader {
 public:
  CsvReader() : TableReader(',', true) {}
};

GBMOA_REGISTER_TASK_READER("tsv", TsvReader);
GBMOA_REGISTER_TASK_READER("csv", CsvReader);

}  // namespace
}  // namespace gbmoa
