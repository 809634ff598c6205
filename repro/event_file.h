// Curves as TensorBoard reads them: a file of TFRecords, each of which is an Event.
#ifndef GBMOA_REPRO_EVENT_FILE_H_
#define GBMOA_REPRO_EVENT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

// The Castagnoli CRC of 32 bits, as RFC 3720 (iSCSI) defines it.
uint32_t Crc32c(absl::string_view bytes);

// One record: length [8], masked CRC of the length [4], data, masked CRC of the data [4]; all little-endian. Of a CRC
// the mask is its rotation to the right by 15 bits plus 0xa282ead8 modulo 2^32.
std::string FrameRecord(absl::string_view data);

// Appends to one file of its own, events.out.tfevents.SECONDS.HOST.PID.N. Every record is handed to the operating
// system whole before the call returns, so that a killed run leaves whole records; a run that goes on writes another
// file, and TensorBoard joins the files of a folder. For one thread.
class EventFileWriter {
 public:
  // Makes the folder if it is not there. Errors: PermissionDenied, ResourceExhausted (open files) or Unknown, naming
  // the path.
  static absl::StatusOr<std::unique_ptr<EventFileWriter>> Create(const std::string& folder);
  ~EventFileWriter();
  EventFileWriter(const EventFileWriter&) = delete;
  EventFileWriter& operator=(const EventFileWriter&) = delete;

  // Values by tag, e.g. {"query_loss", 0.7}, at a step. `wall_seconds`: since 1970. Errors: those of writing;
  // FailedPrecondition after Close.
  absl::Status AddScalars(int64_t step, double wall_seconds, const std::vector<std::pair<std::string, float>>& values);
  // Errors: what the operating system had put off until now. Once closed, closing is nothing.
  absl::Status Close();

  const std::string& path() const { return path_; }

 private:
  EventFileWriter(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  absl::Status Append(absl::string_view data);

  std::string path_;
  int descriptor_;  // -1 once closed
};

}  // namespace gbmoa

#endif  // GBMOA_REPRO_EVENT_FILE_H_
