// A checkpoint on disk in the Hugging Face layout: model.safetensors or, where the weights lie in several files,
// model.safetensors.index.json and its shards. No LibTorch in here.
#ifndef GBMOA_BACKBONE_CHECKPOINT_FILES_H_
#define GBMOA_BACKBONE_CHECKPOINT_FILES_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/safetensors.h"

namespace gbmoa {

// All tensors as one set; valid while the object lives.
class CheckpointFiles {
 public:
  // The index counts only where there is no model.safetensors. Errors: NotFound; DataLoss that names file and tensor,
  // for a damaged file, a shard's name that is none of a file in the folder, a tensor that its shard does not have, or
  // that two have.
  static absl::StatusOr<CheckpointFiles> Open(const std::string& folder);

  const std::string& path() const { return path_; }  // of the file or the index
  const std::map<absl::string_view, const SafetensorsView*>& tensors() const { return tensors_; }
  // Null if there is none of that name.
  const SafetensorsView* Find(absl::string_view name) const;
  // The file that has it; empty if there is none.
  std::string PathOf(absl::string_view name) const;

 private:
  struct File {
    std::string path;
    std::unique_ptr<const SafetensorsFile> tensors;  // its address stays when the File moves
  };
  absl::Status Add(const std::string& path);

  std::string path_;
  std::vector<File> files_;
  std::map<absl::string_view, const SafetensorsView*> tensors_;
};

// What tells a checkpoint's weights from others: 64 hexadecimal digits, the SHA-256 of model.safetensors, or of the
// index and all its shards. Errors: those of Open that need no look into the files.
absl::StatusOr<std::string> HashCheckpoint(const std::string& folder);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_CHECKPOINT_FILES_H_
