#include "gbmoa/backbone/backbone_config.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = R"({
  "hidden_act": "gelu", "hidden_size": 12, "intermediate_size": 48, "layer_norm_eps": 1e-05,
  "max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 3, "num_hidden_layers": 2,
  "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 100, "of_no_interest": [null]
})";

TEST(BackboneConfigTest, ReadsMiniLm) {
  const absl::StatusOr<std::string> folder = BundledBackboneFolder();
  ASSERT_THAT(folder, IsOk());
  const absl::StatusOr<BackboneConfig> config = ReadBackboneConfig(*folder + "/");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->name(), "model");
  EXPECT_EQ(config->family(), BackboneConfig::BERT);
  EXPECT_EQ(config->activation(), BackboneConfig::GELU);
  EXPECT_EQ(config->vocab_size(), 30522);
  EXPECT_EQ(config->hidden_size(), 384);
  EXPECT_EQ(config->num_hidden_layers(), 6);
  EXPECT_EQ(config->num_attention_heads(), 12);
  EXPECT_EQ(config->intermediate_size(), 1536);
  EXPECT_EQ(config->max_position_embeddings(), 512);
  EXPECT_EQ(config->type_vocab_size(), 2);
  EXPECT_EQ(config->layer_norm_eps(), 1e-12);
  EXPECT_EQ(config->position_offset(), 0);
  EXPECT_EQ(config->pad_token_id(), 0);
  EXPECT_EQ(MaxSequenceTokens(*config), 512);
}

TEST(BackboneConfigTest, RobertaCountsPositionsFromTwo) {
  const absl::StatusOr<BackboneConfig> config = ParseBackboneConfig("c", kConfig);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->family(), BackboneConfig::ROBERTA);
  EXPECT_EQ(config->position_offset(), 2);
  EXPECT_EQ(MaxSequenceTokens(*config), 512);
}

// transformers' BertConfig() and RobertaConfig().
TEST(BackboneConfigTest, AbsentFieldsHaveHuggingFaceDefaults) {
  for (const bool roberta : {false, true}) {
    const absl::StatusOr<BackboneConfig> config = ParseBackboneConfig(
        "c", roberta ? "{\"model_type\": \"roberta\"}" : "{\"model_type\": \"bert\", \"pad_token_id\": null}");
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->vocab_size(), roberta ? 50265 : 30522);
    EXPECT_EQ(config->hidden_size(), 768);
    EXPECT_EQ(config->num_hidden_layers(), 12);
    EXPECT_EQ(config->num_attention_heads(), 12);
    EXPECT_EQ(config->intermediate_size(), 3072);
    EXPECT_EQ(config->max_position_embeddings(), 512);
    EXPECT_EQ(config->type_vocab_size(), 2);
    EXPECT_EQ(config->layer_norm_eps(), 1e-12);
    EXPECT_EQ(config->pad_token_id(), roberta ? 1 : 0);
    EXPECT_EQ(config->position_offset(), roberta ? 2 : 0);
    EXPECT_EQ(config->activation(), BackboneConfig::GELU);
  }
}

TEST(BackboneConfigTest, Activations) {
  const std::pair<const char*, BackboneConfig::Activation> kCases[] = {
      {"gelu", BackboneConfig::GELU},           {"gelu_new", BackboneConfig::GELU_TANH},
      {"gelu_fast", BackboneConfig::GELU_TANH}, {"gelu_pytorch_tanh", BackboneConfig::GELU_TANH},
      {"relu", BackboneConfig::RELU},
  };
  for (const auto& [name, activation] : kCases) {
    const absl::StatusOr<BackboneConfig> config =
        ParseBackboneConfig("c", absl::StrReplaceAll(kConfig, {{"\"gelu\"", absl::StrCat("\"", name, "\"")}}));
    ASSERT_THAT(config, IsOk()) << name;
    EXPECT_EQ(config->activation(), activation) << name;
  }
}

// The offset is one more than the padding's id, wherever that is.
TEST(BackboneConfigTest, RobertaPositionsFollowThePadding) {
  const absl::StatusOr<BackboneConfig> config =
      ParseBackboneConfig("c", absl::StrReplaceAll(kConfig, {{"\"pad_token_id\": 1", "\"pad_token_id\": 4"}}));
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->position_offset(), 5);
  EXPECT_EQ(MaxSequenceTokens(*config), 509);
}

