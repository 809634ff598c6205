#include "gbmoa/base/exit_codes.h"

namespace gbmoa {

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnimplemented:
      return 64;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange:
      return 65;
    case absl::StatusCode::kNotFound:
      return 66;
    case absl::StatusCode::kResourceExhausted:
      return 71;
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return 74;
    case absl::StatusCode::kCancelled:
      return 75;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 76;
    case absl::StatusCode::kAborted:
      return 77;
    case absl::StatusCode::kInternal:
    default:
      return 70;
  }
}

}  // namespace gbmoa
