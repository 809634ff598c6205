#include "repro/table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/textproto.h"

namespace gbmoa {
namespace {

// Names become parts of file names.
bool IsName(const std::string& name) {
  if (name.empty() || name.size() > 100) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '_') return false;
  }
  return true;
}

// Collects where a definition contradicts itself; the first contradiction is what the caller gets.
class Checker {
 public:
  explicit Checker(const std::string& name) : name_(name) {}

  template <typename... Parts>
  bool Check(bool condition, const std::string& field, const Parts&... what) {
    if (!condition && status_.ok())
      status_ = absl::InvalidArgumentError(absl::StrCat(name_, ": ", field, ": ", what...));
    return condition;
  }
  void Name(const std::string& field, const std::string& name, std::set<std::string>* seen) {
    Check(IsName(name), field, "'", name, "' is not a name of letters, digits and underscores");
    Check(seen->insert(name).second, field, "'", name, "' is there twice");
  }
  void Range(const std::string& field, int64_t value, int64_t low, int64_t high) {
    Check(value >= low && value <= high, field, value, ", not from ", low, " to ", high);
  }
  template <typename Map>
  void Finite(const std::string& field, const Map& values) {
    for (const auto& [key, value] : values) Check(std::isfinite(value), absl::StrCat(field, ".", key), value);
  }
  template <typename Marks>
  void CheckMarks(const std::string& field, const Marks& marks, int steps) {
    int last = -1;
    for (const int mark : marks) {
      Check(mark > last && mark <= steps, field, mark, " after ", last, "; marks ascend from 0 to steps (", steps, ")");
      last = mark;
    }
    Check(last == steps, field, "the last mark is ", last, ", not the last step, ", steps);
  }
  const absl::Status& status() const { return status_; }

 private:
  std::string name_;
  absl::Status status_;
};

// Values become parts of file names, too.
bool IsGridValue(const std::string& value) {
  return !value.empty() && value.size() <= 40 && std::all_of(value.begin(), value.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("_.,-", c);
  });
}

constexpr int kMaxCandidates = 27;

// Far above what anybody wants, far below where arithmetic overflows.
constexpr int kMaxDraws = 1000, kMaxFirst = 1000000, kMaxShots = 1000000, kMaxSteps = 10000000;
constexpr int kMaxBatchSize = 100000, kMaxExamples = 100000000;

// "glue/cola"
bool IsTaskName(const std::string& name) {
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (!IsName(std::string(part))) return false;
  }
  return name.size() <= 100;
}

void CheckRowGrid(const Profile& profile, const RowSettings& settings, const std::string& at, Checker* checker) {
  std::set<std::string> options;
  int64_t candidates = 1;
  for (const GridOption& option : settings.grid()) {
    const std::string field = absl::StrCat(at, ".grid[", option.option(), "]");
    checker->Name(absl::StrCat(at, ".grid"), option.option(), &options);
    checker->Check(settings.options().count(option.option()) == 0, field, "is in options, too: fixed or chosen?");
    checker->Check(option.values_size() > 0, field, "has no values");
    std::set<std::string> values;
    for (const std::string& value : option.values()) {
      checker->Check(IsGridValue(value), field, "'", value, "' is not up to 40 letters, digits and '_.,-'");
      checker->Check(values.insert(value).second, field, "'", value, "' is there twice");
    }
    candidates = std::min<int64_t>(candidates * option.values_size(), kMaxCandidates + 1);
  }
  checker->Check(candidates <= kMaxCandidates, absl::StrCat(at, ".grid"), "more than ", kMaxCandidates,
                 " combinations");
  checker->Check(options.empty() || profile.has_grid(), absl::StrCat(at, ".grid"),
                 "the profile does not say on what to search it: it has no grid");
  for (const auto& [option, value] : settings.expected_options()) {
    const auto searched = std::find_if(settings.grid().begin(), settings.grid().end(),
                                       [&name = option](const GridOption& grid) { return grid.option() == name; });
    checker->Check(searched == settings.grid().end() ||
                       std::count(searched->values().begin(), searched->values().end(), value) > 0,
                   absl::StrCat(at, ".expected_options[", option, "]"), "'", value,
                   "' is none of the grid's values, as text");
    checker->Check(options.count(option) > 0, absl::StrCat(at, ".expected_options[", option, "]"),
                   "is no option of the row's grid");
  }
  const bool sampled = std::any_of(settings.expected().begin(), settings.expected().end(),
                                   [](const Expected& expected) { return !expected.exact(); });
  for (const std::string& option : options) {
    checker->Check(!sampled || settings.expected_options().count(option) > 0, absl::StrCat(at, ".expected_options"),
                   "with which ", option, " were the expected values measured?");
  }
}

