// Command lines with absl's flags but without absl's exit(1): a wrong flag is an error like any other.
#ifndef GBMOA_BASE_FLAGS_H_
#define GBMOA_BASE_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace gbmoa {

// Sets the flags among `arguments` (without the program's name) and returns the rest. Understands --name=value, --name
// value, --bool, --nobool, one dash for two, "--" as the end of the flags; a lone "-" is no flag. Later values win.
// `allowed` are the names of flags that may be set. Nothing but them is looked at, --help included.
// Errors: InvalidArgument that names the flag and what is wrong: unknown, without a value, or with one that it cannot
// have.
absl::StatusOr<std::vector<std::string>> ParseFlags(absl::Span<const std::string> arguments,
                                                    absl::Span<const std::string> allowed);

// "  --name  help; default: value" for each of the flags, as text for a terminal.
std::string DescribeFlags(absl::Span<const std::string> names);

}  // namespace gbmoa

#endif  // GBMOA_BASE_FLAGS_H_
