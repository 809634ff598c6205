#include "eval/task_config.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(
name: "mine/colours" suite: "mine" metrics: "accuracy" encoding: ONE_SEQUENCE max_tokens: 28
wordnet {
  split: TEST family: BRANCH test_examples: 10
  classes { name: "red" synset: "n04962784" }
  classes { name: "blue" synset: "n04968056" }
})";

TaskConfig Good() {
  TaskConfig config;
  const absl::Status status = ParseTextproto("good", kGood, &config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

TEST(TaskConfig, RefusesWhatMakesNoSense) {
  EXPECT_TRUE(ValidateTaskConfig(Good()).ok());
  struct Case {
    const char* name;
    void (*change)(TaskConfig*);
    const char* message;
  };
  const Case kCases[] = {
      {"no name", [](TaskConfig* c) { c->clear_name(); }, "name: expected letters"},
      {"path as name", [](TaskConfig* c) { c->set_name("../x"); }, "found '../x'"},
      {"no suite", [](TaskConfig* c) { c->clear_suite(); }, "suite: expected a name"},
      {"no metric", [](TaskConfig* c) { c->clear_metrics(); }, "metrics: expected at least one"},
      {"no encoding", [](TaskConfig* c) { c->clear_encoding(); }, "encoding: expected ONE_SEQUENCE or PAIR_APART"},
      {"unknown encoding", [](TaskConfig* c) { c->set_encoding(static_cast<TaskConfig::Encoding>(9)); }, "found '9'"},
      {"no tokens", [](TaskConfig* c) { c->set_max_tokens(2); }, "max_tokens: expected 3 to 8192, found '2'"},
      {"too many tokens", [](TaskConfig* c) { c->set_max_tokens(8193); }, "max_tokens: expected 3 to 8192"},
      {"no source", [](TaskConfig* c) { c->clear_wordnet(); }, "source: expected wordnet or files"},
      {"metric twice", [](TaskConfig* c) { c->add_metrics("accuracy"); },
       "metrics: expected names, each once, found 'acc"},
      {"official metric that is none", [](TaskConfig* c) { c->add_official_metrics("f1"); },
       "official_metrics: expected some of metrics, each once, found 'f1'"},
      {"no split", [](TaskConfig* c) { c->mutable_wordnet()->clear_split(); }, "wordnet.split"},
      {"no family", [](TaskConfig* c) { c->mutable_wordnet()->clear_family(); }, "wordnet.family"},
      {"no test", [](TaskConfig* c) { c->mutable_wordnet()->clear_test_examples(); }, "wordnet.test_examples"},
      {"negative test", [](TaskConfig* c) { c->mutable_wordnet()->set_test_examples(-5); }, "found '-5'"},
      {"one class", [](TaskConfig* c) { c->mutable_wordnet()->mutable_classes()->RemoveLast(); },
       "at least 2, found '1'"},
      {"same name", [](TaskConfig* c) { c->mutable_wordnet()->mutable_classes(1)->set_name("red"); },
       "wordnet.classes[1].name: expected a name that no other class has, found 'red'"},
      {"same source", [](TaskConfig* c) { c->mutable_wordnet()->mutable_classes(1)->set_synset("n04962784"); },
       "wordnet.classes[1]: expected a source that no other class has"},
      {"no class name", [](TaskConfig* c) { c->mutable_wordnet()->mutable_classes(1)->clear_name(); },
       "wordnet.classes[1].name: expected a name"},
      {"lexfile for a branch",
       [](TaskConfig* c) { c->mutable_wordnet()->mutable_classes(0)->set_lexfile("noun.body"); },
       "wordnet.classes[0]: expected a synset and no lexfile"},
      {"synset for a supersense", [](TaskConfig* c) { c->mutable_wordnet()->set_family(WordnetTask::SUPERSENSE); },
       "wordnet.classes[0]: expected a lexfile and no synset"},
      {"single texts apart", [](TaskConfig* c) { c->set_encoding(TaskConfig::PAIR_APART); },
       "encoding: expected ONE_SEQ"},
      {"pairs as one", [](TaskConfig* c) { c->mutable_wordnet()->set_family(WordnetTask::HYPERNYM); },
       "encoding: expected PAIR_APART"},
      {"classes of pairs",
       [](TaskConfig* c) {
         c->mutable_wordnet()->set_family(WordnetTask::GLOSS_MATCH);
         c->set_encoding(TaskConfig::PAIR_APART);
       },
       "wordnet.classes: expected none, since the family has its own, found 'red'"},
  };
  for (const Case& c : kCases) {
    TaskConfig config = Good();
    c.change(&config);
    const absl::Status status = ValidateTaskConfig(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_THAT(status.message(), HasSubstr(c.message)) << c.name;
  }
}

constexpr char kFiles[] = R"(
name: "mine/files" suite: "mine" metrics: "accuracy" encoding: ONE_SEQUENCE max_tokens: 28
files {
  layout: "tsv"
  splits { name: "train" files: "mine/train.tsv" official_rows: 10 }
  splits { name: "test" files: "mine/test.tsv" unlabelled: true }
  fields { key: "text_a" value: "0" }
  classes { value: "0" name: "red" }
  classes { value: "1" }
})";

TEST(TaskConfig, RefusesFilesThatMakeNoSense) {
  TaskConfig good;
  ASSERT_TRUE(ParseTextproto("good", kFiles, &good).ok());
  EXPECT_TRUE(ValidateTaskConfig(good).ok()) << ValidateTaskConfig(good);
  TaskConfig regression = good;
  regression.mutable_files()->clear_classes();
  regression.mutable_files()->mutable_range()->set_high(5);
  EXPECT_TRUE(ValidateTaskConfig(regression).ok()) << ValidateTaskConfig(regression);
  struct Case {
    const char* name;
    void (*change)(FileTask*);
    const char* message;
  };
  const Case kCases[] = {
      {"no layout", [](FileTask* t) { t->clear_layout(); },
       "files.layout: expected a layout of eval/readers, found ''"},
      {"no split", [](FileTask* t) { t->clear_splits(); }, "files.splits: expected at least one, found ''"},
      {"split without a name", [](FileTask* t) { t->mutable_splits(1)->clear_name(); },
       "files.splits[1].name: expected lower-case letters, digits and '_', found ''"},
      {"split twice", [](FileTask* t) { t->mutable_splits(1)->set_name("train"); },
       "files.splits[1].name: expected a name that no other split has, found 'train'"},
      {"no file", [](FileTask* t) { t->mutable_splits(0)->clear_files(); },
       "files.splits[0].files: expected at least one, found ''"},
      {"absolute path", [](FileTask* t) { t->mutable_splits(0)->set_files(0, "/etc/passwd"); },
       "files.splits[0].files[0]: expected a path below the data root, found '/etc/passwd'"},
      {"path upwards", [](FileTask* t) { t->mutable_splits(0)->set_files(0, "a/../../b"); },
       "files.splits[0].files[0]: expected a path below the data root, found 'a/../../b'"},
      {"negative rows", [](FileTask* t) { t->mutable_splits(0)->set_official_rows(-1); },
       "files.splits[0].official_rows: expected 0 or more, found '-1'"},
      {"rows and questions", [](FileTask* t) { t->mutable_splits(0)->set_official_questions(3); },
       "files.splits[0].official_questions: expected 0 or more, and none beside official_rows, found '3'"},
      {"encoding", [](FileTask* t) { t->set_encoding_of_text("cp1252"); },
       "files.encoding_of_text: expected nothing or latin-1, found 'cp1252'"},
      {"one class", [](FileTask* t) { t->mutable_classes()->RemoveLast(); },
       "files.classes: expected at least 2, or a range, found '1'"},
      {"class without a value", [](FileTask* t) { t->mutable_classes(1)->clear_value(); },
       "files.classes[1].value: expected what files call it, found ''"},
      {"value twice", [](FileTask* t) { t->mutable_classes(1)->set_value("0"); },
       "files.classes[1].value: expected a value that no other class has, found '0'"},
      {"name twice", [](FileTask* t) { t->mutable_classes(1)->set_name("red"); },
       "files.classes[1].name: expected a name that no other class has, found 'red'"},
      {"classes of a regression", [](FileTask* t) { t->mutable_range()->set_high(5); },
       "files.classes: expected none of a regression, found '0'"},
      {"empty range",
       [](FileTask* t) {
         t->clear_classes();
         t->mutable_range()->set_low(5);
       },
       "files.range: expected low < high, found '5 to 0'"},
      {"endless range",
       [](FileTask* t) {
         t->clear_classes();
         t->mutable_range()->set_high(HUGE_VAL);
       },
       "files.range: expected low < high, found '0 to inf'"},
  };
  for (const Case& c : kCases) {
    TaskConfig config = good;
    c.change(config.mutable_files());
    const absl::Status status = ValidateTaskConfig(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_EQ(status.message(), c.message) << c.name;
  }
}

TEST(TaskConfig, LoadsAFolderInOrderAndChecksNames) {
  std::string folder = testing::TempDir() + "/tasksXXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  EXPECT_EQ(LoadTaskConfigs(folder + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(LoadTaskConfigs(folder).status().message(), HasSubstr("no task (*.textproto) in this folder"));

  std::filesystem::create_directory(folder + "/mine");
  std::ofstream(folder + "/mine/colours.textproto") << kGood;
  std::ofstream(folder + "/mine/README.md") << "not a task";
  std::string second = kGood;
  second.replace(second.find("colours"), 7, "a");
  std::ofstream(folder + "/mine/a.textproto") << second;
  const auto configs = LoadTaskConfigs(folder + "/mine");
  ASSERT_TRUE(configs.ok()) << configs.status();
  ASSERT_EQ(configs->size(), 2);
  EXPECT_EQ((*configs)[0].name(), "mine/a");
  EXPECT_EQ((*configs)[1].name(), "mine/colours");

  std::ofstream(folder + "/mine/b.textproto") << kGood;
  const absl::Status wrong_name = LoadTaskConfigs(folder + "/mine").status();
  EXPECT_EQ(wrong_name.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong_name.message(),
              HasSubstr("b.textproto: name: expected the name of the file, found 'mine/colours'"));

  std::ofstream(folder + "/mine/a.textproto") << "name: \"mine/a\"";
  const absl::Status incomplete = LoadTaskConfigs(folder + "/mine").status();
  EXPECT_EQ(incomplete.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(incomplete.message(), HasSubstr("a.textproto: suite: expected a name"));
}

}  // namespace
}  // namespace gbmoa
