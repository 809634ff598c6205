// The tasks as the repository has them: every file loads, and names only what exists. With GBMOA_DATA every GLUE and
// SuperGLUE split that is there holds what tools/golden/task_files.py reads.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "eval/file_task.h"
#include "eval/metric.h"
#include "eval/task_config.h"
#include "eval/task_reader.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;

std::vector<TaskConfig> TasksOf(const std::string& folder) {
  const auto path = RunfilePath(absl::StrCat("gbmoa/eval/tasks/", folder));
  EXPECT_THAT(path, IsOk());
  auto configs = LoadTaskConfigs(*path);
  EXPECT_THAT(configs, IsOk());
  return *std::move(configs);
}

TEST(TaskFiles, EveryFileNamesWhatThereIs) {
  const auto tasks = RunfilePath("gbmoa/eval/tasks");
  ASSERT_THAT(tasks, IsOk());
  const std::vector<std::string> metrics = MetricRegistry::Global().Names();
  const std::vector<std::string> layouts = TaskReaderRegistry::Global().Names();
  std::set<std::string> names;
  for (const auto& folder : std::filesystem::directory_iterator(*tasks)) {
    for (const TaskConfig& config : TasksOf(folder.path().filename().string())) {
      names.insert(config.name());
      for (const std::string& metric : config.metrics()) EXPECT_THAT(metrics, Contains(metric)) << config.name();
      if (!config.has_files()) continue;
      EXPECT_THAT(layouts, Contains(config.files().layout())) << config.name();
      EXPECT_FALSE(config.official_metrics().empty()) << config.name();
      EXPECT_FALSE(config.description().empty()) << config.name();
    }
  }
  constexpr char kNames[] =
      "desk/noun8 glue/cola glue/sst2 glue/mrpc glue/stsb glue/qqp glue/mnli glue/qnli glue/rte glue/wnli "
      "glue/ax superglue/boolq superglue/cb superglue/copa superglue/multirc superglue/record superglue/rte "
      "superglue/wic superglue/wsc superglue/axb superglue/axg fewshot/ag_news fewshot/arc_challenge "
      "fewshot/arc_easy fewshot/atis fewshot/climate_fever fewshot/clinc150 fewshot/cr fewshot/dbpedia14 "
      "fewshot/hwu64 fewshot/mr fewshot/openbookqa fewshot/poem_sentiment fewshot/query_wellformedness "
      "fewshot/snips fewshot/snli fewshot/sst5 fewshot/subj fewshot/tweet_emotion fewshot/tweet_offensive "
      "fewshot/tweet_stance_climate fewshot/tweet_stance_feminist";
  EXPECT_THAT(names, IsSupersetOf(std::vector<std::string>(absl::StrSplit(kNames, ' '))));
}

std::string Digest(const Dataset& dataset) {
  Sha256 sha;
  for (const Example& e : dataset.examples) {
    std::string gold;
    if (dataset.labelled) gold = dataset.regression ? absl::StrFormat("%.17g", e.target) : absl::StrCat(e.label);
    sha.Update(absl::StrCat(e.text_a, "\n", e.text_b, "\n", gold, "\n"));
  }
  return sha.Finish();
}

TEST(TaskFiles, HoldWhatAnotherReaderReads) {
  const char* root = std::getenv("GBMOA_DATA");
  if (root == nullptr || *root == '\0') {
    GTEST_SKIP() << "GBMOA_DATA is not set: no GLUE or SuperGLUE file was read";
  }
  const auto golden_path = RunfilePath("gbmoa/eval/testdata/task_files.json");
  ASSERT_THAT(golden_path, IsOk());
  const auto golden = LoadJson(*golden_path);
  ASSERT_THAT(golden, IsOk());
  size_t compared = 0;
  for (const std::string folder : {"glue", "superglue"}) {
    for (const TaskConfig& config : TasksOf(folder)) {
      for (const FileTask::Split& split : config.files().splits()) {
        const std::string place = absl::StrCat(config.name(), " ", split.name());
        if (!MissingFiles(config, split.name(), root).empty()) {
          std::cout << place << ": not there\n";
          continue;
        }
        const auto loaded = LoadFileTaskSplit(config, split.name(), root);
        ASSERT_THAT(loaded, IsOk()) << place;
        const auto wanted = golden->find(place);
        if (wanted == golden->end()) {
          std::cout << place << ": skipped, since it was not there for the golden file\n";
          continue;
        }
        if (loaded->files[0].second != (*wanted)["file"].get<std::string>()) {
          // Official archives have more than the golden file's data: rows, or no row twice.
          if (loaded->dataset.size() > (*wanted)["examples"].get<int64_t>() ||
              ((*wanted)["subset"].get<bool>() && !loaded->subset())) {
            std::cout << place << ": skipped, since it is more than was there for the golden file\n";
          } else {
            ADD_FAILURE() << place << ": " << loaded->files[0].first
                          << " is neither what was read for the golden file nor more than that";
          }
          continue;
        }
        ++compared;
        EXPECT_EQ(loaded->dataset.size(), (*wanted)["examples"].get<int64_t>()) << place;
        EXPECT_EQ(loaded->questions, (*wanted)["groups"].get<int64_t>()) << place;
        EXPECT_EQ(loaded->subset(), (*wanted)["subset"].get<bool>()) << place;
        EXPECT_EQ(Digest(loaded->dataset), (*wanted)["sha256"].get<std::string>()) << place;
        if (loaded->subset()) std::cout << config.name() << " " << SubsetText({&*loaded}) << "\n";
      }
    }
  }
  std::cout << "compared " << compared << " of " << golden->size() << " splits\n";
  EXPECT_GT(compared, 0u);
}

}  // namespace
}  // namespace gbmoa
