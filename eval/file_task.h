// Tasks whose examples lie in the benchmark's own files: reads, checks and counts them.
#ifndef GBMOA_EVAL_FILE_TASK_H_
#define GBMOA_EVAL_FILE_TASK_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/dataset.h"
#include "gbmoa/task/task.pb.h"

namespace gbmoa {

struct FileTaskOptions {
  int64_t max_bad_rows = 0;           // of all files of a split: so many are left out, with a warning that counts them
  bool replace_invalid_utf8 = false;  // U+FFFD in place of bytes that are not UTF-8, which are bad rows otherwise
};

// One split of a task, as it lies on disk.
struct FileTaskSplit {
  Dataset dataset;                                         // examples in the files' order
  int64_t official_rows = 0;                               // 0: not published, or counted in questions
  int64_t official_questions = 0;                          // 0: not published, or counted in rows
  int64_t questions = 0;                                   // of a grouped dataset
  int64_t bad_rows = 0;                                    // left out; of a grouped dataset, lines of questions
  int64_t repeated_rows = 0;                               // of one not grouped: with the id of another of their file
  int64_t replaced = 0;                                    // U+FFFD in place of what was not UTF-8
  std::vector<std::pair<std::string, std::string>> files;  // path below the data root, SHA-256
  // It has not as many examples (or questions) as the official split, or nobody knows how many questions its bad lines
  // had: a result on it is never the official task's.
  bool subset() const {
    if (dataset.grouped && bad_rows > 0) return true;
    return (official_rows > 0 && dataset.size() - repeated_rows + bad_rows != official_rows) ||
           (official_questions > 0 && questions != official_questions);
  }
};

// Reads split `name` of `config`, whose source is `files`, below `data_root`.
// Errors: InvalidArgument for a split that the task does not have, a layout that is not registered, fields that the
// layout does not know; NotFound naming the first missing file; ReadFile's, for more than 1 GiB too; DataLoss
// "FILE:LINE:COLUMN: what" for what a reader says, an empty file, lines that end in CR alone; also for a NUL and bytes
// that are not UTF-8, whose lines are bad rows; "FILE: label set: ..." if a labelled split called "train..." has a
// class less than the task (elsewhere that is legal, and logged).
absl::StatusOr<FileTaskSplit> LoadFileTaskSplit(const TaskConfig& config, absl::string_view name,
                                                const std::string& data_root, const FileTaskOptions& options = {});

// The files of the split that are not there, as paths below the data root; none of a split that the task does not have.
std::vector<std::string> MissingFiles(const TaskConfig& config, absl::string_view split, const std::string& data_root);

// "validation: 1,000 of 9,815 rows" (or questions) for every split that is a subset or lacks bad rows, with what else
// is to say of it and "; " between them; empty if none is.
std::string SubsetText(const std::vector<const FileTaskSplit*>& splits);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_FILE_TASK_H_
