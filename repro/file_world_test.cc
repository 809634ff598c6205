#include "repro/file_world.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/table.h"

namespace gbmoa {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// `sizes[c]` examples of class c, whose texts are all different; classes in turn as long as they last.
Dataset Classes(const std::vector<int>& sizes) {
  Dataset dataset;
  for (size_t c = 0; c < sizes.size(); ++c) dataset.class_names.push_back(absl::StrCat("class", c));
  for (int i = 0; i < *std::max_element(sizes.begin(), sizes.end()); ++i) {
    for (size_t c = 0; c < sizes.size(); ++c) {
      if (i >= sizes[c]) continue;
      Example example;
      example.text_a = absl::StrCat("text ", dataset.size());
      example.label = static_cast<int64_t>(c);
      dataset.examples.push_back(example);
    }
  }
  return dataset;
}

// Questions with `answers[q]` answers, the last of which is right.
Dataset Questions(const std::vector<int>& answers) {
  Dataset dataset;
  dataset.class_names = {"wrong", "right"};
  dataset.grouped = true;
  for (size_t q = 0; q < answers.size(); ++q) {
    for (int a = 0; a < answers[q]; ++a) {
      Example example;
      example.text_a = absl::StrCat("question ", q);
      example.text_b = absl::StrCat("answer ", q, " ", a);
      example.label = a + 1 == answers[q];
      example.group = static_cast<int64_t>(q);
      dataset.examples.push_back(example);
    }
  }
  return dataset;
}

std::vector<int64_t> Labels(const Dataset& dataset, const std::vector<int64_t>& rows) {
  std::vector<int64_t> counts(dataset.num_classes());
  for (const int64_t row : rows) ++counts[dataset.examples[row].label];
  return counts;
}

TEST(TestRowsTest, HoldsEveryClasssShare) {
  const RandomStream stream(1, "task");
  const Dataset dataset = Classes({60, 30, 10});
  const std::vector<int64_t> rows = TestRows(dataset, 50, stream);
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  EXPECT_EQ(std::set<int64_t>(rows.begin(), rows.end()).size(), 50);
  EXPECT_THAT(Labels(dataset, rows), ElementsAre(30, 15, 5));
  EXPECT_THAT(Labels(dataset, TestRows(dataset, 7, stream)), ElementsAre(4, 2, 1));  // of 4.2, 2.1 and 0.7
  EXPECT_EQ(TestRows(dataset, 50, stream), rows);
  EXPECT_NE(TestRows(dataset, 50, RandomStream(1, "other task")), rows);
  EXPECT_EQ(TestRows(dataset, 100, stream).size(), 100);
  EXPECT_EQ(TestRows(dataset, 0, stream).size(), 100);
}

TEST(TestRowsTest, KeepsQuestionsWholeAndRegressionsAny) {
  const Dataset dataset = Questions({2, 3, 4, 2, 3, 4, 2, 3, 4});
  const std::vector<int64_t> rows = TestRows(dataset, 14, RandomStream(1, "task"));
  EXPECT_LE(rows.size(), 14);
  EXPECT_GE(rows.size(), 11);  // the next question has 4 answers at most
  std::map<int64_t, int> answers;
  for (const int64_t row : rows) ++answers[dataset.examples[row].group];
  for (const auto& [question, count] : answers) EXPECT_EQ(count, 2 + question % 3) << question;

  Dataset regression = Classes({50, 50});
  regression.class_names.clear();
  regression.regression = true;
  EXPECT_EQ(TestRows(regression, 20, RandomStream(1, "task")).size(), 20);
}

TEST(SupportPoolTest, DrawsSoManyOfEachClass) {
  const Dataset dataset = Classes({40, 20, 3});
  const SupportPool pool(dataset, {}, RandomStream(1, "task"));
  EXPECT_THAT(pool.counts(), ElementsAre(40, 20, 3));
  const std::vector<int64_t> rows = pool.Draw(0, 16);
  EXPECT_THAT(Labels(dataset, rows), ElementsAre(16, 16, 3));
  EXPECT_EQ(std::set<int64_t>(rows.begin(), rows.end()).size(), rows.size());
  // Fewer shots are the beginning of more, draws differ, a draw is a function of its number.
  const std::vector<int64_t> fewer = pool.Draw(0, 2);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), rows.begin()));
  EXPECT_NE(pool.Draw(1, 16), rows);
  EXPECT_EQ(SupportPool(dataset, {}, RandomStream(1, "task")).Draw(0, 16), rows);
  const std::vector<int64_t> all = pool.Draw(5, 0);
  EXPECT_EQ(all.size(), 63);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(SupportPoolTest, DrawsTwiceTheShotsOfARegressionAndWholeQuestions) {
  Dataset regression = Classes({50, 50});
  regression.class_names.clear();
  regression.regression = true;
  EXPECT_EQ(SupportPool(regression, {}, RandomStream(1, "task")).Draw(0, 8).size(), 16);

  const Dataset dataset = Questions({3, 3, 3, 3, 3, 3, 3, 3});
  const std::vector<int64_t> rows = SupportPool(dataset, {}, RandomStream(1, "task")).Draw(0, 5);
  EXPECT_EQ(rows.size(), 12);  // the fourth question is the first one that makes it 10 answers or more
  EXPECT_THAT(Labels(dataset, rows), ElementsAre(8, 4));
  // Answers that are all right are no support set of two classes.
  const Dataset one_sided = Questions({1, 1, 1, 1, 2});
  EXPECT_THAT(Labels(one_sided, SupportPool(one_sided, {}, RandomStream(1, "task")).Draw(0, 1)),
              ElementsAre(1, testing::Ge(1)));
}

