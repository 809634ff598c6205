#include "repro/table_main.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/cell.h"
#include "repro/figure.h"
#include "repro/testing.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TableMainTest : public testing::Test {
 protected:
  TableMainTest() {
    std::string pattern = JoinPath(testing::TempDir(), "table_main_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    arguments_.table = JoinPath(folder_, "toy.textproto");
    std::ofstream(arguments_.table) << TestTableText();
    arguments_.out = JoinPath(folder_, "out");
    arguments_.threads = 2;
    arguments_.command = "bazel run //repro:toy";
    arguments_.git = "0123abc";
    arguments_.build = "b01d";
  }

  int Main() {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = TableMain(arguments_, [this](const Profile&) -> absl::StatusOr<TableWorld> {
      ++worlds_;
      if (!world_error_.ok()) return world_error_;
      TableWorld world = TestWorld(&state_);
      if (change_world_) change_world_(&world);
      return world;
    });
    stdout_ = testing::internal::GetCapturedStdout();
    stderr_ = testing::internal::GetCapturedStderr();
    return code;
  }
  std::string Read(const std::string& name) {
    const absl::StatusOr<std::string> text = ReadFile(JoinPath(arguments_.out, name), 1 << 26);
    EXPECT_THAT(text, IsOk());
    return text.ok() ? *text : "";
  }

  std::string folder_, stdout_, stderr_;
  TableArguments arguments_;
  TestWorldState state_;
  std::function<void(TableWorld*)> change_world_;
  absl::Status world_error_;
  int worlds_ = 0;
};

TEST_F(TableMainTest, WritesReports) {
  change_world_ = [](TableWorld* world) { world->few_shot_inputs = {{"episodes", "11ff"}}; };
  EXPECT_EQ(Main(), 11);  // meta's accuracy is inconclusive
  const Json result = Json::parse(Read("toy.json"));
  EXPECT_EQ(result["table"], "toy");
  EXPECT_EQ(result["git"], "0123abc");
  EXPECT_EQ(result["environment"]["threads"], 2);
  EXPECT_EQ(result["environment"]["world_size"], 1);
  EXPECT_EQ(result["inputs"][0]["name"], "repro/tables/toy.textproto");
  EXPECT_EQ(result["inputs"][0]["sha256"].get<std::string>().size(), 64);
  EXPECT_EQ(result["inputs"][1]["sha256"], "00ff");
  EXPECT_EQ(result["inputs"][2]["sha256"], "11ff");
  EXPECT_THAT(stdout_, HasSubstr(result["inputs"][0]["sha256"].get<std::string>()));
  EXPECT_THAT(stdout_, HasSubstr("1 reproduced, 1 inconclusive, 0 not reproduced, 12 not attempted"));
  EXPECT_THAT(stdout_, HasSubstr(JoinPath(arguments_.out, "toy.html")));

  EXPECT_THAT(stdout_, HasSubstr("meta-training tasks: toys/sup, toys/pair\nmeta-test tasks: e1, e2, h1\n"
                                 "few-shot test tasks: pair, sup\ndevelopment tasks: none\n"));

  const std::string markdown = Read("toy.md");
  EXPECT_THAT(markdown, HasSubstr("| Slow | 85.0 ± 5.0 (n 3)<br>NOT_ATTEMPTED<br>paper 84.3 |"));
  EXPECT_THAT(markdown, HasSubstr("bazel run //repro:toy"));
  const std::string html = Read("toy.html");
  EXPECT_THAT(html, HasSubstr("<span class=\"badge inconclusive\">INCONCLUSIVE</span>"));
  // The page needs nothing from outside.
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, Not(HasSubstr("src=")));
  if (HaveGnuplot()) {
    EXPECT_THAT(html, HasSubstr("<svg"));
    EXPECT_THAT(html, HasSubstr("few_shot_1_coarse_"));
  }
  // What a later table may expect: sampled values only.
  const std::string expected = Read("expected.textproto");
  EXPECT_THAT(expected,
              HasSubstr("expected { column: \"accuracy\" mean: 85 sd: 5 n: 3 first_draw: 0 source: \"own run of "));
  EXPECT_THAT(expected, HasSubstr("commit 0123abc, draws 0 to 2\" }"));
  EXPECT_THAT(expected, Not(HasSubstr("parameters_percent")));
  Profile profile;  // whose `rows` can be pasted into the definition
  EXPECT_THAT(ParseTextproto("expected.textproto", expected, &profile), IsOk());
  EXPECT_EQ(profile.rows_size(), 3);
  EXPECT_THAT(Read("predictions/gold--e1.txt"), HasSubstr("0\n1\n"));
  EXPECT_EQ(Read("predictions/slow--e1--draw0.txt").size(), 40);  // 20 labels, one a line

  // The reports follow from the results file alone.
  std::ofstream(JoinPath(arguments_.out, "toy.md")) << "";
  EXPECT_EQ(ReportMain(JoinPath(arguments_.out, "toy.json")), 0);
  EXPECT_EQ(Read("toy.md"), markdown);
  EXPECT_EQ(Read("toy.html"), html);
}

