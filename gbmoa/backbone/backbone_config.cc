#include "gbmoa/backbone/backbone_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr int64_t kMaxConfigBytes = 1 << 20;

// Far above any encoder that exists, low enough that products of three of them fit into 64 bits.
constexpr int32_t kMaxVocabulary = 10'000'000, kMaxWidth = 65'536, kMaxLayers = 1'000, kMaxPositions = 1'000'000,
                  kMaxTypes = 1'000;

// transformers' names. The tanh forms differ in how their constants are rounded: "gelu_fast" has 0.7978845608 for
// √(2/π), 4e-12 less.
constexpr std::pair<absl::string_view, BackboneConfig::Activation> kActivations[] = {
    {"gelu", BackboneConfig::GELU},
    {"gelu_python", BackboneConfig::GELU},
    {"gelu_new", BackboneConfig::GELU_TANH},
    {"gelu_fast", BackboneConfig::GELU_TANH},
    {"gelu_pytorch_tanh", BackboneConfig::GELU_TANH},
    {"gelu_python_tanh", BackboneConfig::GELU_TANH},
    {"gelu_accurate", BackboneConfig::GELU_TANH},
    {"relu", BackboneConfig::RELU},
};

// Takes fields out of one JSON object and keeps the first thing that is wrong with them.
class Fields {
 public:
  Fields(absl::string_view path, const json& object) : path_(path), object_(object) {}

  // Null if absent or null.
  const json* Find(const char* field) const {
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  // `absent` if there is no such field; null is no number.
  int32_t Int(const char* field, int32_t absent) {
    const auto value = object_.find(field);
    if (value == object_.end()) return absent;
    if (!value->is_number_integer()) {
      Fail(absl::StrCat(field, ": wanted a whole number, got ", value->dump()));
    } else if ((value->is_number_unsigned() && value->get<uint64_t>() > INT32_MAX) ||
               (!value->is_number_unsigned() && value->get<int64_t>() < INT32_MIN)) {
      Fail(absl::StrCat(field, ": ", value->dump(), " is out of range"));
    } else {
      return value->get<int32_t>();
    }
    return 0;
  }

  // For fields that transformers itself writes as null.
  int32_t IntOr(const char* field, int32_t absent) { return Find(field) == nullptr ? absent : Int(field, absent); }

  bool BoolOr(const char* field, bool absent) {
    const json* value = Find(field);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) {
      Fail(absl::StrCat(field, ": wanted true or false, got ", value->dump().substr(0, 100)));
      return absent;
    }
    return value->get<bool>();
  }

  double DoubleOr(const char* field, double absent) {
    const json* value = Find(field);
    if (value == nullptr) return absent;
    if (!value->is_number()) {
      Fail(absl::StrCat(field, ": wanted a number, got ", value->dump()));
      return 0;
    }
    return value->get<double>();
  }

  std::string StringOr(const char* field, absl::string_view absent) {
    const json* value = Find(field);
    if (value == nullptr) return std::string(absent);
    if (!value->is_string()) {
      Fail(absl::StrCat(field, ": wanted a string, got ", value->dump().substr(0, 100)));
      return "";
    }
    return value->get<std::string>();
  }

