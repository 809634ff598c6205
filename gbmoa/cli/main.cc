// gbmoa: the method on the command line. `gbmoa help` lists what it can do.

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/flags.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/command.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

bool IsHelp(const std::string& argument) { return argument == "--help" || argument == "-help" || argument == "-h"; }

std::string Overview() {
  std::string text =
      "usage: gbmoa COMMAND [--FLAG=VALUE ...]\n       gbmoa help COMMAND     what it reads and writes, and its flags\n"
      "\ncommands:\n";
  for (const std::string& name : CommandRegistry::Global().Names()) {
    absl::StrAppendFormat(&text, "  %-12s  %s\n", name, (*CommandRegistry::Global().Create(name))->summary());
  }
  absl::StrAppend(
      &text,
      "\nexit codes: 0 ok, 64 usage or configuration, 65 bad data, 66 input missing, 70 internal error,\n"
      "71 out of resources, 74 I/O, 75 interrupted and resumable, 76 a peer failed, 77 numeric divergence\n");
  return text;
}

absl::StatusOr<std::unique_ptr<Command>> FindCommand(const std::string& name) {
  absl::StatusOr<std::unique_ptr<Command>> command = CommandRegistry::Global().Create(name);
  if (command.ok()) return command;
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown command '", name, "'; known: ", absl::StrJoin(CommandRegistry::Global().Names(), ", "), ", help"));
}

absl::Status PrintHelp(const std::string& name) {
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Command> command, FindCommand(name));
  absl::PrintF("gbmoa %s: %s\n\n%s\n\nflags:\n%s", name, command->summary(), command->description(),
               DescribeFlags(command->flags()));
  return absl::OkStatus();
}

absl::Status RunCommand(const std::string& name, absl::Span<const std::string> arguments) {
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Command> command, FindCommand(name));
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (IsHelp(argument)) return PrintHelp(name);
  }
  GBMOA_ASSIGN_OR_RETURN(const std::vector<std::string> rest, ParseFlags(arguments, command->flags()));
  if (!rest.empty()) return absl::InvalidArgumentError(absl::StrCat("unexpected argument '", rest[0], "'"));
  // What no command expects still must not end without a word and a code.
  try {
    return command->Run();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    std::fputs(Overview().c_str(), stderr);
    return ExitCode(absl::InvalidArgumentError(""));
  }
  std::string name = arguments[0];
  absl::Status status;
  if (IsHelp(name) || (name == "help" && arguments.size() == 1)) {
    std::fputs(Overview().c_str(), stdout);
  } else if (name == "help") {
    name = arguments[1];
    status = PrintHelp(name);
  } else {
    status = RunCommand(name, absl::MakeConstSpan(arguments).subspan(1));
  }
  if (status.ok() && std::fflush(stdout) != 0) status = absl::UnknownError("standard output: cannot write");
  if (status.ok()) return 0;
  const bool known = CommandRegistry::Global().Create(name).ok();
  absl::FPrintF(stderr, "gbmoa%s: %s\n", known ? absl::StrCat(" ", name) : "", status.message());
  return ExitCode(status);
}

}  // namespace
}  // namespace gbmoa

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  if (std::getenv("GLOG_minloglevel") == nullptr) FLAGS_minloglevel = google::GLOG_WARNING;
  signal(SIGXFSZ, SIG_IGN);  // a file that grows too big is an error of write()
  return gbmoa::Main(std::vector<std::string>(argv + 1, argv + argc));
}