TEST_F(TableMainTest, QuickRunsAreNotJudged) {
  arguments_.quick = true;
  EXPECT_EQ(Main(), 12);
  const std::string text = Read("toy.json");
  EXPECT_THAT(text, Not(HasSubstr("\"REPRODUCED\"")));
  EXPECT_THAT(text, HasSubstr("BUDGET"));
  const Json result = Json::parse(text);
  EXPECT_EQ(result["quick"], true);
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["n"], 1);
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["mean"], 70);  // 12 + 2 steps of 20
}

TEST_F(TableMainTest, FewShotColumns) {
  std::ofstream(arguments_.table) << FewShotTableText();
  EXPECT_EQ(Main(), 11);
  const std::string markdown = Read("parts.md");
  EXPECT_THAT(markdown,
              HasSubstr("| Meta | 81.2 ± 8.5 (n 4)<br>NOT_ATTEMPTED | 80.0 ± 5.0 (n 3)<br>INCONCLUSIVE<br>± 1.8 "
                        "over 6 episodes · expected 80.0 · paper 64.5 |"));
  EXPECT_THAT(markdown,
              HasSubstr("| Frozen | -16.2 [-29.8, -2.7] | -15.0 [-19.7, -10.3]<br>sd of 3 repetitions 5.0 |"));
  EXPECT_THAT(markdown, HasSubstr("| Meta | 3 | 3 |"));  // meta-trainings, tasks
  EXPECT_THAT(markdown, HasSubstr("meta/meta-seed0-order.json"));
  if (HaveGnuplot()) {
    EXPECT_THAT(Read("parts.html"), HasSubstr("difference_four_shot_"));
    EXPECT_THAT(Read("parts.html"), HasSubstr("difference_pair_"));
  }
  const std::string expected = Read("expected.textproto");
  EXPECT_THAT(
      expected,
      HasSubstr("expected { column: \"four_shot\" mean: 80 sd: 5 n: 3 first_episode: 0 episodes: 6 sd_episodes: "
                "4.472 first_meta_seed: 0 meta_seeds: 3 source: \"own run of "));
  EXPECT_THAT(expected, HasSubstr("commit 0123abc, episodes 0 to 5\" }"));
  EXPECT_THAT(expected, Not(HasSubstr("\"pair\"")));
  Profile profile;
  ASSERT_THAT(ParseTextproto("expected.textproto", expected, &profile), IsOk());

  // The definition with these values, and a note more: nothing is done again, and nothing is judged by itself.
  const int adaptations = state_.adaptations;
  Table table;
  ASSERT_THAT(ParseTextproto("parts", FewShotTableText(), &table), IsOk());
  table.mutable_rows(0)->set_note("a note");
  for (const RowSettings& found : profile.rows()) {
    for (RowSettings& settings : *table.mutable_profiles(0)->mutable_rows()) {
      if (settings.row() == found.row()) *settings.mutable_expected() = found.expected();
    }
  }
  std::ofstream(arguments_.table) << table.DebugString();
  EXPECT_EQ(Main(), 12) << stderr_;
  EXPECT_EQ(state_.adaptations, adaptations);
  EXPECT_EQ(state_.meta_trainings, 3);
  EXPECT_THAT(Read("parts.json"), HasSubstr("SAME_DRAWS"));
  // Other draws, episodes and meta-trainings are judged.
  arguments_.first_seed = 4;
  EXPECT_NE(Main(), 12);
  EXPECT_THAT(Read("parts.json"), Not(HasSubstr("SAME_DRAWS")));
}

