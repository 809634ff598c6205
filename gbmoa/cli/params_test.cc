// Runs `gbmoa params` as a user would.

#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/cli/program_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class ParamsTest : public ProgramTest {
 protected:
  // A folder with this config.json where the program runs.
  std::string FolderWith(const std::string& name, const std::string& config) const {
    const std::string folder = Path("work/" + name);
    std::filesystem::create_directory(folder);
    Make("work/" + name + "/config.json", config);
    return folder;
  }

  Outcome Params(const std::string& arguments) const { return Run("params " + arguments); }

  json RunJson(const std::string& arguments) const {
    const Outcome outcome = Params("--json " + arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    const absl::StatusOr<json> parsed = ParseJson("stdout", outcome.out);
    EXPECT_THAT(parsed, IsOk());
    return parsed.ok() ? *parsed : json();
  }
};

// The method's row, by its name and options; null if there is none.
json Find(const json& result, const std::string& method, const json& options) {
  for (const json& row : result.at("methods")) {
    if (row.at("method") == method && row.at("options") == options) return row;
  }
  return nullptr;
}

TEST_F(ParamsTest, RobertaLarge) {
  const json result = RunJson("--backbone=roberta-large");
  ASSERT_TRUE(result.is_object());
  constexpr int64_t kEncoder = 354'310'144;
  EXPECT_EQ(result.at("backbone").dump(),
            R"({"name":"roberta-large","parameters":354310144,"published_parameters":355359744})");
  EXPECT_EQ(result.at("num_classes").get<int>(), 2);
  const json none = json::object();
  const struct {
    std::string method;
    json options;
    int64_t per_task, meta;
  } kCases[] = {
      // 24 layers of two adapters, 2 · 64 · 1024 + 64 + 1024 each
      {"adapter_tuning", {{"bottleneck_dim", "64"}}, 6'343'680, 0},
      // 24 layers, query and value, 2 · 8 · 1024 each
      {"lora", {{"lora_rank", "8"}}, 786'432, 0},
      {"prompt_tuning", {{"prompt_tokens", "20"}}, 20'480, 0},
      {"full_finetuning", none, kEncoder, 0},
      {"maml_ft", none, kEncoder, kEncoder},
      {"frozen_prototypes", none, 0, 0},
      // docs/reading_the_paper.md, "size of H"
      {"gbmoa", {{"hypernetwork", "shared"}}, 6'343'680, 17'340'096},
      {"gbmoa", {{"hypernetwork", "full"}}, 6'343'680, 818'614'912},
  };
  EXPECT_GE(result.at("methods").size(), std::size(kCases));
  for (const auto& c : kCases) {
    const json row = Find(result, c.method, c.options);
    ASSERT_TRUE(row.is_object()) << c.method << " " << c.options;
    EXPECT_EQ(row.at("per_task").get<int64_t>(), c.per_task) << c.method << " " << c.options;
    EXPECT_EQ(row.at("head").get<int64_t>(), 2 * 1024 + 2) << c.method << " " << c.options;
    EXPECT_EQ(row.at("meta").get<int64_t>(), c.meta) << c.method << " " << c.options;
    EXPECT_DOUBLE_EQ(row.at("per_task_percent").get<double>(), 100.0 * c.per_task / kEncoder);
    EXPECT_DOUBLE_EQ(row.at("head_percent").get<double>(), 100.0 * 2050 / kEncoder);
    EXPECT_DOUBLE_EQ(row.at("meta_percent").get<double>(), 100.0 * c.meta / kEncoder);
  }
  // Counting is not allocating: the encoder alone would be 1.4 GB.
  rusage usage;
  ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
  EXPECT_LT(usage.ru_maxrss, 700'000) << "KB";
}

TEST_F(ParamsTest, Table) {
  const Outcome outcome = Params("--backbone=roberta-large");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(outcome.error, "");
  EXPECT_THAT(outcome.out, HasSubstr("roberta-large: 354,310,144 parameters, without a pooler (published with it: "
                                     "355,359,744); a task of 2 classes\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("\nadapter_tuning bottleneck_dim=64 +6,343,680 +1.790 +2,050 +0.001 +0 +0"));
  EXPECT_THAT(outcome.out, ContainsRegex("\nlora lora_rank=8 +786,432 +0.222 "));
  EXPECT_THAT(outcome.out, ContainsRegex("\nprompt_tuning prompt_tokens=20 +20,480 +0.006 "));
  EXPECT_THAT(outcome.out, ContainsRegex("\ngbmoa hypernetwork=full +6,343,680 +1.790 .* 818,614,912 +231.04"));
  // Aligned: every line of the table has the same length.
  const std::vector<std::string> lines = absl::StrSplit(outcome.out, '\n');
  ASSERT_GT(lines.size(), 10u);
  for (size_t i = 2; i + 1 < lines.size(); ++i) EXPECT_EQ(lines[i].size(), lines[2].size()) << lines[i];
}

TEST_F(ParamsTest, OtherBackbones) {
  // Without the flag, the bundled encoder.
  const json bundled = RunJson("--num_classes=5");
  EXPECT_EQ(bundled.at("backbone").dump(),
            R"({"name":"minilm-l6","parameters":22565376,"published_parameters":22713216})");
  // 12 adapters of 2 · 64 · 384 + 64 + 384, and a head of 5 (384 + 1)
  const json adapters = Find(bundled, "adapter_tuning", {{"bottleneck_dim", "64"}});
  ASSERT_TRUE(adapters.is_object());
  EXPECT_EQ(adapters.at("per_task").get<int64_t>(), 595'200);
  EXPECT_EQ(adapters.at("head").get<int64_t>(), 1'925);
  // A folder: config.json is all that it needs.
  const std::string folder =
      FolderWith("tiny", R"({"model_type": "bert", "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1,
                  "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32})");
  for (const std::string& argument : {folder, folder + "/", std::string("tiny"), std::string("./tiny")}) {
    const json tiny = RunJson("--backbone=" + argument);
    // (30 + 32 + 2 + 2) 8 + 4 (64 + 8) + 2 · 8 · 16 + 16 + 8 + 4 · 8
    EXPECT_EQ(tiny.at("backbone").dump(), R"({"name":"tiny","parameters":1128})") << argument;
    EXPECT_EQ(Find(tiny, "lora", {{"lora_rank", "8"}}).at("per_task").get<int64_t>(), 256) << argument;
    // 20 of 32 positions are more than a prompt may have; the other rows are there all the same.
    EXPECT_THAT(Find(tiny, "prompt_tuning", {{"prompt_tokens", "20"}}).at("error").get<std::string>(),
                HasSubstr("option prompt_tokens = '20'"));
  }
  EXPECT_THAT(Params("--backbone=tiny").out, ContainsRegex("\nprompt_tuning prompt_tokens=20 +option prompt_tokens"));
}

TEST_F(ParamsTest, Errors) {
  const struct {
    std::string arguments;
    int exit_code;
    std::string message;
  } kCases[] = {
      {"--backbone=roberta-huge", 64,
       "gbmoa params: --backbone: no such folder, and unknown backbone 'roberta-huge'; known: bert-base-cased, "},
      {"--backbone=" + FolderWith("a", "{}") + "/none", 66, "a/none/config.json: cannot open: No such file"},
      {"--backbone=.", 66, "gbmoa params: ./config.json: cannot open: No such file"},
      {"--backbone=" + FolderWith("b", "{\"model_type\": \"bert\", \"hidden_size\": 769}"), 65,
       "b/config.json: num_attention_heads: 12 does not divide hidden_size 769"},
      {"--backbone=" + FolderWith("c", "{"), 65, "c/config.json:1:"},
      {"--backbone=" + FolderWith("d", "{\"model_type\": \"gpt2\"}"), 64, "d/config.json: model_type: unknown 'gpt2'"},
      {"--num_classes=0", 64, "--num_classes: 0 is not in 1 to 1000000"},
      {"--num_classes=two", 64, "--num_classes: "},
      {"--input=x", 64, "unknown flag --input"},
      {"roberta-large", 64, "unexpected argument 'roberta-large'"},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Params(c.arguments);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.arguments << "\n" << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

}  // namespace
}  // namespace gbmoa
