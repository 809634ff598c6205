#include "repro/table_runner.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/result.h"
#include "repro/table.h"
#include "repro/testing.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Adaptations of the toy table: 3 rows x 3 tasks x 3 draws, and 3 starts x 2 shots x 6 episodes.
constexpr int kCells = 27 + 36;

class RunTableTest : public testing::Test {
 protected:
  explicit RunTableTest(const std::string& text = TestTableText()) : definition_(*ParseTable("toy.textproto", text)) {
    profile_ = *ResolveProfile(definition_.table, "desk", {});
    options_.out = NewFolder();
    options_.threads = 2;
    options_.key = "build 1";
  }

  static std::string NewFolder() {
    std::string pattern = JoinPath(testing::TempDir(), "table_runner_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    return pattern;
  }

  absl::StatusOr<TableRun> Run() {
    const TableWorld world = TestWorld(&state_);
    return RunTable(definition_.table, profile_, /*quick=*/false, world, options_);
  }
  Json Result(const TableRun& run) { return BuildResult(definition_, profile_, {}, &run); }
  // Of an uninterrupted run in a folder of its own, without times.
  std::string Reference() {
    const std::string out = options_.out;
    options_.out = NewFolder();
    const absl::StatusOr<TableRun> run = Run();
    CHECK(run.ok()) << run.status();
    options_.out = out;
    return WithoutTimes(*run);
  }
  std::string WithoutTimes(const TableRun& run) {
    Json result = Result(run);
    RemoveTimes(&result);
    return result.dump(1);
  }

  TableDefinition definition_;
  Profile profile_;
  TestWorldState state_;
  RunnerOptions options_;
};

TEST_F(RunTableTest, NumbersAreTheOnesKnownByHand) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  const Json& slow = result["rows"][0]["cells"];
  // 16 + draw right of 20.
  EXPECT_EQ(slow["accuracy"]["values"], (std::vector<double>{80, 85, 90}));
  EXPECT_EQ(slow["accuracy"]["mean"], 85);
  EXPECT_EQ(slow["accuracy"]["sd"], 5);
  EXPECT_EQ(slow["accuracy"]["paper"], 84.3);
  EXPECT_EQ(slow["accuracy"]["paper_verdict"], "NOT_COMPARABLE");
  EXPECT_EQ(slow["accuracy"]["verdict"], "NOT_ATTEMPTED");  // nothing was expected of it
  EXPECT_EQ(slow["adaptation_steps"]["mean"], 4);           // two more right at each mark
  EXPECT_EQ(slow["parameters_percent"]["mean"], 100);
  EXPECT_EQ(slow["wall_seconds"]["mean"], 4);
  EXPECT_EQ(slow["wall_ratio"]["mean"], 1);
  EXPECT_EQ(slow["wall_ratio"]["verdict"], "NOT_COMPARABLE");
  EXPECT_EQ(slow["accuracy_hard"]["mean"], 85);

  const Json& meta = result["rows"][1]["cells"];
  EXPECT_EQ(meta["accuracy"]["mean"], 75);
  EXPECT_EQ(meta["accuracy"]["expected"], 80);
  // Welch of (3, 75, 5) against (5, 80, 1.5): df 2.218, standard error 2.964, t 2.733.
  EXPECT_EQ(meta["accuracy"]["verdict"], "INCONCLUSIVE");
  const double low = meta["accuracy"]["interval_90"][0];
  EXPECT_LT(low, -13.0995);  // a little wider than Welch's, for its error rate to hold
  EXPECT_GT(low, -14);
  EXPECT_EQ(meta["parameters_percent"]["verdict"], "REPRODUCED");
  EXPECT_EQ(meta["adaptation_steps"]["mean"], 0);
  EXPECT_EQ(meta["wall_ratio"]["mean"], 0.25);
  EXPECT_EQ(meta["wall_ratio"]["paper"], 0.25);  // 100 s of 400 s
  EXPECT_EQ(result["rows"][1]["parameters"]["meta"], 5000);
  EXPECT_EQ(result["rows"][1]["meta_training"][0]["steps"], 20);
  // 1, 1/2 over the first tenth of 20 steps.
  EXPECT_EQ(result["rows"][1]["meta_training"][0]["first_loss"], 0.75);
  EXPECT_EQ(result["rows"][2]["reference"], true);
  EXPECT_THAT(result["rows"][3]["not_attempted"].get<std::string>(), HasSubstr("no settings for this row"));
  EXPECT_EQ(result["rows"][0]["curves"]["easy"]["mean"], (std::vector<double>{65, 75, 85}));
  EXPECT_EQ(result["rows"][0]["tasks"].size(), 9);
  // Row slow against meta, suite easy: ten points on every draw.
  const Json& comparison = result["comparisons"][0];
  EXPECT_EQ(comparison["difference"], 10);
  EXPECT_EQ(comparison["low"], 10);
  EXPECT_EQ(comparison["n"], 3);
  // frozen against meta: -5, -10, -15; t(2) = 4.3027.
  for (const Json& c : result["comparisons"]) {
    if (c["row"] != "frozen" || c["suite"] != "easy" || c["measure"] != "accuracy") continue;
    EXPECT_EQ(c["difference"], -10);
    EXPECT_NEAR(c["low"].get<double>(), -10 - 4.30265 * 5 / std::sqrt(3.), 1e-4);
  }
  EXPECT_EQ(
      result["headline"],
      "1 reproduced, 1 inconclusive, 0 not reproduced, 12 not attempted; 1 of the 1 reproduced for the whole table "
      "at once");
  EXPECT_EQ(result["rows"][1]["meta_steps"], 20);
}

TEST_F(RunTableTest, ARowWithStepsOfItsOwnHasOtherMarks) {
  profile_.mutable_rows(0)->set_steps(1);  // slow; the others have marks 0, 2 and 4
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  const Json& slow = result["rows"][0];
  EXPECT_EQ(slow["steps"], 1);
  EXPECT_EQ(slow["curves"]["easy"]["marks"], (std::vector<int>{0, 1}));
  EXPECT_EQ(slow["curves"]["easy"]["mean"], (std::vector<double>{65, 70}));
  EXPECT_EQ(slow["cells"]["accuracy"]["mean"], 70);
  EXPECT_EQ(result["rows"][1]["curves"]["easy"]["marks"], (std::vector<int>{0, 2, 4}));
  EXPECT_FALSE(result["rows"][1].contains("steps"));
}

TEST_F(RunTableTest, EpisodesAloneDependOnTheirInputs) {
  TableWorld world = TestWorld(&state_);
  world.few_shot_inputs = {{"episodes", "01"}};
  ASSERT_THAT(RunTable(definition_.table, profile_, false, world, options_), IsOk());
  world.few_shot_inputs = {{"episodes", "02"}};
  const absl::StatusOr<TableRun> other = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->reused_cells, 27);
  EXPECT_EQ(state_.adaptations, kCells + 36);
  EXPECT_EQ(state_.meta_trainings, 1);
}

