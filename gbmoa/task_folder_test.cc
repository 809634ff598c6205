#include "gbmoa/task_folder.h"

#include <stdlib.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

constexpr char kHash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";  // of "abc", FIPS 180-4

SavedTask SomeTask() {
  SavedTask task;
  task.method = "lora";
  task.options = {{"lora_rank", "2"}, {"lora_targets", "query,value"}};
  task.labels = {"bad", "good \"or\" \u00fcber"};
  task.encoding = Encoding::kPairApart;
  task.max_tokens = 64;
  task.backbone = {"tiny", {kHash, std::string(64, '1'), std::string(64, '2')}, "some/tiny"};
  task.made_by = "a test";
  task.parameters = {{"head.bias", {0.25f, -1e-30f}}, {"head.weight", {1, 2, 3, 4}}};
  return task;
}

class TaskFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/task_folder_testXXXXXX");
    ASSERT_NE(mkdtemp(&name[0]), nullptr);
    folder_ = name;
  }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }
  std::string folder_;
};

TEST_F(TaskFolderTest, LoadsWhatWasSaved) {
  const SavedTask saved = SomeTask();
  ASSERT_THAT(SaveTask(folder_, saved), IsOk());
  const absl::StatusOr<SavedTask> loaded = LoadTask(folder_);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->method, saved.method);
  EXPECT_EQ(loaded->options, saved.options);
  EXPECT_EQ(loaded->labels, saved.labels);
  EXPECT_EQ(loaded->encoding, saved.encoding);
  EXPECT_EQ(loaded->max_tokens, saved.max_tokens);
  EXPECT_EQ(loaded->backbone.name, saved.backbone.name);
  EXPECT_EQ(loaded->backbone.hashes.weights, saved.backbone.hashes.weights);
  EXPECT_EQ(loaded->backbone.hashes.config, saved.backbone.hashes.config);
  EXPECT_EQ(loaded->backbone.hashes.tokenizer, saved.backbone.hashes.tokenizer);
  EXPECT_EQ(loaded->backbone.folder, saved.backbone.folder);
  EXPECT_EQ(loaded->made_by, saved.made_by);
  EXPECT_EQ(loaded->parameters, saved.parameters);
}

TEST_F(TaskFolderTest, ErrorsNameFileAndField) {
  ASSERT_THAT(SaveTask(folder_, SomeTask()), IsOk());
  const absl::StatusOr<std::string> good = ReadFile(Path("task.json"), 1 << 20);
  ASSERT_THAT(good, IsOk());
  constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
  const struct {
    std::string from, to;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"\"format\": 1", "\"format\": 2", absl::StatusCode::kUnimplemented,
       "format: 2 is unknown, this program reads 1"},
      {"\"format\": 1", "\"format\": \"1\"", kDataLoss, "format: wanted a whole number, got \"1\""},
      {"\"format\": 1,", "", kDataLoss, "format: is missing"},
      {"\"method\": \"lora\"", "\"method\": 3", kDataLoss, "method: wanted a string, got 3"},
      {"\"2\"", "2", kDataLoss, "options: lora_rank: wanted a string, got 2"},
      {"\"bad\"", "\"\"", kDataLoss, "labels: wanted texts, got \"\""},
      {"\"bad\"", "1", kDataLoss, "labels: wanted texts, got 1"},
      {"\"bad\"", "\"x\", \"x\"", kDataLoss, "labels: 'x' comes twice"},
      {"\"bad\",", "", kDataLoss, "labels: wanted two or more, got 1"},
      {"pair_apart", "side_by_side", kDataLoss, "encoding: unknown encoding 'side_by_side'"},
      {": 64", ": 2", kDataLoss, "max_tokens: 2 is not in 3 to 1000000"},
      {": 64", ": 6.5", kDataLoss, "max_tokens: wanted a whole number, got 6.5"},
      {": 64", ": 18446744073709551615", kDataLoss, "max_tokens: 18446744073709551615 is not in"},
      {"ba7816bf", "BA7816BF", kDataLoss, "backbone.weights_sha256: wanted 64 digits"},
      {"\"config_sha256\"", "\"config_sha1\"", kDataLoss, "backbone.config_sha256: is missing"},
      {"\"made_by\"", "\"maker\": 0, \"made_by\"", kDataLoss, "maker: is unknown"},
      {"\"folder\"", "\"colour\": 0, \"folder\"", kDataLoss, "backbone.colour: is unknown"},
      {*good, "[]", kDataLoss, "wanted an object"},
      {"{", "", kDataLoss, "task.json:2:"},
  };
  for (const auto& c : kCases) {
    ASSERT_THAT(*good, HasSubstr(c.from));
    ASSERT_THAT(WriteFileAtomically(Path("task.json"), absl::StrReplaceAll(*good, {{c.from, c.to}})), IsOk());
    EXPECT_THAT(LoadTask(folder_), StatusIs(c.code, HasSubstr(c.message))) << c.to;
    EXPECT_THAT(LoadTask(folder_), StatusIs(c.code, HasSubstr(Path("task.json")))) << c.to;
  }
  ASSERT_THAT(WriteFileAtomically(Path("task.json"), *good), IsOk());
  const std::vector<float> bad = {std::numeric_limits<float>::quiet_NaN()};
  const std::vector<double> wide = {1};
  const std::pair<SafetensorsEntry, std::string> kTensors[] = {
      {{"head.bias", SafetensorsDtype::kFloat32, {1}, AsBytes<float>(bad)}, "head.bias holds NaN or infinity"},
      {{"head.bias", SafetensorsDtype::kFloat64, {1}, AsBytes<double>(wide)}, "head.bias has type F64, wanted F32"},
  };
  for (const auto& [entry, message] : kTensors) {
    ASSERT_THAT(WriteSafetensors(Path("parameters.safetensors"), {entry}), IsOk());
    EXPECT_THAT(LoadTask(folder_), StatusIs(kDataLoss, HasSubstr("parameters.safetensors: " + message)));
  }
  EXPECT_THAT(LoadTask(Path("none")), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none/task.json")));
}

