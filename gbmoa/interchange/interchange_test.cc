// Tasks that peft and AdapterHub saved: imported, they predict what the library itself did; exported again, they are
// what the library wrote. What does not fit is refused by name.

#include <stdlib.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/interchange/format.h"
#include "gbmoa/task/learner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::vector<T> Values(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsView* view = file.Find(name);
  EXPECT_NE(view, nullptr) << name;
  if (view == nullptr) return {};
  std::vector<T> values(view->data.size() / sizeof(T));
  std::memcpy(values.data(), view->data.data(), view->data.size());
  return values;
}

class InterchangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/interchange_testXXXXXX");
    ASSERT_NE(mkdtemp(&name[0]), nullptr);
    folder_ = name;
  }

  static std::string Testdata(const std::string& name) {
    const absl::StatusOr<std::string> path =
        RunfilePath(absl::StrCat("gbmoa/gbmoa/interchange/testdata/", name, "/golden.safetensors"));
    EXPECT_THAT(path, IsOk());
    return path.ok() ? path->substr(0, path->rfind('/')) : "";
  }

  static InterchangeBackbone BackboneOf(const std::string& family) {
    const std::string folder = JoinPath(Testdata(family), "backbone");
    const absl::StatusOr<BackboneConfig> config = ReadBackboneConfig(folder);
    EXPECT_THAT(config, IsOk());
    return {folder, *config};
  }

  // A copy of a case's folder.
  std::string Copy(const std::string& family, const std::string& name, const std::string& as) const {
    const std::string copy = JoinPath(folder_, as);
    std::filesystem::create_directory(copy);
    for (const auto& entry : std::filesystem::directory_iterator(JoinPath(Testdata(family), name))) {
      const absl::StatusOr<std::string> contents = ReadFile(entry.path(), 1 << 20);
      EXPECT_THAT(contents, IsOk());
      EXPECT_THAT(WriteFileAtomically(JoinPath(copy, entry.path().filename().string()), *contents), IsOk());
    }
    return copy;
  }

  std::string NewFolder(const std::string& name) const {
    const std::string folder = JoinPath(folder_, name);
    std::filesystem::create_directory(folder);
    return folder;
  }

  std::string folder_;
};

// Logits of the task on the golden token sequences.
std::vector<float> LogitsOf(const SavedTask& task, const InterchangeBackbone& where, const SafetensorsFile& golden) {
  absl::StatusOr<std::shared_ptr<const Backbone>> backbone = Backbone::Load(where.folder, Precision::kFloat32);
  EXPECT_THAT(backbone, IsOk());
  if (!backbone.ok()) return {};
  const absl::StatusOr<std::unique_ptr<Learner>> learner =
      LearnerRegistry::Global().Create(task.method, *std::move(backbone), task.options);
  EXPECT_THAT(learner, IsOk());
  if (!learner.ok()) return {};
  const absl::StatusOr<std::unique_ptr<Predictor>> predictor = (*learner)->Restore(task.num_classes(), task.parameters);
  EXPECT_THAT(predictor, IsOk());
  if (!predictor.ok()) return {};
  Batch batch;
  batch.tokens.ids = Values<int32_t>(golden, "ids");
  batch.tokens.type_ids = Values<int32_t>(golden, "type_ids");
  batch.tokens.offsets = Values<int64_t>(golden, "offsets");
  batch.num_classes = task.num_classes();
  const absl::StatusOr<std::vector<float>> logits = (*predictor)->Logits(batch);
  EXPECT_THAT(logits, IsOk());
  return logits.ok() ? *logits : std::vector<float>();
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want, const std::string& name) {
  ASSERT_EQ(got.size(), want.size()) << name;
  // float32 through two layers of width 16, logits of about 1, sums in another order.
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5) << name << ", number " << i;
}