TEST_F(TableMainTest, ReportsSayHowSettingsWereChosen) {
  std::ofstream(arguments_.table) << GridTableText();
  state_.development_bonus = {{"0.2", 2}, {"0.3", 1}};
  state_.bonus = {{"0.2", -3}};
  EXPECT_EQ(Main(), 11) << stderr_;
  EXPECT_THAT(stdout_, HasSubstr("chosen on development tasks: Slow, learning_rate = 0.2\n"));
  const std::string markdown = Read("toy.md");
  EXPECT_THAT(markdown, HasSubstr("## How the settings were chosen"));
  EXPECT_THAT(markdown, HasSubstr("on development tasks (d1, d2 of suite dev)"));
  EXPECT_THAT(markdown, HasSubstr("2 draws of 2 examples a class, 4 steps"));
  // 3 candidates on 2 tasks and 2 draws, against 3 tasks and 3 draws: 12 to 9 adaptations of 4 s and 4 GFLOP.
  EXPECT_THAT(markdown, HasSubstr("| Slow | learning_rate: 0.1, 0.2, 0.3 | learning_rate = 0.2 | 12 | "
                                  "48.0<br>1.33 of the judged runs' | 0.05<br>1.33 of the judged runs' |"));
  EXPECT_THAT(markdown, HasSubstr("| learning_rate = 0.1 | 52.50 ± 3.54 (n 2) |  | 16.0 | 0.02 |"));
  EXPECT_THAT(markdown, HasSubstr("| learning_rate = 0.2 | 62.50 ± 3.54 (n 2) | yes | 16.0 | 0.02 |"));
  EXPECT_THAT(markdown, HasSubstr("- Choosing settings: 12 adaptations, 48 s of one core"));
  EXPECT_THAT(Read("toy.html"), HasSubstr("How the settings were chosen"));
  // What the next run may expect says which options it was measured with.
  Profile profile;
  ASSERT_THAT(ParseTextproto("expected.textproto", Read("expected.textproto"), &profile), IsOk());
  EXPECT_EQ(profile.rows(0).expected_options().at("learning_rate"), "0.2");
  EXPECT_EQ(profile.rows(1).expected_options().size(), 0);
  std::ofstream(JoinPath(arguments_.out, "toy.md")) << "";
  EXPECT_EQ(ReportMain(JoinPath(arguments_.out, "toy.json")), 0);
  EXPECT_EQ(Read("toy.md"), markdown);

  // With them the definition loads; what is measured with other options is shown and not judged.
  Table table;
  ASSERT_THAT(ParseTextproto("toy", GridTableText(), &table), IsOk());
  RowSettings* const slow = table.mutable_profiles(0)->mutable_rows(0);
  *slow->mutable_expected() = profile.rows(0).expected();
  *slow->mutable_expected_options() = profile.rows(0).expected_options();
  (*slow->mutable_expected_options())["learning_rate"] = "0.1";
  std::ofstream(arguments_.table) << table.DebugString();
  EXPECT_EQ(Main(), 11) << stderr_;
  EXPECT_THAT(Read("toy.md"), HasSubstr("expected 70.0 with learning_rate = 0.1 · paper 84.3"));
  EXPECT_THAT(Read("toy.md"), HasSubstr("UNDERSPECIFIED: the expected value was measured with learning_rate=0.1, and "
                                        "the grid of slow has chosen learning_rate=0.2"));

  state_.errors["slow"] = absl::ResourceExhaustedError("no memory");
  arguments_.fresh = true;
  EXPECT_EQ(Main(), 11);
  EXPECT_THAT(Read("toy.md"), HasSubstr("none<br>every candidate failed"));
  EXPECT_THAT(Read("toy.md"), HasSubstr("4 failed: RESOURCE_EXHAUSTED: no memory"));
}

