// Whole files in and out. Nothing is ever written half: a file appears under its name complete and on disk, or not at
// all.
//
// Errors, so that exit_codes.h can tell them apart: an input that does not exist is NotFound, everything that goes
// wrong with an output is PermissionDenied or Unknown, too little memory or too many open files is ResourceExhausted.
// All name the path and the system's reason.
#ifndef GBMOA_BASE_FILE_H_
#define GBMOA_BASE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

// A path that a user typed: relative ones are relative to where the user stands, which under `bazel run` is not the
// process's folder (BUILD_WORKING_DIRECTORY). "-" stays what it is.
std::string UserPath(absl::string_view path);

// "FOLDER/NAME"; NAME itself where it is absolute or FOLDER is empty.
std::string JoinPath(absl::string_view folder, absl::string_view name);

bool FileExists(const std::string& path);

// The content of a file or pipe; "-" is standard input. Errors: as above; OutOfRange if it is longer than max_bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);

// A file that takes its name only when it is complete. Until then it is PATH.tmp.PID.N in the same folder.
//
//   GBMOA_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
//   GBMOA_RETURN_IF_ERROR(file.Append(bytes));  // any number of times
//   return file.Commit();
class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  // Removes the temporary file unless Commit succeeded.
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) = delete;

  absl::Status Append(absl::string_view bytes);
  // Syncs the file, renames it to its name, syncs the folder. At most once.
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary_path, int descriptor);

  std::string path_, temporary_path_;
  int descriptor_;  // -1 once committed or moved away
};

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents);

// A file in memory, read only. The pages come from disk when they are first touched. Whoever shortens the file
// meanwhile kills this process (SIGBUS); our own writers never do, they rename.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  absl::string_view data() const { return absl::string_view(data_, size_); }

 private:
  MappedFile(const char* data, size_t size) : data_(data), size_(size) {}

  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gbmoa

#endif  // GBMOA_BASE_FILE_H_
