// Files that Bazel puts beside a program (its `data`).
#ifndef GBMOA_BASE_RUNFILES_H_
#define GBMOA_BASE_RUNFILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

// Where a runfile or a folder of runfiles lies, by repository and path, for example "minilm/.../vocab.txt" or
// "gbmoa/eval/testdata/x.txt". Works under `bazel test`, `bazel run` and for a program called straight from bazel-bin.
// Errors: NotFound, naming the path, if the program was moved away from its runfiles or does not have this one.
absl::StatusOr<std::string> RunfilePath(absl::string_view path);

// The folder of the pretrained encoder that is built in, for targets with data = ["@minilm//:model"].
absl::StatusOr<std::string> BundledBackboneFolder();

}  // namespace gbmoa

#endif  // GBMOA_BASE_RUNFILES_H_