// What decides how a library loads a folder. Some of its lists are sets, and peft writes some names more than once.
json Deciding(const json& config) {
  json deciding;
  for (const char* field : {"peft_type",
                            "task_type",
                            "r",
                            "lora_alpha",
                            "bias",
                            "fan_in_fan_out",
                            "use_rslora",
                            "use_dora",
                            "rank_pattern",
                            "alpha_pattern",
                            "num_virtual_tokens",
                            "token_dim",
                            "num_layers",
                            "num_attention_heads",
                            "num_transformer_submodules",
                            "name",
                            "model_type",
                            "model_class",
                            "hidden_size",
                            "mh_adapter",
                            "output_adapter",
                            "non_linearity",
                            "original_ln_before",
                            "original_ln_after",
                            "ln_before",
                            "ln_after",
                            "residual_before_ln",
                            "adapter_residual_before_ln",
                            "is_parallel",
                            "scaling",
                            "use_gating",
                            "phm_layer",
                            "head_type",
                            "num_labels",
                            "layers",
                            "activation_function",
                            "use_pooler",
                            "label2id"}) {
    if (config.contains(field)) deciding[field] = config[field];
  }
  for (const char* field : {"target_modules", "modules_to_save"}) {
    if (!config.contains(field) || !config[field].is_array()) continue;
    deciding[field] = config[field].get<std::set<std::string>>();
  }
  // int(D // factor) is what counts.
  if (config.contains("reduction_factor"))
    deciding["bottleneck"] = std::floor(16 / config["reduction_factor"].get<double>());
  if (config.contains("config")) deciding["config"] = Deciding(config["config"]);
  return deciding;
}

void ExpectSameTensors(const std::string& got_path, const std::string& want_path) {
  const absl::StatusOr<SafetensorsFile> got = SafetensorsFile::Open(got_path);
  const absl::StatusOr<SafetensorsFile> want = SafetensorsFile::Open(want_path);
  ASSERT_THAT(got, IsOk());
  ASSERT_THAT(want, IsOk());
  ASSERT_EQ(got->tensors().size(), want->tensors().size()) << want_path;
  for (size_t i = 0; i < want->tensors().size(); ++i) {
    const SafetensorsView &a = got->tensors()[i], &b = want->tensors()[i];
    EXPECT_EQ(a.name, b.name) << want_path;
    EXPECT_EQ(a.dtype, b.dtype) << b.name;
    EXPECT_EQ(a.shape, b.shape) << b.name;
    EXPECT_EQ(a.data, b.data) << b.name;
  }
}

struct GoldenCase {
  std::string family, name;
  std::string format;  // to write it as the library did; empty where the library wrote it in another way
  std::vector<std::string> labels;
};

const GoldenCase kGolden[] = {
    {"bert", "peft_lora", "peft", {"0", "1", "2"}},
    {"bert", "peft_lora_frozen_pooler", "", {"0", "1", "2"}},
    {"bert", "peft_prompt", "peft", {"0", "1", "2"}},
    {"bert", "adapterhub", "adapterhub", {"bad", "fine", "good"}},
    {"bert", "adapterhub_pooler", "", {"bad", "fine", "good"}},
    {"roberta", "peft_lora", "peft", {"0", "1", "2"}},
    {"roberta", "peft_prompt", "peft", {"0", "1", "2"}},
    {"roberta", "adapterhub", "adapterhub", {"bad", "fine", "good"}},
    {"roberta", "adapterhub_plain", "", {"bad", "fine", "good"}},
};

TEST_F(InterchangeTest, WhatTheLibrariesSaved) {
  for (const GoldenCase& c : kGolden) {
    const std::string name = absl::StrCat(c.family, "/", c.name), theirs = JoinPath(Testdata(c.family), c.name);
    const InterchangeBackbone backbone = BackboneOf(c.family);
    const absl::StatusOr<SafetensorsFile> golden =
        SafetensorsFile::Open(JoinPath(Testdata(c.family), "golden.safetensors"));
    ASSERT_THAT(golden, IsOk());
    const absl::StatusOr<SavedTask> task = ImportTask(theirs, backbone, {});
    ASSERT_THAT(task, IsOk()) << name;
    EXPECT_EQ(task->labels, c.labels) << name;
    ExpectNear(LogitsOf(*task, backbone, *golden), Values<float>(*golden, c.name), name);

    // Out again, and in again.
    const std::string ours = NewFolder(absl::StrCat(c.family, "_", c.name));
    const std::string format = absl::StrContains(c.name, "peft") ? "peft" : "adapterhub";
    ASSERT_THAT(ExportTask(*task, format, backbone.config, "task", ours), IsOk()) << name;
    const absl::StatusOr<SavedTask> again = ImportTask(ours, backbone, {});
    ASSERT_THAT(again, IsOk()) << name;
    EXPECT_EQ(again->method, task->method) << name;
    EXPECT_EQ(again->options, task->options) << name;
    EXPECT_EQ(again->labels, task->labels) << name;
    EXPECT_EQ(again->parameters, task->parameters) << name;
    if (c.format.empty()) continue;
    for (const auto& entry : std::filesystem::directory_iterator(theirs)) {
      const std::string file = entry.path().filename();
      if (absl::EndsWith(file, ".safetensors")) {
        ExpectSameTensors(JoinPath(ours, file), JoinPath(theirs, file));
      } else {
        const absl::StatusOr<json> got = LoadJson(JoinPath(ours, file)), want = LoadJson(JoinPath(theirs, file));
        ASSERT_THAT(got, IsOk()) << name;
        ASSERT_THAT(want, IsOk()) << name;
        EXPECT_EQ(Deciding(*got), Deciding(*want)) << name << "/" << file;
      }
    }
  }
}

