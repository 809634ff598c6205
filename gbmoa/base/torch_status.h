// The only place where an exception of LibTorch becomes an absl::Status.
#ifndef GBMOA_BASE_TORCH_STATUS_H_
#define GBMOA_BASE_TORCH_STATUS_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace gbmoa {

// Runs `fn` and returns its status. Memory that cannot be had becomes ResourceExhausted (exit code 71), any other
// c10::Error Internal, with LibTorch's message but not its stack trace.
absl::Status CatchTorch(absl::FunctionRef<absl::Status()> fn);

}  // namespace gbmoa

#endif  // GBMOA_BASE_TORCH_STATUS_H_
