#include "gbmoa/task_folder.h"

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/backbone/checkpoint_files.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

// The fields of "backbone" that are hashes.
constexpr std::pair<const char*, std::string BackboneHashes::*> kHashFields[] = {
    {"weights_sha256", &BackboneHashes::weights},
    {"config_sha256", &BackboneHashes::config},
    {"tokenizer_sha256", &BackboneHashes::tokenizer}};

constexpr int kFormat = 1;
constexpr int kMinTokens = 3;  // [CLS], one token and [SEP]
constexpr int kMaxTokens = 1'000'000;
constexpr char kParametersFile[] = "parameters.safetensors";

// Takes the fields out of one JSON object, which must have these and no others.
class Fields {
 public:
  Fields(std::string path, std::string prefix, const json& object)
      : path_(std::move(path)), prefix_(std::move(prefix)), object_(object) {}

  absl::Status Fail(absl::string_view field, absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(path_, ": ", prefix_, field, ": ", what));
  }

  // Errors: that it is missing or of another type than the one that `is_wanted` asks for.
  absl::StatusOr<const json*> Take(const std::string& field, absl::string_view wanted,
                                   bool (json::*is_wanted)() const) {
    const auto found = object_.find(field);
    if (found == object_.end()) return Fail(field, "is missing");
    taken_.insert(field);
    if (!((*found).*is_wanted)()) {
      return Fail(field, absl::StrCat("wanted ", wanted, ", got ", found->dump().substr(0, 100)));
    }
    return &*found;
  }

  absl::StatusOr<std::string> Text(const std::string& field) {
    GBMOA_ASSIGN_OR_RETURN(const json* value, Take(field, "a string", &json::is_string));
    return value->get<std::string>();
  }

  absl::Status Finish() const {
    for (const auto& [field, value] : object_.items()) {
      if (taken_.count(field) == 0) return Fail(field, "is unknown");
    }
    return absl::OkStatus();
  }

 private:
  std::string path_, prefix_;
  const json& object_;
  std::set<std::string> taken_;
};

absl::Status ReadConfig(const std::string& path, SavedTask& task) {
  GBMOA_ASSIGN_OR_RETURN(const json object, LoadJson(path));
  if (!object.is_object()) return absl::DataLossError(absl::StrCat(path, ": wanted an object"));
  Fields fields(path, "", object);
  // First: a later format may have other fields.
  GBMOA_ASSIGN_OR_RETURN(const json* format, fields.Take("format", "a whole number", &json::is_number_integer));
  if (*format != kFormat) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": format: ", format->dump(), " is unknown, this program reads ", kFormat));
  }
  GBMOA_ASSIGN_OR_RETURN(task.method, fields.Text("method"));
  GBMOA_ASSIGN_OR_RETURN(const json* options, fields.Take("options", "an object", &json::is_object));
  for (const auto& [name, value] : options->items()) {
    if (!value.is_string()) return fields.Fail("options", absl::StrCat(name, ": wanted a string, got ", value.dump()));
    task.options[name] = value.get<std::string>();
  }
  GBMOA_ASSIGN_OR_RETURN(const json* labels, fields.Take("labels", "an array", &json::is_array));
  std::set<std::string> distinct;
  for (const json& label : *labels) {
    if (!label.is_string() || label.get<std::string>().empty()) {
      return fields.Fail("labels", absl::StrCat("wanted texts, got ", label.dump().substr(0, 100)));
    }
    task.labels.push_back(label.get<std::string>());
    if (!distinct.insert(task.labels.back()).second) {
      return fields.Fail("labels", absl::StrCat("'", task.labels.back(), "' comes twice"));
    }
  }
  if (task.labels.size() < 2) return fields.Fail("labels", absl::StrCat("wanted two or more, got ", labels->size()));
  GBMOA_ASSIGN_OR_RETURN(const std::string encoding, fields.Text("encoding"));
  const absl::StatusOr<Encoding> parsed = ParseEncoding(encoding);
  if (!parsed.ok()) return fields.Fail("encoding", parsed.status().message());
  task.encoding = *parsed;
  GBMOA_ASSIGN_OR_RETURN(const json* max_tokens, fields.Take("max_tokens", "a whole number", &json::is_number_integer));
  if (*max_tokens < kMinTokens || *max_tokens > kMaxTokens) {
    return fields.Fail("max_tokens", absl::StrCat(max_tokens->dump(), " is not in ", kMinTokens, " to ", kMaxTokens));
  }
  task.max_tokens = max_tokens->get<int>();
  GBMOA_ASSIGN_OR_RETURN(const json* backbone, fields.Take("backbone", "an object", &json::is_object));
  Fields backbone_fields(path, "backbone.", *backbone);
  GBMOA_ASSIGN_OR_RETURN(task.backbone.name, backbone_fields.Text("name"));
  for (const auto& [field, member] : kHashFields) {
    GBMOA_ASSIGN_OR_RETURN(const std::string hash, backbone_fields.Text(field));
    bool is_hash = hash.size() == 64;
    for (const char c : hash) is_hash = is_hash && (absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'));
    if (!is_hash) return backbone_fields.Fail(field, "wanted 64 digits 0-9, a-f");
    task.backbone.hashes.*member = hash;
  }
  GBMOA_ASSIGN_OR_RETURN(task.backbone.folder, backbone_fields.Text("folder"));
  GBMOA_RETURN_IF_ERROR(backbone_fields.Finish());
  GBMOA_ASSIGN_OR_RETURN(task.made_by, fields.Text("made_by"));
  return fields.Finish();
}

