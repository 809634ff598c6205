#include "repro/table_main.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "eval/task_config.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"
#include "repro/report.h"
#include "repro/result.h"
#include "repro/table.h"
#include "repro/verdict.h"

namespace gbmoa {
namespace {

constexpr char kNotAskedFor[] = "BUDGET: not among the tasks of this run";

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (absl::StartsWith(line, "model name") && colon != std::string::npos) {
      return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
  }
  return "unknown";
}

// Fails before hours of work where nothing could be written afterwards.
absl::Status PrepareOut(const std::string& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error)
    return absl::PermissionDeniedError(absl::StrCat("--out=", out, ": cannot make the folder: ", error.message()));
  const std::string probe = JoinPath(out, ".probe");
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(probe, ""));
  std::filesystem::remove(probe, error);
  return absl::OkStatus();
}

std::string Names(const Json& names) {
  std::vector<std::string> texts;
  for (const Json& name : names) texts.push_back(name.get<std::string>());
  return texts.empty() ? "none" : absl::StrJoin(texts, ", ");
}

// Which tasks were for what.
std::string SplitText(const Json& result) {
  if (!result.contains("split")) return "";
  const Json& split = result["split"];
  return absl::StrCat(
      "meta-training tasks: ", Names(split["meta_train"]), "\nmeta-test tasks: ", Names(split["meta_test"]),
      split.contains("few_shot") ? absl::StrCat("\nfew-shot test tasks: ", Names(split["few_shot"])) : "",
      "\ndevelopment tasks: ", Names(split["development"]), "\n");
}

// What the error of a world says of a profile that cannot be run here, "MISSING_DATA, HARDWARE: why"; nothing if it is
// another error.
std::optional<NotAttempted> WhyNotAttempted(const absl::Status& status) {
  if (!absl::IsFailedPrecondition(status)) return std::nullopt;
  const std::pair<std::string, std::string> parts = absl::StrSplit(status.message(), absl::MaxSplits(": ", 1));
  NotAttempted not_attempted;
  for (const absl::string_view name : absl::StrSplit(parts.first, ", ")) {
    Reason reason;
    if (!Reason_Parse(std::string(name), &reason) || reason == REASON_UNSPECIFIED) return std::nullopt;
    not_attempted.add_reasons(reason);
  }
  not_attempted.set_why(parts.second);
  return not_attempted;
}

// The profile's tasks that the world was spared, with what they would be scored by: columns need to know.
absl::Status AddSparedTasks(const Profile& profile, TableWorld* world) {
  std::set<std::string> known;
  for (const EvalTask& task : world->tasks) known.insert(task.name);
  for (const Suite& suite : profile.suite_tasks()) {
    for (const std::string& name : suite.tasks()) {
      if (!known.insert(name).second) continue;
      GBMOA_ASSIGN_OR_RETURN(const std::string path,
                             RunfilePath(absl::StrCat("gbmoa/eval/tasks/", name, ".textproto")));
      GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadTaskConfig(path));
      EvalTask task;
      task.name = name;
      task.suite = suite.name();
      task.missing = kNotAskedFor;
      task.test_set.metrics.assign(config.metrics().begin(), config.metrics().end());
      task.test_set.official_metrics.assign(config.official_metrics().begin(), config.official_metrics().end());
      world->tasks.push_back(std::move(task));
    }
  }
  return absl::OkStatus();
}