TEST_F(RunTableTest, OneMetaTrainingAndTheSameDrawsDecideNothing) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  Expected* expected = nullptr;
  for (RowSettings& settings : *profile_.mutable_rows()) {
    if (settings.row() != "meta") continue;
    for (Expected& one : *settings.mutable_expected()) {
      if (one.column() == "accuracy") expected = &one;
    }
  }
  ASSERT_NE(expected, nullptr);
  // Far from what the draws say, so that they alone would decide.
  expected->set_mean(0);
  const auto accuracy = [&] { return Result(*run)["rows"][1]["cells"]["accuracy"]; };
  EXPECT_EQ(accuracy()["verdict"], "INCONCLUSIVE");
  EXPECT_THAT(accuracy()["why"].get<std::string>(), HasSubstr("one meta-training is never enough"));
  profile_.set_meta_seeds(2);
  EXPECT_EQ(accuracy()["verdict"], "NOT_REPRODUCED");
  // The run has draws 0 to 2; five draws from 3 on share none with it, from 2 on one.
  expected->set_first_draw(3);
  EXPECT_EQ(accuracy()["verdict"], "NOT_REPRODUCED");
  expected->set_first_draw(2);
  EXPECT_EQ(accuracy()["verdict"], "NOT_ATTEMPTED");
  EXPECT_THAT(accuracy()["why"].get<std::string>(), HasSubstr("SAME_DRAWS"));
}

TEST_F(RunTableTest, FewShotPart) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  int checked = 0;
  for (const Json& one : result["few_shot"]["results"]) {
    if (one["shots"] != 4) continue;
    // Episodes 0 to 5 carry 0, 1, 2, 0, 1, 2; even ones are of family sup.
    if (one["start"] == "meta_start" && one["group"] == "all") {
      EXPECT_EQ(one["n"], 6);
      EXPECT_EQ(one["mean"], (std::vector<double>{75, 75}));
      EXPECT_EQ(one["difference"], (std::vector<double>{10, 0}));  // 14 right against 12, and 14 after 2 steps
      EXPECT_EQ(one["seeds"], 1);
      ++checked;
    }
    if (one["start"] == "meta_shrunk" && one["group"] == "coarse") {
      EXPECT_EQ(one["n"], 3);
      EXPECT_EQ(one["mean"][0], 80);
      EXPECT_EQ(one["sd"][0], 5);
      ++checked;
    }
    if (one["start"] == "plain_start" && one["group"] == "pair") {
      EXPECT_EQ(one["mean"], (std::vector<double>{65, 75}));
      EXPECT_EQ(one["difference"], (std::vector<double>{0, 0}));
      ++checked;
    }
  }
  EXPECT_EQ(checked, 3);
  EXPECT_EQ(state_.meta_trainings, 1);  // the shrunk start reads the row's
}

TEST_F(RunTableTest, IndependentOfWorkers) {
  options_.threads = 1;
  const std::string one = Reference();
  options_.threads = 7;
  EXPECT_EQ(Reference(), one);
}

TEST_F(RunTableTest, FinishedCellsNeverRunTwice) {
  const absl::StatusOr<TableRun> first = Run();
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(state_.adaptations, kCells);
  EXPECT_EQ(state_.meta_trainings, 1);
  const absl::StatusOr<TableRun> second = Run();
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(state_.adaptations, kCells);
  EXPECT_EQ(state_.meta_trainings, 1);
  EXPECT_EQ(second->reused_cells, kCells);
  EXPECT_EQ(WithoutTimes(*second), WithoutTimes(*first));
  // Even times are the ones that were measured.
  EXPECT_EQ(Result(*second)["rows"][0]["cells"]["wall_seconds"], Result(*first)["rows"][0]["cells"]["wall_seconds"]);

  options_.fresh = true;
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, 2 * kCells);
  EXPECT_EQ(state_.meta_trainings, 2);
  options_.fresh = false;
  options_.key = "build 2";
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, 3 * kCells);
  EXPECT_EQ(state_.meta_trainings, 3);
}

TEST_F(RunTableTest, KilledThenResumedGivesTheSame) {
  const std::string reference = Reference();
  for (const int after : {0, 1, 13, 40, kCells - 1}) {
    SCOPED_TRACE(after);
    options_.out = NewFolder();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::atomic<int> adaptations{0};
      state_.on_adapt = [&] {
        if (adaptations++ == after) kill(getpid(), SIGKILL);
      };
      const absl::StatusOr<TableRun> run = Run();
      _exit(run.ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    state_.adaptations = 0;
    const absl::StatusOr<TableRun> resumed = Run();
    ASSERT_THAT(resumed, IsOk());
    EXPECT_EQ(WithoutTimes(*resumed), reference);
    // The killed run was at work on at most two cells when it died.
    EXPECT_GE(resumed->reused_cells, after - 2);
    EXPECT_EQ(resumed->reused_cells + state_.adaptations, kCells);
  }
}

TEST_F(RunTableTest, StoppedThenResumed) {
  const std::string reference = Reference();
  state_.adaptations = 0;
  options_.stopped = [this] { return state_.adaptations >= 20; };
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("interrupted")));
  options_.stopped = nullptr;
  const absl::StatusOr<TableRun> resumed = Run();
  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(WithoutTimes(*resumed), reference);
  EXPECT_GE(resumed->reused_cells, 17);
}

TEST_F(RunTableTest, DamagedFilesRunAgain) {
  ASSERT_THAT(Run(), IsOk());
  const std::string reference = Reference();
  state_.adaptations = 0;
  state_.meta_trainings = 0;
  const std::string cells = JoinPath(options_.out, "cells/");
  std::ofstream(cells + "slow--e1--draw0.json") << "{\"key\": ";
  std::ofstream(cells + "slow--e1--draw1.json") << "";
  std::ofstream(cells + "frozen--e1--draw0.json") << "[]";
  std::filesystem::remove(cells + "slow--e2--draw0.json");
  const std::string predictions = JoinPath(options_.out, "predictions/");
  std::filesystem::remove(predictions + "slow--e2--draw1.txt");
  std::ofstream(predictions + "frozen--e2--draw2.txt") << "0\n1\n";
  std::ofstream(JoinPath(options_.out, "meta/meta-seed0.safetensors")) << "seed 7";
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(WithoutTimes(*run), reference);
  EXPECT_EQ(state_.adaptations, 6);
  EXPECT_EQ(state_.meta_trainings, 1);
  EXPECT_EQ(std::filesystem::file_size(predictions + "slow--e2--draw1.txt"), 40);
  EXPECT_EQ(std::filesystem::file_size(predictions + "frozen--e2--draw2.txt"), 40);
}

TEST_F(RunTableTest, HalfOfTheCellsAndAStrayTemporaryFile) {
  ASSERT_THAT(Run(), IsOk());
  const std::string reference = Reference();
  state_.adaptations = 0;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(JoinPath(options_.out, "cells")))
    files.push_back(file.path());
  ASSERT_EQ(files.size(), kCells);
  std::sort(files.begin(), files.end());
  int removed = 0;
  for (size_t i = 0; i < files.size(); i += 2, ++removed) std::filesystem::remove(files[i]);
  std::ofstream(JoinPath(options_.out, "cells/slow--e1--draw0.json.tmp.1234")) << "{\"key\": \"build";
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(WithoutTimes(*run), reference);
  EXPECT_EQ(state_.adaptations, removed);
  EXPECT_EQ(run->reused_cells, kCells - removed);
  EXPECT_EQ(state_.meta_trainings, 2);  // this folder's and the reference's
}

TEST_F(RunTableTest, TheOrderOfTasksIsIrrelevant) {
  TableWorld world = TestWorld(&state_);
  const absl::StatusOr<TableRun> run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  std::reverse(world.tasks.begin(), world.tasks.end());
  options_.out = NewFolder();
  const absl::StatusOr<TableRun> other = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(other, IsOk());
  const Json a = Result(*run), b = Result(*other);
  for (size_t row = 0; row < a["rows"].size(); ++row) {
    EXPECT_EQ(a["rows"][row]["cells"], b["rows"][row]["cells"]);
    EXPECT_EQ(a["rows"][row].value("curves", Json()), b["rows"][row].value("curves", Json()));
  }
  EXPECT_EQ(a["comparisons"], b["comparisons"]);
}

