#include "eval/readers/json_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/delimited.h"
#include "gbmoa/base/json.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

absl::Status Wanted(absl::string_view field, absl::string_view what, const json& found) {
  // Names and numbers are short; of long values the beginning says enough.
  return absl::DataLossError(absl::StrCat(field, ": expected ", what, ", found ",
                                          found.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 100)));
}

}  // namespace

absl::Status ReadJsonRows(const TaskFile& file, BadRows* bad_rows, std::vector<Example>* examples,
                          absl::FunctionRef<absl::Status(const json&, std::vector<Example>*)> read) {
  TextCursor cursor(file.path, file.contents);
  const absl::string_view text = file.contents;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const int64_t line = cursor.Line(begin);
    const absl::string_view content = text.substr(begin, end - begin);
    begin = end + 1;
    if (file.bad_lines.count(line) > 0) continue;
    const std::string place = absl::StrCat(file.path, ":", line);
    absl::Status status;
    if (content.size() > kMaxRowBytes) {
      status = absl::DataLossError(
          absl::StrCat(place, ":1: expected a row of at most ", kMaxRowBytes, " bytes, found ", content.size()));
    } else if (const absl::StatusOr<json> object = ParseJsonLine(place, content); !object.ok()) {
      status = object.status();
    } else if (!object->is_object()) {
      status = absl::DataLossError(absl::StrCat(place, ":1: expected an object, found ", object->type_name()));
    } else {
      std::vector<Example> row;
      const absl::Status read_status = read(*object, &row);
      // What is wrong with the task's configuration is no matter of a row.
      if (absl::IsInvalidArgument(read_status)) return read_status;
      if (read_status.ok()) {
        std::move(row.begin(), row.end(), std::back_inserter(*examples));
        continue;
      }
      status = absl::Status(read_status.code(), absl::StrCat(place, ":1: ", read_status.message()));
    }
    const absl::Status added = bad_rows->Add(status);
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::StatusOr<const json*> JsonMember(const json& object, absl::string_view field) {
  const json* value = &object;
  for (const absl::string_view name : absl::StrSplit(field, '.')) {
    if (!value->is_object()) return Wanted(field, "objects on the way there", *value);
    const auto member = value->find(std::string(name));
    if (member == value->end()) return absl::DataLossError(absl::StrCat(field, ": is missing"));
    value = &*member;
  }
  return value;
}

absl::StatusOr<std::string> JsonText(const json& object, absl::string_view field) {
  GBMOA_ASSIGN_OR_RETURN(const json* value, JsonMember(object, field));
  if (!value->is_string()) return Wanted(field, "a string", *value);
  return value->get<std::string>();
}

absl::StatusOr<int64_t> JsonInteger(const json& object, absl::string_view field) {
  GBMOA_ASSIGN_OR_RETURN(const json* value, JsonMember(object, field));
  // Larger ones the library keeps as unsigned.
  if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX)) {
    return Wanted(field, "a whole number", *value);
  }
  return value->get<int64_t>();
}

absl::StatusOr<std::string> JsonScalar(const json& object, absl::string_view field) {
  GBMOA_ASSIGN_OR_RETURN(const json* value, JsonMember(object, field));
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number() || value->is_boolean()) return value->dump();
  return Wanted(field, "a string, a number, true or false", *value);
}

}  // namespace gbmoa
