#include "eval/readers/rows.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eval/readers/json_rows.h"
#include "gbmoa/base/delimited.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

absl::Status FieldsError(const TaskFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.config->name(), ": files.fields: ", what));
}

}  // namespace

absl::Status RowError(absl::string_view field, absl::string_view wanted, absl::string_view found) {
  return absl::DataLossError(absl::StrCat(field, ": expected ", wanted, ", found ", found));
}

absl::Status CheckText(absl::string_view field, absl::string_view text) {
  return IsBlank(text) ? RowError(field, "text", absl::StrCat("'", text, "'")) : absl::OkStatus();
}

absl::Status RefuseBadLines(const TaskFile& file, absl::string_view what) {
  if (file.bad_lines.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(file.path, ":", *file.bad_lines.begin(), ":1: not UTF-8 or NUL; ", what,
                                          " is read whole or not at all"));
}

absl::Status Within(absl::string_view path, const absl::Status& status) {
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(path, ".", status.message()));
}

absl::Status CheckFields(const TaskFile& file, std::initializer_list<absl::string_view> required,
                         std::initializer_list<absl::string_view> optional) {
  const std::string& layout = file.config->files().layout();
  for (const absl::string_view name : required) {
    if (file.fields.count(std::string(name)) == 0) {
      return FieldsError(file, absl::StrCat("layout '", layout, "' needs '", name, "'"));
    }
  }
  for (const auto& [name, value] : file.fields) {
    if (std::find(required.begin(), required.end(), name) == required.end() &&
        std::find(optional.begin(), optional.end(), name) == optional.end()) {
      return FieldsError(file, absl::StrCat("layout '", layout, "' has no '", name, "'"));
    }
  }
  return absl::OkStatus();
}

std::string TextField(const TaskFile& file, const std::string& name, absl::string_view otherwise) {
  const auto found = file.fields.find(name);
  return found == file.fields.end() ? std::string(otherwise) : found->second;
}

absl::StatusOr<int64_t> NumberField(const TaskFile& file, const std::string& name, int64_t otherwise, int64_t most) {
  const auto found = file.fields.find(name);
  if (found == file.fields.end()) return otherwise;
  int64_t number;
  if (!absl::SimpleAtoi(found->second, &number) || number < 0 || number > most) {
    return FieldsError(file, absl::StrCat(name, ": expected a number from 0", most < INT64_MAX ? " to " : "",
                                          most < INT64_MAX ? absl::StrCat(most) : "", ", found '", found->second, "'"));
  }
  return number;
}

absl::StatusOr<std::set<std::string>> LeftOutLabels(const TaskFile& file) {
  const std::string field = TextField(file, "left_out");
  const std::set<std::string> labels = absl::StrSplit(field, ' ', absl::SkipEmpty());
  for (const FileTask::Class& c : file.config->files().classes()) {
    if (labels.count(c.value()) > 0) {
      return FieldsError(file, absl::StrCat("left_out: expected no class, found '", c.value(), "'"));
    }
  }
  return labels;
}

absl::Status ReadLines(
    const TaskFile& file, BadRows* bad_rows, std::vector<Example>* examples,
    absl::FunctionRef<absl::Status(absl::string_view line, int64_t number, std::vector<Example>* row)> read) {
  GBMOA_ASSIGN_OR_RETURN(const int64_t unusable_rows, NumberField(file, "unusable_rows"));
  int64_t unusable = 0, number = 0;
  std::vector<Example> row;
  for (absl::string_view rest = file.contents; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    absl::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    absl::ConsumeSuffix(&line, "\r");
    ++number;
    if ((number == 1 && file.header) || file.bad_lines.count(number) > 0) continue;
    row.clear();
    const size_t carriage_return = line.find('\r');
    absl::Status status;
    size_t column = 0;
    if (line.size() > kMaxRowBytes) {
      status = RowError("row", absl::StrCat("at most ", kMaxRowBytes, " bytes"), absl::StrCat(line.size()));
    } else if (carriage_return != absl::string_view::npos) {
      column = carriage_return;
      status = absl::DataLossError("carriage return within the line");
    } else {
      status = read(line, number, &row);
    }
    if (absl::IsInvalidArgument(status)) return status;
    if (status.ok()) {
      std::move(row.begin(), row.end(), std::back_inserter(*examples));
    } else if (unusable < unusable_rows) {
      ++unusable;
    } else {
      GBMOA_RETURN_IF_ERROR(bad_rows->Add(
          absl::Status(status.code(), absl::StrCat(file.path, ":", number, ":", column + 1, ": ", status.message()))));
    }
  }
  if (unusable < unusable_rows) {
    return absl::DataLossError(
        absl::StrCat(file.path, ":1:1: expected ", unusable_rows, " unusable rows, found ", unusable));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FilledText(const json& object, const std::string& field) {
  GBMOA_ASSIGN_OR_RETURN(std::string text, JsonText(object, field));
  if (IsBlank(text)) return RowError(field, "text", absl::StrCat("\"", text, "\""));
  return text;
}

absl::StatusOr<const json*> JsonObjects(const json& object, const std::string& field) {
  GBMOA_ASSIGN_OR_RETURN(const json* list, JsonMember(object, field));
  if (!list->is_array() || list->empty()) {
    return RowError(field, "a list with an object in it", list->is_array() ? "an empty one" : list->type_name());
  }
  for (size_t i = 0; i < list->size(); ++i) {
    if (!(*list)[i].is_object()) return RowError(absl::StrCat(field, "[", i, "]"), "an object", (*list)[i].type_name());
  }
  return list;
}

bool IsBlank(absl::string_view text) { return absl::StripAsciiWhitespace(text).empty(); }

size_t ByteOfCharacter(absl::string_view text, int64_t index) {
  if (index < 0) return absl::string_view::npos;
  for (size_t byte = 0; byte < text.size(); ++byte) {
    const bool continues = (static_cast<unsigned char>(text[byte]) & 0xc0) == 0x80;
    if (!continues && index-- == 0) return byte;
  }
  return index == 0 ? text.size() : absl::string_view::npos;
}

}  // namespace gbmoa
