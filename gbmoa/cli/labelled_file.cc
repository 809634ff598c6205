#include "gbmoa/cli/labelled_file.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

// A place in the file; moves forward only, since counting lines from the beginning each time would take quadratic time.
class Cursor {
 public:
  Cursor(std::string name, absl::string_view contents) : name_(std::move(name)), contents_(contents) {}

  std::string Place(size_t byte) {
    for (; byte_ < byte; ++byte_) {
      if (contents_[byte_] != '\n') continue;
      ++line_;
      line_begin_ = byte_ + 1;
    }
    return absl::StrCat(name_, ":", line_, ":", byte - line_begin_ + 1);
  }
  int64_t line() const { return line_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  absl::string_view contents_;
  size_t byte_ = 0, line_begin_ = 0;
  int64_t line_ = 1;
};

struct Field {
  std::string text;
  size_t begin;  // its first byte in the file
};

// The fields of the row that begins at `*at`, which is then behind its line end.
absl::StatusOr<std::vector<Field>> ReadRow(absl::string_view contents, char separator, bool quotes, Cursor& cursor,
                                           size_t* at) {
  std::vector<Field> row;
  size_t i = *at;
  while (true) {
    Field field = {"", i};
    if (quotes && i < contents.size() && contents[i] == '"') {
      for (++i;; ++i) {
        if (i == contents.size()) {
          return absl::DataLossError(absl::StrCat(cursor.Place(field.begin), ": the quote does not end"));
        }
        if (contents[i] == '"') {
          if (i + 1 == contents.size() || contents[i + 1] != '"') break;
          ++i;  // a doubled one
        }
        field.text += contents[i];
      }
      ++i;
      const absl::string_view rest = contents.substr(i);
      if (!rest.empty() && rest[0] != separator && rest[0] != '\n' && !absl::StartsWith(rest, "\r\n") && rest != "\r") {
        return absl::DataLossError(absl::StrCat(cursor.Place(i), ": wanted a comma or the line's end after the quote"));
      }
      if (!rest.empty() && rest[0] == '\r') ++i;
    } else {
      const size_t end = std::min(contents.find_first_of(separator == ',' ? ",\n" : "\t\n", i), contents.size());
      absl::string_view text = contents.substr(i, end - i);
      i = end;
      if (end == contents.size() || contents[end] == '\n') absl::ConsumeSuffix(&text, "\r");
      field.text = std::string(text);
    }
    row.push_back(std::move(field));
    if (i == contents.size() || contents[i] == '\n') break;
    ++i;  // the separator
  }
  *at = std::min(i + 1, contents.size());
  return row;
}

absl::Status ReadTable(absl::string_view contents, bool is_csv, bool header, Cursor& cursor,
                       std::vector<LabelledText>& examples) {
  size_t columns = 0;
  for (size_t at = 0; at < contents.size();) {
    const size_t begin = at;
    GBMOA_ASSIGN_OR_RETURN(std::vector<Field> row, ReadRow(contents, is_csv ? ',' : '\t', is_csv, cursor, &at));
    if (std::exchange(header, false)) continue;
    if (row.size() < 2 || row.size() > 3) {
      return absl::DataLossError(absl::StrCat(cursor.Place(begin), ": wanted one text or two and a label, got ",
                                              row.size(), row.size() == 1 ? " column" : " columns"));
    }
    if (columns == 0) columns = row.size();
    if (row.size() != columns) {
      return absl::DataLossError(
          absl::StrCat(cursor.Place(begin), ": has ", row.size(), " columns, the first line has ", columns));
    }
    LabelledText example;
    example.first = std::move(row[0].text);
    if (columns == 3) example.second = std::move(row[1].text);
    example.place = cursor.Place(row.back().begin);
    example.label = std::move(row.back().text);
    if (example.label.empty()) return absl::DataLossError(absl::StrCat(example.place, ": the label is empty"));
    examples.push_back(std::move(example));
  }
  return absl::OkStatus();
}

// One line of a .jsonl file.
absl::Status ReadObject(absl::string_view line, const std::string& file_and_line, LabelledText& example) {
  const absl::StatusOr<json> object = ParseJson("", line);
  if (!object.ok()) {
    // ":1:COLUMN: what", or ": what"
    absl::string_view message = object.status().message();
    if (absl::ConsumePrefix(&message, ":1:")) return absl::DataLossError(absl::StrCat(file_and_line, ":", message));
    return absl::DataLossError(absl::StrCat(file_and_line, ":1", message));
  }
  example.place = absl::StrCat(file_and_line, ":1");
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(example.place, ": ", what)); };
  if (!object->is_object()) return bad("wanted an object");
  bool has_text = false, has_label = false;
  for (const auto& [field, value] : object->items()) {
    if (field == "label" && value.is_number_integer()) {
      example.label = value.dump();
      has_label = true;
      continue;
    }
    if (field != "text" && field != "text_pair" && field != "label") {
      return bad(absl::StrCat(json(field).dump(), " is unknown; known: text, text_pair, label"));
    }
    if (!value.is_string()) {
      return bad(absl::StrCat(field, ": wanted a string, got ", value.dump().substr(0, 100)));
    }
    if (field == "text") {
      example.first = value.get<std::string>();
      has_text = true;
    } else if (field == "text_pair") {
      example.second = value.get<std::string>();
    } else {
      example.label = value.get<std::string>();
      has_label = true;
    }
  }
  if (!has_text) return bad("text: is missing");
  if (!has_label) return bad("label: is missing");
  if (example.label.empty()) return bad("the label is empty");
  return absl::OkStatus();
}