absl::Status ReadParameters(const std::string& path, SavedTask& task) {
  GBMOA_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const SafetensorsView& view : file.tensors()) {
    if (view.dtype != SafetensorsDtype::kFloat32) {
      return absl::DataLossError(
          absl::StrCat(path, ": ", view.name, " has type ", DtypeName(view.dtype), ", wanted F32"));
    }
    std::vector<float>& values = task.parameters[std::string(view.name)];
    values.resize(view.num_elements());
    if (!values.empty()) std::memcpy(values.data(), view.data.data(), view.data.size());
    for (const float value : values) {
      if (!std::isfinite(value)) {
        return absl::DataLossError(absl::StrCat(path, ": ", view.name, " holds NaN or infinity"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view EncodingName(Encoding encoding) {
  return encoding == Encoding::kPairApart ? "pair_apart" : "one_sequence";
}

absl::StatusOr<Encoding> ParseEncoding(absl::string_view name) {
  for (const Encoding encoding : {Encoding::kOneSequence, Encoding::kPairApart}) {
    if (name == EncodingName(encoding)) return encoding;
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown encoding '", name, "'; known: one_sequence, pair_apart"));
}

absl::Status SaveTask(const std::string& folder, const SavedTask& task) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, values] : task.parameters) {
    entries.push_back({name,
                       SafetensorsDtype::kFloat32,
                       {static_cast<int64_t>(values.size())},
                       AsBytes<float>(absl::MakeConstSpan(values))});
  }
  GBMOA_RETURN_IF_ERROR(WriteSafetensors(JoinPath(folder, kParametersFile), entries));
  nlohmann::ordered_json object;
  object["format"] = kFormat;
  object["method"] = task.method;
  object["options"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : task.options) object["options"][name] = value;
  object["labels"] = task.labels;
  object["encoding"] = std::string(EncodingName(task.encoding));
  object["max_tokens"] = task.max_tokens;
  object["backbone"]["name"] = task.backbone.name;
  for (const auto& [field, member] : kHashFields) object["backbone"][field] = task.backbone.hashes.*member;
  object["backbone"]["folder"] = task.backbone.folder;
  object["made_by"] = task.made_by;
  // A path may be no UTF-8, which JSON must be.
  const std::string text = object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return WriteFileAtomically(JoinPath(folder, kTaskConfigFile), text + "\n");
}

absl::StatusOr<SavedTask> LoadTask(const std::string& folder) {
  SavedTask task;
  GBMOA_RETURN_IF_ERROR(ReadConfig(JoinPath(folder, kTaskConfigFile), task));
  GBMOA_RETURN_IF_ERROR(ReadParameters(JoinPath(folder, kParametersFile), task));
  return task;
}

absl::StatusOr<BackboneHashes> HashBackbone(const std::string& folder, const BackboneConfig& config,
                                            const std::string& tokenizer_fingerprint) {
  BackboneHashes hashes;
  GBMOA_ASSIGN_OR_RETURN(hashes.weights, HashCheckpoint(folder));
  BackboneConfig shape = config;
  shape.clear_name();
  shape.clear_published_parameters();
  hashes.config = Sha256Hex(shape.SerializeAsString());
  hashes.tokenizer = tokenizer_fingerprint;
  return hashes;
}

absl::Status CheckBackbone(const SavedTask& task, const std::string& folder, const BackboneHashes& found) {
  std::vector<std::string> differences;
  for (const auto& [field, member] : kHashFields) {
    const std::string& wanted = task.backbone.hashes.*member;
    if (found.*member == wanted) continue;
    differences.push_back(absl::StrCat(field, " is ", found.*member, ", the task's ", wanted));
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(folder, ": not the backbone '", task.backbone.name,
                   "' that the task was adapted on: ", absl::StrJoin(differences, "; ")));
}

}  // namespace gbmoa