  void Fail(absl::string_view what) { FailWith(absl::DataLossError(absl::StrCat(path_, ": ", what))); }
  void FailWith(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::string_view path_;
  const json& object_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<BackboneConfig> ParseBackboneConfig(absl::string_view path, absl::string_view text) {
  GBMOA_ASSIGN_OR_RETURN(const json object, ParseJson(path, text));
  if (!object.is_object()) return absl::DataLossError(absl::StrCat(path, ": wanted an object"));
  Fields fields(path, object);
  const auto unknown = [&](absl::string_view field, absl::string_view value, absl::string_view known) {
    fields.FailWith(
        absl::UnimplementedError(absl::StrCat(path, ": ", field, ": unknown '", value, "'; known: ", known)));
  };
  BackboneConfig config;

  const std::string type = fields.StringOr("model_type", "");
  if (fields.status().ok() && type.empty()) fields.Fail("model_type: is missing");
  if (type == "bert") {
    config.set_family(BackboneConfig::BERT);
  } else if (type == "roberta") {
    config.set_family(BackboneConfig::ROBERTA);
  } else {
    unknown("model_type", type, "bert, roberta");
  }
  const std::string activation = fields.StringOr("hidden_act", "gelu");
  std::vector<absl::string_view> known;
  for (const auto& [name, value] : kActivations) {
    if (name == activation) config.set_activation(value);
    known.push_back(name);
  }
  if (config.activation() == BackboneConfig::ACTIVATION_UNSPECIFIED) {
    unknown("hidden_act", activation, absl::StrJoin(known, ", "));
  }
  const std::string positions = fields.StringOr("position_embedding_type", "absolute");
  if (positions != "absolute") unknown("position_embedding_type", positions, "absolute");

  const bool is_roberta = config.family() == BackboneConfig::ROBERTA;
  if (fields.BoolOr("is_decoder", false)) unknown("is_decoder", "true", "false");
  config.set_vocab_size(fields.Int("vocab_size", is_roberta ? 50265 : 30522));
  config.set_hidden_size(fields.Int("hidden_size", 768));
  config.set_num_hidden_layers(fields.Int("num_hidden_layers", 12));
  config.set_num_attention_heads(fields.Int("num_attention_heads", 12));
  config.set_intermediate_size(fields.Int("intermediate_size", 3072));
  config.set_max_position_embeddings(fields.Int("max_position_embeddings", 512));
  config.set_type_vocab_size(fields.Int("type_vocab_size", 2));
  config.set_layer_norm_eps(fields.DoubleOr("layer_norm_eps", 1e-12));
  config.set_pad_token_id(fields.IntOr("pad_token_id", is_roberta ? 1 : 0));
  // RoBERTa counts positions from the one after padding's.
  config.set_position_offset(is_roberta ? std::min(config.pad_token_id(), INT32_MAX - 1) + 1 : 0);
  GBMOA_RETURN_IF_ERROR(fields.status());
  const absl::Status valid = ValidateBackboneConfig(config);
  if (!valid.ok()) return absl::DataLossError(absl::StrCat(path, ": ", valid.message()));
  return config;
}

absl::StatusOr<BackboneConfig> ReadBackboneConfig(const std::string& folder) {
  const std::string path = JoinPath(folder, "config.json");
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  GBMOA_ASSIGN_OR_RETURN(BackboneConfig config, ParseBackboneConfig(path, text));
  absl::string_view name = folder;
  while (name.size() > 1 && name.back() == '/') name.remove_suffix(1);
  config.set_name(std::string(name.substr(name.rfind('/') + 1)));
  return config;
}

absl::Status ValidateBackboneConfig(const BackboneConfig& config) {
  const struct {
    const char* field;
    int32_t value, max;
  } kRanges[] = {
      {"vocab_size", config.vocab_size(), kMaxVocabulary},
      {"hidden_size", config.hidden_size(), kMaxWidth},
      {"num_hidden_layers", config.num_hidden_layers(), kMaxLayers},
      {"num_attention_heads", config.num_attention_heads(), kMaxWidth},
      {"intermediate_size", config.intermediate_size(), 16 * kMaxWidth},
      {"max_position_embeddings", config.max_position_embeddings(), kMaxPositions},
      {"type_vocab_size", config.type_vocab_size(), kMaxTypes},
  };
  for (const auto& range : kRanges) {
    if (range.value < 1 || range.value > range.max) {
      return absl::InvalidArgumentError(absl::StrCat(range.field, ": ", range.value, " is not in 1 to ", range.max));
    }
  }
  if (config.family() == BackboneConfig::FAMILY_UNSPECIFIED) return absl::InvalidArgumentError("family: is missing");
  if (config.activation() == BackboneConfig::ACTIVATION_UNSPECIFIED) {
    return absl::InvalidArgumentError("activation: is missing");
  }
  if (config.hidden_size() % config.num_attention_heads() != 0) {
    return absl::InvalidArgumentError(absl::StrCat("num_attention_heads: ", config.num_attention_heads(),
                                                   " does not divide hidden_size ", config.hidden_size()));
  }
  // Not "<= 0 or > 0.1", which NaN would pass.
  if (!(config.layer_norm_eps() > 0 && config.layer_norm_eps() <= 0.1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("layer_norm_eps: ", config.layer_norm_eps(), " is not above 0 and at most 0.1"));
  }
  if (config.pad_token_id() < 0 || config.pad_token_id() >= config.vocab_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pad_token_id: ", config.pad_token_id(), " is not in 0 to ", config.vocab_size() - 1));
  }
  // Room for [CLS], one token and [SEP].
  if (config.position_offset() < 0 || config.max_position_embeddings() - config.position_offset() < 3) {
    return absl::InvalidArgumentError(absl::StrCat("max_position_embeddings: ", config.max_position_embeddings(),
                                                   " leaves fewer than 3 positions after the first ",
                                                   config.position_offset()));
  }
  return absl::OkStatus();
}

}  // namespace gbmoa
