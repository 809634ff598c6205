// A folder of output that appears under its name with all its files in it, or not at all.
#ifndef GBMOA_BASE_ATOMIC_FOLDER_H_
#define GBMOA_BASE_ATOMIC_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gbmoa {

// Until Commit it is PATH.tmp.PID.N beside its place.
//
//   GBMOA_ASSIGN_OR_RETURN(AtomicFolder folder, AtomicFolder::Create(path));
//   GBMOA_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder.path(), "a.json"), ...));  // any number of files
//   return folder.Commit();
class AtomicFolder {
 public:
  // Errors: AlreadyExists if there is something at `path` other than an empty folder; those of an output (file.h).
  static absl::StatusOr<AtomicFolder> Create(const std::string& path);
  // Removes the folder and what is in it unless Commit succeeded.
  ~AtomicFolder();
  AtomicFolder(AtomicFolder&& other) noexcept;
  AtomicFolder& operator=(AtomicFolder&& other) = delete;

  // Where the files go until Commit.
  const std::string& path() const { return temporary_path_; }
  // Renames the folder to its name and syncs the folder that it is in. At most once.
  absl::Status Commit();

 private:
  AtomicFolder(std::string path, std::string temporary_path);

  std::string path_, temporary_path_;  // the second is empty once committed or moved away
};

}  // namespace gbmoa

#endif  // GBMOA_BASE_ATOMIC_FOLDER_H_