TEST(BackboneConfigTest, MissingFile) {
  EXPECT_THAT(ReadBackboneConfig("/nowhere"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/config.json")));
}

TEST(BackboneConfigTest, Refuses) {
  const auto kBad = absl::StatusCode::kDataLoss, kUnknownKind = absl::StatusCode::kUnimplemented;
  const struct {
    std::string from, to;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"\"hidden_size\": 12", "\"hidden_size\": ", kBad, "c/config.json:2:"},
      {"\"hidden_size\": 12", "\"hidden_size\": 12, \"hidden_size\": 12", kBad,
       "c/config.json: 'hidden_size' comes twice"},
      {"\"hidden_size\": 12", "\"hidden_size\": null", kBad,
       "c/config.json: hidden_size: wanted a whole number, got null"},
      {"\"hidden_size\": 12", "\"hidden_size\": \"12\"", kBad, "hidden_size: wanted a whole number, got \"12\""},
      {"\"hidden_size\": 12", "\"hidden_size\": 12.0", kBad, "hidden_size: wanted a whole number, got 12.0"},
      {"\"hidden_size\": 12", "\"hidden_size\": [12]", kBad, "hidden_size: wanted a whole number, got [12]"},
      {"\"hidden_size\": 12", "\"hidden_size\": true", kBad, "hidden_size: wanted a whole number, got true"},
      {"\"hidden_size\": 12", "\"hidden_size\": 4294967308", kBad, "hidden_size: 4294967308 is out of range"},
      {"\"hidden_size\": 12", "\"hidden_size\": -4294967308", kBad, "hidden_size: -4294967308 is out of range"},
      {"\"hidden_size\": 12", "\"hidden_size\": 0", kBad, "hidden_size: 0 is not in 1 to 65536"},
      {"\"hidden_size\": 12", "\"hidden_size\": -12", kBad, "hidden_size: -12 is not in 1 to 65536"},
      {"\"hidden_size\": 12", "\"hidden_size\": 13", kBad, "num_attention_heads: 3 does not divide hidden_size 13"},
      {"\"hidden_size\": 12", "\"hidden_size\": 300000", kBad, "hidden_size: 300000 is not in 1 to 65536"},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 100000", kBad,
       "num_hidden_layers: 100000 is not in 1 to 1000"},
      {"\"num_attention_heads\": 3", "\"num_attention_heads\": 0", kBad, "num_attention_heads: 0 is not in 1"},
      {"\"intermediate_size\": 48", "\"intermediate_size\": 0", kBad, "intermediate_size: 0 is not in 1"},
      {"\"vocab_size\": 100", "\"vocab_size\": 2147483647", kBad, "vocab_size: 2147483647 is not in 1 to 10000000"},
      {"\"type_vocab_size\": 1", "\"type_vocab_size\": 0", kBad, "type_vocab_size: 0 is not in 1 to 1000"},
      {"\"pad_token_id\": 1", "\"pad_token_id\": 100", kBad, "pad_token_id: 100 is not in 0 to 99"},
      {"\"pad_token_id\": 1", "\"pad_token_id\": -1", kBad, "pad_token_id: -1 is not in 0 to 99"},
      {"514", "4", kBad, "max_position_embeddings: 4 leaves fewer than 3 positions after the first 2"},
      {"514", "0", kBad, "max_position_embeddings: 0 is not in 1"},
      {"1e-05", "0", kBad, "layer_norm_eps: 0 is not above 0 and at most 0.1"},
      {"1e-05", "-1e-5", kBad, "layer_norm_eps: -1e-05 is not above 0"},
      {"1e-05", "1", kBad, "layer_norm_eps: 1 is not above 0"},
      {"1e-05", "\"x\"", kBad, "layer_norm_eps: wanted a number, got \"x\""},
      {"1e-05", "NaN", kBad, "c/config.json:2:"},
      {"\"roberta\"", "\"gpt2\"", kUnknownKind, "c/config.json: model_type: unknown 'gpt2'; known: bert, roberta"},
      {"\"roberta\"", "7", kBad, "c/config.json: model_type: wanted a string, got 7"},
      {"\"model_type\": \"roberta\",", "", kBad, "c/config.json: model_type: is missing"},
      {"\"gelu\"", "\"swish\"", kUnknownKind, "hidden_act: unknown 'swish'; known: gelu, gelu_python, gelu_new"},
      {"\"hidden_act\"", "\"is_decoder\": true, \"hidden_act\"", kUnknownKind,
       "is_decoder: unknown 'true'; known: false"},
      {"\"hidden_act\"", "\"is_decoder\": 1, \"hidden_act\"", kBad, "is_decoder: wanted true or false, got 1"},
      {"\"hidden_act\"", "\"position_embedding_type\": \"relative_key\", \"hidden_act\"", kUnknownKind,
       "position_embedding_type: unknown 'relative_key'; known: absolute"},
  };
  for (const auto& c : kCases) {
    const std::string text = absl::StrReplaceAll(kConfig, {{c.from, c.to}});
    ASSERT_NE(text, kConfig) << c.from;
    EXPECT_THAT(ParseBackboneConfig("c/config.json", text), StatusIs(c.code, HasSubstr(c.message))) << c.to;
  }
  EXPECT_THAT(ParseBackboneConfig("c", "[]"), StatusIs(kBad, "c: wanted an object"));
}

TEST(BackboneConfigTest, ValidatesWhatDidNotComeFromJson) {
  absl::StatusOr<BackboneConfig> config = ParseBackboneConfig("c", kConfig);
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(ValidateBackboneConfig(*config), IsOk());
  config->set_layer_norm_eps(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(ValidateBackboneConfig(*config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nan is not above 0")));
  EXPECT_THAT(ValidateBackboneConfig(BackboneConfig()),
              StatusIs(absl::StatusCode::kInvalidArgument, "vocab_size: 0 is not in 1 to 10000000"));
}

}  // namespace
}  // namespace gbmoa