TEST(SupportPoolTest, LeavesOutWhatIsHeldOutAndWhateverSharesATextWithIt) {
  Dataset dataset = Classes({4, 4});
  dataset.examples[1].text_b = "both";
  dataset.examples[6].text_a = "both";
  const SupportPool pool(dataset, {0, 1}, RandomStream(1, "task"));
  EXPECT_THAT(pool.Draw(0, 0), ElementsAre(2, 3, 4, 5, 7));
  // Of a question, all answers go.
  const Dataset questions = Questions({2, 2, 2});
  EXPECT_THAT(SupportPool(questions, {2}, RandomStream(1, "task")).Draw(0, 0), ElementsAre(0, 1, 4, 5));
}

class FileWorldTest : public testing::Test {
 protected:
  FileWorldTest() {
    std::string pattern = JoinPath(testing::TempDir(), "file_world_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    options_.data_root = JoinPath(folder_, "data");
    options_.tasks_folder = JoinPath(folder_, "tasks");
    options_.cache_folder = JoinPath(folder_, "tokens");
    for (const std::string& path : {options_.data_root, options_.cache_folder, options_.tasks_folder + "/toy"}) {
      std::filesystem::create_directories(path);
    }
    for (const char* task : {"colours", "absent"}) {
      std::ofstream(absl::StrCat(options_.tasks_folder, "/toy/", task, ".textproto")) << absl::StrCat(
          "name: 'toy/", task,
          "' description: 'A toy.' suite: 'topic' metrics: 'accuracy' metrics: 'macro_f1' official_metrics: 'accuracy' "
          "encoding: ONE_SEQUENCE max_tokens: 32 files { layout: 'tsv' header: true archive: 'toy' "
          "fields { key: 'text_a' value: 'text' } fields { key: 'label' value: 'label' } "
          "classes { value: 'r' name: 'red' } classes { value: 'b' name: 'blue' } "
          "splits { name: 'train' files: '",
          task, "/train.tsv' official_rows: 100 } splits { name: 'validation' files: '", task,
          "/dev.tsv' official_rows: 20 } splits { name: 'test' files: '", task, "/dev.tsv' } }");
    }
    WriteTask("train", 30);
    WriteTask("dev", 20);
    CHECK(ParseTextproto("profile", R"pb(
                           name: "glue"
                           world: "files"
                           suites: "composite"
                           suite_tasks { name: "composite" tasks: "toy/colours" tasks: "toy/absent" }
                           file_world {
                             max_test_examples: 10
                             development_examples: 6
                             few_shot_tasks: "toy/colours"
                             few_shot_seeds: [ 13, 21 ]
                           }
                           grid { suite: "development" tasks: "toy/colours@development" draws: 1 }
                           few_shot { shots: 2 episodes: 2 }
                         )pb",
                         &profile_)
              .ok());
  }
  void WriteTask(const std::string& split, int rows) {
    std::filesystem::create_directories(JoinPath(options_.data_root, "colours"));
    std::ofstream file(absl::StrCat(options_.data_root, "/colours/", split, ".tsv"));
    file << "text\tlabel\n";
    for (int i = 0; i < rows; ++i) file << split << " number " << i << "\t" << (i % 2 == 0 ? "r" : "b") << "\n";
  }

  std::string folder_;
  FileWorldOptions options_;
  Profile profile_;
};

