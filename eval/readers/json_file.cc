// A file that is one JSON value: a list of rows, or an object whose members "0", "1", ... are the rows. A row is an
// object, or a list.
//
// Fields: `rows`: the member of the file's object that has the rows, if it is not the whole. `text_a`, `text_b`,
// `label`, `id`: names of a row's members, or numbers in its list from 0; text_b and id are optional.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

// What `field` names in a row. Errors: DataLoss without a place if the row has no such thing, or one that is no text
// (nor, with `scalar`, number or truth value).
absl::StatusOr<std::string> Cell(const json& row, const std::string& field, bool scalar) {
  const json* value = nullptr;
  size_t index;
  if (row.is_object()) {
    const auto member = row.find(field);
    if (member != row.end()) value = &*member;
  } else if (row.is_array() && absl::SimpleAtoi(field, &index) && index < row.size()) {
    value = &row[index];
  }
  if (value == nullptr) return absl::DataLossError(absl::StrCat(field, ": is missing"));
  if (value->is_string()) return value->get<std::string>();
  if (scalar && (value->is_number() || value->is_boolean())) return value->dump();
  return RowError(field, "a string", value->type_name());
}

class JsonFileReader : public TaskReader {
 public:
  bool pairs(const FileTask& task) const override { return HasField(task, "text_b"); }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {"text_a", "label"}, {"text_b", "id", "rows"}));
    GBMOA_RETURN_IF_ERROR(RefuseBadLines(file, "a JSON file"));
    const absl::StatusOr<json> parsed = ParseJson("", file.contents);
    if (!parsed.ok()) {
      const absl::string_view message = parsed.status().message();  // ":LINE:COLUMN: what", or ": what"
      return absl::DataLossError(absl::StrCat(file.path, absl::StartsWith(message, ": ") ? ":1:1" : "", message));
    }
    const json& value = *parsed;
    // Where a value stood in the text is not known once it is read: places are its members.
    const std::string place = absl::StrCat(file.path, ":1:1: ");
    const std::string name = TextField(file, "rows");
    const json* rows = &value;
    if (!name.empty()) {
      if (!value.is_object() || !value.contains(name)) {
        return absl::DataLossError(absl::StrCat(place, name, ": is missing"));
      }
      rows = &value[name];
    }
    if (!rows->is_structured()) {
      return absl::DataLossError(absl::StrCat(place, name.empty() ? "file" : name,
                                              ": expected a list or an object, found ", rows->type_name()));
    }
    for (size_t i = 0; i < rows->size(); ++i) {
      Example example;
      // An object's members come in the order of their names as texts, so they are asked for by number.
      const auto member = rows->is_object() ? rows->find(absl::StrCat(i)) : rows->begin() + i;
      const std::string path = absl::StrCat(name, "[", i, "]");
      const absl::Status status = member == rows->end() ? absl::DataLossError(absl::StrCat(path, ": is missing"))
                                                        : Within(path, ReadRow(file, *member, &example));
      if (status.ok()) {
        examples->push_back(std::move(example));
      } else {
        GBMOA_RETURN_IF_ERROR(bad_rows->Add(absl::Status(status.code(), absl::StrCat(place, status.message()))));
      }
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status ReadRow(const TaskFile& file, const json& row, Example* example) {
    GBMOA_ASSIGN_OR_RETURN(example->text_a, Cell(row, TextField(file, "text_a"), false));
    GBMOA_RETURN_IF_ERROR(CheckText(TextField(file, "text_a"), example->text_a));
    if (file.fields.count("text_b") > 0) {
      GBMOA_ASSIGN_OR_RETURN(example->text_b, Cell(row, TextField(file, "text_b"), false));
    }
    if (file.fields.count("id") > 0) {
      GBMOA_ASSIGN_OR_RETURN(example->id, Cell(row, TextField(file, "id"), true));
    }
    if (!file.labelled) return absl::OkStatus();
    GBMOA_ASSIGN_OR_RETURN(const std::string label, Cell(row, TextField(file, "label"), true));
    return ReadLabel(file.config->files(), label, example);
  }
};

GBMOA_REGISTER_TASK_READER("json", JsonFileReader);

}  // namespace
}  // namespace gbmoa
