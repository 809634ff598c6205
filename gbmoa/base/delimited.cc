#include "gbmoa/base/delimited.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace gbmoa {
namespace {

absl::Status TooLong(size_t begin, absl::string_view bytes, TextCursor* cursor) {
  return absl::DataLossError(
      absl::StrCat(cursor->Place(begin), ": expected a row of at most ", kMaxRowBytes, " bytes, found ", bytes));
}

}  // namespace

int64_t TextCursor::Line(size_t byte) {
  if (byte < line_begin_) {  // a step back
    byte_ = line_begin_ = 0;
    line_ = 1;
  }
  for (; byte_ < byte; ++byte_) {
    if (text_[byte_] != '\n') continue;
    ++line_;
    line_begin_ = byte_ + 1;
  }
  return line_;
}

std::string TextCursor::Place(size_t byte) {
  const int64_t line = Line(byte);
  return absl::StrCat(name_, ":", line, ":", byte - line_begin_ + 1);
}

absl::StatusOr<std::vector<DelimitedField>> ReadDelimitedRow(char separator, bool quotes, TextCursor* cursor,
                                                             size_t* at) {
  const absl::string_view text = cursor->text();
  const size_t row_begin = *at;
  if (!quotes) {
    const size_t end = std::min(text.find('\n', row_begin), text.size());
    if (end - row_begin > kMaxRowBytes) {
      *at = std::min(end + 1, text.size());
      return TooLong(row_begin, absl::StrCat(end - row_begin), cursor);
    }
  }
  const char ends[] = {separator, '\n'};
  std::vector<DelimitedField> row;
  size_t i = row_begin;
  while (true) {
    DelimitedField field;
    field.begin = i;
    if (quotes && i < text.size() && text[i] == '"') {
      for (++i;; ++i) {
        if (i == text.size()) {
          return absl::DataLossError(absl::StrCat(cursor->Place(field.begin), ": the quote does not end"));
        }
        if (i - row_begin > kMaxRowBytes) return TooLong(row_begin, "more", cursor);
        if (text[i] == '"') {
          if (i + 1 == text.size() || text[i + 1] != '"') break;
          ++i;  // a doubled one
        }
        field.text += text[i];
      }
      ++i;
      const absl::string_view rest = text.substr(i);
      if (!rest.empty() && rest[0] != separator && rest[0] != '\n' && !absl::StartsWith(rest, "\r\n") && rest != "\r") {
        return absl::DataLossError(absl::StrCat(cursor->Place(i), ": wanted a ",
                                                separator == ',' ? "comma" : "separator",
                                                " or the line's end after the quote"));
      }
      if (!rest.empty() && rest[0] == '\r') ++i;
    } else {
      const size_t end = std::min(text.find_first_of(absl::string_view(ends, 2), i), text.size());
      absl::string_view content = text.substr(i, end - i);
      i = end;
      if (end == text.size() || text[end] == '\n') absl::ConsumeSuffix(&content, "\r");
      field.text = std::string(content);
    }
    row.push_back(std::move(field));
    if (i - row_begin > kMaxRowBytes) return TooLong(row_begin, "more", cursor);
    if (i == text.size() || text[i] == '\n') break;
    ++i;  // the separator
  }
  *at = std::min(i + 1, text.size());
  return row;
}

}  // namespace gbmoa