void CheckSettings(const Table& table, const Profile& profile, const std::string& at, Checker* checker) {
  std::set<std::string> rows;
  for (const RowSettings& settings : profile.rows()) {
    const std::string field = absl::StrCat(at, ".rows[", settings.row(), "]");
    checker->Check(FindRow(table, settings.row()) != nullptr, field, "no such row");
    checker->Check(rows.insert(settings.row()).second, field, "is there twice");
    checker->Range(absl::StrCat(field, ".meta_steps"), settings.meta_steps(), 0, kMaxSteps);
    checker->Range(absl::StrCat(field, ".steps"), settings.steps(), 0, kMaxSteps);
    CheckRowGrid(profile, settings, field, checker);
    std::set<std::string> columns;
    for (const Expected& expected : settings.expected()) {
      const std::string cell = absl::StrCat(field, ".expected[", expected.column(), "]");
      bool known = false, has = false;
      for (const Column& column : table.columns()) {
        if (column.id() != expected.column()) continue;
        known = true;
        has = HasColumn(profile.name(), column);
      }
      checker->Check(known, cell, "no such column");
      checker->Check(has, cell, "the profile does not have this column");
      checker->Check(columns.insert(expected.column()).second, cell, "is there twice");
      checker->Check(std::isfinite(expected.mean()), cell, "mean ", expected.mean());
      checker->Check(expected.sd() >= 0 && std::isfinite(expected.sd()), cell, "sd ", expected.sd());
      checker->Check(expected.n() >= 1, cell, "n ", expected.n());
      checker->Check(!expected.source().empty(), cell, "where does the value come from? source is empty");
      checker->Check(!expected.has_first_meta_seed() || expected.meta_seeds() >= 1, cell, "meta_seeds ",
                     expected.meta_seeds());
      checker->Check(expected.sd_episodes() >= 0 && std::isfinite(expected.sd_episodes()), cell, "sd_episodes ",
                     expected.sd_episodes());
      for (const Column& column : table.columns()) {
        if (column.id() != expected.column() || column.measure() != Column::FEW_SHOT_ACCURACY_PERCENT) continue;
        checker->Check(expected.episodes() >= 2, cell, "few-shot accuracy needs the number and spread of its episodes");
      }
    }
  }
}

// Files have a training split, which 0 shots are all of.
int MinShots(const Profile& profile) { return WorldOf(profile) == "files" ? 0 : 1; }

// Of a resolved profile. That its tasks are development tasks can be seen only where the tasks are.
void CheckGrid(const Table& table, const Profile& profile, const std::string& at, Checker* checker) {
  const Grid& grid = profile.grid();
  const auto is_suite = [&](const std::string& suite) { return suite == grid.suite(); };
  const bool test_suite =
      std::any_of(profile.suites().begin(), profile.suites().end(), is_suite) ||
      std::any_of(table.columns().begin(), table.columns().end(), [&](const Column& c) { return is_suite(c.suite()); });
  checker->Check(!grid.suite().empty(), absl::StrCat(at, ".suite"), "is empty");
  checker->Check(!test_suite, absl::StrCat(at, ".suite"), "'", grid.suite(),
                 "' is a suite of test tasks; settings are chosen on others");
  std::set<std::string> tasks;
  for (const std::string& task : grid.tasks()) {
    checker->Check(tasks.insert(task).second, absl::StrCat(at, ".tasks"), "'", task, "' is there twice");
    const auto& test_tasks = profile.quick().tasks();
    checker->Check(std::count(test_tasks.begin(), test_tasks.end(), task) == 0, absl::StrCat(at, ".tasks"), "'", task,
                   "' is a test task; settings are chosen on others");
  }
  checker->Range(absl::StrCat(at, ".draws"), grid.draws(), 1, kMaxDraws);
  checker->Range(absl::StrCat(at, ".first_draw"), grid.first_draw(), 0, kMaxFirst);
  checker->Range(absl::StrCat(at, ".shots"), grid.shots(), MinShots(profile), kMaxShots);
  checker->Range(absl::StrCat(at, ".steps"), grid.steps(), 0, kMaxSteps);
  checker->Check(std::any_of(profile.rows().begin(), profile.rows().end(),
                             [](const RowSettings& settings) { return settings.grid_size() > 0; }),
                 at, "no row has one");
}

