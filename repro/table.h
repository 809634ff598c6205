// Loads and checks a table's definition, and says what a profile of it runs.
#ifndef GBMOA_REPRO_TABLE_H_
#define GBMOA_REPRO_TABLE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

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
  // --first_seed, N: draws and meta-trainings from N on, few-shot episodes from N times their number on. Runs whose N
  // are at least `draws` apart then share none of them. What a grid is searched on stays as it is.
  std::optional<int> first_draw;
  bool quick = false;  // the profile's Quick takes the place of the settings that it names
};

// The profile with nothing left open: first_meta_seed, first_episode and the grid's shots and steps are set, suites are
// those of suite_tasks (without the grid's) if it names none, and in a profile with few-shot columns every row that is
// run is a start of the few-shot part, by the row's id. Errors:
// InvalidArgument for an unknown profile, naming those there are, and for values out of range.
absl::StatusOr<Profile> ResolveProfile(const Table& table, const std::string& name, const ProfileOverrides& overrides);

// nullptr if there is none.
const Row* FindRow(const Table& table, const std::string& id);
const RowSettings* FindRowSettings(const Profile& profile, const std::string& row);
const Expected* FindExpected(const RowSettings& settings, const std::string& column);
const FewShot::Group* FindGroup(const FewShot& few_shot, const std::string& id);

// All combinations of the values of a row's grid, without the options that are given; the last option varies fastest.
// A row without grid has one, which is empty.
std::vector<std::map<std::string, std::string>> GridCandidates(const RowSettings& settings);

// Whether the profile has the column, which results are then without.
bool HasColumn(const std::string& profile, const Column& column);
bool HasFewShotColumns(const Table& table, const std::string& profile);
// What makes the profile's tasks: "desk" or "files".
std::string WorldOf(const Profile& profile);
// "ways x shots 3x2, 4x2; 2 queries a class; ..."; empty if everything is left to the data.
std::string MetaTrainTasksText(const MetaTrainTasks& tasks);

// Why `row` is not run in `profile`, as "HARDWARE, MISSING_WEIGHTS: no GPU"; empty if it is run.
std::string NotAttemptedReason(const Profile& profile, const std::string& row);
std::string NotAttemptedText(const NotAttempted& not_attempted);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_TABLE_H_