absl::Status ReadObjects(absl::string_view contents, Cursor& cursor, std::vector<LabelledText>& examples) {
  for (size_t begin = 0; begin < contents.size();) {
    const size_t newline = std::min(contents.find('\n', begin), contents.size());
    LabelledText example;
    cursor.Place(begin);
    GBMOA_RETURN_IF_ERROR(
        ReadObject(contents.substr(begin, newline - begin), absl::StrCat(cursor.name(), ":", cursor.line()), example));
    if (!examples.empty() && example.second.has_value() != examples[0].second.has_value()) {
      return absl::DataLossError(absl::StrCat(example.place, ": text_pair: all examples must have one, or none"));
    }
    examples.push_back(std::move(example));
    begin = newline + 1;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<LabelledText>> ReadLabelledFile(const std::string& path, bool header) {
  const bool is_tsv = absl::EndsWith(path, ".tsv"), is_csv = absl::EndsWith(path, ".csv");
  const bool is_jsonl = absl::EndsWith(path, ".jsonl");
  if (!is_tsv && !is_csv && !is_jsonl) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": wanted a name that ends in .tsv, .csv or .jsonl"));
  }
  if (is_jsonl && header) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": --header is for .tsv and .csv"));
  }
  GBMOA_ASSIGN_OR_RETURN(const std::string contents, ReadFile(path, std::numeric_limits<int64_t>::max()));
  const auto bad = [&](size_t byte, absl::string_view what) {
    return absl::DataLossError(absl::StrCat(path, ":", LineAndColumn(contents, byte), ": ", what));
  };
  const size_t bad_byte = FindInvalidUtf8(contents), nul = contents.find('\0');
  if (bad_byte != absl::string_view::npos) return bad(bad_byte, "not UTF-8");
  if (nul != std::string::npos) return bad(nul, "NUL");
  absl::string_view text = contents;
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // the mark that some spreadsheets write
  Cursor cursor(path, text);
  std::vector<LabelledText> examples;
  if (is_jsonl) {
    GBMOA_RETURN_IF_ERROR(ReadObjects(text, cursor, examples));
  } else {
    GBMOA_RETURN_IF_ERROR(ReadTable(text, is_csv, header, cursor, examples));
  }
  if (examples.empty()) return absl::DataLossError(absl::StrCat(path, ": has no examples"));
  return examples;
}

}  // namespace gbmoa