TEST_F(RunTableTest, ATaskThatIsMissingIsNotAttempted) {
  TableWorld world = TestWorld(&state_);
  for (EvalTask& task : world.tasks) {
    if (task.name == "e1") task.subset = "validation: 20 of 40 rows";
    if (task.name != "e2") continue;
    task.test_set = {};
    task.support_set = nullptr;
    task.missing = "MISSING_DATA: no e2.tsv; get it with: make e2";
  }
  const absl::StatusOr<TableRun> run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, kCells - 9);
  const Json result = Result(*run);
  const Json& meta = result["rows"][1];
  for (const char* column : {"accuracy", "f1", "adaptation_steps", "wall_seconds", "wall_ratio"}) {
    EXPECT_EQ(meta["cells"][column]["verdict"], "NOT_ATTEMPTED") << column;
    EXPECT_EQ(meta["cells"][column]["why"], "MISSING_DATA: no e2.tsv; get it with: make e2") << column;
    EXPECT_EQ(meta["cells"][column]["mean"], Json()) << column;
  }
  EXPECT_EQ(meta["cells"]["parameters_percent"]["verdict"], "REPRODUCED");  // the same for all tasks
  EXPECT_EQ(meta["cells"]["accuracy_hard"]["mean"], 75);
  EXPECT_EQ(meta["tasks"].size(), 9);
  EXPECT_EQ(meta["tasks"][3]["not_attempted"], "MISSING_DATA: no e2.tsv; get it with: make e2");
  EXPECT_EQ(meta["tasks"][0]["task"], "e1");
  EXPECT_EQ(meta["tasks"][0]["value"], 0.7);
  EXPECT_EQ(meta["tasks"][0]["subset"], "validation: 20 of 40 rows");
  EXPECT_EQ(meta["curves"]["easy"]["mean"], (std::vector<double>{75, 75, 75}));
  EXPECT_EQ(meta["curves"]["easy"]["missing"], (std::vector<std::string>{"e2"}));
  EXPECT_EQ(result["data"][1]["task"], "e2");
  EXPECT_EQ(result["data"][1]["missing"], "MISSING_DATA: no e2.tsv; get it with: make e2");
  EXPECT_EQ(result["data"][0]["subset"], "validation: 20 of 40 rows");
  EXPECT_FALSE(FileExists(JoinPath(options_.out, "predictions/gold--e2.txt")));
  EXPECT_EQ(VerdictExitCode(CountVerdicts(result)), 12);

  // With the data it is run, and nothing else.
  state_.adaptations = 0;
  const absl::StatusOr<TableRun> complete = Run();
  ASSERT_THAT(complete, IsOk());
  EXPECT_EQ(state_.adaptations, 9);
  EXPECT_EQ(WithoutTimes(*complete), Reference());

  // Without any, nothing is, meta-training neither.
  for (EvalTask& task : world.tasks) task.missing = "MISSING_DATA: none";
  world.few_shot_missing = "MISSING_DATA: no episodes";
  world.few_shot = nullptr;
  options_.out = NewFolder();
  state_.adaptations = 0;
  state_.meta_trainings = 0;
  const absl::StatusOr<TableRun> nothing = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_EQ(state_.adaptations, 0);
  EXPECT_EQ(state_.meta_trainings, 0);
  const Json none = Result(*nothing);
  EXPECT_EQ(none["rows"][0]["cells"]["accuracy"]["why"], "MISSING_DATA: none (likewise e2)");
  EXPECT_EQ(none["few_shot"]["results"][0]["missing"], "MISSING_DATA: no episodes");
  EXPECT_EQ(none["few_shot"]["results"][0]["n"], 0);
  EXPECT_EQ(none["aggregates"], Json::array());
}

TEST_F(RunTableTest, TheSplitIsToldAndKept) {
  TableWorld world = TestWorld(&state_);
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json split = Result(*run)["split"];
  EXPECT_EQ(split["meta_train"], (std::vector<std::string>{"toys/sup", "toys/pair"}));
  EXPECT_EQ(split["meta_test"], (std::vector<std::string>{"e1", "e2", "h1"}));
  EXPECT_EQ(split["few_shot"], (std::vector<std::string>{"pair", "sup"}));
  EXPECT_EQ(split["development"], Json::array());  // no row has a grid
  world.meta_train_names.push_back("h1");
  EXPECT_THAT(RunTable(definition_.table, profile_, false, world, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("task 'h1' is meta-trained on")));
  world = TestWorld(&state_);
  world.tasks[2].name = "e1";
  EXPECT_THAT(RunTable(definition_.table, profile_, false, world, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("task 'e1' is there twice")));
}

TEST_F(RunTableTest, EveryPredictionIsKept) {
  ASSERT_THAT(Run(), IsOk());
  const auto read = [&](const std::string& name) {
    const absl::StatusOr<std::string> text = ReadFile(JoinPath(options_.out, name), 1 << 20);
    return text.ok() ? *text : std::string(text.status().message());
  };
  // 13 right of 20, whose labels are 0, 1, 0, ...
  std::string gold, frozen;
  for (int i = 0; i < 20; ++i) {
    gold += absl::StrCat(i % 2, "\n");
    frozen += absl::StrCat((i + (i < 13 ? 0 : 1)) % 2, "\n");
  }
  EXPECT_EQ(read("predictions/gold--e1.txt"), gold);
  EXPECT_EQ(read("predictions/frozen--e1--draw2.txt"), frozen);
  const Json episode = Json::parse(read("cells/few_shot--plain_start--4shot--episode1.json"));
  EXPECT_EQ(episode["gold"], gold);
  EXPECT_EQ(episode["predictions"].get<std::string>().size(), gold.size());
  EXPECT_EQ(episode["cell"]["curve"][1]["values"]["accuracy"], 0.75);
  // The course of meta-training, for TensorBoard.
  int events = 0;
  for (const auto& file : std::filesystem::directory_iterator(JoinPath(options_.out, "meta/meta-seed0-events"))) {
    ++events;
    EXPECT_THAT(file.path().filename().string(), HasSubstr("tfevents"));
    EXPECT_GT(file.file_size(), 20 * 20);  // 20 steps
  }
  EXPECT_EQ(events, 1);
}

// Tasks with metrics of their own: e1 is scored by accuracy and Matthews, e2 by accuracy and macro-F1, and e3 is a
// regression.
class MetricsTest : public RunTableTest {
 protected:
  MetricsTest() : RunTableTest(WithColumns()) {}

  static std::string WithColumns() {
    std::string text = TestTableText();
    const std::string columns = R"pb(
      columns {
        id: "published"
        title: "Mean"
        measure: PUBLISHED_MEAN_PERCENT
        suite: "easy"
        not_judged: "shown"
        profiles: "desk"
      }
      columns {
        id: "two"
        title: "Mean of two"
        measure: PUBLISHED_MEAN_PERCENT
        suite: "easy"
        not_judged: "shown"
        tasks: "e1"
        tasks: "e3"
      }
      columns { id: "benchmark" title: "Score" measure: BENCHMARK_PERCENT suite: "easy" not_judged: "shown" }
      columns {
        id: "elsewhere"
        title: "Elsewhere"
        measure: ACCURACY_PERCENT
        suite: "nowhere"
        not_judged: "shown"
        profiles: "big"
      }
    )pb";
    text.insert(text.find("    rows {"), columns);
    return text;
  }
  TableWorld World() {
    TableWorld world = TestWorld(&state_);
    world.tasks[0].test_set.metrics = {"accuracy", "matthews"};
    world.tasks[0].test_set.official_metrics = {"matthews"};
    world.tasks[1].test_set.official_metrics = {"accuracy", "macro_f1"};
    EvalTask regression = world.tasks[0];
    regression.name = "e3";
    TestSet& test_set = regression.test_set;
    test_set.metrics = {"pearson", "spearman"};
    test_set.official_metrics = test_set.metrics;
    test_set.batch.regression = true;
    test_set.batch.num_classes = 1;
    for (const int64_t label : test_set.batch.labels) test_set.batch.targets.push_back(static_cast<float>(label));
    test_set.batch.labels.clear();
    world.tasks.push_back(regression);
    return world;
  }
};