// Of a resolved profile.
void CheckFewShot(const Table& table, const Profile& profile, const std::string& at, Checker* checker) {
  const FewShot& few_shot = profile.few_shot();
  const bool run = !profile.has_not_attempted();  // else no row is, and there are no starts
  checker->Check(few_shot.shots_size() > 0 && (few_shot.starts_size() > 0 || !run) && few_shot.groups_size() > 0, at,
                 "shots, starts and groups must not be empty");
  for (const int shots : few_shot.shots()) checker->Range(absl::StrCat(at, ".shots"), shots, 1, kMaxShots);
  checker->Range(absl::StrCat(at, ".episodes"), few_shot.episodes(), 1, 1000);
  checker->Range(absl::StrCat(at, ".first_episode"), few_shot.first_episode(), 0, std::numeric_limits<int>::max());
  checker->Range(absl::StrCat(at, ".steps"), few_shot.steps(), 0, kMaxSteps);
  checker->Range(absl::StrCat(at, ".batch_size"), few_shot.batch_size(), 0, kMaxBatchSize);
  checker->CheckMarks(absl::StrCat(at, ".marks"), few_shot.marks(), few_shot.steps());
  std::set<std::string> starts, groups;
  for (const FewShot::Start& start : few_shot.starts()) {
    checker->Name(absl::StrCat(at, ".starts"), start.id(), &starts);
    checker->Check(FindRowSettings(profile, start.row()) != nullptr, absl::StrCat(at, ".starts[", start.id(), "]"),
                   "row '", start.row(), "' has no settings in this profile");
  }
  for (const FewShot::Group& group : few_shot.groups()) checker->Name(absl::StrCat(at, ".groups"), group.id(), &groups);
  checker->Check(!run || starts.count(few_shot.compare_to()) > 0, absl::StrCat(at, ".compare_to"), "no start '",
                 few_shot.compare_to(), "'");
  for (const Column& column : table.columns()) {
    if (column.measure() != Column::FEW_SHOT_ACCURACY_PERCENT || !HasColumn(profile.name(), column)) continue;
    const std::string field = absl::StrCat("columns[", column.id(), "]");
    checker->Check(std::count(few_shot.shots().begin(), few_shot.shots().end(), column.shots()) > 0, field, at,
                   ".shots has no ", column.shots());
    checker->Check(column.group().empty() || FindGroup(few_shot, column.group()) != nullptr, field, at,
                   " has no group '", column.group(), "'");
  }
}

void CheckMetaTrainTasks(const MetaTrainTasks& tasks, const std::string& at, Checker* checker) {
  for (const MetaTrainTasks::Shape& shape : tasks.shapes())
    checker->Check(shape.ways() >= 2 && shape.shots() >= 1, absl::StrCat(at, ".shapes"), shape.ways(), " ways, ",
                   shape.shots(), " shots");
  checker->Check(tasks.query_per_class() >= 0 && tasks.pair_shots() >= 0 && tasks.pair_query_per_class() >= 0, at,
                 "numbers must not be negative");
}