// Our own head goes beside the adapter and comes back.
TEST_F(InterchangeTest, UnitMeanHead) {
  const InterchangeBackbone backbone = BackboneOf("bert");
  const absl::StatusOr<SafetensorsFile> golden =
      SafetensorsFile::Open(JoinPath(Testdata("bert"), "golden.safetensors"));
  ASSERT_THAT(golden, IsOk());
  for (const std::string name : {"peft_lora", "peft_prompt", "adapterhub"}) {
    absl::StatusOr<SavedTask> task = ImportTask(JoinPath(Testdata("bert"), name), backbone, {"a", "b", "c"});
    ASSERT_THAT(task, IsOk()) << name;
    task->options.erase("head");
    task->parameters.erase("head.dense.weight");
    task->parameters.erase("head.dense.bias");
    task->max_tokens = 20;
    EXPECT_EQ(HeadName(*task), "unit_mean");
    const std::vector<float> want = LogitsOf(*task, backbone, *golden);
    const std::string folder = NewFolder(name);
    ASSERT_THAT(ExportTask(*task, name == "adapterhub" ? "adapterhub" : "peft", backbone.config, "task", folder),
                IsOk());
    EXPECT_THAT(ReadFile(JoinPath(folder, "README.md"), 1 << 20),
                IsOkAndHolds(HasSubstr("logits = 10 * (feature @ head[\"weight\"].T + head[\"bias\"])")));
    const absl::StatusOr<SavedTask> again = ImportTask(folder, backbone, {});
    ASSERT_THAT(again, IsOk()) << name;
    EXPECT_THAT(again->labels, ElementsAre("a", "b", "c"));
    EXPECT_EQ(LogitsOf(*again, backbone, *golden), want) << name;
  }
}

// Bottlenecks that do not divide the width, and projections whose names end alike.
TEST_F(InterchangeTest, WhatNeedsCare) {
  const InterchangeBackbone backbone = BackboneOf("bert");
  const auto d = static_cast<size_t>(backbone.config.hidden_size());
  SavedTask task;
  task.labels = {"a", "b"};
  task.parameters = {{"head.weight", std::vector<float>(2 * d, 0.5f)}, {"head.bias", {0, 1}}};
  for (const size_t m : {1u, 5u, 7u, 15u, 16u, 17u, 40u}) {
    SavedTask adapters = task;
    adapters.method = "adapter_tuning";
    for (const int layer : {0, 1}) {
      for (const char* place : {"attention", "feed_forward"}) {
        const std::string prefix = absl::StrCat("layer.", layer, ".", place, ".adapter.");
        adapters.parameters[prefix + "down.weight"].resize(m * d);
        adapters.parameters[prefix + "down.bias"].resize(m);
        adapters.parameters[prefix + "up.weight"].resize(m * d);
        adapters.parameters[prefix + "up.bias"].resize(d);
      }
    }
    const std::string folder = NewFolder(absl::StrCat("adapters", m));
    ASSERT_THAT(ExportTask(adapters, "adapterhub", backbone.config, "x", folder), IsOk());
    const absl::StatusOr<SavedTask> again = ImportTask(folder, backbone, {});
    ASSERT_THAT(again, IsOk()) << m;
    EXPECT_EQ(again->options.at("bottleneck_dim"), absl::StrCat(m));
    EXPECT_EQ(again->parameters, adapters.parameters);
  }
  // "output.dense" alone would name the attention's output, too.
  SavedTask lora = task;
  lora.method = "lora";
  const size_t f = static_cast<size_t>(backbone.config.intermediate_size());
  for (const int layer : {0, 1}) {
    lora.parameters[absl::StrCat("layer.", layer, ".output.lora.a")].resize(2 * f);
    lora.parameters[absl::StrCat("layer.", layer, ".output.lora.b")].resize(2 * d);
  }
  const std::string folder = NewFolder("output");
  ASSERT_THAT(ExportTask(lora, "peft", backbone.config, "x", folder), IsOk());
  const absl::StatusOr<json> config = LoadJson(JoinPath(folder, "adapter_config.json"));
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT((*config)["target_modules"].get<std::vector<std::string>>(),
              ElementsAre("encoder.layer.0.output.dense", "encoder.layer.1.output.dense"));
  const absl::StatusOr<SavedTask> again = ImportTask(folder, backbone, {});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->options, LearnerOptions({{"lora_rank", "2"}, {"lora_alpha", "16.0"}, {"lora_targets", "output"}}));
  EXPECT_EQ(again->parameters, lora.parameters);
}

