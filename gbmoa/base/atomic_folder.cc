#include "gbmoa/base/atomic_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

// As file.cc tells what goes wrong with an output.
absl::Status OutputError(absl::string_view path, absl::string_view action) {
  const int error = errno;
  const std::string message = absl::StrCat(path, ": ", action, ": ", std::strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnknownError(message);
  }
}

absl::StatusOr<bool> IsEmptyFolder(const std::string& path) {
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return OutputError(path, "cannot open");
  bool empty = true;
  while (const dirent* entry = readdir(folder)) {
    const absl::string_view name = entry->d_name;
    empty = empty && (name == "." || name == "..");
  }
  closedir(folder);
  return empty;
}

}  // namespace

AtomicFolder::AtomicFolder(std::string path, std::string temporary_path)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)) {}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : path_(std::move(other.path_)), temporary_path_(std::exchange(other.temporary_path_, "")) {}

AtomicFolder::~AtomicFolder() {
  if (temporary_path_.empty()) return;
  std::error_code ignored;  // there is nobody to tell
  std::filesystem::remove_all(temporary_path_, ignored);
}

absl::StatusOr<AtomicFolder> AtomicFolder::Create(const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  struct stat info;
  if (stat(name.c_str(), &info) == 0) {
    bool free = S_ISDIR(info.st_mode);
    if (free) {
      const absl::StatusOr<bool> empty = IsEmptyFolder(name);
      if (!empty.ok()) return empty.status();
      free = *empty;
    }
    if (!free) {
      return absl::AlreadyExistsError(absl::StrCat(path, ": exists already; wanted a new folder or an empty one"));
    }
    // So that "." and links can be renamed over.
    char resolved[PATH_MAX];
    if (realpath(name.c_str(), resolved) == nullptr) return OutputError(path, "cannot resolve");
    name = resolved;
  }
  static std::atomic<int> counter{0};
  const std::string temporary_path = absl::StrCat(name, ".tmp.", getpid(), ".", counter++);
  if (mkdir(temporary_path.c_str(), 0777) != 0) return OutputError(path, "cannot write");
  return AtomicFolder(name, temporary_path);
}

absl::Status AtomicFolder::Commit() {
  CHECK(!temporary_path_.empty()) << "already committed: " << path_;
  // Takes the place of an empty folder; of one that somebody filled meanwhile it does not.
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) return OutputError(path_, "cannot rename");
  temporary_path_.clear();
  const size_t slash = path_.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  const int descriptor = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return OutputError(parent, "cannot open");
  const bool synced = fsync(descriptor) == 0 || errno == EINVAL;  // EINVAL: a file system that has no such thing
  const absl::Status status = synced ? absl::OkStatus() : OutputError(parent, "cannot sync");
  close(descriptor);
  return status;
}

}  // namespace gbmoa
