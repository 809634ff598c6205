#include "gbmoa/base/json.h"

#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr int kMaxDepth = 100;

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view name, absl::string_view text) {
  const auto fail = [&](size_t byte, absl::string_view what) {
    return absl::DataLossError(absl::StrCat(name, ":", LineAndColumn(text, byte), ": ", what));
  };
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) return fail(bad_byte, "not UTF-8");
  const size_t nul = text.find('\0');  // the library takes it for the end of the text
  if (nul != absl::string_view::npos) return fail(nul, "NUL");

  std::string problem;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (!problem.empty()) return false;
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (depth >= kMaxDepth) problem = absl::StrCat("more than ", kMaxDepth, " levels");
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        break;
      case json::parse_event_t::key:
        if (!keys.back().insert(parsed.get<std::string>()).second) {
          problem = absl::StrCat("'", parsed.get<std::string>(), "' comes twice");
        }
        break;
      case json::parse_event_t::object_end:
        keys.pop_back();
        break;
      default:
        break;
    }
    return problem.empty();
  };
  // The library reports by exception; here is the place where they end.
  json value;
  try {
    value = json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    absl::string_view what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: what"
    const size_t colon = what.find(": ");
    if (colon != absl::string_view::npos) what.remove_prefix(colon + 2);
    return fail(error.byte == 0 ? 0 : error.byte - 1, what.substr(0, 200));
  } catch (const json::exception& error) {
    return absl::DataLossError(absl::StrCat(name, ": ", absl::string_view(error.what()).substr(0, 200)));
  }
  if (!problem.empty()) return absl::DataLossError(absl::StrCat(name, ": ", problem));
  return value;
}

absl::StatusOr<json> ParseJsonLine(absl::string_view place, absl::string_view line) {
  absl::StatusOr<json> value = ParseJson("", line);
  if (value.ok()) return value;
  absl::string_view message = value.status().message();  // ":1:COLUMN: what", or ": what"
  if (absl::ConsumePrefix(&message, ":1:")) return absl::DataLossError(absl::StrCat(place, ":", message));
  return absl::DataLossError(absl::StrCat(place, ":1", message));
}

absl::StatusOr<json> LoadJson(const std::string& path, int64_t max_bytes) {
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  return ParseJson(path, text);
}

}  // namespace gbmoa