TEST_F(InterchangeTest, HalfPrecision) {
  const InterchangeBackbone backbone = BackboneOf("bert");
  const std::string folder = Copy("bert", "peft_prompt", "half");
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(JoinPath(folder, "adapter_model.safetensors"));
  ASSERT_THAT(file, IsOk());
  // IEEE 754: binary16 of 1, -2, 0.333251953125, the least subnormal 2^-24, 65504; the upper halves of binary32.
  const std::pair<SafetensorsDtype, std::vector<uint16_t>> kTypes[] = {
      {SafetensorsDtype::kFloat16, {0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff}},
      {SafetensorsDtype::kBfloat16, {0x3f80, 0xc000, 0x3eaa, 0x3380, 0x4780}}};
  const std::vector<float> kValues[] = {{1, -2, 0.333251953125f, 5.9604644775390625e-8f, 65504},
                                        {1, -2, 0.33203125f, 5.9604644775390625e-8f, 65536}};
  for (int i = 0; i < 2; ++i) {
    std::vector<uint16_t> bits = kTypes[i].second;
    bits.resize(64, 0);
    std::vector<SafetensorsEntry> entries = {
        {"prompt_embeddings", kTypes[i].first, {4, 16}, AsBytes<uint16_t>(absl::MakeConstSpan(bits))}};
    for (const SafetensorsView& view : file->tensors()) {
      if (view.name == "prompt_embeddings") continue;
      entries.push_back({std::string(view.name), view.dtype, {view.shape.begin(), view.shape.end()}, view.data});
    }
    ASSERT_THAT(WriteSafetensors(JoinPath(folder, "adapter_model.safetensors"), entries), IsOk());
    const absl::StatusOr<SavedTask> task = ImportTask(folder, backbone, {});
    ASSERT_THAT(task, IsOk());
    std::vector<float> prompt = task->parameters.at("prompt");
    prompt.resize(5);
    EXPECT_EQ(prompt, kValues[i]);
  }
}

