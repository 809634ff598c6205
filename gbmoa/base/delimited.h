// Text in lines: where a byte of it stands, and rows of columns with a separator between them.
#ifndef GBMOA_BASE_DELIMITED_H_
#define GBMOA_BASE_DELIMITED_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

// A row is no longer than this: a file with more on a line is something else than a table.
constexpr size_t kMaxRowBytes = 1 << 20;

// Places in a text, for errors. Quick where they are asked for in the text's order, since it counts lines from the last
// one on.
class TextCursor {
 public:
  // `name` is what places call the text, which has to outlive the cursor.
  TextCursor(std::string name, absl::string_view text) : name_(std::move(name)), text_(text) {}

  // "NAME:LINE:COLUMN" of a byte, counted from 1; the column counts bytes.
  std::string Place(size_t byte);
  // The line that a byte stands on, counted from 1.
  int64_t Line(size_t byte);

  const std::string& name() const { return name_; }
  absl::string_view text() const { return text_; }

 private:
  std::string name_;
  absl::string_view text_;
  size_t byte_ = 0, line_begin_ = 0;
  int64_t line_ = 1;
};

struct DelimitedField {
  std::string text;
  size_t begin = 0;  // its first byte in the text
};

// The fields of the row that begins at byte *at of the cursor's text; *at is then behind its line end, "\n" or "\r\n",
// or at the end of the text. With `quotes` a field may be quoted, "like, this"; a quote in it is doubled, and it may
// have line ends. Without them a quote is a character like others. Errors: DataLoss "NAME:LINE:COLUMN: what" for a
// quote that does not end or has text behind it, and for more than kMaxRowBytes; with `quotes` it is then not known
// where the next row begins, without them *at is there.
absl::StatusOr<std::vector<DelimitedField>> ReadDelimitedRow(char separator, bool quotes, TextCursor* cursor,
                                                             size_t* at);

}  // namespace gbmoa

#endif  // GBMOA_BASE_DELIMITED_H_
