// The gbmoa program's subcommands. A new one is one file that ends in GBMOA_REGISTER_COMMAND.
#ifndef GBMOA_CLI_COMMAND_H_
#define GBMOA_CLI_COMMAND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {

class Command {
 public:
  virtual ~Command() = default;
  // For the list of commands: a dozen words at most.
  virtual std::string summary() const = 0;
  // For `gbmoa help NAME`: what goes in, what comes out. Lines of at most 100 characters; the flags are added.
  virtual std::string description() const = 0;
  // Names of the ABSL_FLAGs that it takes; any other is refused.
  virtual std::vector<std::string> flags() const = 0;
  // Called when the flags are set. The status decides the exit code (gbmoa/base/exit_codes.h).
  virtual absl::Status Run() = 0;
};

using CommandRegistry = Registry<Command>;

// At the end of a command's file: GBMOA_REGISTER_COMMAND("encode", EncodeCommand);
#define GBMOA_REGISTER_COMMAND(name, Class)                                       \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::CommandRegistry::Global().Register(                                \
          name, []() -> absl::StatusOr<std::unique_ptr<::gbmoa::Command>> { return std::make_unique<Class>(); })

}  // namespace gbmoa

#endif  // GBMOA_CLI_COMMAND_H_
