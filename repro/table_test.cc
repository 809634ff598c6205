#include "repro/table.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/testing.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LoadTableTest, TheRepositorysTablesAreConsistent) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/table1.textproto");
  ASSERT_TRUE(path.ok()) << path.status();
  const absl::StatusOr<TableDefinition> definition = LoadTable(*path);
  ASSERT_TRUE(definition.ok()) << definition.status();
  EXPECT_EQ(definition->sha256.size(), 64);
  // The paper's table has six rows of five cells.
  int methods = 0, cells = 0;
  for (const Row& row : definition->table.rows()) {
    methods += row.kind() == Row::METHOD;
    cells += static_cast<int>(row.paper().size());
  }
  EXPECT_EQ(methods, 6);
  EXPECT_EQ(cells, 30);
  EXPECT_EQ(FindRow(definition->table, "gbmoa")->paper().at("accuracy"), 91.8);
  // Settings are chosen on validation tasks.
  const Profile desk = *ResolveProfile(definition->table, "desk", {});
  EXPECT_EQ(desk.grid().suite(), "validation");
  EXPECT_EQ(std::count_if(desk.rows().begin(), desk.rows().end(),
                          [](const RowSettings& settings) { return settings.grid_size() > 0; }),
            7);
  EXPECT_EQ(LoadTable(*path + ".missing").status().code(), absl::StatusCode::kNotFound);
}

TEST(LoadTableTest, EveryTableOfTheRepositoryLoads) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/table1.textproto");
  ASSERT_TRUE(path.ok()) << path.status();
  int tables = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(*path).parent_path())) {
    const absl::StatusOr<TableDefinition> definition = LoadTable(file.path().string());
    ASSERT_TRUE(definition.ok()) << definition.status();
    EXPECT_EQ(definition->table.name(), file.path().stem().string());
    ++tables;
  }
  EXPECT_GE(tables, 2);
}

TEST(LoadTableTest, Table2HasThePapersCells) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/table2.textproto");
  ASSERT_TRUE(path.ok()) << path.status();
  const absl::StatusOr<TableDefinition> definition = LoadTable(*path);
  ASSERT_TRUE(definition.ok()) << definition.status();
  int methods = 0, cells = 0;
  double sum = 0;
  for (const Row& row : definition->table.rows()) {
    methods += row.kind() == Row::METHOD;
    for (const auto& [column, value] : row.paper()) {
      ++cells;
      sum += value;
    }
  }
  EXPECT_EQ(methods, 6);
  EXPECT_EQ(cells, 24);
  EXPECT_NEAR(sum, 2008.1, 1e-9);  // of the paper's table, added up by hand
  const Profile desk = *ResolveProfile(definition->table, "desk", {});
  EXPECT_EQ(desk.few_shot().starts_size(), 7);
  EXPECT_EQ(desk.few_shot().episodes(), 96);
}

