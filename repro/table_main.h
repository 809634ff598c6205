// The program that runs a table, from its arguments to its exit code.
#ifndef GBMOA_REPRO_TABLE_MAIN_H_
#define GBMOA_REPRO_TABLE_MAIN_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "repro/table_runner.h"

namespace gbmoa {

struct TableArguments {
  std::string table;  // path of the definition
  std::string profile = "desk";
  std::string out;  // empty: gbmoa-out/TABLE-PROFILE where the user stands, with "-quick" for a quick run
  std::optional<int> seeds;
  std::optional<int> first_seed;
  int threads = 0;  // 0: as many as processors
  bool quick = false;
  bool fresh = false;
  std::string command;  // how to call the program again, for the report
  std::string build;    // SHA-256 of the program: cells of another build are not reused
  std::string git;
  std::vector<std::string> tasks;  // of the profile's test tasks, those that are run; empty: all
  std::function<void()> on_worker_start;
  std::function<bool()> stopped;
  // What is done with the learners once all cells are there and the report is written, if the profile is run. Its error
  // is the program's.
  std::function<absl::Status(const Table& table, const Profile& profile, const TableWorld& world, const TableRun& run,
                             const std::string& out)>
      after_run;
};

// Runs the table, writes TABLE.json, .md, .html and expected.textproto into the out folder, prints the table to
// standard output and errors to standard error. `make_world` is not called for a profile that is not attempted; its
// error FailedPrecondition "MISSING_DATA, HARDWARE: why", of any of table.proto's reasons, says that the profile is not
// attempted here. Returns 0, 10, 11, 12 as VerdictExitCode, or an exit code of exit_codes.h.
int TableMain(const TableArguments& arguments,
              const std::function<absl::StatusOr<TableWorld>(const Profile& profile)>& make_world);

// Writes the Markdown and HTML of a results file beside it, anew.
int ReportMain(const std::string& path);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_TABLE_MAIN_H_
