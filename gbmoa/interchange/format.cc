#include "gbmoa/interchange/format.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/file.h"

namespace gbmoa {
namespace {

absl::Status CheckLabels(const std::vector<std::string>& labels) {
  const std::set<std::string> distinct(labels.begin(), labels.end());
  if (distinct.size() != labels.size() || distinct.count("") > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels must differ and not be empty, got '", absl::StrJoin(labels, "', '"), "'"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SavedTask> ImportTask(const std::string& folder, const InterchangeBackbone& backbone,
                                     const std::vector<std::string>& labels) {
  GBMOA_RETURN_IF_ERROR(CheckLabels(labels));
  const std::string path = JoinPath(folder, "adapter_config.json");
  GBMOA_ASSIGN_OR_RETURN(const nlohmann::json config, LoadJson(path));
  const std::vector<std::string> names = InterchangeRegistry::Global().Names();
  for (const std::string& name : names) {
    GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<InterchangeFormat> format, InterchangeRegistry::Global().Create(name));
    if (!format->Recognizes(config)) continue;
    SavedTask task;
    GBMOA_RETURN_IF_ERROR(format->Import(folder, config, backbone, task));
    if (task.labels.size() < 2) {
      return absl::UnimplementedError(absl::StrCat(folder, ": the head has ", task.labels.size(),
                                                   " output, a regression; wanted two classes or more"));
    }
    if (labels.empty()) return task;
    if (labels.size() != task.labels.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(labels.size(), " labels for the ", task.labels.size(), " classes of the head in ", folder));
    }
    task.labels = labels;
    return task;
  }
  return absl::UnimplementedError(absl::StrCat(path, ": of no known format; known: ", absl::StrJoin(names, ", ")));
}

absl::Status ExportTask(const SavedTask& task, const std::string& format, const BackboneConfig& backbone,
                        const std::string& name, const std::string& folder) {
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<InterchangeFormat> writer, InterchangeRegistry::Global().Create(format));
  if (task.encoding == Encoding::kPairApart) {
    return absl::InvalidArgumentError(
        "the task encodes pairs apart, which other libraries do not; one_sequence fits all formats");
  }
  return writer->Export(task, backbone, name, folder);
}

std::string HeadName(const SavedTask& task) {
  return task.parameters.count("head.dense.weight") > 0 ? "tanh" : "unit_mean";
}

}  // namespace gbmoa