// What tasks in files there are, and how they become tasks of the table. Of a resolved profile.
void CheckFiles(const Table& table, const Profile& profile, const std::string& at, Checker* checker) {
  std::map<std::string, std::set<std::string>> suites;  // their tasks
  std::set<std::string> names, tasks;
  for (const Suite& suite : profile.suite_tasks()) {
    const std::string field = absl::StrCat(at, ".suite_tasks[", suite.name(), "]");
    checker->Name(absl::StrCat(at, ".suite_tasks"), suite.name(), &names);
    checker->Check(suite.tasks_size() > 0, field, "has no tasks");
    checker->Check(suite.name() != "few_shot", field, "is what episodes are called");
    for (const std::string& task : suite.tasks()) {
      checker->Check(IsTaskName(task), field, "'", task, "' is not a task's name, letters, digits, '_' and '/'");
      checker->Check(tasks.insert(task).second, field, "'", task, "' is there twice, or in another suite");
      suites[suite.name()].insert(task);
    }
  }
  checker->Check(!suites.empty(), absl::StrCat(at, ".suite_tasks"), "is empty: which tasks does the profile have?");
  for (const std::string& suite : profile.suites())
    checker->Check(suites.count(suite) > 0, absl::StrCat(at, ".suites"), "'", suite, "' is not in suite_tasks");
  for (const std::string& task : profile.quick().tasks())
    checker->Check(tasks.count(task) > 0, absl::StrCat(at, ".quick.tasks"), "'", task, "' is not in suite_tasks");
  for (const Column& column : table.columns()) {
    if (!HasColumn(profile.name(), column)) continue;
    for (const std::string& task : column.tasks()) {
      checker->Check(suites[column.suite()].count(task) > 0, absl::StrCat("columns[", column.id(), "].tasks"), "'",
                     task, "' is not in suite '", column.suite(), "' of ", at);
    }
  }
  const FileWorld& files = profile.file_world();
  const std::string field = absl::StrCat(at, ".file_world");
  checker->Range(absl::StrCat(field, ".max_test_examples"), files.max_test_examples(), 0, kMaxExamples);
  checker->Range(absl::StrCat(field, ".max_tokens"), files.max_tokens(), 0, 100000);
  checker->Range(absl::StrCat(field, ".development_examples"), files.development_examples(), 0, kMaxExamples);
  checker->Range(absl::StrCat(field, ".max_query_examples"), files.max_query_examples(), 0, kMaxExamples);
  std::set<std::string> few_shot_tasks;
  for (const std::string& task : files.few_shot_tasks()) {
    checker->Check(IsTaskName(task), absl::StrCat(field, ".few_shot_tasks"), "'", task,
                   "' is not a task's name, letters, digits, '_' and '/'");
    checker->Check(few_shot_tasks.insert(task).second, absl::StrCat(field, ".few_shot_tasks"), "'", task,
                   "' is there twice");
  }
  std::set<int> seeds;
  for (const int seed : files.few_shot_seeds()) {
    checker->Range(absl::StrCat(field, ".few_shot_seeds"), seed, 0, kMaxFirst);
    checker->Check(seeds.insert(seed).second, absl::StrCat(field, ".few_shot_seeds"), seed, " is there twice");
  }
  checker->Check(!profile.has_few_shot() || (!few_shot_tasks.empty() && !seeds.empty()), field,
                 "a few-shot part needs few_shot_tasks and few_shot_seeds");
}

// Of a resolved profile.
void CheckProfile(const Table& table, const Profile& profile, const std::string& at, Checker* checker) {
  if (profile.has_not_attempted()) {
    checker->Check(!profile.not_attempted().why().empty() && profile.not_attempted().reasons_size() > 0,
                   absl::StrCat(at, ".not_attempted"), "needs a reason and why");
    if (profile.rows().empty()) return;  // else it is complete, and only cannot be run here
  }
  checker->Check(profile.world().empty() || profile.world() == "desk" || profile.world() == "files",
                 absl::StrCat(at, ".world"), "'", profile.world(), "' is neither 'desk' nor 'files'");
  checker->Range(absl::StrCat(at, ".draws"), profile.draws(), 1, kMaxDraws);
  checker->Range(absl::StrCat(at, ".first_draw"), profile.first_draw(), 0, kMaxFirst);
  checker->Check(profile.meta_seeds() >= 1 && profile.meta_seeds() <= profile.draws(), absl::StrCat(at, ".meta_seeds"),
                 profile.meta_seeds(), " with ", profile.draws(), " draws");
  checker->Range(absl::StrCat(at, ".shots"), profile.shots(), MinShots(profile), kMaxShots);
  checker->Range(absl::StrCat(at, ".steps"), profile.steps(), 0, kMaxSteps);
  checker->Range(absl::StrCat(at, ".batch_size"), profile.batch_size(), 0, kMaxBatchSize);
  checker->Check(profile.suites_size() > 0, absl::StrCat(at, ".suites"), "is empty");
  checker->CheckMarks(absl::StrCat(at, ".marks"), profile.marks(), profile.steps());
  CheckSettings(table, profile, at, checker);
  checker->Range(absl::StrCat(at, ".first_meta_seed"), profile.first_meta_seed(), 0, kMaxFirst);
  CheckMetaTrainTasks(profile.meta_train_tasks(), absl::StrCat(at, ".meta_train_tasks"), checker);
  if (WorldOf(profile) == "files") {
    CheckFiles(table, profile, at, checker);
  } else {
    checker->Check(profile.suite_tasks().empty() && !profile.has_file_world(), at,
                   "suite_tasks and file_world are of world 'files'");
  }
  bool any = false;
  for (const Column& column : table.columns()) {
    if (!HasColumn(profile.name(), column)) continue;
    any = true;
    checker->Check(
        column.suite().empty() || std::count(profile.suites().begin(), profile.suites().end(), column.suite()) > 0,
        absl::StrCat("columns[", column.id(), "].suite"), "'", column.suite(), "' is none of ", at, ".suites");
  }
  checker->Check(any, at, "has no column");
  if (profile.has_grid()) CheckGrid(table, profile, absl::StrCat(at, ".grid"), checker);
  if (profile.has_few_shot()) {
    CheckFewShot(table, profile, absl::StrCat(at, ".few_shot"), checker);
  } else {
    checker->Check(!HasFewShotColumns(table, profile.name()), at, "has no few_shot for the few-shot columns");
  }
}

