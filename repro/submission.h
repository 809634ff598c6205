// Predictions on GLUE's test sets, in the files that its leaderboard takes.
#ifndef GBMOA_REPRO_SUBMISSION_H_
#define GBMOA_REPRO_SUBMISSION_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eval/dataset.h"
#include "gbmoa/task/learner.h"
#include "repro/file_world.h"
#include "repro/table.pb.h"
#include "repro/table_runner.h"

namespace gbmoa {

// "index<TAB>prediction" and a line an example of `test`: its id, or its number from 0 where it has none, and the class
// as the task's files write it or the value, to three decimals and within the task's range. Errors: InvalidArgument for
// another number of predictions than examples or of classes than the task's.
absl::StatusOr<std::string> SubmissionText(const TaskConfig& config, const Dataset& test, const Prediction& prediction);

struct SubmissionFile {
  std::string row, file;  // "lora", "CoLA.tsv"
  int64_t predictions = 0;
  std::string not_attempted;  // empty, or why there is no file: "MISSING_DATA: ...", "row lora: failed: ..."
};

struct SubmissionOptions {
  std::string folder;             // files go to FOLDER/ROW
  std::vector<std::string> rows;  // empty: all methods of the paper that the profile runs
  std::string out;                // of the table's run, where meta-trained states lie
  FileWorldOptions files;
  std::function<bool()> stopped;  // asked before every adaptation
};

// Whether there can be predictions of these rows, to be asked before hours of running the table. Errors:
// InvalidArgument for a profile without tasks in files, a row that does not exist or that the profile does not run.
absl::Status CheckSubmission(const Table& table, const Profile& profile, const std::vector<std::string>& rows);

// Adapts each row's learner, with the options that the run chose, to the first draw's support set of each GLUE task,
// once, as the table's cells are, and predicts the task's whole test sets; the diagnostic set AX with MNLI's model. One
// entry for each row and each of GLUE's eleven files. Not attempted are files of tasks that the run did without, of
// test splits with a bad row or another number of rows than the leaderboard's, of a row with a grid that chose nothing,
// and of what a learner fails at. Errors: those of CheckSubmission, of task configurations and of writing; Cancelled
// when stopped.
absl::StatusOr<std::vector<SubmissionFile>> WriteSubmission(const Table& table, const Profile& profile,
                                                            const TableWorld& world, const TableRun& run,
                                                            const Tokenizer& tokenizer,
                                                            const SubmissionOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_SUBMISSION_H_