TEST_F(TaskFolderTest, KnowsTheBackboneByAllThatDecides) {
  BackboneConfig config;
  config.set_name("tiny");
  config.set_layer_norm_eps(1e-12);
  EXPECT_THAT(HashBackbone(folder_, config, kHash),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("model.safetensors: cannot open")));
  ASSERT_THAT(WriteFileAtomically(Path("model.safetensors"), "abc"), IsOk());
  const absl::StatusOr<BackboneHashes> hashes = HashBackbone(folder_, config, kHash);
  ASSERT_THAT(hashes, IsOk());
  EXPECT_EQ(hashes->weights, kHash);
  EXPECT_EQ(hashes->tokenizer, kHash);
  SavedTask task = SomeTask();
  task.backbone.hashes = *hashes;
  EXPECT_THAT(CheckBackbone(task, folder_, *hashes), IsOk());
  // What the encoder is called does not matter.
  config.set_name("other");
  config.set_published_parameters(7);
  const absl::StatusOr<BackboneHashes> renamed = HashBackbone(folder_, config, kHash);
  ASSERT_THAT(renamed, IsOk());
  EXPECT_THAT(CheckBackbone(task, folder_, *renamed), IsOk());

  const std::string other(64, '0');
  config.set_layer_norm_eps(1e-5);
  const absl::StatusOr<BackboneHashes> changed = HashBackbone(folder_, config, other);
  ASSERT_THAT(changed, IsOk());
  EXPECT_THAT(
      CheckBackbone(task, folder_, *changed),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               absl::StrCat(folder_, ": not the backbone 'tiny' that the task was adapted on: config_sha256 is ",
                            changed->config, ", the task's ", hashes->config, "; tokenizer_sha256 is ", other,
                            ", the task's ", kHash)));
  ASSERT_THAT(WriteFileAtomically(Path("model.safetensors"), "abd"), IsOk());
  const absl::StatusOr<BackboneHashes> trained = HashBackbone(folder_, config, kHash);
  ASSERT_THAT(trained, IsOk());
  EXPECT_THAT(CheckBackbone(task, folder_, *trained),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("weights_sha256 is " + trained->weights)));
}

}  // namespace
}  // namespace gbmoa
