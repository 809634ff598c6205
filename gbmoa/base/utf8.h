// Checks that bytes from outside are UTF-8.
#ifndef GBMOA_BASE_UTF8_H_
#define GBMOA_BASE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace gbmoa {

// Where the first ill-formed sequence of `text` starts (overlong, truncated, surrogate, above U+10FFFF); npos if there
// is none.
size_t FindInvalidUtf8(absl::string_view text);

// "LINE:COLUMN" of a byte, both counted from 1; the column counts bytes.
std::string LineAndColumn(absl::string_view text, size_t byte);

}  // namespace gbmoa

#endif  // GBMOA_BASE_UTF8_H_