TEST_F(MetricsTest, MeansAreOverTheTasksMetrics) {
  const TableWorld world = World();
  const absl::StatusOr<TableRun> run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  const Json& frozen = result["rows"][2];
  // 13 right of 20: of ten examples of class 1 six, of ten of class 0 seven.
  const double matthews = (6 * 7 - 3 * 4) / std::sqrt(9. * 10 * 10 * 11), macro_f1 = (12. / 19 + 14. / 21) / 2;
  // The targets are 0 or 1, ten each; the last seven, four of which are 1, are predicted one too high.
  // Sums: x 10, y 17, xx 10, yy 10 + 7 + 2·4 = 25, xy 10 + 4 = 14.
  const double pearson = (14 - 10 * 17 / 20.) / std::sqrt((10 - 5) * (25 - 17 * 17 / 20.));
  const auto mean = [&](const char* column) { return frozen["cells"][column]["mean"].get<double>(); };
  EXPECT_NEAR(mean("accuracy"), 100 * (0.65 + 0.65 + pearson) / 3, 1e-11);
  EXPECT_NEAR(mean("f1"), macro_f1, 1e-13);  // of e2 only
  EXPECT_NEAR(mean("published"), 100 * (matthews + 0.65 + pearson) / 3, 1e-11);
  EXPECT_NEAR(mean("two"), 100 * (matthews + pearson) / 2, 1e-11);
  const Json* of_e3 = nullptr;
  for (const Json& task : frozen["tasks"]) {
    if (task["task"] == "e1") {
      EXPECT_NEAR(task["official"].get<double>(), matthews, 1e-13);
      EXPECT_EQ(task["macro_f1"], Json());
      EXPECT_EQ(task["metric"], "accuracy");
    }
    if (task["task"] == "e3") of_e3 = &task;
  }
  ASSERT_NE(of_e3, nullptr);
  EXPECT_EQ((*of_e3)["metric"], "pearson");
  EXPECT_NEAR((*of_e3)["value"].get<double>(), pearson, 1e-13);
  const double spearman = (*of_e3)["metrics"]["spearman"];
  EXPECT_NEAR(mean("benchmark"), 100 * (matthews + (0.65 + macro_f1) / 2 + (pearson + spearman) / 2) / 3, 1e-11);
  EXPECT_EQ((*of_e3)["tokens"], 40);  // of 4 steps
  // The profile is without the column, which is another one's.
  EXPECT_FALSE(frozen["cells"].contains("elsewhere"));
  for (const Json& column : result["columns"]) EXPECT_NE(column["id"], "elsewhere");
  const absl::StatusOr<std::string> gold = ReadFile(JoinPath(options_.out, "predictions/gold--e3.txt"), 1000);
  ASSERT_THAT(gold, IsOk());
  EXPECT_EQ(gold->substr(0, 8), "0\n1\n0\n1\n");
}

TEST_F(MetricsTest, AMeanNeedsAllItsTasks) {
  TableWorld world = World();
  world.tasks[1].missing = "MISSING_DATA: no e2";
  const absl::StatusOr<TableRun> run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  const Json cells = Result(*run)["rows"][2]["cells"];
  for (const char* column : {"accuracy", "f1", "published", "benchmark"}) {
    EXPECT_EQ(cells[column]["verdict"], "NOT_ATTEMPTED") << column;
    EXPECT_EQ(cells[column]["why"], "MISSING_DATA: no e2") << column;
  }
  EXPECT_EQ(cells["two"]["n"], 3);  // has no need of it
  // A quick run is of e1 and h1.
  Profile quick = *ResolveProfile(definition_.table, "desk", {{}, {}, true});
  const absl::StatusOr<TableRun> quick_run = RunTable(definition_.table, quick, true, World(), options_);
  ASSERT_THAT(quick_run, IsOk());
  RunContext context;
  context.quick = true;
  const Json quick_cells = BuildResult(definition_, quick, context, &*quick_run)["rows"][2]["cells"];
  EXPECT_EQ(quick_cells["two"]["why"], "BUDGET: e3 not run");
  EXPECT_EQ(quick_cells["published"]["n"], 1);
}

TEST_F(RunTableTest, DifferencesAreTakenTaskByTaskAndDrawByDraw) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  EXPECT_EQ(result["aggregates"][0]["suite"], "easy");
  EXPECT_EQ(result["aggregates"][0]["task_names"], (std::vector<std::string>{"e1", "e2"}));
  int checked = 0;
  for (const Json& pair : result["aggregates"][0]["pairs"]) {
    if (pair["row"] != "frozen" || pair["to"] != "meta") continue;
    EXPECT_EQ(pair["differences"][1]["task"], "e2");
    EXPECT_EQ(pair["differences"][1]["values"], (std::vector<double>{-5, -10, -15}));
    EXPECT_EQ(pair["differences"][1]["mean"], -10);
    EXPECT_NEAR(pair["mean_difference"]["value"].get<double>(), -10, 1e-12);
    ++checked;
  }
  EXPECT_EQ(checked, 1);
}

TEST_F(RunTableTest, FailedRunsAreShownAndTriedAgain) {
  state_.errors["slow"] = absl::ResourceExhaustedError("no memory");
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  Json result = Result(*run);
  const Json& cell = result["rows"][0]["cells"]["accuracy"];
  EXPECT_EQ(cell["verdict"], "RUN_FAILED");
  EXPECT_EQ(cell["why"], "3 of 3 draws failed");
  EXPECT_EQ(cell["mean"], Json());
  EXPECT_THAT(result["rows"][0]["tasks"][0]["error"].get<std::string>(), HasSubstr("no memory"));
  // A ratio to it cannot be had either.
  EXPECT_EQ(result["rows"][1]["cells"]["wall_ratio"]["verdict"], "RUN_FAILED");
  EXPECT_EQ(result["rows"][1]["cells"]["parameters_percent"]["verdict"], "REPRODUCED");
  EXPECT_EQ(VerdictExitCode(CountVerdicts(result)), 11);
  state_.errors.clear();
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(WithoutTimes(*run), Reference());
}

TEST_F(RunTableTest, AFailedMetaTrainingFailsItsRowOnly) {
  state_.meta_errors["meta"] = absl::AbortedError("loss is nan");
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  EXPECT_EQ(result["rows"][1]["cells"]["accuracy"]["verdict"], "RUN_FAILED");
  EXPECT_THAT(result["rows"][1]["tasks"][0]["error"].get<std::string>(), HasSubstr("loss is nan"));
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["mean"], 85);
}

TEST_F(RunTableTest, DivergedRunsCountWithTheirLastFiniteModel) {
  state_.slow_diverges_at = 2;
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["mean"], 75);
  EXPECT_EQ(result["rows"][0]["tasks"][0]["finite"], false);
}

