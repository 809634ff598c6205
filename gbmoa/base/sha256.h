// SHA-256 (FIPS 180-4): names inputs and configurations by their content.
#ifndef GBMOA_BASE_SHA256_H_
#define GBMOA_BASE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

class Sha256 {
 public:
  void Update(absl::string_view bytes);
  // 64 lower-case hexadecimal digits. At most once.
  std::string Finish();

 private:
  void AddBlock(const unsigned char* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> buffer_ = {};
  uint64_t length_ = 0;  // bytes so far
};

std::string Sha256Hex(absl::string_view bytes);
// Errors: those of MappedFile::Open.
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);

}  // namespace gbmoa

#endif  // GBMOA_BASE_SHA256_H_
