// gbmoa params: how many numbers each method trains, for an encoder of any size, without its weights.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/published.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/task/learner.h"

ABSL_DECLARE_FLAG(std::string, backbone);
ABSL_FLAG(bool, json, false, "print one JSON object instead of a table");
ABSL_FLAG(int, num_classes, 2, "of the task whose head is counted");

namespace gbmoa {
namespace {

constexpr int kMaxClasses = 1'000'000;

struct Row {
  std::string method;
  LearnerOptions options;
  ParameterCounts counts;
  std::string error;  // why this backbone cannot have the method; counts are then nothing

  std::string label() const {
    return absl::StrCat(method, options.empty() ? "" : " ", absl::StrJoin(options, " ", absl::PairFormatter("=")));
  }
};

// The sizes of the paper are written out; a method that is not here has one row, with its default options.
std::vector<LearnerOptions> Variants(const std::string& method) {
  if (method == "adapter_tuning") return {{{"bottleneck_dim", "64"}}};
  if (method == "gbmoa") return {{{"hypernetwork", "shared"}}, {{"hypernetwork", "full"}}};
  if (method == "lora") return {{{"lora_rank", "8"}}};
  if (method == "prompt_tuning") return {{{"prompt_tokens", "20"}}};
  return {{}};
}

absl::StatusOr<BackboneConfig> FindBackbone() {
  std::string value = absl::GetFlag(FLAGS_backbone);
  if (value.empty()) value = "minilm-l6";  // the bundled one
  const std::vector<std::string> names = PublishedBackboneNames();
  if (std::find(names.begin(), names.end(), value) != names.end()) return PublishedBackboneConfig(value);
  const std::string folder = UserPath(value);
  if (value.find('/') != std::string::npos || FileExists(folder)) return ReadBackboneConfig(folder);
  const absl::Status unknown = PublishedBackboneConfig(value).status();
  return absl::Status(unknown.code(), absl::StrCat("--backbone: no such folder, and ", unknown.message()));
}

double Percent(int64_t count, const ParameterCounts& of) {
  return 100.0 * static_cast<double>(count) / static_cast<double>(of.backbone);
}

std::string WithCommas(int64_t count) {
  std::string digits = absl::StrCat(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

std::string Table(const BackboneConfig& config, int64_t encoder, int num_classes, const std::vector<Row>& rows) {
  std::string text = absl::StrFormat("%s: %s parameters, without a pooler", config.name(), WithCommas(encoder));
  if (config.published_parameters() > 0) {
    absl::StrAppendFormat(&text, " (published with it: %s)", WithCommas(config.published_parameters()));
  }
  absl::StrAppendFormat(&text, "; a task of %d classes\n\n", num_classes);
  int width = 0;
  for (const Row& row : rows) width = std::max(width, static_cast<int>(row.label().size()));
  absl::StrAppendFormat(&text, "%-*s  %15s %9s  %15s %9s  %15s %9s\n", width, "method", "per task", "%", "head", "%",
                        "meta", "%");
  for (const Row& row : rows) {
    absl::StrAppendFormat(&text, "%-*s", width, row.label());
    if (!row.error.empty()) {
      absl::StrAppend(&text, "  ", row.error, "\n");
      continue;
    }
    const ParameterCounts& counts = row.counts;
    absl::StrAppendFormat(&text, "  %15s %9.3f  %15s %9.3f  %15s %9.3f\n", WithCommas(counts.per_task),
                          Percent(counts.per_task, counts), WithCommas(counts.head), Percent(counts.head, counts),
                          WithCommas(counts.meta), Percent(counts.meta, counts));
  }
  return text;
}

std::string Json(const BackboneConfig& config, int64_t encoder, int num_classes, const std::vector<Row>& rows) {
  nlohmann::ordered_json result;
  result["backbone"] = {{"name", config.name()}, {"parameters", encoder}};
  if (config.published_parameters() > 0) {
    result["backbone"]["published_parameters"] = config.published_parameters();
  }
  result["num_classes"] = num_classes;
  result["methods"] = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json method = {{"method", row.method}, {"options", nlohmann::ordered_json::object()}};
    for (const auto& [name, value] : row.options) method["options"][name] = value;
    if (!row.error.empty()) {
      method["error"] = row.error;
    } else {
      const std::pair<const char*, int64_t> kCounts[] = {
          {"per_task", row.counts.per_task}, {"head", row.counts.head}, {"meta", row.counts.meta}};
      for (const auto& [name, count] : kCounts) {
        method[name] = count;
        method[absl::StrCat(name, "_percent")] = Percent(count, row.counts);
      }
    }
    result["methods"].push_back(std::move(method));
  }
  // What a folder is called need not be UTF-8.
  return result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

class ParamsCommand : public Command {
 public:
  std::string summary() const override { return "how many parameters each method trains, for any encoder"; }
  std::string description() const override {
    return "Counts for every method, with the paper's sizes: the parameters that are adapted to one task, those of\n"
           "the task's head, and those that are trained across tasks (meta), each also in percent of the encoder's.\n"
           "Needs no weights. --backbone is a folder with a config.json, or a published encoder's name, as in\n"
           "  gbmoa params --backbone=roberta-large\n"
           "An unknown name is answered with a list of those that there are; ./NAME is always a folder.";
  }
  std::vector<std::string> flags() const override { return {"backbone", "json", "num_classes"}; }

  absl::Status Run() override {
    const int num_classes = absl::GetFlag(FLAGS_num_classes);
    if (num_classes < 1 || num_classes > kMaxClasses) {
      return absl::InvalidArgumentError(absl::StrCat("--num_classes: ", num_classes, " is not in 1 to ", kMaxClasses));
    }
    GBMOA_ASSIGN_OR_RETURN(const BackboneConfig config, FindBackbone());
    const std::shared_ptr<const Backbone> backbone = Backbone::WithoutWeights(config);
    std::vector<Row> rows;
    for (const std::string& method : LearnerRegistry::Global().Names()) {
      for (const LearnerOptions& options : Variants(method)) {
        Row row = {method, options};
        const auto learner = LearnerRegistry::Global().Create(method, backbone, options);
        if (learner.ok()) {
          row.counts = (*learner)->CountParameters(num_classes);
        } else {
          row.error = std::string(learner.status().message());
        }
        rows.push_back(std::move(row));
      }
    }
    const auto print = absl::GetFlag(FLAGS_json) ? Json : Table;
    return Print(print(config, backbone->num_parameters(), num_classes, rows));
  }
};

GBMOA_REGISTER_COMMAND("params", ParamsCommand);

}  // namespace
}  // namespace gbmoa