// Four draws of one suite, and 4-shot episodes in three repetitions, whose draws are 0, 1, 2, 0, 1, 2; odd ones are
// pairs. Right of 20 answers: slow 14 + draw after 2 steps, meta 14 + draw + number of the meta-training, frozen 13.
class FewShotColumnsTest : public RunTableTest {
 protected:
  FewShotColumnsTest() : RunTableTest(FewShotTableText()) {}

  static constexpr int kRowCells = 2 * 4 + 3 * 6;  // tasks x draws and repetitions x episodes

  Expected* FindExpectedOf(const std::string& row) {
    for (RowSettings& settings : *profile_.mutable_rows()) {
      if (settings.row() == row) return settings.mutable_expected(0);
    }
    return nullptr;
  }
};

TEST_F(FewShotColumnsTest, NumbersAreTheOnesKnownByHand) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, 3 * kRowCells);
  EXPECT_EQ(state_.meta_trainings, 3);
  const Json result = Result(*run);
  const Json& meta = result["rows"][1]["cells"];
  EXPECT_EQ(meta["accuracy"]["values"], (std::vector<double>{70, 80, 90, 85}));  // meta-trainings 0, 1, 2, 0
  EXPECT_EQ(meta["four_shot"]["values"], (std::vector<double>{75, 80, 85}));
  EXPECT_EQ(meta["four_shot"]["mean"], 80);
  EXPECT_EQ(meta["four_shot"]["sd"], 5);
  EXPECT_EQ(meta["four_shot"]["n"], 3);
  EXPECT_EQ(meta["four_shot"]["episodes"], 6);
  EXPECT_NEAR(meta["four_shot"]["sd_episodes"].get<double>(), std::sqrt(20), 1e-12);  // of 75, 80, 85 twice
  EXPECT_EQ(meta["four_shot"]["paper"], 64.5);
  EXPECT_EQ(meta["pair"]["episodes"], 3);
  EXPECT_EQ(meta["pair"]["mean"], 80);
  EXPECT_EQ(meta["pair"]["verdict"], "NOT_COMPARABLE");
  EXPECT_EQ(meta["pair"]["why"], "a part");
  const Json& slow = result["rows"][0]["cells"];
  EXPECT_EQ(slow["four_shot"]["values"], (std::vector<double>{75, 75, 75}));  // a repetition for each adaptation seed
  EXPECT_EQ(result["rows"][2]["cells"]["four_shot"]["mean"], 65);
  EXPECT_THAT(result["rows"][2]["cells"]["four_shot"]["why"].get<std::string>(), HasSubstr("UNDERSPECIFIED"));
  EXPECT_EQ(result["rows"][3]["cells"]["four_shot"]["n"], 0);
  // What the other table tells of starts it tells of rows.
  EXPECT_EQ(result["few_shot"]["starts"].size(), 3);
  EXPECT_EQ(result["few_shot"]["results"][0]["seeds"], 3);
}

TEST_F(FewShotColumnsTest, DifferencesArePairedAndRepetitionsAreNotCountedTwice) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  int checked = 0;
  for (const Json& c : result["comparisons"]) {
    if (c["column"] == "four_shot" && c["row"] == "slow") {
      EXPECT_EQ(c["difference"], -5);  // 0, -5, -10 with the meta-training, the same on every episode
      EXPECT_EQ(c["low"], -5);
      EXPECT_EQ(c["sd_replicates"], 5);
      EXPECT_EQ(c["paper_difference"], -4.5);
      ++checked;
    }
    if (c["column"] == "four_shot" && c["row"] == "frozen") {
      // Over repetitions -10, -15, -20, -10, -15, -20: sd sqrt(20), t(5) = 2.570582. Not over 18 values.
      EXPECT_EQ(c["difference"], -15);
      EXPECT_EQ(c["n"], 6);
      EXPECT_NEAR(c["low"].get<double>(), -15 - 2.570582 * std::sqrt(20. / 6), 1e-5);
      EXPECT_NEAR(c["high"].get<double>(), -15 + 2.570582 * std::sqrt(20. / 6), 1e-5);
      EXPECT_EQ(c["replicates"], 3);
      EXPECT_EQ(c["sd_replicates"], 5);
      EXPECT_FALSE(c.contains("paper_difference"));
      ++checked;
    }
    if (c["column"] == "pair" && c["row"] == "frozen") {
      EXPECT_EQ(c["difference"], -15);  // episodes 1, 3, 5: -15, -10, -20
      EXPECT_EQ(c["n"], 3);
      EXPECT_NEAR(c["high"].get<double>(), -15 + 4.30265 * 5 / std::sqrt(3.), 1e-4);
      ++checked;
    }
    if (c["column"] == "accuracy" && c["row"] == "frozen") {
      EXPECT_EQ(c["difference"], 65 - 81.25);
      EXPECT_EQ(c["n"], 4);
      ++checked;
    }
  }
  EXPECT_EQ(checked, 4);
}

TEST_F(FewShotColumnsTest, VerdictsCountTheErrorOfTheEpisodes) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const auto cell = [&](int row) { return Result(*run)["rows"][row]["cells"]["four_shot"]; };
  // Three equal repetitions are no certainty: the episodes' errors, sqrt(20 / 6) and 4 / sqrt(6), make the interval
  // wider than the margin.
  EXPECT_EQ(cell(0)["verdict"], "INCONCLUSIVE") << cell(0)["why"];
  EXPECT_THAT(cell(0)["why"].get<std::string>(), ::testing::Not(HasSubstr("would decide")));
  definition_.table.mutable_columns(1)->set_margin(10);
  EXPECT_EQ(cell(0)["verdict"], "REPRODUCED") << cell(0)["why"];
  FindExpectedOf("slow")->set_mean(95);
  EXPECT_EQ(cell(0)["verdict"], "NOT_REPRODUCED") << cell(0)["why"];
}

TEST_F(FewShotColumnsTest, TheSameEpisodesOrMetaTrainingsAreNotJudged) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const auto cell = [&](int row) { return Result(*run)["rows"][row]["cells"]["four_shot"]; };
  // The run has episodes 0 to 5 and meta-trainings 0 to 2.
  EXPECT_EQ(cell(1)["verdict"], "INCONCLUSIVE") << cell(1)["why"];
  FindExpectedOf("meta")->set_first_episode(5);
  EXPECT_EQ(cell(1)["verdict"], "NOT_ATTEMPTED");
  EXPECT_THAT(cell(1)["why"].get<std::string>(), HasSubstr("SAME_DRAWS: the expected value comes from episodes"));
  FindExpectedOf("meta")->set_first_episode(6);
  EXPECT_EQ(cell(1)["verdict"], "INCONCLUSIVE");
  FindExpectedOf("meta")->set_first_meta_seed(2);
  EXPECT_THAT(cell(1)["why"].get<std::string>(), HasSubstr("SAME_DRAWS: the expected value comes from meta-trainings"));
  FindExpectedOf("meta")->set_first_meta_seed(3);
  EXPECT_EQ(cell(1)["verdict"], "INCONCLUSIVE");
  FindExpectedOf("slow")->set_first_episode(0);
  EXPECT_EQ(cell(0)["verdict"], "NOT_ATTEMPTED");
}

