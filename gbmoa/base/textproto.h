// Configuration files: textprotos, read with limits, so that no file can exhaust memory or stack.
#ifndef GBMOA_BASE_TEXTPROTO_H_
#define GBMOA_BASE_TEXTPROTO_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace google {
namespace protobuf {
class Message;
}  // namespace protobuf
}  // namespace google

namespace gbmoa {

// Parses `text` into `message`; `name` is what errors call it.
// Errors: InvalidArgument "NAME:LINE:COLUMN: what (in FIELD)" for bad syntax, an unknown or repeated field, a value
// that its field cannot hold, text that is not UTF-8, more than 100 levels of messages; "NAME: FIELD: what" for a
// string that is not UTF-8, a number that is not finite, a key twice in a map. FIELD is a path, "wordnet.classes.name".
// Ranges are not checked: that is for whoever knows what a field means.
absl::Status ParseTextproto(absl::string_view name, absl::string_view text, google::protobuf::Message* message);

// Errors: NotFound and the other errors of ReadFile; InvalidArgument as above, and for more than 1 MiB.
absl::Status LoadTextproto(const std::string& path, google::protobuf::Message* message);

// The message as bytes that are the same in every process, for hashes: maps are in the order of their keys, which
// protobuf's own serialization does not promise.
std::string DeterministicBytes(const google::protobuf::Message& message);

template <typename M>
absl::StatusOr<M> LoadTextproto(const std::string& path) {
  M message;
  const absl::Status status = LoadTextproto(path, &message);
  if (!status.ok()) return status;
  return message;
}

}  // namespace gbmoa

#endif  // GBMOA_BASE_TEXTPROTO_H_