// One field of a configuration changed.
TEST_F(InterchangeTest, WhatWeDoNotHaveIsRefusedByName) {
  constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented, kDataLoss = absl::StatusCode::kDataLoss;
  const struct {
    std::string name, file, place;  // place "": the outermost object
    json change;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"peft_type", "IA3"}},
       kUnimplemented,
       "peft_type: 'IA3' is not supported"},
      {"peft_lora", "adapter_config.json", "", {{"task_type", "CAUSAL_LM"}}, kUnimplemented, "task_type: 'CAUSAL_LM'"},
      {"peft_lora", "adapter_config.json", "", {{"use_rslora", true}}, kUnimplemented, "use_rslora: true"},
      {"peft_lora", "adapter_config.json", "", {{"use_dora", true}}, kUnimplemented, "use_dora: true"},
      {"peft_lora", "adapter_config.json", "", {{"bias", "all"}}, kUnimplemented, "bias: \"all\""},
      {"peft_lora", "adapter_config.json", "", {{"rank_pattern", {{"query", 2}}}}, kUnimplemented, "rank_pattern: "},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"layers_to_transform", {0}}},
       kUnimplemented,
       "layers_to_transform: [0]"},
      {"peft_lora", "adapter_config.json", "", {{"init_lora_weights", "pissa"}}, kUnimplemented, "init_lora_weights: "},
      {"peft_lora", "adapter_config.json", "", {{"of_tomorrow", 2}}, kUnimplemented, "of_tomorrow: 2 is not supported"},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"use_dora", true}, {"lora_bias", true}},
       kUnimplemented,
       "; use_dora: "},
      {"peft_lora", "adapter_config.json", "", {{"r", "4"}}, kDataLoss, "r: wanted a whole number, got \"4\""},
      {"peft_lora", "adapter_config.json", "", {{"r", 0}}, kDataLoss, "r: 0 is not in 1 to"},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"r", 5}},
       kDataLoss,
       "bert.encoder.layer.1.attention.self.value.lora_B.weight is [16, 4], wanted [16, 5]"},
      {"peft_lora", "adapter_config.json", "", {{"lora_alpha", 0}}, kDataLoss, "lora_alpha: 0 is not above 0"},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"target_modules", {"query"}}},
       kDataLoss,
       "base_model.model.bert.encoder.layer.0.attention.self.value.lora_A.weight is unknown"},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"target_modules", {"query", "value", "key"}}},
       kDataLoss,
       "base_model.model.bert.encoder.layer.1.attention.self.key.lora_B.weight is missing"},
      {"peft_lora",
       "adapter_config.json",
       "",
       {{"target_modules", {"value", "0.attention.self.query"}}},
       kUnimplemented,
       "target_modules: attention.self.query in 1 of 2 layers"},
      {"peft_lora", "adapter_config.json", "", {{"target_modules", {"q_proj"}}}, kUnimplemented, "target_modules: "},
      {"peft_lora", "adapter_config.json", "", {{"target_modules", 3}}, kDataLoss, "target_modules: wanted a list"},
      {"peft_lora_frozen_pooler",
       "adapter_config.json",
       "",
       {{"modules_to_save", {"pooler"}}},
       kDataLoss,
       "base_model.model.bert.pooler.dense.weight is missing"},
      {"peft_prompt",
       "adapter_config.json",
       "",
       {{"num_virtual_tokens", 5}},
       kDataLoss,
       "prompt_embeddings is [4, 16], wanted [5, 16]"},
      {"peft_prompt", "adapter_config.json", "", {{"token_dim", 32}}, kUnimplemented, "token_dim: 32"},
      {"adapterhub", "adapter_config.json", "", {{"model_type", "roberta"}}, kUnimplemented, "model_type: \"roberta\""},
      {"adapterhub", "adapter_config.json", "", {{"hidden_size", 768}}, kUnimplemented, "hidden_size: 768"},
      {"adapterhub",
       "adapter_config.json",
       "",
       {{"name", "other"}},
       kDataLoss,
       "bert.encoder.layer.0.attention.output.adapters.other.adapter_down.0.weight is missing"},
      {"adapterhub", "adapter_config.json", "", {{"config", nullptr}}, kDataLoss, "wanted an object, got null"},
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"architecture", "lora"}},
       kUnimplemented,
       "architecture: 'lora'"},
      // seq_bn
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"mh_adapter", false}, {"original_ln_before", true}},
       kUnimplemented,
       "mh_adapter: false is not supported, only true; original_ln_before: true is not supported, only false"},
      {"adapterhub", "adapter_config.json", "config", {{"leave_out", {1}}}, kUnimplemented, "leave_out: [1]"},
      {"adapterhub", "adapter_config.json", "config", {{"is_parallel", true}}, kUnimplemented, "is_parallel: true"},
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"inv_adapter", "nice"}},
       kUnimplemented,
       "inv_adapter: \"nice\""},
      {"adapterhub", "adapter_config.json", "config", {{"scaling", 4.0}}, kUnimplemented, "scaling: 4.0"},
      {"adapterhub", "adapter_config.json", "config", {{"scaling", "learned"}}, kUnimplemented, "scaling: \"learned\""},
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"non_linearity", "leakyrelu"}},
       kUnimplemented,
       "non_linearity: 'leakyrelu' is not supported, only relu, gelu, swish"},
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"reduction_factor", 2}},
       kDataLoss,
       "is [4, 16], wanted [8, 16]"},
      {"adapterhub",
       "adapter_config.json",
       "config",
       {{"reduction_factor", {{"0", 4}, {"default", 2}}}},
       kUnimplemented,
       "reduction_factor: layers of different sizes"},
      {"adapterhub", "adapter_config.json", "config", {{"reduction_factor", 0}}, kDataLoss, "reduction_factor: wanted"},
      {"adapterhub",
       "head_config.json",
       "",
       {{"model_class", "BertForTokenClassification"}},
       kUnimplemented,
       "model_class: 'BertForTokenClassification' is not supported, only BertAdapterModel"},
      {"adapterhub",
       "head_config.json",
       "config",
       {{"head_type", "tagging"}},
       kUnimplemented,
       "head_type: \"tagging\""},
      {"adapterhub", "head_config.json", "config", {{"layers", 1}}, kUnimplemented, "layers: 1 without the pooler"},
      {"adapterhub",
       "head_config.json",
       "config",
       {{"use_pooler", true}},
       kUnimplemented,
       "layers: 2 after the pooler"},
      {"adapterhub",
       "head_config.json",
       "config",
       {{"activation_function", "relu"}},
       kUnimplemented,
       "activation_function: \"relu\""},
      {"adapterhub",
       "head_config.json",
       "config",
       {{"label2id", {{"a", 0}, {"b", 2}, {"c", 3}}}},
       kDataLoss,
       "label2id: wanted a text for each of the classes 0 to 2"},
  };
  const InterchangeBackbone backbone = BackboneOf("bert");
  int number = 0;
  for (const auto& c : kCases) {
    const std::string folder = Copy("bert", c.name, absl::StrCat("case", number++)), path = JoinPath(folder, c.file);
    absl::StatusOr<json> config = LoadJson(path);
    ASSERT_THAT(config, IsOk());
    json& object = c.place.empty() ? *config : (*config)[c.place];
    for (const auto& [field, value] : c.change.items()) object[field] = value;
    ASSERT_THAT(WriteFileAtomically(path, config->dump()), IsOk());
    EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(c.code, HasSubstr(c.message))) << c.name << c.change;
  }
}