TEST_F(FewShotColumnsTest, OtherSeedsAreOtherDrawsEpisodesAndMetaTrainings) {
  profile_ = *ResolveProfile(definition_.table, "desk", {{}, 2, false});
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  for (const Cell& cell : run->cells) {
    if (cell.suite == "few_shot") {
      EXPECT_THAT(cell.draw, ::testing::AllOf(::testing::Ge(12), ::testing::Le(17)));
    } else {
      EXPECT_THAT(cell.draw, ::testing::AllOf(::testing::Ge(2), ::testing::Le(5)));
    }
    EXPECT_THAT(cell.meta_seed, cell.row == "meta" ? ::testing::AllOf(::testing::Ge(2), ::testing::Le(4))
                                                   : ::testing::AllOf(::testing::Ge(-1), ::testing::Le(-1)));
  }
}

TEST_F(FewShotColumnsTest, WhatIsFinishedDependsOnItsOwnSettingsOnly) {
  ASSERT_THAT(Run(), IsOk());
  // What nothing depends on: notes, titles, expected values, margins.
  Table& table = definition_.table;
  table.mutable_columns(0)->set_margin(3);
  table.mutable_rows(1)->set_note("another note");
  FindExpectedOf("meta")->set_mean(12);
  profile_.mutable_rows(1)->set_options_reason("another reason");
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, 3 * kRowCells);
  EXPECT_EQ(state_.meta_trainings, 3);
  // What only adaptations depend on.
  (*profile_.mutable_rows(1)->mutable_options())["learning_rate"] = "1";
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, 4 * kRowCells);
  EXPECT_EQ(state_.meta_trainings, 3);
  // More draws: the meta-trainings stay.
  profile_.set_draws(5);
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, 4 * kRowCells + 3 * 2);
  EXPECT_EQ(state_.meta_trainings, 3);
  profile_.set_draws(4);
  // What meta-training depends on, too: the row's steps, its options, the tasks.
  profile_.mutable_rows(1)->set_meta_steps(21);
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.meta_trainings, 6);
  (*profile_.mutable_rows(1)->mutable_options())["outer_rate"] = "1";
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.meta_trainings, 9);
  profile_.mutable_meta_train_tasks()->set_query_per_class(2);
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.meta_trainings, 12);
  EXPECT_EQ(state_.adaptations, 7 * kRowCells + 3 * 2);
}

TEST_F(RunTableTest, AStartDependsOnItsRowsMetaTraining) {
  (*profile_.mutable_rows(1)->mutable_options())["outer_rate"] = "1";
  (*profile_.mutable_few_shot()->mutable_starts(1)->mutable_options())["outer_rate"] = "5";
  ASSERT_THAT(Run(), IsOk());
  EXPECT_EQ(state_.adaptations, kCells);
  (*profile_.mutable_rows(1)->mutable_options())["outer_rate"] = "2";
  ASSERT_THAT(Run(), IsOk());
  // Row meta's 9, and 12 each of the two starts on its meta-trained state.
  EXPECT_EQ(state_.adaptations, kCells + 9 + 2 * 12);
}

TEST_F(FewShotColumnsTest, FailedEpisodesAreTold) {
  state_.meta_errors["meta"] = absl::AbortedError("loss is nan");
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  const Json& cells = result["rows"][1]["cells"];
  EXPECT_EQ(cells["four_shot"]["verdict"], "RUN_FAILED");
  EXPECT_EQ(cells["four_shot"]["why"], "18 of 18 episodes failed");
  EXPECT_EQ(cells["pair"]["verdict"], "RUN_FAILED");
  EXPECT_EQ(result["rows"][0]["cells"]["four_shot"]["mean"], 75);
  for (const Json& c : result["comparisons"]) EXPECT_NE(c["to"], "meta");  // nothing to compare with
  EXPECT_THAT(result["few_shot"].dump(), HasSubstr("loss is nan"));
}

TEST_F(FewShotColumnsTest, TheOrderOfTasksIsLogged) {
  for (int i = 0; i < 2; ++i) {  // the second run keeps the meta-trainings
    const absl::StatusOr<TableRun> run = Run();
    ASSERT_THAT(run, IsOk());
    const Json result = Result(*run);
    const Json& training = result["rows"][1]["meta_training"][2];
    EXPECT_EQ(training["tasks"], 3);
    EXPECT_EQ(training["order"], "meta/meta-seed2-order.json");
    EXPECT_TRUE(result["rows"][1].contains("meta_training_median_seconds"));
    const absl::StatusOr<std::string> text = ReadFile(JoinPath(options_.out, "meta/meta-seed2-order.json"), 1 << 20);
    ASSERT_THAT(text, IsOk());
    EXPECT_EQ(Json::parse(*text)["positions"], (std::vector<int>{1, 0, 2}));
    EXPECT_EQ(Json::parse(*text)["difficulties"], (std::vector<double>{0.25, 0.5, 1}));
  }
  EXPECT_EQ(state_.meta_trainings, 3);
}

// Row slow's learning rate is one of 0.1, 0.2, 0.3; on development tasks 10 + draw of 20 answers are right.
class GridTest : public RunTableTest {
 protected:
  GridTest() : RunTableTest(GridTableText()) {
    state_.development_bonus = {{"0.2", 2}, {"0.3", 1}};
    state_.bonus = {{"0.2", -3}, {"0.3", 2}};
  }

  static constexpr int kGridCells = 3 * 2 * 2;  // candidates, tasks, draws

  static GridOption* AddOption(const std::string& name, RowSettings* settings) {
    GridOption* option = settings->add_grid();
    option->set_option(name);
    option->add_values("1");
    option->add_values("2");
    return option;
  }
};

TEST_F(GridTest, DevelopmentTasksAloneChoose) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, kCells + kGridCells);
  const Json result = Result(*run);
  const Json& row = result["rows"][0];
  const Json& selection = row["selection"];
  EXPECT_EQ(selection["chosen"], (Json{{"learning_rate", "0.2"}}));
  EXPECT_EQ(row["options"], (Json{{"learning_rate", "0.2"}}));
  EXPECT_EQ(selection["grid"]["learning_rate"], (std::vector<std::string>{"0.1", "0.2", "0.3"}));
  EXPECT_EQ(selection["suite"], "dev");
  EXPECT_EQ(selection["tasks"], (std::vector<std::string>{"d1", "d2"}));
  EXPECT_EQ(selection["draws"], 2);
  const Json& candidate = selection["candidates"][1];
  EXPECT_EQ(candidate["options"]["learning_rate"], "0.2");
  EXPECT_EQ(candidate["accuracy"]["mean"], 62.5);  // 12 and 13 of 20
  EXPECT_NEAR(candidate["accuracy"]["sd"].get<double>(), 5 / std::sqrt(2.), 1e-12);
  EXPECT_EQ(candidate["accuracy"]["n"], 2);
  EXPECT_EQ(candidate["seconds"], 16);
  EXPECT_EQ(selection["cost"], (Json{{"adaptations", 12}, {"seconds", 48.0}, {"flops", 48e9}}));
  EXPECT_EQ(selection["judged_cost"], (Json{{"adaptations", 9}, {"seconds", 36.0}, {"flops", 36e9}}));
  // The worst on the test tasks: 16 + draw - 3 right. Development cells are none of the row's.
  EXPECT_EQ(row["cells"]["accuracy"]["values"], (std::vector<double>{65, 70, 75}));
  EXPECT_EQ(row["tasks"].size(), 9);
  EXPECT_FALSE(result["rows"][2].contains("selection"));
  int checked = 0;
  for (const Json& one : result["few_shot"]["results"]) {
    if (one["start"] != "plain_start" || one["group"] != "all" || one["shots"] != 4) continue;
    // 12 + draw - 3 right of 20: a start of the row has its choice, too. Percent are 100 times a share, hence rounding.
    EXPECT_NEAR(one["mean"][0].get<double>(), 50, 1e-12);
    ++checked;
  }
  EXPECT_EQ(checked, 1);
}

