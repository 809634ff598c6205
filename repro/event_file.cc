#include "repro/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "repro/event.pb.h"

namespace gbmoa {
namespace {

// How TensorBoard knows the file: the first record of every one.
constexpr char kVersion[] = "brain.Event:2";

std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);  // the polynomial, reflected
    table[i] = crc;
  }
  return table;
}

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

uint32_t MaskedCrc(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

// Of an output, as in file.h.
absl::Status SystemError(const std::string& path, absl::string_view action) {
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

std::string HostName() {
  char name[256] = "";
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  static const auto* const table = new std::array<uint32_t, 256>(MakeTable());
  uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = (crc >> 8) ^ (*table)[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
  return ~crc;
}

std::string FrameRecord(absl::string_view data) {
  const std::string length = LittleEndian(data.size(), 8);
  return absl::StrCat(length, LittleEndian(MaskedCrc(length), 4), data, LittleEndian(MaskedCrc(data), 4));
}

absl::StatusOr<std::unique_ptr<EventFileWriter>> EventFileWriter::Create(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::PermissionDeniedError(absl::StrCat(folder, ": cannot make the folder: ", error.message()));
  static std::atomic<int> count{0};  // several writers of one process may begin in one second
  const absl::Time now = absl::Now();
  const std::string name = absl::StrFormat("events.out.tfevents.%010d.%s.%d.%d", absl::ToUnixSeconds(now), HostName(),
                                           getpid(), count.fetch_add(1));
  const std::string path = JoinPath(folder, name);
  int descriptor;
  do {
    descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return SystemError(path, "cannot create");
  std::unique_ptr<EventFileWriter> writer(new EventFileWriter(path, descriptor));
  tensorboard::Event event;
  event.set_wall_time(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  event.set_file_version(kVersion);
  GBMOA_RETURN_IF_ERROR(writer->Append(event.SerializeAsString()));
  return writer;
}

EventFileWriter::~EventFileWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status EventFileWriter::AddScalars(int64_t step, double wall_seconds,
                                         const std::vector<std::pair<std::string, float>>& values) {
  tensorboard::Event event;
  event.set_wall_time(wall_seconds);
  event.set_step(step);
  tensorboard::Summary* const summary = event.mutable_summary();
  for (const auto& [tag, value] : values) {
    tensorboard::Summary::Value* const added = summary->add_value();
    added->set_tag(tag);
    added->set_simple_value(value);
  }
  return Append(event.SerializeAsString());
}

absl::Status EventFileWriter::Append(absl::string_view data) {
  if (descriptor_ < 0) return absl::FailedPreconditionError(absl::StrCat(path_, ": is closed"));
  const std::string record = FrameRecord(data);
  // One call writes a record of this size whole, unless the disk is full.
  size_t written = 0;
  while (written < record.size()) {
    const ssize_t count = write(descriptor_, record.data() + written, record.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(path_, "cannot write");
    written += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::Status EventFileWriter::Close() {
  if (descriptor_ < 0) return absl::OkStatus();
  const int descriptor = descriptor_;
  descriptor_ = -1;
  // After EINTR the descriptor is gone all the same.
  if (close(descriptor) != 0 && errno != EINTR) return SystemError(path_, "cannot close");
  return absl::OkStatus();
}

}  // namespace gbmoa