TEST_F(TableMainTest, AQuickRunSearchesAReducedGridAndSaysSo) {
  std::ofstream(arguments_.table) << GridTableText();
  state_.development_bonus = {{"0.3", 1}};
  arguments_.quick = true;
  EXPECT_EQ(Main(), 12) << stderr_;
  const Json selection = Json::parse(Read("toy.json"))["rows"][0]["selection"];
  EXPECT_EQ(selection["tasks"], std::vector<std::string>{"d1"});
  EXPECT_EQ(selection["draws"], 1);
  EXPECT_EQ(selection["steps"], 2);
  EXPECT_EQ(selection["candidates"].size(), 3);
  EXPECT_EQ(selection["chosen"]["learning_rate"], "0.3");
  EXPECT_THAT(Read("toy.md"), HasSubstr("searches the grids on their first task and one draw only"));
}

TEST_F(TableMainTest, MissingDataAndSubsetsAreTold) {
  change_world_ = [](TableWorld* world) {
    world->tasks[0].subset = "train: 100 of 8,551 rows";
    world->tasks[2].missing = "MISSING_DATA: no h1.tsv; get it with: make h1";
  };
  EXPECT_EQ(Main(), 11) << stderr_;
  EXPECT_THAT(stdout_, HasSubstr("e1: a subset. train: 100 of 8,551 rows\n"));
  EXPECT_THAT(stdout_, HasSubstr("h1: not attempted. MISSING_DATA: no h1.tsv; get it with: make h1\n"));
  const Json result = Json::parse(Read("toy.json"));
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy_hard"]["verdict"], "NOT_ATTEMPTED");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["mean"], 85);
  EXPECT_THAT(Read("toy.md"), HasSubstr("MISSING_DATA: no h1.tsv"));
}

TEST_F(TableMainTest, OneSeedIsNeverReproduced) {
  arguments_.seeds = 1;
  EXPECT_EQ(Main(), 11);
  EXPECT_THAT(Read("toy.json"), Not(HasSubstr("\"REPRODUCED\"")));
}

TEST_F(TableMainTest, AProfileThatIsNotAttemptedSaysSo) {
  arguments_.profile = "big";
  EXPECT_EQ(Main(), 12);
  EXPECT_EQ(worlds_, 0);
  const Json result = Json::parse(Read("toy.json"));
  EXPECT_EQ(result["headline"], "0 reproduced, 0 inconclusive, 0 not reproduced, 15 not attempted");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["why"], "MISSING_WEIGHTS, HARDWARE: no such machine here");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["mean"], Json());
  EXPECT_THAT(Read("toy.html"), HasSubstr("Nothing was run. MISSING_WEIGHTS, HARDWARE: no such machine here"));
}

TEST_F(TableMainTest, AWorldMaySayThatItCannotBeHere) {
  world_error_ = absl::FailedPreconditionError("MISSING_DATA, HARDWARE: no data root, no GPU: none");
  EXPECT_EQ(Main(), 12) << stderr_;
  const Json result = Json::parse(Read("toy.json"));
  EXPECT_EQ(result["not_attempted"], "MISSING_DATA, HARDWARE: no data root, no GPU: none");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["verdict"], "NOT_ATTEMPTED");
  // Other errors are errors.
  world_error_ = absl::FailedPreconditionError("BAD_LUCK: no luck");
  EXPECT_EQ(Main(), ExitCode(world_error_));
  EXPECT_THAT(stderr_, HasSubstr("BAD_LUCK: no luck"));
}

