// Files of labelled texts: what `gbmoa adapt` learns from and `gbmoa evaluate` judges on.
#ifndef GBMOA_CLI_LABELLED_FILE_H_
#define GBMOA_CLI_LABELLED_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"

namespace gbmoa {

struct LabelledText {
  std::string first;
  absl::optional<std::string> second;
  std::string label;
  std::string place;  // "FILE:LINE:COLUMN" of the label (of the line in a .jsonl file), counted from 1, in bytes
};

// The format follows from what the file's name ends in:
//
//   .tsv    One line an example: one text or two, then the label, with a tab before each but the first. No quotes, no
//           escapes.
//
//   .csv    The same with commas. A field may be quoted, "like, this"; a quote in it is doubled, and it may have line
//           ends.
//
//   .jsonl  One object a line, {"text": ..., "label": ...} or {"text": ..., "text_pair": ..., "label": ...}. All are
//           strings; a label may be a whole number, too.
//
// Lines end in \n or \r\n. With `header` the first line of a .tsv or .csv file is not looked at. All examples have one
// text or all have two.
//
// Errors: NotFound; InvalidArgument for another ending, and for a header of a .jsonl file; DataLoss
// "FILE:LINE:COLUMN: what" for bytes that are not UTF-8, a NUL, another number of columns or field, an empty label, an
// unfinished quote, a row of a table above kMaxRowBytes (delimited.h); DataLoss "FILE: has no examples".
absl::StatusOr<std::vector<LabelledText>> ReadLabelledFile(const std::string& path, bool header);

}  // namespace gbmoa

#endif  // GBMOA_CLI_LABELLED_FILE_H_
