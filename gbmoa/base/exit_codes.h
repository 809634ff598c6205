// From absl::Status to the exit codes of our programs. They are stable: scripts may rely on them.
#ifndef GBMOA_BASE_EXIT_CODES_H_
#define GBMOA_BASE_EXIT_CODES_H_

#include "absl/status/status.h"

namespace gbmoa {

// The code decides the exit code, so it is chosen by what the user can do about the error:
//
//   64  InvalidArgument, FailedPrecondition, AlreadyExists, Unimplemented: a flag, a configuration file, a request that
//       does not fit the state of things
//   65  DataLoss, OutOfRange: a data file's content: malformed, wrong encoding, bad value
//   66  NotFound: an input that is not there; never an output
//   70  Internal: a bug of ours or an exception of a library
//   71  ResourceExhausted: memory, GPU memory, file descriptors
//   74  Unknown, PermissionDenied, Unauthenticated: the operating system: disk full, I/O error, no permission
//   75  Cancelled: interrupted by a signal; the same command goes on
//   76  Unavailable, DeadlineExceeded: another process of the job failed or is silent
//   77  Aborted: the numbers diverged
//
// OK is 0. A code that Abseil may add later counts as Internal.
int ExitCode(const absl::Status& status);

}  // namespace gbmoa

#endif  // GBMOA_BASE_EXIT_CODES_H_
