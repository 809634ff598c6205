// From the cells of a run to the results file: means, verdicts, comparisons. Every number of the reports comes from
// here.
#ifndef GBMOA_REPRO_RESULT_H_
#define GBMOA_REPRO_RESULT_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "repro/cell.h"
#include "repro/table.h"
#include "repro/table_runner.h"
#include "repro/verdict.h"

namespace gbmoa {

// What surrounds the numbers of a run.
struct RunContext {
  bool quick = false;
  std::string git;      // commit, "-dirty" if the tree differs; "unknown" outside a checkout
  std::string build;    // SHA-256 of the program
  std::string started;  // RFC 3339
  std::string command;  // how to run it again
  int threads = 1;
  double seconds = 0;
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, std::string>> inputs;  // name, SHA-256
};

// The results file. `run` is nullptr where the profile is not attempted on this machine: all cells say so then.
Json BuildResult(const TableDefinition& definition, const Profile& profile, const RunContext& context,
                 const TableRun* run);

// The verdicts of all cells, as the exit code counts them.
VerdictCounts CountVerdicts(const Json& result);

// The measured values as `expected` fields of the table's definition, for whoever writes down what the next run should
// find. `source` of each says which draws and build they come from.
std::string ExpectedTextproto(const Json& result);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_RESULT_H_
