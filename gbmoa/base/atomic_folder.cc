#include "gbmoa/base/atomic_folder.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/file_internal.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

using file_internal::Direction;
using file_internal::SyncFolderOf;
using file_internal::SystemError;

absl::StatusOr<bool> IsEmptyFolder(const std::string& path) {
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return SystemError(Direction::kOutput, path, "cannot open");
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
    if (realpath(name.c_str(), resolved) == nullptr) return SystemError(Direction::kOutput, path, "cannot resolve");
    name = resolved;
  }
  static std::atomic<int> counter{0};
  // One that a killed process of the same number left behind is not ours to remove.
  std::string temporary_path;
  int made;
  do {
    temporary_path = absl::StrCat(name, ".tmp.", getpid(), ".", counter++);
    made = mkdir(temporary_path.c_str(), 0777);
  } while (made != 0 && errno == EEXIST);
  if (made != 0) return SystemError(Direction::kOutput, path, "cannot write");
  return AtomicFolder(name, temporary_path);
}

absl::Status AtomicFolder::Commit() {
  CHECK(!temporary_path_.empty()) << "already committed: " << path_;
  // Takes the place of an empty folder; of one that somebody filled meanwhile it does not.
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0)
    return SystemError(Direction::kOutput, path_, "cannot rename");
  temporary_path_.clear();
  return SyncFolderOf(path_);
}

}  // namespace gbmoa