// Of the world's test tasks only `names` are run. The others are not attempted, and with them the means over them.
absl::Status KeepTasks(const std::vector<std::string>& names, Profile* profile, TableWorld* world) {
  std::set<std::string> known;
  for (EvalTask& task : world->tasks) {
    if (task.development) continue;
    known.insert(task.name);
    if (std::count(names.begin(), names.end(), task.name) == 0 && task.missing.empty()) task.missing = kNotAskedFor;
  }
  for (const std::string& name : names) {
    if (known.count(name) > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat("--tasks: no task '", name, "' in profile ", profile->name(),
                                                   "; known: ", absl::StrJoin(known, ", ")));
  }
  profile->mutable_quick()->clear_tasks();
  for (const std::string& name : names) profile->mutable_quick()->add_tasks(name);
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const TableArguments& arguments,
                        const std::function<absl::StatusOr<TableWorld>(const Profile& profile)>& make_world) {
  const auto start = std::chrono::steady_clock::now();
  if (arguments.threads < 0 || arguments.threads > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("--threads=", arguments.threads, ": from 1 to 1024, or 0 for all"));
  }
  GBMOA_ASSIGN_OR_RETURN(const TableDefinition definition, LoadTable(arguments.table));
  const Table& table = definition.table;
  GBMOA_ASSIGN_OR_RETURN(Profile profile, ResolveProfile(table, arguments.profile,
                                                         {arguments.seeds, arguments.first_seed, arguments.quick}));
  const std::string out =
      arguments.out.empty()
          ? UserPath(absl::StrCat("gbmoa-out/", table.name(), "-", profile.name(), arguments.quick ? "-quick" : ""))
          : UserPath(arguments.out);
  GBMOA_RETURN_IF_ERROR(PrepareOut(out));
  std::printf("%s, profile %s\ndefinition %s\nresults go to %s\n", table.title().c_str(), profile.name().c_str(),
              definition.sha256.c_str(), out.c_str());
  std::fflush(stdout);

  RunContext context;
  context.quick = arguments.quick;
  context.git = arguments.git.empty() ? "unknown" : arguments.git;
  context.build = arguments.build;
  context.started = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
  context.command = arguments.command;
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  context.threads = arguments.threads == 0 ? processors : arguments.threads;
  TableRun run;
  TableWorld world;
  absl::StatusOr<TableWorld> made = absl::UnavailableError("the profile is not attempted");
  if (!profile.has_not_attempted()) {
    made = make_world(profile);
    if (const std::optional<NotAttempted> why = WhyNotAttempted(made.status()); why.has_value()) {
      *profile.mutable_not_attempted() = *why;
    }
  }
  if (!profile.has_not_attempted()) {
    GBMOA_ASSIGN_OR_RETURN(world, std::move(made));
    GBMOA_RETURN_IF_ERROR(AddSparedTasks(profile, &world));
    if (!arguments.tasks.empty()) GBMOA_RETURN_IF_ERROR(KeepTasks(arguments.tasks, &profile, &world));
    context.environment = world.environment;
    context.inputs = world.inputs;
    for (const auto& input : world.few_shot_inputs) {
      if (std::count(context.inputs.begin(), context.inputs.end(), input) == 0) context.inputs.push_back(input);
    }
    for (const EvalTask& task : world.tasks) {
      for (const auto& input : task.inputs) {
        if (std::count(context.inputs.begin(), context.inputs.end(), input) == 0) context.inputs.push_back(input);
      }
    }
    RunnerOptions options;
    options.out = out;
    options.threads = context.threads;
    options.fresh = arguments.fresh;
    options.on_worker_start = arguments.on_worker_start;
    options.stopped = arguments.stopped;
    options.terminal = isatty(STDERR_FILENO) == 1;
    options.key = arguments.build;
    for (const auto& [name, sha256] : world.inputs) absl::StrAppend(&options.key, "\n", name, " ", sha256);
    GBMOA_ASSIGN_OR_RETURN(run, RunTable(table, profile, arguments.quick, world, options));
  }
  context.environment["cpu"] = absl::StrCat(CpuName(), ", ", processors, " processors");
  context.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const Json result = BuildResult(definition, profile, context, profile.has_not_attempted() ? nullptr : &run);
  GBMOA_RETURN_IF_ERROR(WriteReport(result, out));
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(out, "expected.textproto"), ExpectedTextproto(result)));
  const std::string name = JoinPath(out, table.name());
  std::printf("\n%s", SplitText(result).c_str());
  std::printf("\n%s\n%s.md\n%s.json\n%s.html\n", ReportText(result).c_str(), name.c_str(), name.c_str(), name.c_str());
  std::fflush(stdout);
  if (arguments.after_run && !profile.has_not_attempted())
    GBMOA_RETURN_IF_ERROR(arguments.after_run(table, profile, world, run, out));
  return VerdictExitCode(CountVerdicts(result));
}

// After an interruption the same command goes on where this one stopped; that is worth saying.
int Report(const absl::Status& status) {
  if (absl::IsCancelled(status)) {
    std::fprintf(stderr, "interrupted; the same command goes on from here\n");
  } else {
    std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  }
  return ExitCode(status);
}

}  // namespace

int TableMain(const TableArguments& arguments,
              const std::function<absl::StatusOr<TableWorld>(const Profile& profile)>& make_world) {
  const absl::StatusOr<int> code = Run(arguments, make_world);
  return code.ok() ? *code : Report(code.status());
}

int ReportMain(const std::string& path) {
  const std::string file = UserPath(path);
  const absl::StatusOr<std::string> text = ReadFile(file, int64_t{1} << 30);
  if (!text.ok()) return Report(text.status());
  const Json result = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!result.is_object() || !result.contains("table") || !result.contains("rows")) {
    return Report(absl::DataLossError(absl::StrCat(file, ": not a results file")));
  }
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash);
  // A results file that somebody has edited may lack anything.
  try {
    const absl::Status status = WriteReport(result, folder);
    return status.ok() ? 0 : Report(status);
  } catch (const Json::exception& error) {
    return Report(absl::DataLossError(absl::StrCat(file, ": ", error.what())));
  }
}

}  // namespace gbmoa