void CheckColumnParts(const Table& table, const Column& column, const std::string& field, Checker* checker) {
  std::set<std::string> profiles, tasks;
  for (const std::string& name : column.profiles()) {
    const bool known = std::any_of(table.profiles().begin(), table.profiles().end(),
                                   [&name](const Profile& profile) { return profile.name() == name; });
    checker->Check(known, absl::StrCat(field, ".profiles"), "no profile '", name, "'");
    checker->Check(profiles.insert(name).second, absl::StrCat(field, ".profiles"), "'", name, "' is there twice");
  }
  const bool published =
      column.measure() == Column::PUBLISHED_MEAN_PERCENT || column.measure() == Column::BENCHMARK_PERCENT;
  checker->Check(published || column.tasks().empty(), absl::StrCat(field, ".tasks"),
                 "published means have them, nothing else");
  for (const std::string& task : column.tasks())
    checker->Check(tasks.insert(task).second, absl::StrCat(field, ".tasks"), "'", task, "' is there twice");
}

absl::Status CheckTable(const std::string& name, const Table& table) {
  Checker checker(name);
  checker.Check(IsName(table.name()), "name", "'", table.name(), "' is not a name of letters, digits and underscores");
  std::set<std::string> columns, rows, profiles;
  for (const Column& column : table.columns()) {
    const std::string field = absl::StrCat("columns[", column.id(), "]");
    checker.Name("columns", column.id(), &columns);
    checker.Check(column.measure() != Column::MEASURE_UNSPECIFIED, field, "measures nothing");
    checker.Check(column.decimals() >= 0 && column.decimals() <= 10, field, "decimals ", column.decimals());
    const bool few_shot = column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT;
    checker.Check(few_shot == (column.shots() > 0) && (few_shot || column.group().empty()), field, "shots ",
                  column.shots(), ", group '", column.group(), "': few-shot accuracy has them, nothing else");
    checker.Check(few_shot == column.suite().empty(), field, "suite '", column.suite(), "'");
    CheckColumnParts(table, column, field, &checker);
    if (!column.not_judged().empty()) continue;
    checker.Check(column.group().empty(), field,
                  "a group of few-shot episodes is shown, not judged: say so in not_judged");
    checker.Check(column.margin() > 0 && std::isfinite(column.margin()), field, "margin ", column.margin());
    checker.Check(!column.margin_reason().empty(), field, "a margin needs its reason");
  }
  for (const Row& row : table.rows()) {
    const std::string field = absl::StrCat("rows[", row.id(), "]");
    checker.Name("rows", row.id(), &rows);
    checker.Check(row.kind() != Row::KIND_UNSPECIFIED, field, "has no kind");
    checker.Check(!row.method().empty(), field, "names no method");
    checker.Finite(absl::StrCat(field, ".paper"), row.paper());
    for (const auto& [column, value] : row.paper())
      checker.Check(columns.count(column) > 0, field, "paper cell of no column: ", column);
  }
  checker.Check(!rows.empty() && !columns.empty(), "rows", "a table has rows and columns");
  checker.Check(table.ratio_row().empty() || rows.count(table.ratio_row()) > 0, "ratio_row", "no row '",
                table.ratio_row(), "'");
  for (const std::string& row : table.compare_to())
    checker.Check(rows.count(row) > 0, "compare_to", "no row '", row, "'");
  for (const Profile& profile : table.profiles()) {
    const std::string field = absl::StrCat("profiles[", profile.name(), "]");
    // Not only letters first: "4xa100".
    checker.Name("profiles", profile.name(), &profiles);
    checker.Check(!HasFewShotColumns(table, profile.name()) || profile.few_shot().starts().empty(),
                  absl::StrCat(field, ".few_shot"),
                  "in a table with few-shot columns the rows are the starts; there must be no others");
    const absl::StatusOr<Profile> full = ResolveProfile(table, profile.name(), {});
    if (full.ok()) CheckProfile(table, *full, field, &checker);
    // What --quick makes of it must hold too.
    if (!profile.has_not_attempted()) {
      checker.Check(profile.has_quick(), field, "has no quick settings");
      const absl::StatusOr<Profile> quick = ResolveProfile(table, profile.name(), {{}, {}, true});
      if (quick.ok()) CheckProfile(table, *quick, absl::StrCat(field, " with quick"), &checker);
    }
  }
  return checker.status();
}

}  // namespace

