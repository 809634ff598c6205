// bazel run //repro:table1 -- [flags]
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/exit_codes.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/flags.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/threads.h"
#include "glog/logging.h"
#include "repro/desk_world.h"
#include "repro/file_world.h"
#include "repro/submission.h"
#include "repro/subprocess.h"
#include "repro/table.h"
#include "repro/table_main.h"

// Set by gbmoa_table in repro.bzl.
#ifndef GBMOA_TABLE
#define GBMOA_TABLE "table1"
#endif
#ifndef GBMOA_PROFILE
#define GBMOA_PROFILE "desk"
#endif

ABSL_FLAG(std::string, table, "", "the table's definition; by default the one that the program is built for");
ABSL_FLAG(std::string, profile, GBMOA_PROFILE, "desk, glue or 4xa100; --config=NAME of Bazel sets it, too");
ABSL_FLAG(std::string, out, "", "folder of the results; by default gbmoa-out/TABLE-PROFILE where you stand");
ABSL_FLAG(int, seeds, 0, "number of draws of the support sets; 0: as the table says");
ABSL_FLAG(
    int, first_seed, -1,
    "N: draws and meta-trainings from N on, few-shot episodes from N times their number on; -1: as the table says. "
    "Values to expect come from others than the run's");
ABSL_FLAG(int, threads, 0, "jobs at a time, each on one core; 0: one a processor");
ABSL_FLAG(bool, quick, false, "a run of a few minutes to see that all works; its numbers are not judged");
ABSL_FLAG(bool, fresh, false, "run everything again, whatever an earlier run left in the folder");
ABSL_FLAG(std::string, report, "", "a results file: only write its Markdown and HTML anew");
ABSL_FLAG(std::string, backbone, "", "folder of another encoder than the bundled one");
ABSL_FLAG(std::string, data_root, "",
          "folder of GLUE's and other tasks' files (docs/glue_profile.md); by default $GBMOA_DATA, else the archives "
          "that --config=glue_fetch has fetched");
ABSL_FLAG(std::string, tasks, "", "of the profile's test tasks only these, with commas between; the report says so");
ABSL_FLAG(int64_t, max_bad_rows, 0, "so many bad rows of a split's files are left out, with a warning, not an error");
ABSL_FLAG(std::string, submission, "",
          "folder for predictions on GLUE's test sets in the leaderboard's format, a folder a row; empty: none");
ABSL_FLAG(std::string, submission_rows, "",
          "rows that --submission is for, with commas between; by default the methods of the paper");
ABSL_FLAG(std::string, precision, "", "fp32 or bf16, of the frozen products; by default the fastest here");