TEST_F(TableMainTest, OnlySomeOfTheTasks) {
  arguments_.tasks = {"h1"};
  std::vector<std::string> seen;
  arguments_.after_run = [&](const Table& table, const Profile&, const TableWorld& world, const TableRun& run,
                             const std::string& out) {
    seen = {table.name(), world.tasks[0].name, run.tasks[2].name, out};
    return absl::OkStatus();
  };
  EXPECT_EQ(Main(), 12) << stderr_;
  const Json result = Json::parse(Read("toy.json"));
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["verdict"], "NOT_ATTEMPTED");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["why"], "BUDGET: not among the tasks of this run (likewise e2)");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy_hard"]["mean"], 85);
  EXPECT_EQ(seen, (std::vector<std::string>{"toy", "e1", "h1", arguments_.out}));
  arguments_.after_run = nullptr;
  arguments_.quick = true;
  EXPECT_EQ(Main(), 12) << stderr_;
  EXPECT_EQ(Json::parse(Read("toy.json"))["rows"][0]["tasks"].size(), 1);
  arguments_.tasks = {"h1", "h2"};
  EXPECT_EQ(Main(), 64);
  EXPECT_THAT(stderr_, HasSubstr("--tasks: no task 'h2' in profile desk; known: e1, e2, h1"));
}

