// Checks that bytes from outside are UTF-8, or makes them so.
#ifndef GBMOA_BASE_UTF8_H_
#define GBMOA_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gbmoa {

// Where the first ill-formed sequence of `text` starts (overlong, truncated, surrogate, above U+10FFFF); npos if there
// is none.
size_t FindInvalidUtf8(absl::string_view text);

// `text` with U+FFFD in place of what is ill-formed, one for each maximal subpart of a character, as Unicode recommends
// (chapter 3, "U+FFFD Substitution of Maximal Subparts") and as Python's errors="replace" does. Adds the number of
// replacements to *count.
std::string ReplaceInvalidUtf8(absl::string_view text, int64_t* count);

// "LINE:COLUMN" of a byte, both counted from 1; the column counts bytes.
std::string LineAndColumn(absl::string_view text, size_t byte);

}  // namespace gbmoa

#endif  // GBMOA_BASE_UTF8_H_