namespace gbmoa {
namespace {

constexpr const char* kHelp[] = {"--help", "-help", "-h"};

std::atomic<bool> interrupted{false};

// The first signal ends the run in order; a second one ends it at once.
void OnSignal(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

std::string GitCommit() {
  const char* const workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::string folder = workspace == nullptr ? "." : workspace;
  const absl::StatusOr<std::string> commit = RunProgram({"git", "-C", folder, "rev-parse", "--verify", "HEAD"});
  if (!commit.ok()) return "unknown";
  const absl::StatusOr<std::string> changes =
      RunProgram({"git", "-C", folder, "status", "--porcelain", "--untracked-files=no"});
  return absl::StrCat(absl::StripAsciiWhitespace(*commit), changes.ok() && !changes->empty() ? "-dirty" : "");
}

std::vector<std::string> Words(const std::string& text) { return absl::StrSplit(text, ',', absl::SkipEmpty()); }

FileWorldOptions FileOptions() {
  FileWorldOptions options;
  options.backbone = absl::GetFlag(FLAGS_backbone);
  options.precision = absl::GetFlag(FLAGS_precision);
  options.data_root = FindDataRoot(absl::GetFlag(FLAGS_data_root));
  options.cache_folder = TokenCacheFolder();
  options.tasks = Words(absl::GetFlag(FLAGS_tasks));
  options.max_bad_rows = absl::GetFlag(FLAGS_max_bad_rows);
  return options;
}

absl::Status Submit(const Table& table, const Profile& profile, const TableWorld& world, const TableRun& run,
                    const std::string& out, const std::string& folder, const FileWorldOptions& files) {
  std::string backbone = files.backbone;
  if (backbone.empty()) {
    GBMOA_ASSIGN_OR_RETURN(backbone, BundledBackboneFolder());
  }
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(backbone));
  SubmissionOptions options;
  options.folder = folder;
  options.rows = Words(absl::GetFlag(FLAGS_submission_rows));
  options.out = out;
  options.files = files;
  options.stopped = [] { return interrupted.load(); };
  GBMOA_ASSIGN_OR_RETURN(const std::vector<SubmissionFile> written,
                         WriteSubmission(table, profile, world, run, *tokenizer, options));
  for (const SubmissionFile& file : written) {
    const std::string path = JoinPath(folder, absl::StrCat(file.row, "/", file.file));
    if (file.not_attempted.empty()) {
      std::printf("%s: %lld predictions\n", path.c_str(), static_cast<long long>(file.predictions));
    } else {
      std::printf("%s: NOT_ATTEMPTED, %s\n", path.c_str(), file.not_attempted.c_str());
    }
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  std::string command = "bazel run ";
  if (std::string(GBMOA_PROFILE) != "desk") absl::StrAppend(&command, "--config=", GBMOA_PROFILE, " ");
  absl::StrAppend(&command, "//repro:", GBMOA_TABLE);
  for (int i = 1; i < argc; ++i) absl::StrAppend(&command, i == 1 ? " -- " : " ", argv[i]);
  const std::vector<std::string> names = {
      "table",  "profile",  "out",       "seeds",     "first_seed", "threads",      "quick",      "fresh",
      "report", "backbone", "precision", "data_root", "tasks",      "max_bad_rows", "submission", "submission_rows"};
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (std::find_first_of(words.begin(), words.end(), std::begin(kHelp), std::end(kHelp)) != words.end()) {
    std::printf(
        "Runs a table of the paper and says of every cell whether it was reproduced.\n\n%s\n"
        "Exit codes: 0 all cells reproduced, 10 one was not, 11 one is inconclusive or its run failed, 12 one was not\n"
        "attempted; 64 usage, 66 input missing, 71 out of resources, 74 I/O, 75 interrupted and resumable.\n",
        DescribeFlags(names).c_str());
    return 0;
  }
  const absl::StatusOr<std::vector<std::string>> rest = ParseFlags(words, names);
  if (!rest.ok()) {
    std::fprintf(stderr, "error: %s\n", std::string(rest.status().message()).c_str());
    return ExitCode(rest.status());
  }
  if (!rest->empty()) {
    std::fprintf(stderr, "error: unexpected argument '%s'\n", (*rest)[0].c_str());
    return 64;
  }
  if (const std::string report = absl::GetFlag(FLAGS_report); !report.empty()) return ReportMain(report);

  TableArguments arguments;
  arguments.table = absl::GetFlag(FLAGS_table);
  if (arguments.table.empty()) {
    const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/" GBMOA_TABLE ".textproto");
    if (!path.ok()) {
      std::fprintf(stderr, "error: %s\n", std::string(path.status().message()).c_str());
      return ExitCode(path.status());
    }
    arguments.table = *path;
  }
  arguments.profile = absl::GetFlag(FLAGS_profile);
  arguments.out = absl::GetFlag(FLAGS_out);
  if (absl::GetFlag(FLAGS_seeds) != 0) arguments.seeds = absl::GetFlag(FLAGS_seeds);
  if (absl::GetFlag(FLAGS_first_seed) != -1) arguments.first_seed = absl::GetFlag(FLAGS_first_seed);
  arguments.threads = absl::GetFlag(FLAGS_threads);
  arguments.quick = absl::GetFlag(FLAGS_quick);
  arguments.fresh = absl::GetFlag(FLAGS_fresh);
  arguments.command = command;
  arguments.git = GitCommit();
  const absl::StatusOr<std::string> build = Sha256HexOfFile("/proc/self/exe");
  arguments.build = build.ok() ? *build : "unknown";
  arguments.on_worker_start = [] { SetIntraOpThreads(1); };
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  arguments.stopped = [] { return interrupted.load(); };
  arguments.tasks = Words(absl::GetFlag(FLAGS_tasks));
  const FileWorldOptions files = FileOptions();
  if (const std::string folder = absl::GetFlag(FLAGS_submission); !folder.empty()) {
    arguments.after_run = [folder, &files](const Table& table, const Profile& profile, const TableWorld& world,
                                           const TableRun& run, const std::string& out) {
      return Submit(table, profile, world, run, out, UserPath(folder), files);
    };
  }
  return TableMain(arguments, [&](const Profile& profile) -> absl::StatusOr<TableWorld> {
    if (arguments.after_run) {
      // Before the hours, not after them.
      GBMOA_ASSIGN_OR_RETURN(const TableDefinition definition, LoadTable(arguments.table));
      const absl::Status status =
          CheckSubmission(definition.table, profile, Words(absl::GetFlag(FLAGS_submission_rows)));
      if (!status.ok()) return absl::Status(status.code(), absl::StrCat("--submission: ", status.message()));
    }
    if (WorldOf(profile) == "files") {
      FileWorldOptions options = files;
      // What --quick leaves out need not be read.
      if (options.tasks.empty() && arguments.quick) {
        options.tasks.assign(profile.quick().tasks().begin(), profile.quick().tasks().end());
      }
      return MakeFileWorld(profile, options);
    }
    DeskWorldOptions options;
    options.backbone = absl::GetFlag(FLAGS_backbone);
    options.precision = absl::GetFlag(FLAGS_precision);
    options.meta_train_tasks = profile.meta_train_tasks();
    return MakeDeskWorld(options);
  });
}

}  // namespace
}  // namespace gbmoa

int main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  return gbmoa::Main(argc, argv);
}