// The file of tensors changed, or gone.
TEST_F(InterchangeTest, TensorsThatDoNotFit) {
  const InterchangeBackbone backbone = BackboneOf("bert");
  const std::string folder = Copy("bert", "peft_lora", "peft"), path = JoinPath(folder, "adapter_model.safetensors");
  const absl::StatusOr<std::string> good = ReadFile(path, 1 << 20);
  ASSERT_THAT(good, IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse("good", *good);
  ASSERT_THAT(file, IsOk());
  const std::string bias = "base_model.model.classifier.bias", weight = "base_model.model.classifier.weight";
  const auto write = [&](const std::map<std::string, SafetensorsEntry>& changes) {
    std::vector<SafetensorsEntry> entries;
    for (const SafetensorsView& view : file->tensors()) {
      if (changes.count(std::string(view.name)) > 0) continue;
      entries.push_back({std::string(view.name), view.dtype, {view.shape.begin(), view.shape.end()}, view.data});
    }
    for (const auto& [name, entry] : changes) {
      if (!entry.name.empty()) entries.push_back(entry);
    }
    ASSERT_THAT(WriteSafetensors(path, entries), IsOk());
  };
  const std::vector<float> nan = {0, std::numeric_limits<float>::quiet_NaN(), 0};
  const std::vector<int32_t> whole = {1, 2, 3};
  const std::vector<float> one = {1}, row(16, 1.f);
  constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

  write({{bias, {bias, SafetensorsDtype::kFloat32, {3}, AsBytes<float>(absl::MakeConstSpan(nan))}}});
  EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(kDataLoss, HasSubstr(bias + " holds NaN or infinity")));
  write({{bias, {bias, SafetensorsDtype::kInt32, {3}, AsBytes<int32_t>(absl::MakeConstSpan(whole))}}});
  EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(kDataLoss, HasSubstr(bias + " has type I32")));
  // All that is wrong is told at once.
  write({{bias, {}}, {"zz", {"zz", SafetensorsDtype::kFloat32, {1}, AsBytes<float>(absl::MakeConstSpan(one))}}});
  EXPECT_THAT(ImportTask(folder, backbone, {}),
              StatusIs(kDataLoss, HasSubstr("does not fit: " + bias + " is missing; zz is unknown")));
  // A shape that promises a million million classes and holds nothing; no memory is spent on them.
  write({{weight, {weight, SafetensorsDtype::kFloat32, {1'000'000'000'000, 0}, {}}}});
  EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(kDataLoss, HasSubstr("does not fit: " + weight)));
  // A regression's head.
  write({{bias, {bias, SafetensorsDtype::kFloat32, {1}, AsBytes<float>(absl::MakeConstSpan(one))}},
         {weight, {weight, SafetensorsDtype::kFloat32, {1, 16}, AsBytes<float>(absl::MakeConstSpan(row))}}});
  EXPECT_THAT(ImportTask(folder, backbone, {}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("the head has 1 output, a regression")));

  ASSERT_THAT(WriteFileAtomically(path, good->substr(0, good->size() - 1)), IsOk());
  EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(kDataLoss, HasSubstr(path)));
  ASSERT_TRUE(std::filesystem::remove(path));
  EXPECT_THAT(ImportTask(folder, backbone, {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
  ASSERT_THAT(WriteFileAtomically(JoinPath(folder, "adapter_model.bin"), "PK"), IsOk());
  EXPECT_THAT(ImportTask(folder, backbone, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("adapter_model.bin: is a pickle")));
}

TEST_F(InterchangeTest, HeadWithoutClasses) {
  const std::string folder = Copy("bert", "adapterhub", "none"), config = JoinPath(folder, "head_config.json");
  const absl::StatusOr<json> good = LoadJson(config);
  ASSERT_THAT(good, IsOk());
  json changed = *good;
  changed["config"]["label2id"] = json::object();
  ASSERT_THAT(WriteFileAtomically(config, changed.dump()), IsOk());
  const absl::StatusOr<std::string> tensors = ReadFile(JoinPath(folder, "model_head.safetensors"), 1 << 20);
  ASSERT_THAT(tensors, IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse("good", *tensors);
  ASSERT_THAT(file, IsOk());
  std::vector<SafetensorsEntry> entries;
  for (const SafetensorsView& view : file->tensors()) {
    const bool of_output = view.shape[0] == 3;
    entries.push_back({std::string(view.name), view.dtype, {view.shape.begin(), view.shape.end()}, view.data});
    if (!of_output) continue;
    entries.back().shape[0] = 0;
    entries.back().data = {};
  }
  ASSERT_THAT(WriteSafetensors(JoinPath(folder, "model_head.safetensors"), entries), IsOk());
  EXPECT_THAT(ImportTask(folder, BackboneOf("bert"), {}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("label2id: wanted a text for each of the classes")));
}

TEST_F(InterchangeTest, RequestsThatDoNotFit) {
  constexpr absl::StatusCode kInvalidArgument = absl::StatusCode::kInvalidArgument;
  const InterchangeBackbone backbone = BackboneOf("bert");
  const std::string theirs = JoinPath(Testdata("bert"), "peft_lora");
  EXPECT_THAT(ImportTask(theirs, backbone, {"a", "b"}),
              StatusIs(kInvalidArgument, HasSubstr("2 labels for the 3 classes of the head")));
  EXPECT_THAT(ImportTask(theirs, backbone, {"a", "b", "a"}),
              StatusIs(kInvalidArgument, HasSubstr("labels must differ")));
  absl::StatusOr<SavedTask> lora = ImportTask(theirs, backbone, {});
  absl::StatusOr<SavedTask> adapters = ImportTask(JoinPath(Testdata("bert"), "adapterhub"), backbone, {});
  ASSERT_THAT(lora, IsOk());
  ASSERT_THAT(adapters, IsOk());
  const auto export_to = [&](const SavedTask& task, const std::string& format) {
    return ExportTask(task, format, backbone.config, "task", folder_);
  };
  EXPECT_THAT(export_to(*lora, "onnx"), StatusIs(kInvalidArgument, HasSubstr("'onnx'; known: adapterhub, peft")));
  EXPECT_THAT(export_to(*lora, "adapterhub"), StatusIs(kInvalidArgument, HasSubstr("takes bottleneck adapters")));
  EXPECT_THAT(export_to(*adapters, "peft"), StatusIs(kInvalidArgument, HasSubstr("takes lora and prompt_tuning")));
  adapters->parameters["encoder.layer.0.output.LayerNorm.bias"] = std::vector<float>(16);
  EXPECT_THAT(export_to(*adapters, "adapterhub"),
              StatusIs(kInvalidArgument, HasSubstr("no place for trained layer norms")));
  lora->encoding = Encoding::kPairApart;
  EXPECT_THAT(export_to(*lora, "peft"), StatusIs(kInvalidArgument, HasSubstr("encodes pairs apart")));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  ASSERT_THAT(WriteFileAtomically(JoinPath(folder_, "adapter_config.json"), "{}"), IsOk());
  EXPECT_THAT(ImportTask(folder_, backbone, {}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("of no known format; known: adapterhub, peft")));
}

}  // namespace
}  // namespace gbmoa
