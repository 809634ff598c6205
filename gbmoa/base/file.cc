#include "gbmoa/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/file_internal.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

using file_internal::Direction;
using file_internal::SyncFolderOf;
using file_internal::SystemError;

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int descriptor;
  do {
    descriptor = open(path, flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

}  // namespace

absl::Status file_internal::SystemError(Direction direction, absl::string_view path, absl::string_view action) {
  const int error = errno;
  const std::string message = absl::StrCat(path, ": ", action, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      // A missing folder of an output is not a missing input.
      return direction == Direction::kInput ? absl::NotFoundError(message) : absl::UnknownError(message);
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

absl::Status file_internal::SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int descriptor = OpenRetrying(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return SystemError(Direction::kOutput, folder, "cannot open");
  const bool synced = fsync(descriptor) == 0 || errno == EINVAL;  // EINVAL: a file system that has no such thing
  const absl::Status status = synced ? absl::OkStatus() : SystemError(Direction::kOutput, folder, "cannot sync");
  close(descriptor);
  return status;
}

std::string JoinPath(absl::string_view folder, absl::string_view name) {
  if (folder.empty() || (!name.empty() && name[0] == '/')) return std::string(name);
  return absl::StrCat(folder, folder.back() == '/' ? "" : "/", name);
}

std::string UserPath(absl::string_view path) {
  const char* standing = std::getenv("BUILD_WORKING_DIRECTORY");
  if (standing == nullptr || path.empty() || path == "-") return std::string(path);
  return JoinPath(standing, path);
}

bool FileExists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  const bool is_stdin = path == "-";
  const std::string shown = is_stdin ? "standard input" : path;
  const int descriptor = is_stdin ? STDIN_FILENO : OpenRetrying(path.c_str(), O_RDONLY);
  if (descriptor < 0) return SystemError(Direction::kInput, shown, "cannot open");
  absl::Cleanup close_it = [descriptor, is_stdin] {
    if (!is_stdin) close(descriptor);
  };
  // The size is only a hint: pipes have none, and files grow.
  struct stat info;
  if (fstat(descriptor, &info) != 0) return SystemError(Direction::kInput, shown, "cannot stat");
  const auto too_long = [&] {
    return absl::OutOfRangeError(absl::StrCat(shown, ": longer than the limit of ", max_bytes, " bytes"));
  };
  if (info.st_size > max_bytes) return too_long();
  std::string contents;
  size_t used = 0;
  while (true) {
    if (used == contents.size()) {
      // One byte more than the hint, so that the end of a file of that size shows at once.
      contents.resize(used == 0 ? static_cast<size_t>(info.st_size) + 1 : 2 * used + 65536);
    }
    const ssize_t got = read(descriptor, &contents[used], contents.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(Direction::kInput, shown, "cannot read");
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (static_cast<int64_t>(used) > max_bytes) return too_long();
  }
  contents.resize(used);
  return contents;
}

AtomicFile::AtomicFile(std::string path, std::string temporary_path, int descriptor)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), descriptor_(descriptor) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_path_(std::move(other.temporary_path_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_path_.c_str());
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  // Fail before the work, not after it, where the rename could not succeed.
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    return SystemError(Direction::kOutput, path, "cannot write");
  }
  // A number of our own: two threads may write the same file, and the last rename wins.
  static std::atomic<int> counter{0};
  const std::string temporary_path = absl::StrCat(path, ".tmp.", getpid(), ".", counter++);
  const int descriptor = OpenRetrying(temporary_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (descriptor < 0) return SystemError(Direction::kOutput, path, "cannot write");
  return AtomicFile(path, temporary_path, descriptor);
}

absl::Status AtomicFile::Append(absl::string_view bytes) {
  CHECK_GE(descriptor_, 0) << "already committed: " << path_;
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(Direction::kOutput, path_, "cannot write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  CHECK_GE(descriptor_, 0) << "already committed: " << path_;
  if (fsync(descriptor_) != 0) return SystemError(Direction::kOutput, path_, "cannot sync");
  // A full network disk may tell only now.
  if (close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
    const absl::Status status = SystemError(Direction::kOutput, path_, "cannot close");
    unlink(temporary_path_.c_str());
    return status;
  }
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    const absl::Status status = SystemError(Direction::kOutput, path_, "cannot rename");
    unlink(temporary_path_.c_str());
    return status;
  }
  return SyncFolderOf(path_);
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents) {
  GBMOA_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  GBMOA_RETURN_IF_ERROR(file.Append(contents));
  return file.Commit();
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const int descriptor = OpenRetrying(path.c_str(), O_RDONLY);
  if (descriptor < 0) return SystemError(Direction::kInput, path, "cannot open");
  absl::Cleanup close_it = [descriptor] { close(descriptor); };
  struct stat info;
  if (fstat(descriptor, &info) != 0) return SystemError(Direction::kInput, path, "cannot stat");
  if (!S_ISREG(info.st_mode)) return absl::UnknownError(absl::StrCat(path, ": not a regular file"));
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return MappedFile(nullptr, 0);  // mmap refuses an empty range
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED) return SystemError(Direction::kInput, path, "cannot map");
  return MappedFile(static_cast<const char*>(data), size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace gbmoa
