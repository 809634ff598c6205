// Numbers for people to read.
#ifndef GBMOA_BASE_GROUPED_DIGITS_H_
#define GBMOA_BASE_GROUPED_DIGITS_H_

#include <cstdint>
#include <string>

namespace gbmoa {

// "6,343,680". Of a count: a negative number may be grouped wrongly.
std::string GroupedDigits(int64_t number);

}  // namespace gbmoa

#endif  // GBMOA_BASE_GROUPED_DIGITS_H_
