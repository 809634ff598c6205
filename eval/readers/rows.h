// What the layouts of this folder share: their fields in the task's textproto, lines, lists of JSON, and errors.
#ifndef GBMOA_EVAL_READERS_ROWS_H_
#define GBMOA_EVAL_READERS_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/task_reader.h"
#include "nlohmann/json.hpp"

namespace gbmoa {

// The largest number of a column that a task may name: a larger one is no column of anybody's table.
constexpr int64_t kMaxColumn = 1000;

// What is wrong in a row, without its place: DataLoss "FIELD: expected WANTED, found FOUND".
absl::Status RowError(absl::string_view field, absl::string_view wanted, absl::string_view found);

// RowError unless the text has something else than white space.
absl::Status CheckText(absl::string_view field, absl::string_view text);

// DataLoss if the file has bad lines, for layouts in which nobody knows what such a line was part of: "FILE:LINE:1: not
// UTF-8 or NUL; WHAT is read whole or not at all".
absl::Status RefuseBadLines(const TaskFile& file, absl::string_view what);

// An error of something that lies in `path`, as one of "PATH.message"; OK stays OK.
absl::Status Within(absl::string_view path, const absl::Status& status);

// InvalidArgument "TASK: files.fields: ..." unless the file's fields are all of `required` and some of `optional`.
absl::Status CheckFields(const TaskFile& file, std::initializer_list<absl::string_view> required,
                         std::initializer_list<absl::string_view> optional = {});

// A field, or `otherwise` where the task has none. Errors: InvalidArgument if it is no whole number from 0 to `most`.
std::string TextField(const TaskFile& file, const std::string& name, absl::string_view otherwise = "");
absl::StatusOr<int64_t> NumberField(const TaskFile& file, const std::string& name, int64_t otherwise = 0,
                                    int64_t most = INT64_MAX);

// The labels of field "left_out", with blanks between: rows that have them are no examples of the task. Errors:
// InvalidArgument if one of them is a class.
absl::StatusOr<std::set<std::string>> LeftOutLabels(const TaskFile& file);

// Calls `read` with every line, without its end ("\n" or "\r\n"), its number from 1, and a list to put its examples on;
// not with the header's, if there is one. Lines of which there is an error are bad rows: nothing of them is left, and
// the message gets their place before it. Field "unusable_rows" says how many rows of the file are known to be bad; so
// many errors are expected, and fewer are one. Errors: those of BadRows::Add; InvalidArgument from `read`.
absl::Status ReadLines(
    const TaskFile& file, BadRows* bad_rows, std::vector<Example>* examples,
    absl::FunctionRef<absl::Status(absl::string_view line, int64_t number, std::vector<Example>* row)> read);

// A member of a JSON object: a string with something else than white space in it; a list of objects, of which there is
// one at least. Errors: DataLoss, without a place.
absl::StatusOr<std::string> FilledText(const nlohmann::json& object, const std::string& field);
absl::StatusOr<const nlohmann::json*> JsonObjects(const nlohmann::json& object, const std::string& field);

bool IsBlank(absl::string_view text);

// Where character number `index` of `text`, which is UTF-8, begins; the text's size for the one after the last, npos
// beyond that and for a negative one.
size_t ByteOfCharacter(absl::string_view text, int64_t index);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_READERS_ROWS_H_
