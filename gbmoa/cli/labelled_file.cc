#include "gbmoa/cli/labelled_file.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gbmoa/base/delimited.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

absl::Status ReadTable(absl::string_view contents, bool is_csv, bool header, TextCursor& cursor,
                       std::vector<LabelledText>& examples) {
  size_t columns = 0;
  for (size_t at = 0; at < contents.size();) {
    const size_t begin = at;
    GBMOA_ASSIGN_OR_RETURN(std::vector<DelimitedField> row,
                           ReadDelimitedRow(is_csv ? ',' : '\t', is_csv, &cursor, &at));
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
  GBMOA_ASSIGN_OR_RETURN(const json object, ParseJsonLine(file_and_line, line));
  example.place = absl::StrCat(file_and_line, ":1");
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(example.place, ": ", what)); };
  if (!object.is_object()) return bad("wanted an object");
  bool has_text = false, has_label = false;
  for (const auto& [field, value] : object.items()) {
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

absl::Status ReadObjects(absl::string_view contents, TextCursor& cursor, std::vector<LabelledText>& examples) {
  for (size_t begin = 0; begin < contents.size();) {
    const size_t newline = std::min(contents.find('\n', begin), contents.size());
    LabelledText example;
    GBMOA_RETURN_IF_ERROR(ReadObject(contents.substr(begin, newline - begin),
                                     absl::StrCat(cursor.name(), ":", cursor.Line(begin)), example));
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
  TextCursor cursor(path, text);
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
