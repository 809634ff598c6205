// Loads and checks a table's definition, and says what a profile of it runs.
#ifndef GBMOA_REPRO_TABLE_H_
#define GBMOA_REPRO_TABLE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "repro/table.pb.h"

namespace gbmoa {

struct TableDefinition {
  Table table;
  std::string sha256;  // of the file
};

// Errors: NotFound; InvalidArgument naming file and field for a definition that contradicts itself.
absl::StatusOr<TableDefinition> LoadTable(const std::string& path);
absl::StatusOr<TableDefinition> ParseTable(const std::string& name, const std::string& text);

// What the command line changes.
struct ProfileOverrides {
  std::optional<int> draws;  // --seeds
  std::optional<int> first_draw;
  bool quick = false;  // the profile's Quick takes the place of the settings that it names
};

// Errors: InvalidArgument for an unknown profile, naming those there are, and for values out of range.
absl::StatusOr<Profile> ResolveProfile(const Table& table, const std::string& name, const ProfileOverrides& overrides);

// nullptr if there is none.
const Row* FindRow(const Table& table, const std::string& id);
const RowSettings* FindRowSettings(const Profile& profile, const std::string& row);
const Expected* FindExpected(const RowSettings& settings, const std::string& column);

// Why `row` is not run in `profile`, as "HARDWARE, MISSING_WEIGHTS: no GPU"; empty if it is run.
std::string NotAttemptedReason(const Profile& profile, const std::string& row);
std::string NotAttemptedText(const NotAttempted& not_attempted);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_TABLE_H_