TEST_F(FileWorldTest, MakesTasksOfFiles) {
  const absl::StatusOr<TableWorld> made = MakeFileWorld(profile_, options_);
  ASSERT_THAT(made, IsOk());
  const TableWorld& world = *made;
  ASSERT_EQ(world.tasks.size(), 3);
  const EvalTask& task = world.tasks[0];
  EXPECT_EQ(task.name, "toy/colours");
  EXPECT_EQ(task.suite, "composite");
  EXPECT_FALSE(task.development);
  EXPECT_EQ(task.test_set.batch.size(), 10);
  EXPECT_THAT(task.test_set.metrics, ElementsAre("accuracy", "macro_f1"));
  EXPECT_THAT(task.subset, AllOf(HasSubstr("30 of 100"), HasSubstr("10 of 20 validation examples"),
                                 Not(HasSubstr("validation: 20"))));
  EXPECT_EQ(task.missing, "");
  const absl::StatusOr<Batch> support_set = task.support_set(0, 4);
  ASSERT_THAT(support_set, IsOk());
  EXPECT_EQ(support_set->size(), 8);
  EXPECT_EQ(std::count(support_set->labels.begin(), support_set->labels.end(), 1), 4);
  // 30 training rows less 6 that are held out.
  EXPECT_EQ(task.support_set(0, 0)->size(), 24);

  const EvalTask& development = world.tasks[1];
  EXPECT_EQ(development.name, "toy/colours@development");
  EXPECT_EQ(development.suite, "development");
  EXPECT_TRUE(development.development);
  EXPECT_EQ(development.test_set.batch.size(), 6);

  EXPECT_EQ(world.tasks[2].name, "toy/absent");
  EXPECT_THAT(world.tasks[2].test_set.metrics, ElementsAre("accuracy", "macro_f1"));
  EXPECT_THAT(world.tasks[2].test_set.official_metrics, ElementsAre("accuracy"));
  EXPECT_THAT(world.tasks[2].missing,
              AllOf(StartsWith("MISSING_DATA: absent/train.tsv, absent/dev.tsv are not below "),
                    HasSubstr(options_.data_root), HasSubstr("bazel run --config=glue_fetch //repro:fetch_task_data")));

  ASSERT_NE(world.meta_train_tasks, nullptr);
  EXPECT_THAT(world.meta_train_names, testing::Contains("wordnet/sup.n"));
  const absl::StatusOr<Episode> episode = world.few_shot(2, 1);
  ASSERT_THAT(episode, IsOk());
  EXPECT_EQ(episode->task, "topic/colours");
  EXPECT_EQ(episode->support_set.size(), 4);
  EXPECT_NE(episode->support_set.tokens.ids, world.few_shot(2, 0)->support_set.tokens.ids);  // another seed
  EXPECT_THAT(world.environment.at("few-shot subsets"), AllOf(StartsWith("toy/colours: "), HasSubstr("30 of 100")));
  EXPECT_NE(world.environment.at("torch"), "");
  for (const auto& [name, sha256] : world.inputs) EXPECT_THAT(name, Not(HasSubstr("colours")));
  bool episodes = false;
  for (const auto& [name, sha256] : world.few_shot_inputs) episodes |= name == "eval/tasks/toy/colours.textproto";
  EXPECT_TRUE(episodes);
  bool data = false;
  for (const auto& [name, sha256] : task.inputs) data |= name == "colours/train.tsv" && sha256.size() == 64;
  EXPECT_TRUE(data);
  EXPECT_FALSE(std::filesystem::is_empty(options_.cache_folder));
}

// Cells are known by these: another process must come to the same.
TEST_F(FileWorldTest, MadeTwiceHasTheSameInputs) {
  std::map<std::string, std::string> configs;
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<TableWorld> world = MakeFileWorld(profile_, options_);
    ASSERT_THAT(world, IsOk());
    auto inputs = world->few_shot_inputs;
    for (const auto* part : {&world->inputs, &world->tasks[0].inputs}) {
      inputs.insert(inputs.end(), part->begin(), part->end());
    }
    for (const auto& [name, sha256] : inputs) EXPECT_EQ(configs.emplace(name, sha256).first->second, sha256) << name;
  }
  EXPECT_EQ(configs.count("eval/tasks/toy/colours.textproto"), 1);
}

TEST_F(FileWorldTest, SaysWhatIsSetAsideOfWholeTrainingSplits) {
  const absl::StatusOr<TableWorld> world = MakeFileWorld(profile_, options_);
  ASSERT_THAT(world, IsOk());
  EXPECT_THAT(world->tasks[0].subset, HasSubstr("6 of 30 training rows set aside for choosing settings"));
  profile_.set_shots(16);
  const absl::StatusOr<TableWorld> few = MakeFileWorld(profile_, options_);
  ASSERT_THAT(few, IsOk());
  EXPECT_THAT(few->tasks[0].subset, Not(HasSubstr("set aside")));
}

