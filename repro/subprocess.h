// Another program, run to its end.
#ifndef GBMOA_REPRO_SUBPROCESS_H_
#define GBMOA_REPRO_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gbmoa {

// What the program prints on standard output and standard error together. No shell is involved. Errors: Unimplemented
// if there is no such program; Internal if it fails, with what it printed.
absl::StatusOr<std::string> RunProgram(std::vector<std::string> arguments);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_SUBPROCESS_H_