TEST(ParseTableTest, RefusesContradictions) {
  const std::string good = TestTableText();
  ASSERT_TRUE(ParseTable("t.textproto", good).ok()) << ParseTable("t.textproto", good).status();
  const struct {
    std::string from, to, message;
  } kCases[] = {
      {"name: \"toy\"", "name: \"toy/1\"", "name: 'toy/1' is not a name"},
      {"margin: 2", "margin: 0", "columns[accuracy]: margin 0"},
      {"margin: 2", "margin: nan", "columns[0].margin: expected a finite number, found nan"},
      {"margin_reason: \"noise\"", "", "columns[accuracy]: a margin needs its reason"},
      {"ratio_row: \"slow\"", "ratio_row: \"fast\"", "ratio_row: no row 'fast'"},
      {"compare_to: \"meta\"", "compare_to: \"mata\"", "compare_to: no row 'mata'"},
      {"id: \"meta\"", "id: \"slow\"", "rows: 'slow' is there twice"},
      {"key: \"accuracy\" value: 84.3", "key: \"acc\" value: 84.3", "rows[slow]: paper cell of no column: acc"},
      {"marks: [ 0, 2, 4 ]", "marks: [0, 4, 2]", "profiles[desk].marks: 2 after 4"},
      {"marks: [ 0, 2, 4 ]", "marks: [0, 2]", "profiles[desk].marks: the last mark is 2, not the last step, 4"},
      {"draws: 3", "draws: 0", "profiles[desk].draws: 0"},
      {"meta_seeds: 1", "meta_seeds: 4", "profiles[desk].meta_seeds: 4 with 3 draws"},
      {"row: \"meta\"\n        expected", "row: \"mata\"\n expected", "profiles[desk].rows[mata]: no such row"},
      {"column: \"accuracy\" mean", "column: \"acc\" mean", "profiles[desk].rows[meta].expected[acc]: no such column"},
      {"sd: 1.5", "sd: -1", "profiles[desk].rows[meta].expected[accuracy]: sd -1"},
      {"source: \"draws 100 to 104\"", "", "where does the value come from"},
      {"compare_to: \"plain_start\"", "compare_to: \"plan\"", "profiles[desk].few_shot.compare_to: no start 'plan'"},
      {"reasons: MISSING_WEIGHTS reasons: HARDWARE", "", "profiles[big].not_attempted: needs a reason"},
      {"columns {", "colums {", "t.textproto:"},
      // Numbers that nobody can mean.
      {"margin: 2", "margin: inf", "columns[0].margin: expected a finite number, found inf"},
      {"value: 84.3", "value: nan", "rows[0].paper[0].value: expected a finite number, found nan"},
      {"mean: 80", "mean: nan", "profiles[0].rows[1].expected[0].mean: expected a finite number, found nan"},
      {"steps: 4", "steps: -4", "profiles[desk].steps: -4, not from 0 to 10000000"},
      {"steps: 4", "steps: 2147483647", "profiles[desk].steps: 2147483647, not from"},
      {"steps: 4", "steps: 2147483648", "t.textproto:"},
      {"steps: 4", "steps: 4 steps: 4", "t.textproto:"},
      {"shots: 2\n      steps", "shots: 0 steps", "profiles[desk].shots: 0, not from 1"},
      {"shots: 2\n      steps", "shots: -1 steps", "profiles[desk].shots: -1, not from 1"},
      {"batch_size: 0", "batch_size: -1", "profiles[desk].batch_size: -1, not from 0"},
      {"draws: 3", "draws: 2000000000", "profiles[desk].draws: 2000000000, not from 1 to 1000"},
      {"draws: 3", "draws: 3 first_draw: 2000000000", "profiles[desk].first_draw: 2000000000, not from 0 to 1000000"},
      {"meta_steps: 20", "meta_steps: -20", "profiles[desk].rows[meta].meta_steps: -20"},
      {"shots: [ 1, 4 ]", "shots: [ 1, 0 ]", "profiles[desk].few_shot.shots: 0, not from 1"},
      {"episodes: 6", "episodes: 2000000000", "profiles[desk].few_shot.episodes: 2000000000"},
      {"draws: 1", "draws: 0", "profiles[desk] with quick.draws: 0"},
      {"few_shot_steps: 1", "few_shot_steps: -1", "profiles[desk] with quick.few_shot.steps: -1"},
      // Columns of some profiles or some tasks, and worlds.
      {"suite: \"hard\"", "suite: \"hard\" profiles: \"dusk\"", "columns[accuracy_hard].profiles: no profile 'dusk'"},
      {"suite: \"hard\"", "suite: \"hard\" profiles: \"desk\" profiles: \"desk\"",
       "columns[accuracy_hard].profiles: 'desk' is there twice"},
      {"suite: \"easy\"\n      in_paper: true\n      margin: 2\n", "suite: \"easy\" profiles: \"big\" margin: 2\n",
       "expected[accuracy]: the profile does not have this column"},
      {"suite: \"hard\"", "suite: \"harder\"",
       "columns[accuracy_hard].suite: 'harder' is none of profiles[desk].suites"},
      {"suite: \"hard\"", "suite: \"hard\" tasks: \"h1\"", "columns[accuracy_hard].tasks: published means have them"},
      {"draws: 3", "draws: 3 world: \"paper\"", "profiles[desk].world: 'paper' is neither 'desk' nor 'files'"},
      {"draws: 3", "draws: 3 file_world { max_tokens: 8 }", "profiles[desk]: suite_tasks and file_world are of world"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(good.find(c.from), std::string::npos) << "not in the table: " << c.from;
    const absl::Status status = ParseTable("t.textproto", absl::StrReplaceAll(good, {{c.from, c.to}})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.from << " -> " << c.to;
  }
}

// The toy table on tasks in files, with a published mean.
std::string FilesTableText() {
  return absl::StrReplaceAll(
      TestTableText(),
      {{"      suites: \"easy\"\n      suites: \"hard\"\n",
        "world: \"files\" suite_tasks { name: \"easy\" tasks: \"glue/e1\" tasks: \"glue/e2\" }\n"
        "suite_tasks { name: \"hard\" tasks: \"h1\" }\n"
        "file_world { max_test_examples: 100 few_shot_tasks: \"fewshot/a\" few_shot_seeds: [ 13, 21 ] }\n"},
       {"tasks: \"e1\"", "tasks: \"glue/e1\""},
       {"measure: ACCURACY_PERCENT\n      suite: \"hard\"",
        "measure: PUBLISHED_MEAN_PERCENT\n suite: \"hard\" tasks: \"h1\""}});
}

TEST(ParseTableTest, RefusesContradictionsOfFiles) {
  const std::string good = FilesTableText();
  const absl::StatusOr<TableDefinition> table = ParseTable("t.textproto", good);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(ResolveProfile(table->table, "desk", {})->suites(), ElementsAre("easy", "hard"));
  const struct {
    std::string from, to, message;
  } kCases[] = {
      {"tasks: \"glue/e2\"", "tasks: \"glue//e2\"", "suite_tasks[easy]: 'glue//e2' is not a task's name"},
      {"tasks: \"glue/e2\"", "tasks: \"../e2\"", "suite_tasks[easy]: '../e2' is not a task's name"},
      {"tasks: \"glue/e2\"", "tasks: \"h1\"", "suite_tasks[hard]: 'h1' is there twice, or in another suite"},
      {"{ name: \"hard\" tasks: \"h1\" }", "{ name: \"hard\" }", "suite_tasks[hard]: has no tasks"},
      {"{ name: \"hard\"", "{ name: \"few_shot\"", "suite_tasks[few_shot]: is what episodes are called"},
      {"{ name: \"hard\"", "{ name: \"easy\"", "profiles[desk].suite_tasks: 'easy' is there twice"},
      {"world: \"files\"", "world: \"files\" suites: \"easy\" suites: \"other\"",
       "profiles[desk].suites: 'other' is not in suite_tasks"},
      {"tasks: \"h1\"\n        shots: 1", "tasks: \"h2\" shots: 1", "profiles[desk].quick.tasks: 'h2' is not in"},
      {"suite: \"hard\" tasks: \"h1\"", "suite: \"hard\" tasks: \"glue/e1\"",
       "columns[accuracy_hard].tasks: 'glue/e1' is not in suite 'hard' of profiles[desk]"},
      {"suite: \"hard\" tasks: \"h1\"", "suite: \"hard\" tasks: \"h1\" tasks: \"h1\"",
       "columns[accuracy_hard].tasks: 'h1' is there twice"},
      {"max_test_examples: 100", "max_test_examples: -1",
       "profiles[desk].file_world.max_test_examples: -1, not from 0"},
      {"max_test_examples: 100", "max_tokens: -1", "profiles[desk].file_world.max_tokens: -1"},
      {"max_test_examples: 100", "development_examples: -1", "profiles[desk].file_world.development_examples: -1"},
      {"max_test_examples: 100", "max_query_examples: -1", "profiles[desk].file_world.max_query_examples: -1"},
      {"[ 13, 21 ]", "[ 13, 13 ]", "profiles[desk].file_world.few_shot_seeds: 13 is there twice"},
      {"[ 13, 21 ]", "[ 13, -2 ]", "profiles[desk].file_world.few_shot_seeds: -2, not from 0"},
      {"few_shot_seeds: [ 13, 21 ]", "", "profiles[desk].file_world: a few-shot part needs"},
      {"few_shot_tasks: \"fewshot/a\"", "few_shot_tasks: \"a\" few_shot_tasks: \"a\"",
       "profiles[desk].file_world.few_shot_tasks: 'a' is there twice"},
      {"shots: 2\n      steps", "shots: -1 steps", "profiles[desk].shots: -1, not from 0"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(good.find(c.from), std::string::npos) << "not in the table: " << c.from;
    const absl::Status status = ParseTable("t.textproto", absl::StrReplaceAll(good, {{c.from, c.to}})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.from << " -> " << c.to;
  }
  // Files have a training split, and 0 shots are all of it.
  EXPECT_TRUE(ParseTable("t.textproto", absl::StrReplaceAll(good, {{"shots: 2\n      steps", "shots: 0 steps"}})).ok());
}

TEST(ParseTableTest, AProfileThatCannotBeRunMayBeComplete) {
  const std::string good = absl::StrReplaceAll(
      TestTableText(), {{"title: \"toy desk\"", "not_attempted { reasons: HARDWARE why: \"none here\" }"}});
  EXPECT_TRUE(ParseTable("t.textproto", good).ok()) << ParseTable("t.textproto", good).status();
  // Its settings are checked all the same.
  EXPECT_THAT(
      std::string(ParseTable("t.textproto", absl::StrReplaceAll(good, {{"draws: 3", "draws: 0"}})).status().message()),
      HasSubstr("profiles[desk].draws: 0"));
  const Table few_shot =
      ParseTable("t.textproto", absl::StrReplaceAll(FewShotTableText(), {{"title: \"toy desk\"",
                                                                          "not_attempted { reasons: HARDWARE why: "
                                                                          "\"none here\" }"}}))
          ->table;
  EXPECT_EQ(ResolveProfile(few_shot, "desk", {})->few_shot().starts_size(), 0);
}

TEST(ParseTableTest, RefusesContradictionsOfFewShotColumns) {
  const std::string good = FewShotTableText();
  ASSERT_TRUE(ParseTable("t.textproto", good).ok()) << ParseTable("t.textproto", good).status();
  const struct {
    std::string from, to, message;
  } kCases[] = {
      {"shots: 4\n      in_paper", "shots: 3 in_paper", "columns[four_shot]: profiles[desk].few_shot.shots has no 3"},
      {"shots: 4\n      in_paper", "in_paper", "columns[four_shot]: shots 0"},
      {"group: \"pair\"", "group: \"pairs\"", "profiles[desk].few_shot has no group 'pairs'"},
      {"not_judged: \"a part\"", "margin: 1 margin_reason: \"noise\"",
       "columns[pair]: a group of few-shot episodes is"},
      {"groups {", "starts { id: \"a\" row: \"meta\" } groups {", "the rows are the starts"},
      {"episodes: 6\n          sd_episodes: 8", "", "few-shot accuracy needs the number and spread"},
      {"meta_seeds: 3\n          first_episode", "first_episode", "rows[meta].expected[four_shot]: meta_seeds 0"},
      {"shapes { ways: 3", "shapes { ways: 1", "profiles[desk].meta_train_tasks.shapes: 1 ways, 2 shots"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(good.find(c.from), std::string::npos) << "not in the table: " << c.from;
    const absl::Status status = ParseTable("t.textproto", absl::StrReplaceAll(good, {{c.from, c.to}})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.from << " -> " << c.to;
  }
}

TEST(ParseTableTest, RefusesContradictionsOfGrids) {
  const std::string good = GridTableText();
  ASSERT_TRUE(ParseTable("t.textproto", good).ok()) << ParseTable("t.textproto", good).status();
  const std::string values = "values: \"0.1\" values: \"0.2\" values: \"0.3\"", row = "profiles[desk].rows[slow]";
  std::string many;
  for (int i = 0; i < 28; ++i) many += absl::StrCat("values: \"", i, "\" ");
  const struct {
    std::string from, to, message;
  } kCases[] = {
      {"grid { option", "options { key: \"learning_rate\" value: \"1\" } grid { option",
       row + ".grid[learning_rate]: is in options, too"},
      {values, "", row + ".grid[learning_rate]: has no values"},
      {"\"0.2\"", "\"\"", row + ".grid[learning_rate]: '' is not"},
      {"\"0.2\"", "\"0/2\"", row + ".grid[learning_rate]: '0/2' is not"},
      {"\"0.2\"", "\"0.1\"", row + ".grid[learning_rate]: '0.1' is there twice"},
      {values, many, row + ".grid: more than 27 combinations"},
      {"grid { option: \"learning_rate\"", "grid { option: \"learning rate\"", "'learning rate' is not a name"},
      {"grid { option", "grid { option: \"learning_rate\" values: \"1\" } grid { option",
       "'learning_rate' is there twice"},
      {"grid { suite: \"dev\" draws: 2 }", "", row + ".grid: the profile does not say on what to search it"},
      {"grid { option: \"learning_rate\" " + values + " }", "", "profiles[desk].grid: no row has one"},
      {"suite: \"dev\"", "", "profiles[desk].grid.suite: is empty"},
      {"suite: \"dev\"", "suite: \"hard\"", "profiles[desk].grid.suite: 'hard' is a suite of test tasks"},
      {"suite: \"dev\"", "suite: \"dev\" tasks: \"d1\" tasks: \"h1\"",
       "profiles[desk].grid.tasks: 'h1' is a test task"},
      {"suite: \"dev\"", "suite: \"dev\" tasks: \"d1\" tasks: \"d1\"",
       "profiles[desk].grid.tasks: 'd1' is there twice"},
      {"suite: \"dev\" draws: 2", "suite: \"dev\"", "profiles[desk].grid.draws: 0"},
      {"suite: \"dev\"", "suite: \"dev\" first_draw: -1", "profiles[desk].grid.first_draw: -1"},
      {"suite: \"dev\"", "suite: \"dev\" shots: -1", "profiles[desk].grid.shots: -1"},
      {"grid { option", "expected_options { key: \"rank\" value: \"1\" } grid { option",
       row + ".expected_options[rank]: is no option of the row's grid"},
      {"grid { option", "expected_options { key: \"learning_rate\" value: \"3e-05\" } grid { option",
       row + ".expected_options[learning_rate]: '3e-05' is none of the grid's values"},
      {"grid { option", "expected { column: \"accuracy\" mean: 1 sd: 1 n: 2 source: \"a run\" } grid { option",
       row + ".expected_options: with which learning_rate were the expected values measured?"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(good.find(c.from), std::string::npos) << "not in the table: " << c.from;
    const absl::Status status = ParseTable("t.textproto", absl::StrReplaceAll(good, {{c.from, c.to}})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.from << " -> " << c.to;
  }
  // Exact values hold for every candidate.
  EXPECT_TRUE(ParseTable("t.textproto",
                         absl::StrReplaceAll(good, {{"grid { option",
                                                     "expected { column: \"accuracy\" mean: 1 n: 1 exact: true source: "
                                                     "\"arithmetic\" } grid { option"}}))
                  .ok());
}

TEST(GridCandidatesTest, TheLastOptionVariesFastest) {
  RowSettings settings;
  EXPECT_THAT(GridCandidates(settings), ElementsAre(IsEmpty()));
  for (const char* name : {"b", "a"}) {
    GridOption* option = settings.add_grid();
    option->set_option(name);
    option->add_values("1");
    option->add_values("2");
  }
  using Map = std::map<std::string, std::string>;
  EXPECT_THAT(GridCandidates(settings), ElementsAre(Map{{"b", "1"}, {"a", "1"}}, Map{{"b", "1"}, {"a", "2"}},
                                                    Map{{"b", "2"}, {"a", "1"}}, Map{{"b", "2"}, {"a", "2"}}));
}

TEST(ResolveProfileTest, TheGridIsTheSameForAllDraws) {
  const Table table = ParseTable("t.textproto", GridTableText())->table;
  const Profile desk = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(desk.grid().draws(), 2);
  EXPECT_EQ(desk.grid().shots(), 2);
  EXPECT_EQ(desk.grid().steps(), 4);
  const Profile other = *ResolveProfile(table, "desk", {7, 100, false});
  EXPECT_EQ(other.grid().SerializeAsString(), desk.grid().SerializeAsString());
  const Profile quick = *ResolveProfile(table, "desk", {{}, {}, true});
  EXPECT_EQ(quick.grid().draws(), 1);
  EXPECT_EQ(quick.grid().shots(), 1);
  EXPECT_EQ(quick.grid().steps(), 2);
}

TEST(ResolveProfileTest, OverridesAndQuick) {
  const Table table = ParseTable("t.textproto", TestTableText())->table;
  const Profile full = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(full.draws(), 3);
  EXPECT_EQ(full.steps(), 4);
  const Profile quick = *ResolveProfile(table, "desk", {{}, {}, true});
  EXPECT_EQ(quick.draws(), 1);
  EXPECT_EQ(quick.steps(), 2);
  EXPECT_EQ(quick.few_shot().episodes(), 2);
  const Profile seeds = *ResolveProfile(table, "desk", {7, 100, false});
  EXPECT_EQ(seeds.draws(), 7);
  EXPECT_EQ(seeds.first_draw(), 100);
  const absl::Status unknown = ResolveProfile(table, "desktop", {}).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("unknown profile 'desktop' of toy; known: desk, big"));
  EXPECT_EQ(ResolveProfile(table, "desk", {0, {}, false}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ResolveProfile(table, "desk", {{}, -1, false}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ResolveProfileTest, FirstSeedShiftsEverything) {
  const Table table = ParseTable("t.textproto", FewShotTableText())->table;
  const Profile desk = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(desk.first_draw(), 0);
  EXPECT_EQ(desk.first_meta_seed(), 0);
  EXPECT_EQ(desk.few_shot().first_episode(), 0);
  const Profile other = *ResolveProfile(table, "desk", {{}, 3, false});
  EXPECT_EQ(other.first_draw(), 3);
  EXPECT_EQ(other.first_meta_seed(), 3);
  EXPECT_EQ(other.few_shot().first_episode(), 18);  // 3 times 6 episodes
  // What the table says holds until the command line says otherwise.
  Table fixed = table;
  fixed.mutable_profiles(0)->set_first_draw(5);
  fixed.mutable_profiles(0)->set_first_meta_seed(2);
  fixed.mutable_profiles(0)->mutable_few_shot()->set_first_episode(0);
  EXPECT_EQ(ResolveProfile(fixed, "desk", {})->first_meta_seed(), 2);
  EXPECT_EQ(ResolveProfile(fixed, "desk", {})->few_shot().first_episode(), 0);
  EXPECT_EQ(ResolveProfile(fixed, "desk", {{}, 3, false})->few_shot().first_episode(), 18);
}

TEST(ResolveProfileTest, RowsAreTheStartsOfFewShotColumns) {
  const Table table = ParseTable("t.textproto", FewShotTableText())->table;
  const Profile desk = *ResolveProfile(table, "desk", {});
  ASSERT_EQ(desk.few_shot().starts_size(), 3);  // not the row that is not run
  EXPECT_EQ(desk.few_shot().starts(1).id(), "meta");
  EXPECT_EQ(desk.few_shot().starts(1).row(), "meta");
}

TEST(MetaTrainTasksTextTest, NamesWhatIsSet) {
  MetaTrainTasks tasks;
  EXPECT_EQ(MetaTrainTasksText(tasks), "");
  for (const int ways : {3, 5}) {
    tasks.add_shapes()->set_ways(ways);
    tasks.mutable_shapes(tasks.shapes_size() - 1)->set_shots(2);
  }
  tasks.set_query_per_class(2);
  tasks.set_pair_shots(3);
  tasks.set_pair_query_per_class(4);
  EXPECT_EQ(MetaTrainTasksText(tasks),
            "ways x shots 3x2, 5x2; 2 queries a class; pairs: 3 shots; pairs: 4 queries a class");
}

TEST(NotAttemptedReasonTest, NamesReasons) {
  const Table table = ParseTable("t.textproto", TestTableText())->table;
  EXPECT_EQ(NotAttemptedReason(*ResolveProfile(table, "big", {}), "slow"),
            "MISSING_WEIGHTS, HARDWARE: no such machine here");
  const Profile desk = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(NotAttemptedReason(desk, "slow"), "");
  EXPECT_EQ(NotAttemptedReason(desk, "absent"), "UNDERSPECIFIED: profile desk has no settings for this row");
}

}  // namespace
}  // namespace gbmoa