TEST_F(GridTest, OfEqualCandidatesTheEarlierIsChosen) {
  state_.development_bonus = {{"0.2", 1}, {"0.3", 1}};
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->selections[0].chosen, 1);
  state_.development_bonus.clear();
  options_.fresh = true;
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->selections[0].chosen, 0);
}

TEST_F(GridTest, IndependentOfWorkers) {
  options_.threads = 1;
  const std::string one = Reference();
  options_.threads = 7;
  EXPECT_EQ(Reference(), one);
}

TEST_F(GridTest, FinishedCandidatesNeverRunTwice) {
  const std::string reference = Reference();
  for (const int after : {1, 7, kGridCells, 40}) {
    SCOPED_TRACE(after);
    options_.out = NewFolder();
    state_.adaptations = 0;
    options_.stopped = [this, after] { return state_.adaptations >= after; };
    EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("interrupted")));
    options_.stopped = nullptr;
    state_.adaptations = 0;
    const absl::StatusOr<TableRun> resumed = Run();
    ASSERT_THAT(resumed, IsOk());
    EXPECT_EQ(WithoutTimes(*resumed), reference);
    EXPECT_EQ(resumed->reused_cells + state_.adaptations, kCells + kGridCells);
  }
  state_.adaptations = 0;
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, 0);
  EXPECT_EQ(WithoutTimes(*run), reference);
  // A candidate more that is not chosen: the row's cells stay, though nobody knows before it has been run.
  profile_.mutable_rows(0)->mutable_grid(0)->add_values("0.4");
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, 4);
  EXPECT_EQ(run->reused_cells, kCells + kGridCells);
  EXPECT_EQ(run->selections[0].chosen, 1);
  // Other draws of the test tasks are no reason to choose again.
  profile_ = *ResolveProfile(definition_.table, "desk", {{}, 3, false});
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, 4 + kCells);
  EXPECT_EQ(run->reused_cells, kGridCells);
}

TEST_F(GridTest, FailedCandidatesAreNotChosen) {
  state_.errors["slow 0.2"] = absl::ResourceExhaustedError("no memory");
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  Json selection = Result(*run)["rows"][0]["selection"];
  EXPECT_EQ(selection["chosen"]["learning_rate"], "0.3");
  EXPECT_EQ(selection["candidates"][1]["failed"], 4);
  EXPECT_THAT(selection["candidates"][1]["first_error"].get<std::string>(), HasSubstr("no memory"));
  EXPECT_EQ(selection["candidates"][1]["accuracy"], (Json{{"mean", Json()}, {"sd", Json()}, {"n", 0}}));
  EXPECT_EQ(selection["cost"]["adaptations"], 8);
  // Tried again by the next run, and chosen then.
  state_.errors.clear();
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(WithoutTimes(*run), Reference());
}

TEST_F(GridTest, ARowWhoseCandidatesAllFailFails) {
  state_.errors["slow"] = absl::ResourceExhaustedError("no memory");
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const Json result = Result(*run);
  const Json& row = result["rows"][0];
  EXPECT_EQ(row["selection"]["chosen"], Json());
  EXPECT_EQ(row["cells"]["accuracy"]["verdict"], "RUN_FAILED");
  EXPECT_THAT(row["tasks"][0]["error"].get<std::string>(), HasSubstr("no candidate of the grid could be run"));
  EXPECT_THAT(row["tasks"][0]["error"].get<std::string>(), HasSubstr("no memory"));
  EXPECT_EQ(result["rows"][2]["cells"]["accuracy"]["mean"], 65);
  state_.errors.clear();
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(WithoutTimes(*run), Reference());
}

TEST_F(GridTest, AMetaLearningRowIsMetaTrainedOnce) {
  state_.development_bonus = {{"2", 1}};
  AddOption("learning_rate", profile_.mutable_rows(1));
  absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.meta_trainings, 1);
  EXPECT_EQ(state_.adaptations, kCells + kGridCells + 2 * 2 * 2);
  const Json selection = Result(*run)["rows"][1]["selection"];
  EXPECT_EQ(selection["chosen"]["learning_rate"], "2");
  EXPECT_EQ(selection["meta_seed"], 0);
  // Its failure is that of all candidates, and of the row.
  state_.meta_errors["meta"] = absl::AbortedError("loss is nan");
  options_.fresh = true;
  run = Run();
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(Result(*run)["rows"][1]["cells"]["accuracy"]["verdict"], "RUN_FAILED");
  EXPECT_THAT(Result(*run)["rows"][1]["tasks"][0]["error"].get<std::string>(), HasSubstr("loss is nan"));

  AddOption("outer_rate", profile_.mutable_rows(1));
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("row meta: outer_rate cannot be in its grid: its meta-training reads it")));
}

TEST_F(GridTest, ExpectedValuesOfOtherOptionsJudgeNothing) {
  const absl::StatusOr<TableRun> run = Run();
  ASSERT_THAT(run, IsOk());
  const auto expect = [&](int row, const std::string& column, double mean, double sd) {
    Expected* expected = profile_.mutable_rows(row)->add_expected();
    expected->set_column(column);
    expected->set_mean(mean);
    expected->set_sd(sd);
    expected->set_n(5);
    expected->set_exact(sd == 0);
  };
  expect(0, "accuracy", 70, 0.1);
  expect(0, "parameters_percent", 100, 0);
  expect(1, "wall_ratio", 0.25, 0.001);
  std::string& rate = (*profile_.mutable_rows(0)->mutable_expected_options())["learning_rate"];
  const auto cell = [&](int row, const char* column) { return Result(*run)["rows"][row]["cells"][column]; };
  rate = "0.2";
  EXPECT_NE(cell(0, "accuracy")["verdict"], "NOT_ATTEMPTED");
  EXPECT_NE(cell(1, "wall_ratio")["verdict"], "NOT_ATTEMPTED");
  rate = "0.3";
  EXPECT_EQ(cell(0, "accuracy")["verdict"], "NOT_ATTEMPTED");
  EXPECT_EQ(cell(0, "accuracy")["why"],
            "UNDERSPECIFIED: the expected value was measured with learning_rate=0.3, and the grid of slow has chosen "
            "learning_rate=0.2");
  EXPECT_EQ(cell(0, "accuracy")["expected_options"]["learning_rate"], "0.3");
  EXPECT_EQ(cell(0, "parameters_percent")["verdict"], "REPRODUCED");  // arithmetic
  // Its unit has been measured with other options.
  EXPECT_EQ(cell(1, "wall_ratio")["verdict"], "NOT_ATTEMPTED");
}

