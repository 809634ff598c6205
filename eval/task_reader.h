// TaskReader: brings the rows of a benchmark's file into examples. One file in eval/readers per layout, registered by
// name; which layout a task's files have is in its textproto.
#ifndef GBMOA_EVAL_TASK_READER_H_
#define GBMOA_EVAL_TASK_READER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/dataset.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/task/task.pb.h"

namespace gbmoa {

// Rows that are left out because something is wrong with them: as many as the user allows, none by default.
class BadRows {
 public:
  explicit BadRows(int64_t limit) : limit_(limit) {}
  // Takes note of one. Returns `error`, a "FILE:LINE:COLUMN: what", once there are more than the limit; a limit above 0
  // is said behind it, with the first one's message.
  absl::Status Add(const absl::Status& error);
  int64_t count() const { return count_; }
  const std::string& first() const { return first_; }

 private:
  int64_t limit_, count_ = 0;
  std::string first_;
};

// One file of a split, as text, and how the task says that it is to be read.
struct TaskFile {
  std::string path;      // for messages
  std::string contents;  // valid UTF-8 without a byte-order mark or NUL
  // Lines, from 1, that were none such; they are empty now, and have been counted as bad rows. Layouts of lines pass
  // over them.
  std::set<int64_t> bad_lines;
  std::string second_path, second_contents;   // where a layout's files go in pairs, the pair's second one
  const TaskConfig* config = nullptr;         // whose source is `files`
  std::map<std::string, std::string> fields;  // the split's over the task's
  bool header = false;
  bool labelled = true;
};

// Texts of nothing but white space are refused in every layout: their row is a bad one. Only the second text of a pair
// that stands in a table or in JSON members may be empty, as two questions of QQP are, and an answer of MultiRC.
class TaskReader {
 public:
  virtual ~TaskReader() = default;
  // Whether several examples are answers to one question.
  virtual bool grouped() const { return false; }
  virtual bool pairs(const FileTask& task) const = 0;
  // Whether a split's files go in pairs that are read together, e.g. texts and then their labels.
  virtual bool paired_files() const { return false; }
  // Appends the file's examples. Groups are numbered from *next_group on, which is left at the first free number.
  // Errors: DataLoss "FILE:LINE:COLUMN: what, expected, found" once there are more bad rows than allowed;
  // InvalidArgument if the task's fields do not fit the layout.
  virtual absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                            std::vector<Example>* examples) const = 0;
};

// Whether the task or one of its splits has the field.
bool HasField(const FileTask& task, const std::string& field);

// The class index of what a file calls a class, or the target of a regression, checked against the task's range; into
// `example`. Errors: DataLoss "label: expected one of ..., found '...'" without a place.
absl::Status ReadLabel(const FileTask& task, absl::string_view value, Example* example);

using TaskReaderRegistry = Registry<TaskReader>;

// At the end of a reader's file: GBMOA_REGISTER_TASK_READER("tsv", TsvReader);
#define GBMOA_REGISTER_TASK_READER(name, type)                                    \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::TaskReaderRegistry::Global().Register(                             \
          name, []() -> absl::StatusOr<std::unique_ptr<::gbmoa::TaskReader>> { return std::make_unique<type>(); })

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TASK_READER_H_