absl::StatusOr<TableDefinition> ParseTable(const std::string& name, const std::string& text) {
  TableDefinition definition;
  GBMOA_RETURN_IF_ERROR(ParseTextproto(name, text, &definition.table));
  GBMOA_RETURN_IF_ERROR(CheckTable(name, definition.table));
  definition.sha256 = Sha256Hex(text);
  return definition;
}

absl::StatusOr<TableDefinition> LoadTable(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  return ParseTable(path, text);
}

absl::StatusOr<Profile> ResolveProfile(const Table& table, const std::string& name, const ProfileOverrides& overrides) {
  const Profile* found = nullptr;
  std::vector<std::string> names;
  for (const Profile& profile : table.profiles()) {
    names.push_back(profile.name());
    if (profile.name() == name) found = &profile;
  }
  if (found == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown profile '", name, "' of ", table.name(), "; known: ", absl::StrJoin(names, ", ")));
  }
  Profile profile = *found;
  if (overrides.quick && profile.has_quick()) {
    const Quick& quick = profile.quick();
    profile.set_draws(quick.draws());
    profile.set_meta_seeds(1);
    profile.set_shots(quick.shots());
    profile.set_steps(quick.steps());
    *profile.mutable_marks() = quick.marks();
    for (RowSettings& settings : *profile.mutable_rows()) {
      if (quick.meta_steps() > 0) settings.set_meta_steps(quick.meta_steps());
      settings.clear_steps();
    }
    if (profile.has_grid()) {
      profile.mutable_grid()->set_draws(1);
      profile.mutable_grid()->clear_shots();
      profile.mutable_grid()->clear_steps();
    }
    if (profile.has_few_shot()) {
      FewShot* few_shot = profile.mutable_few_shot();
      *few_shot->mutable_shots() = quick.few_shot_shots();
      few_shot->set_episodes(quick.few_shot_episodes());
      few_shot->set_steps(quick.few_shot_steps());
      *few_shot->mutable_marks() = quick.few_shot_marks();
    }
  }
  if (overrides.draws.has_value()) {
    if (*overrides.draws < 1 || *overrides.draws > 1000) {
      return absl::InvalidArgumentError(absl::StrCat("--seeds=", *overrides.draws, ": from 1 to 1000"));
    }
    profile.set_draws(*overrides.draws);
    profile.set_meta_seeds(std::min(profile.meta_seeds(), profile.draws()));
  }
  if (overrides.first_draw.has_value()) {
    if (*overrides.first_draw < 0 || *overrides.first_draw > 1000000) {
      return absl::InvalidArgumentError(absl::StrCat("--first_seed=", *overrides.first_draw, ": from 0 to 1000000"));
    }
    profile.set_first_draw(*overrides.first_draw);
    profile.clear_first_meta_seed();
    if (profile.has_few_shot()) profile.mutable_few_shot()->clear_first_episode();
  }
  if (!profile.has_first_meta_seed()) profile.set_first_meta_seed(profile.first_draw());
  if (profile.suites().empty()) {
    for (const Suite& suite : profile.suite_tasks()) {
      if (suite.name() != profile.grid().suite()) profile.add_suites(suite.name());
    }
  }
  if (profile.has_grid()) {
    Grid* grid = profile.mutable_grid();
    if (grid->shots() == 0) grid->set_shots(profile.shots());
    if (grid->steps() == 0) grid->set_steps(profile.steps());
  }
  if (!profile.has_few_shot()) return profile;
  FewShot* few_shot = profile.mutable_few_shot();
  if (!few_shot->has_first_episode()) {
    // Numbers that are too large are refused elsewhere; they must not overflow here.
    const int64_t first = int64_t{profile.first_draw()} * few_shot->episodes();
    few_shot->set_first_episode(static_cast<int>(std::min<int64_t>(first, std::numeric_limits<int>::max())));
  }
  if (!HasFewShotColumns(table, name) || !few_shot->starts().empty()) return profile;
  for (const Row& row : table.rows()) {
    if (!NotAttemptedReason(profile, row.id()).empty()) continue;
    FewShot::Start* start = few_shot->add_starts();
    start->set_id(row.id());
    start->set_title(row.title());
    start->set_row(row.id());
  }
  return profile;
}