TEST_F(GridTest, WhatIsSearchedOnMayBeMissing) {
  TableWorld world = TestWorld(&state_);
  for (EvalTask& task : world.tasks) {
    if (task.name == "d1") task.missing = "MISSING_DATA: no d1";
  }
  absl::StatusOr<TableRun> run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, kCells + kGridCells / 2);
  Json result = Result(*run);
  EXPECT_EQ(result["rows"][0]["selection"]["tasks"], (std::vector<std::string>{"d2"}));
  EXPECT_EQ(result["split"]["development"], (std::vector<std::string>{"d2"}));
  EXPECT_THAT(result["data"].dump(), HasSubstr("MISSING_DATA: no d1"));
  // Without any of them the row, and its start, cannot be run.
  for (EvalTask& task : world.tasks) {
    if (task.name == "d2") task.missing = "MISSING_DATA: no d2";
  }
  state_.adaptations = 0;
  run = RunTable(definition_.table, profile_, false, world, options_);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(state_.adaptations, 0);  // the other rows are finished
  result = Result(*run);
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["verdict"], "NOT_ATTEMPTED");
  EXPECT_EQ(result["rows"][0]["cells"]["accuracy"]["why"], "MISSING_DATA: no d1 (likewise e2)");
  EXPECT_FALSE(result["rows"][0].contains("selection"));
  EXPECT_EQ(result["rows"][2]["cells"]["accuracy"]["mean"], 65);
  EXPECT_EQ(result["rows"][1]["cells"]["wall_ratio"]["verdict"], "NOT_ATTEMPTED");  // slow is its unit
}

TEST_F(GridTest, OnlyDevelopmentTasksMayBeSearchedOn) {
  const auto refused = [&](const std::string& message) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
  };
  const Profile good = profile_;
  profile_.mutable_grid()->set_suite("deb");
  EXPECT_THAT(Run(), refused("the grid's suite 'deb' has no tasks"));
  profile_ = good;
  profile_.mutable_grid()->add_tasks("d3");
  EXPECT_THAT(Run(), refused("the grid's task 'd3' is not in its suite 'dev'"));
  TableWorld world = TestWorld(&state_);
  for (EvalTask& task : world.tasks) {
    if (task.name == "d2") task.development = false;
  }
  EXPECT_THAT(RunTable(definition_.table, good, false, world, options_),
              refused("the grid's task 'd2' is no development task"));
  for (EvalTask& task : world.tasks) {
    if (task.name == "d2") task.name = "e1";
  }
  EXPECT_THAT(RunTable(definition_.table, good, false, world, options_),
              refused("the grid's task 'e1' is a test task, too, of suite 'easy'"));
  EXPECT_EQ(state_.adaptations, 0);
}

TEST(ChooseCandidateTest, OneFailedAdaptationIsEnough) {
  const auto cell = [](int draw, double accuracy, const std::string& error) {
    Cell cell;
    cell.draw = draw;
    cell.error = error;
    cell.run.curve = {{4, accuracy}};
    return cell;
  };
  std::vector<Candidate> candidates(3);
  candidates[0].cells = {cell(0, 0.9, ""), cell(1, 0, "no memory")};
  candidates[1].cells = {cell(0, 0.1, ""), cell(0, 0.2, ""), cell(0, 0.3, "")};
  candidates[2].cells = {cell(0, 0.3, ""), cell(0, 0.2, ""), cell(0, 0.1, "")};  // equal but for rounding
  EXPECT_EQ(ChooseCandidate(candidates), 1);
  EXPECT_EQ(ScoreCandidate(candidates[0]).failed, 1);
  EXPECT_EQ(ScoreCandidate(candidates[0]).cost.adaptations, 1);
  candidates.resize(1);
  EXPECT_EQ(ChooseCandidate(candidates), -1);
}

TEST_F(RunTableTest, Errors) {
  Table table = definition_.table;
  table.mutable_rows(0)->set_method("fast");
  const TableWorld world = TestWorld(&state_);
  EXPECT_THAT(RunTable(table, profile_, false, world, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row slow: unknown name 'fast'; known: frozen")));
  Profile profile = profile_;
  profile.add_suites("harder");
  EXPECT_THAT(RunTable(definition_.table, profile, false, world, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("suite 'harder' has no tasks")));
  profile = profile_;
  profile.mutable_quick()->add_tasks("e9");
  EXPECT_THAT(RunTable(definition_.table, profile, true, world, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("quick task 'e9' is in none")));
  TableWorld poor = TestWorld(&state_);
  poor.meta_train_tasks = nullptr;
  EXPECT_THAT(RunTable(definition_.table, profile_, false, poor, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row meta meta-learns")));
  poor = TestWorld(&state_);
  poor.few_shot = nullptr;
  EXPECT_THAT(RunTable(definition_.table, profile_, false, poor, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no episodes for it")));
  std::ofstream(JoinPath(options_.out, "file")) << "";
  options_.out = JoinPath(options_.out, "file/below");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("cannot make the folder")));
}

TEST_F(RunTableTest, TwoRunsDoNotShareAFolder) {
  absl::Status second;
  std::atomic<bool> tried{false};
  state_.on_adapt = [&] {
    if (tried.exchange(true)) return;
    TestWorldState other;
    const TableWorld world = TestWorld(&other);
    second = RunTable(definition_.table, profile_, false, world, options_).status();
  };
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr(absl::StrCat("another run is at work here, process ", getpid()))));
}

TEST(CellTest, JsonRoundTrip) {
  Cell cell{"lora", "composite", "desk/noun8", 3, -1, 16};
  cell.replicate = 2;
  cell.run.metrics = {"accuracy", "macro_f1", "pearson"};
  cell.run.curve = {{0, 0.25, 0.2, true, {0.25, 0.2, std::nan("")}}, {5, 1. / 3, 0.3, false, {1. / 3, 0.3, -1}}};
  cell.run.num_test = 160;
  cell.run.report = {5, 1.5, 2e9, 0.7, std::nan(""), false};
  cell.run.report.tokens = 77;
  cell.run.parameters = {1, 2, 3, 4};
  const absl::StatusOr<Cell> back = CellFromJson(Json::parse(CellToJson(cell).dump()));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(CellToJson(*back).dump(), CellToJson(cell).dump());
  EXPECT_EQ(back->run.curve[1].accuracy, 1. / 3);
  EXPECT_EQ(back->run.curve[1].macro_f1, 0.3);
  EXPECT_THAT(back->run.curve[1].values, ElementsAre(1. / 3, 0.3, -1));
  EXPECT_TRUE(std::isnan(back->run.curve[0].values[2]));
  EXPECT_EQ(back->run.report.tokens, 77);
  EXPECT_TRUE(std::isnan(back->run.report.last_loss));
  EXPECT_EQ(CellName(cell), "lora--desk-noun8--draw3--replicate2");
  cell.candidate = "learning_rate=3e-5";
  EXPECT_EQ(CellName(cell), "grid--lora--learning_rate-3e-5--desk-noun8--draw3--replicate2");
  EXPECT_EQ(CellFromJson(CellToJson(cell))->candidate, cell.candidate);
  Json broken = CellToJson(cell);
  broken.erase("n_test");
  EXPECT_THAT(CellFromJson(broken), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("n_test")));
  broken = CellToJson(cell);
  broken["metrics"].push_back("f1");
  EXPECT_THAT(CellFromJson(broken), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("f1")));
  broken["metrics"] = Json::array();
  EXPECT_THAT(CellFromJson(broken), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("without metrics")));
  // A task without macro-F1.
  cell.run.metrics = {"pearson"};
  cell.run.curve = {{0, 0.5, std::nan(""), false, {0.5}}};
  EXPECT_TRUE(std::isnan(CellFromJson(CellToJson(cell))->run.curve[0].macro_f1));
}

TEST(PredictionsTextTest, ALineAnExample) {
  TaskRun run;
  run.predictions = {0, 12, 3.25};
  EXPECT_EQ(PredictionsText(run), "0\n12\n3.25\n");
  run.predictions = {0, 1};
  run.scores = {0.75, 1 - 1e-10};  // two sure answers are not equal
  EXPECT_EQ(PredictionsText(run), "0\t0.75\n1\t0.99999999989999999\n");
}

}  // namespace
}  // namespace gbmoa
