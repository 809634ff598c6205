#include "eval/task_config.h"

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
      {"no source", [](TaskConfig* c) { c->clear_wordnet(); }, "source: expected wordnet"},
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