// Of suite easy's four tasks, glue/stsb is a regression, which no F1 is of. The world need not have read what is not
// run.
TEST_F(TableMainTest, AMeanIsOverTheProfilesTasks) {
  std::ofstream(arguments_.table) << absl::StrReplaceAll(
      TestTableText(),
      {{"      suites: \"hard\"\n", R"pb(
          suites: "hard"
          world: "files"
          suite_tasks {
            name: "easy"
            tasks: [ "e1", "e2", "glue/cola", "glue/stsb" ]
          }
          suite_tasks { name: "hard" tasks: "h1" }
          file_world { few_shot_tasks: "sup" few_shot_seeds: 13 }
        )pb"},
       {"    rows {\n      id: \"slow\"", R"pb(
          columns { id: "benchmark" title: "Score" measure: BENCHMARK_PERCENT suite: "easy" not_judged: "shown" }
          rows { id: "slow")pb"}});
  const auto check = [&](const std::string& why) {
    SCOPED_TRACE(why);
    EXPECT_EQ(Main(), 12) << stderr_;
    const Json result = Json::parse(Read("toy.json"));
    const Json& cells = result["rows"][2]["cells"];
    for (const auto& [column, of] : {std::pair("accuracy", 4), std::pair("f1", 3), std::pair("adaptation_steps", 4)}) {
      EXPECT_EQ(cells[column]["verdict"], "NOT_ATTEMPTED") << column;
      EXPECT_THAT(cells[column]["why"].get<std::string>(), HasSubstr(why)) << column;
      EXPECT_EQ(cells[column]["mean"], Json()) << column;
      EXPECT_EQ(cells[column]["part"]["tasks"], 1) << column;
      EXPECT_EQ(cells[column]["part"]["of"], of) << column;
    }
    EXPECT_EQ(cells["accuracy"]["part"]["mean"], 65);  // 13 right of 20
    EXPECT_EQ(cells["benchmark"]["mean"], Json());
    EXPECT_FALSE(cells["benchmark"].contains("part"));
    EXPECT_EQ(cells["parameters_percent"]["mean"], 0);
    return result;
  };
  arguments_.tasks = {"e1"};
  const Json some = check("BUDGET: not among the tasks of this run");
  EXPECT_THAT(some["rows"][2]["cells"]["accuracy"]["why"].get<std::string>(),
              HasSubstr("(likewise glue/cola, glue/stsb)"));
  for (const Json& task : some["data"]) {
    if (task["task"] != "glue/stsb") continue;
    EXPECT_EQ(task["metrics"], (std::vector<std::string>{"pearson", "spearman"}));
  }
  EXPECT_EQ(some["data"].size(), 5);
  arguments_.tasks.clear();
  arguments_.quick = true;
  EXPECT_EQ(check("not run")["data"].size(), 2);  // e1 and h1
}

TEST_F(TableMainTest, WhatFailsAfterTheRunDoesNotCostTheReport) {
  arguments_.after_run = [](const Table&, const Profile&, const TableWorld&, const TableRun&, const std::string&) {
    return absl::PermissionDeniedError("no such folder");
  };
  EXPECT_EQ(Main(), 74);
  EXPECT_THAT(stderr_, HasSubstr("no such folder"));
  EXPECT_THAT(stdout_, HasSubstr("1 reproduced, 1 inconclusive"));
  EXPECT_THAT(Read("toy.md"), HasSubstr("| Slow | 85.0"));
}

TEST_F(TableMainTest, AResultsFileMayLackAnything) {
  std::ofstream(arguments_.table) << GridTableText();
  EXPECT_EQ(Main(), 11) << stderr_;
  const Json result = Json::parse(Read("toy.json"));
  const std::string folder = JoinPath(folder_, "cut"), path = JoinPath(folder, "toy.json");
  std::filesystem::create_directories(folder);
  const std::string programs = std::getenv("PATH");
  setenv("PATH", "", 1);  // without gnuplot: quicker
  int cuts = 0;
  for (const char* where : {"", "/protocol", "/columns/0", "/rows/0", "/rows/1", "/rows/0/cells/accuracy",
                            "/rows/0/curves/easy", "/rows/0/selection", "/rows/0/selection/candidates/0",
                            "/rows/0/tasks/0", "/rows/1/meta_training/0", "/rows/1/parameters", "/comparisons/0",
                            "/aggregates/0", "/few_shot", "/few_shot/starts/0", "/few_shot/results/0"}) {
    const Json::json_pointer pointer(where);
    ASSERT_TRUE(result.contains(pointer)) << where;
    ASSERT_TRUE(result[pointer].is_object()) << where;
    for (const auto& [key, value] : result[pointer].items()) {
      Json cut = result;
      cut[pointer].erase(key);
      std::ofstream(path) << cut.dump();
      EXPECT_THAT(ReportMain(path), testing::AnyOf(0, 65)) << where << "/" << key;
      ++cuts;
    }
  }
  setenv("PATH", programs.c_str(), 1);
  EXPECT_GT(cuts, 100);
}

TEST_F(TableMainTest, ExitCodes) {
  const std::string file = JoinPath(folder_, "file");
  std::ofstream(file) << "";
  const std::string unknown_method = JoinPath(folder_, "unknown_method.textproto");
  std::string text = TestTableText();
  text.replace(text.find("method: \"slow\""), 14, "method: \"fast\"");
  std::ofstream(unknown_method) << text;
  const TableArguments good = arguments_;
  const struct {
    std::string name;
    std::function<void(TableArguments*)> change;
    int code;
    std::string message;
  } kCases[] = {
      {"unknown profile", [](TableArguments* a) { a->profile = "desktop"; }, 64, "unknown profile 'desktop' of toy"},
      {"unknown method", [&](TableArguments* a) { a->table = unknown_method; }, 64, "row slow: unknown name 'fast'"},
      {"no draws", [](TableArguments* a) { a->seeds = 0; }, 64, "--seeds=0"},
      {"no threads", [](TableArguments* a) { a->threads = -1; }, 64, "--threads=-1"},
      {"no table", [](TableArguments* a) { a->table += ".missing"; }, 66, "toy.textproto.missing"},
      {"not a table", [&](TableArguments* a) { a->table = "/proc/version"; }, 64, "/proc/version:1:"},
      {"out below a file", [&](TableArguments* a) { a->out = JoinPath(file, "out"); }, 74, "file/out"},
      {"out is a file", [&](TableArguments* a) { a->out = file; }, 74, "file"},
      {"out not writable", [](TableArguments* a) { a->out = "/proc/out"; }, 74, "/proc/out"},
      {"interrupted", [](TableArguments* a) { a->stopped = [] { return true; }; }, 75, "goes on from here"},
  };
  for (const auto& c : kCases) {
    arguments_ = good;
    c.change(&arguments_);
    EXPECT_EQ(Main(), c.code) << c.name << ": " << stderr_;
    EXPECT_THAT(stderr_, HasSubstr(c.message)) << c.name;
  }
  EXPECT_EQ(ReportMain("/nonexistent/toy.json"), 66);
  EXPECT_EQ(ReportMain(file), 65);
}

}  // namespace
}  // namespace gbmoa
