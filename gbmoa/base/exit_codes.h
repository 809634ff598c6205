// From absl::Status to the exit codes of our programs. They are stable: scripts may rely on them.
#ifndef GBMOA_BASE_EXIT_CODES_H_
#define GBMOA_BASE_EXIT_CODES_H_

#include "absl/status/status.h"

namespace gbmoa {

// The code decides the exit code, so it is chosen by what the user can do about the error:
//
//   status code                                       exit  whose fault, and where it comes from
//   InvalidArgument, FailedPrecondition,               64   a flag, a configuration file, a request that does not fit
//   the
//     AlreadyExists, Unimplemented                          state of things (an --out that exists, a kind we do not
//     have)
//   DataLoss, OutOfRange                               65   a data file's content: malformed, wrong encoding, bad value
//   NotFound                                           66   an input that is not there; never an output
//   Internal                                           70   a bug of ours or an exception of a library
//   ResourceExhausted                                  71   memory, GPU memory, file descriptors
//   Unknown, PermissionDenied, Unauthenticated         74   the operating system: disk full, I/O error, no permission,
//   no
//                                                           folder to write to
//   Cancelled                                          75   interrupted by a signal; the same command goes on
//   Unavailable, DeadlineExceeded                      76   another process of the job failed or is silent
//   Aborted                                            77   the numbers diverged
//
// OK is 0. A code that Abseil may add later counts as Internal.
int ExitCode(const absl::Status& status);

}  // namespace gbmoa

#endif  // GBMOA_BASE_EXIT_CODES_H_
