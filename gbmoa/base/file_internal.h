// What file.cc and atomic_folder.cc share; for nobody else.
#ifndef GBMOA_BASE_FILE_INTERNAL_H_
#define GBMOA_BASE_FILE_INTERNAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gbmoa::file_internal {

enum class Direction { kInput, kOutput };

// "PATH: ACTION: what errno says", with the code that file.h promises.
absl::Status SystemError(Direction direction, absl::string_view path, absl::string_view action);

// Syncs the folder that `path` is in: without this the name may be lost in a power cut although the content is there.
absl::Status SyncFolderOf(const std::string& path);

}  // namespace gbmoa::file_internal

#endif  // GBMOA_BASE_FILE_INTERNAL_H_
