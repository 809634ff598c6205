#include "gbmoa/base/torch_status.h"

#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

absl::Status CatchTorch(absl::FunctionRef<absl::Status()> fn) {
  try {
    return fn();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // The CPU allocator reports a failed allocation as a plain error with this text.
    if (absl::StrContains(message, "not enough memory") || absl::StrContains(message, "can't allocate memory")) {
      return absl::ResourceExhaustedError(message);
    }
    return absl::InternalError(absl::StrCat("LibTorch: ", message));
  }
}

}  // namespace gbmoa
