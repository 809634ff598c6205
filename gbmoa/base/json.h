// JSON files from outside, read with limits.
#ifndef GBMOA_BASE_JSON_H_
#define GBMOA_BASE_JSON_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace gbmoa {

// Parses one JSON value; `name` is what errors call the text. Errors: DataLoss "NAME:LINE:COLUMN: what" for bad syntax,
// bad UTF-8, a key that comes twice in an object, more than 100 levels, anything after the value.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view name, absl::string_view text);

// Line LINE of a file of one value a line; `place` is "FILE:LINE". Errors: those of ParseJson, as "FILE:LINE:COLUMN:
// what".
absl::StatusOr<nlohmann::json> ParseJsonLine(absl::string_view place, absl::string_view line);

// Errors: those of ReadFile and ParseJson.
absl::StatusOr<nlohmann::json> LoadJson(const std::string& path, int64_t max_bytes = 64 << 20);

}  // namespace gbmoa

#endif  // GBMOA_BASE_JSON_H_
