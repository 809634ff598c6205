#include "gbmoa/backbone/published.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/textproto.h"

namespace gbmoa {
namespace {

constexpr char kExtension[] = ".textproto";

absl::StatusOr<std::string> ConfigFolder() {
  // Bazel's manifest knows files only, so ask for one of them.
  GBMOA_ASSIGN_OR_RETURN(const std::string file, RunfilePath("gbmoa/gbmoa/backbone/configs/roberta-large.textproto"));
  return file.substr(0, file.rfind('/'));
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == kExtension) names.push_back(it->path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<std::string> PublishedBackboneNames() {
  const absl::StatusOr<std::string> folder = ConfigFolder();
  return folder.ok() ? NamesIn(*folder) : std::vector<std::string>();
}

absl::StatusOr<BackboneConfig> PublishedBackboneConfig(const std::string& name) {
  GBMOA_ASSIGN_OR_RETURN(const std::string folder, ConfigFolder());
  const std::vector<std::string> names = NamesIn(folder);
  if (!std::binary_search(names.begin(), names.end(), name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown backbone '", name, "'; known: ", absl::StrJoin(names, ", ")));
  }
  const std::string path = JoinPath(folder, absl::StrCat(name, kExtension));
  GBMOA_ASSIGN_OR_RETURN(BackboneConfig config, LoadTextproto<BackboneConfig>(path));
  const absl::Status valid = ValidateBackboneConfig(config);
  if (!valid.ok()) return absl::Status(valid.code(), absl::StrCat(path, ": ", valid.message()));
  if (config.name() != name) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": name: wanted the file's, '", name, "', got '", config.name(), "'"));
  }
  return config;
}

}  // namespace gbmoa