const Row* FindRow(const Table& table, const std::string& id) {
  for (const Row& row : table.rows()) {
    if (row.id() == id) return &row;
  }
  return nullptr;
}

const RowSettings* FindRowSettings(const Profile& profile, const std::string& row) {
  for (const RowSettings& settings : profile.rows()) {
    if (settings.row() == row) return &settings;
  }
  return nullptr;
}

const Expected* FindExpected(const RowSettings& settings, const std::string& column) {
  for (const Expected& expected : settings.expected()) {
    if (expected.column() == column) return &expected;
  }
  return nullptr;
}

const FewShot::Group* FindGroup(const FewShot& few_shot, const std::string& id) {
  for (const FewShot::Group& group : few_shot.groups()) {
    if (group.id() == id) return &group;
  }
  return nullptr;
}

std::vector<std::map<std::string, std::string>> GridCandidates(const RowSettings& settings) {
  std::vector<std::map<std::string, std::string>> candidates(1);
  for (const GridOption& option : settings.grid()) {
    std::vector<std::map<std::string, std::string>> more;
    for (const auto& candidate : candidates) {
      for (const std::string& value : option.values()) {
        more.push_back(candidate);
        more.back()[option.option()] = value;
      }
    }
    candidates = std::move(more);
  }
  return candidates;
}

bool HasColumn(const std::string& profile, const Column& column) {
  const auto& profiles = column.profiles();
  return profiles.empty() || std::count(profiles.begin(), profiles.end(), profile) > 0;
}

bool HasFewShotColumns(const Table& table, const std::string& profile) {
  return std::any_of(table.columns().begin(), table.columns().end(), [&](const Column& column) {
    return column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT && HasColumn(profile, column);
  });
}

std::string WorldOf(const Profile& profile) { return profile.world().empty() ? "desk" : profile.world(); }

std::string MetaTrainTasksText(const MetaTrainTasks& tasks) {
  std::vector<std::string> parts;
  if (tasks.shapes_size() > 0) {
    parts.push_back(absl::StrCat(
        "ways x shots ", absl::StrJoin(tasks.shapes(), ", ", [](std::string* out, const MetaTrainTasks::Shape& shape) {
          absl::StrAppend(out, shape.ways(), "x", shape.shots());
        })));
  }
  if (tasks.query_per_class() > 0) parts.push_back(absl::StrCat(tasks.query_per_class(), " queries a class"));
  if (tasks.pair_shots() > 0) parts.push_back(absl::StrCat("pairs: ", tasks.pair_shots(), " shots"));
  if (tasks.pair_query_per_class() > 0)
    parts.push_back(absl::StrCat("pairs: ", tasks.pair_query_per_class(), " queries a class"));
  return absl::StrJoin(parts, "; ");
}

std::string NotAttemptedText(const NotAttempted& not_attempted) {
  std::vector<std::string> reasons;
  for (const int reason : not_attempted.reasons()) reasons.push_back(Reason_Name(static_cast<Reason>(reason)));
  return absl::StrCat(absl::StrJoin(reasons, ", "), ": ", not_attempted.why());
}

std::string NotAttemptedReason(const Profile& profile, const std::string& row) {
  if (profile.has_not_attempted()) return NotAttemptedText(profile.not_attempted());
  const RowSettings* settings = FindRowSettings(profile, row);
  if (settings == nullptr)
    return absl::StrCat("UNDERSPECIFIED: profile ", profile.name(), " has no settings for this row");
  return settings->has_not_attempted() ? NotAttemptedText(settings->not_attempted()) : "";
}

}  // namespace gbmoa
