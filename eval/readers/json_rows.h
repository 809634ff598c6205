// What layouts of one JSON object a line share.
#ifndef GBMOA_EVAL_READERS_JSON_ROWS_H_
#define GBMOA_EVAL_READERS_JSON_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/task_reader.h"
#include "nlohmann/json.hpp"

namespace gbmoa {

// Calls `read` with the object of every line, in order, and a list to put its examples on, which then go to `examples`.
// A line whose `read` fails, or that is no JSON object, is a bad row: nothing of it is left, and `read`'s message gets
// the place "FILE:LINE:1: " before it. Errors: those of BadRows::Add.
absl::Status ReadJsonRows(
    const TaskFile& file, BadRows* bad_rows, std::vector<Example>* examples,
    absl::FunctionRef<absl::Status(const nlohmann::json& object, std::vector<Example>* row)> read);

// Member `field` of an object, or of objects in it: "passage.text". Errors: DataLoss, without a place, if it is
// missing.
absl::StatusOr<const nlohmann::json*> JsonMember(const nlohmann::json& object, absl::string_view field);

// As above; a string, a whole number. Errors also if the value is something else.
absl::StatusOr<std::string> JsonText(const nlohmann::json& object, absl::string_view field);
absl::StatusOr<int64_t> JsonInteger(const nlohmann::json& object, absl::string_view field);

// A label or an id as text: a string, or a number or a truth value as JSON writes it ("1", "true").
absl::StatusOr<std::string> JsonScalar(const nlohmann::json& object, absl::string_view field);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_READERS_JSON_ROWS_H_
