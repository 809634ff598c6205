#include "gbmoa/base/utf8.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace gbmoa {

size_t FindInvalidUtf8(absl::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const int64_t size = static_cast<int64_t>(text.size());
  int64_t i = 0;
  while (i < size) {
    // Eight ASCII bytes at a time: most text is nothing else.
    uint64_t block;
    if (i + 8 <= size && (std::memcpy(&block, bytes + i, 8), (block & 0x8080808080808080ULL) == 0)) {
      i += 8;
      continue;
    }
    const int64_t start = i;
    UChar32 code_point;
    U8_NEXT(bytes, i, size, code_point);
    if (code_point < 0) return static_cast<size_t>(start);
  }
  return absl::string_view::npos;
}

std::string ReplaceInvalidUtf8(absl::string_view text, int64_t* count) {
  std::string valid;
  valid.reserve(text.size());
  while (true) {
    const size_t bad = FindInvalidUtf8(text);
    valid.append(text.data(), std::min(bad, text.size()));
    if (bad == absl::string_view::npos) return valid;
    text.remove_prefix(bad);
    // ICU steps over the maximal subpart. It counts in int32_t, and a character has at most four bytes.
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const int32_t size = static_cast<int32_t>(std::min<size_t>(text.size(), 4));
    int32_t length = 0;
    UChar32 code_point;
    U8_NEXT(bytes, length, size, code_point);
    text.remove_prefix(static_cast<size_t>(length));
    valid += "\xef\xbf\xbd";
    ++*count;
  }
}

std::string LineAndColumn(absl::string_view text, size_t byte) {
  const absl::string_view before = text.substr(0, byte);
  const size_t newline = before.rfind('\n');
  return absl::StrCat(1 + std::count(before.begin(), before.end(), '\n'), ":",
                      byte - (newline == absl::string_view::npos ? 0 : newline + 1) + 1);
}

}  // namespace gbmoa
