// Two files a line of which belong together, the texts and then their labels: intent data sets (seq.in, label) and
// TweetEval (X_text.txt, X_labels.txt). A split lists them in pairs.
//
// Fields: `left_out`: labels of rows that are no examples of the task, with blanks between.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

// The lines of a text; the end of the last one needs no "\n".
std::vector<absl::string_view> Lines(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

class ParallelReader : public TaskReader {
 public:
  bool pairs(const FileTask&) const override { return false; }
  bool paired_files() const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}, {"left_out"}));
    if (file.header || !file.labelled) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.config->name(), ": files: layout 'parallel' has labels and no header"));
    }
    GBMOA_ASSIGN_OR_RETURN(const std::set<std::string> left_out, LeftOutLabels(file));
    const std::vector<absl::string_view> labels = Lines(file.second_contents);
    const size_t texts = Lines(file.contents).size();
    if (texts != labels.size()) {
      return absl::DataLossError(absl::StrCat(file.path, ":", std::min(texts, labels.size()) + 1, ":1: expected ",
                                              labels.size(), " lines, as many as ", file.second_path, " has, found ",
                                              texts));
    }
    const auto read = [&](absl::string_view line, int64_t number, std::vector<Example>* row) -> absl::Status {
      const std::string label(absl::StripTrailingAsciiWhitespace(labels[number - 1]));
      if (left_out.count(label) > 0) return absl::OkStatus();
      Example example;
      example.text_a = std::string(line);
      GBMOA_RETURN_IF_ERROR(CheckText("text_a", line));
      const absl::Status status = ReadLabel(file.config->files(), label, &example);
      if (!status.ok()) {
        return absl::Status(status.code(), absl::StrCat(file.second_path, ":", number, ":1: ", status.message()));
      }
      row->push_back(std::move(example));
      return absl::OkStatus();
    };
    return ReadLines(file, bad_rows, examples, read);
  }
};

GBMOA_REGISTER_TASK_READER("parallel", ParallelReader);

}  // namespace
}  // namespace gbmoa
