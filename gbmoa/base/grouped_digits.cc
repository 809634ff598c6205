#include "gbmoa/base/grouped_digits.h"

#include "absl/strings/str_cat.h"

namespace gbmoa {

std::string GroupedDigits(int64_t number) {
  std::string digits = absl::StrCat(number);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace gbmoa