TEST_F(FileWorldTest, ReadsOnlyTheTasksThatAreWanted) {
  options_.tasks = {"toy/absent"};
  profile_.clear_few_shot();
  const absl::StatusOr<TableWorld> world = MakeFileWorld(profile_, options_);
  ASSERT_THAT(world, IsOk());
  ASSERT_EQ(world->tasks.size(), 2);
  EXPECT_EQ(world->tasks[0].name, "toy/colours@development");
  EXPECT_EQ(world->tasks[1].name, "toy/absent");
  options_.tasks = {"toy/colors"};
  EXPECT_THAT(MakeFileWorld(profile_, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no task 'toy/colors' in profile glue")));
}

TEST_F(FileWorldTest, SaysWhyAProfileCannotBeRun) {
  FileWorldOptions nowhere = options_;
  nowhere.data_root = "";
  EXPECT_THAT(MakeFileWorld(profile_, nowhere),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(StartsWith("MISSING_DATA: there is no data root"), HasSubstr("//repro:fetch_task_data"))));
  FileWorldOptions empty = options_;
  empty.data_root = JoinPath(folder_, "tokens");
  EXPECT_THAT(MakeFileWorld(profile_, empty),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       StartsWith(absl::StrCat("MISSING_DATA: none of the profile's tasks has its files below ",
                                               empty.data_root))));
  Profile needy = profile_;
  needy.mutable_needs()->set_encoder("roberta-large");
  needy.mutable_needs()->set_gpus(4);
  needy.mutable_needs()->set_gpu("A100");
  EXPECT_THAT(MakeFileWorld(needy, options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(StartsWith("MISSING_WEIGHTS, HARDWARE, MISSING_DATA: roberta-large is not bundled"),
                             HasSubstr("needs 4 GPUs (A100)"), HasSubstr("toy/absent have not its files"))));
}

TEST_F(FileWorldTest, RefusesWhatCannotBe) {
  Profile profile = profile_;
  profile.mutable_grid()->set_tasks(0, "toy/colours");
  EXPECT_THAT(MakeFileWorld(profile, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not called TASK@development")));
  profile = profile_;
  profile.mutable_file_world()->set_development_examples(30);
  EXPECT_THAT(MakeFileWorld(profile, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("30 are held out for development")));
  // One task with two seeds: episodes 0 and 1.
  profile = profile_;
  profile.mutable_few_shot()->set_first_episode(1);
  EXPECT_THAT(MakeFileWorld(profile, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("few-shot episodes 1 to 2: profile glue has 2")));
  std::ofstream(JoinPath(options_.data_root, "colours/dev.tsv"), std::ios::app) << "one more\tgreen\n";
  EXPECT_THAT(MakeFileWorld(profile_, options_), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dev.tsv:22")));
  options_.max_bad_rows = 1;
  EXPECT_THAT(MakeFileWorld(profile_, options_), IsOk());
}

TEST(FindDataRootTest, AsksFlagThenEnvironment) {
  const char* const before = std::getenv("GBMOA_DATA");
  const std::string kept = before == nullptr ? "" : before;
  setenv("GBMOA_DATA", "/somewhere/data", 1);
  EXPECT_EQ(FindDataRoot("/else"), "/else");
  EXPECT_EQ(FindDataRoot(""), "/somewhere/data");
  unsetenv("GBMOA_DATA");
  EXPECT_EQ(FindDataRoot(""), "");
  if (before != nullptr) setenv("GBMOA_DATA", kept.c_str(), 1);
}

// The official files where they are: what is a subset is called one.
TEST(RealFilesTest, SubsetsAreCalledSubsets) {
  if (std::getenv("GBMOA_DATA") == nullptr) GTEST_SKIP() << "needs GBMOA_DATA";
  Profile profile;
  ASSERT_THAT(ParseTextproto("profile", R"pb(
                               suites: "composite"
                               suite_tasks { name: "composite" tasks: "glue/rte" tasks: "glue/qnli" }
                               file_world { max_test_examples: 500 }
                             )pb",
                             &profile),
              IsOk());
  FileWorldOptions options;
  options.data_root = FindDataRoot("");
  const absl::StatusOr<TableWorld> world = MakeFileWorld(profile, options);
  ASSERT_THAT(world, IsOk());
  ASSERT_EQ(world->tasks.size(), 2);
  if (world->tasks[0].missing.empty()) {
    EXPECT_THAT(world->tasks[0].subset, IsEmpty());
    EXPECT_EQ(world->tasks[0].test_set.batch.size(), 277);
  }
  if (world->tasks[1].missing.empty()) {
    EXPECT_THAT(world->tasks[1].subset, HasSubstr("500 of 5,463 validation examples"));
    EXPECT_EQ(world->tasks[1].test_set.batch.size(), 500);
  }
}

}  // namespace
}  // namespace gbmoa
