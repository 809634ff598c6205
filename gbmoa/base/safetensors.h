// The safetensors format: an 8-byte length, a JSON header, and the bytes of the tensors. No LibTorch in here.
//
// Source: github.com/huggingface/safetensors, "Format". What it demands is checked, and nothing is believed.
#ifndef GBMOA_BASE_SAFETENSORS_H_
#define GBMOA_BASE_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gbmoa/base/file.h"

namespace gbmoa {

enum class SafetensorsDtype : uint8_t {
  kBool,
  kUint8,
  kInt8,
  kFloat8E5M2,
  kFloat8E4M3,
  kFloat8E8M0,
  kUint16,
  kInt16,
  kFloat16,
  kBfloat16,
  kUint32,
  kInt32,
  kFloat32,
  kUint64,
  kInt64,
  kFloat64,
  kComplex64,
};

// "F32", "BF16", ...: the name in the header.
absl::string_view DtypeName(SafetensorsDtype dtype);
int64_t DtypeBytes(SafetensorsDtype dtype);

// One tensor of an open file; valid while the file is open. The data are row-major, little-endian, and not necessarily
// aligned for their type: copy them with memcpy.
struct SafetensorsView {
  absl::string_view name;
  SafetensorsDtype dtype;
  absl::Span<const int64_t> shape;
  absl::Span<const char> data;

  int64_t num_elements() const { return static_cast<int64_t>(data.size()) / DtypeBytes(dtype); }
};

// A file that has been checked from the first byte to the last. The tensors stay on disk until they are touched; the
// index costs about as much memory as the header has bytes.
class SafetensorsFile {
 public:
  // At most these, so that a hostile header costs neither memory nor time. The first is the format's own, the others
  // are far beyond what checkpoints have.
  static constexpr int64_t kMaxHeaderBytes = 100'000'000;
  static constexpr int64_t kMaxTensors = 100'000;
  static constexpr int64_t kMaxRank = 8;
  static constexpr int64_t kMaxMetadata = 1'000;
  static constexpr int64_t kMaxTokenBytes = 1 << 20;  // one string or number of the header

  // Errors: those of MappedFile; DataLoss "PATH: what", with tensor, field and value, for anything that the format
  // forbids: a header that is cut short, is too long or is no JSON of the right form; unknown types; negative or
  // fractional numbers; sizes that overflow or do not fit the offsets; overlaps, holes and trailing bytes; a name that
  // comes twice.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  // The same for bytes in memory, which must outlive the result; errors call them `name`.
  static absl::StatusOr<SafetensorsFile> Parse(const std::string& name, absl::string_view bytes);

  // By name, ascending.
  const std::vector<SafetensorsView>& tensors() const { return tensors_; }
  // Null if there is none of that name.
  const SafetensorsView* Find(absl::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  SafetensorsFile() = default;
  absl::Status Read(absl::string_view bytes);

  std::unique_ptr<MappedFile> file_;  // null after Parse
  std::vector<SafetensorsView> tensors_;
  std::map<std::string, std::string> metadata_;
  // What the views' names and shapes point to. All in one piece: a string and a vector each would cost more than the
  // header's own text.
  std::vector<char> names_;
  std::vector<int64_t> dimensions_;
};

// One tensor to write. The data are its row-major bytes.
struct SafetensorsEntry {
  std::string name;
  SafetensorsDtype dtype;
  std::vector<int64_t> shape;
  absl::Span<const char> data;
};

// Writes a file that appears complete or not at all (file.h). Tensors lie on disk in order of falling element size,
// then by name, so that each is aligned. CHECKs that each entry has the bytes of its shape and that no name comes
// twice.
absl::Status WriteSafetensors(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata = {});

// For data that do not fit into memory at once: the length and header of a file with `entries`, whose data are ignored
// and must follow in the order given here. CHECKs that this order keeps each tensor aligned: no falling sizes.
std::string SafetensorsHeader(const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata = {});

// The bytes of an array, for SafetensorsEntry::data.
template <typename T>
absl::Span<const char> AsBytes(absl::Span<const T> values) {
  return absl::Span<const char>(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace gbmoa

#endif  // GBMOA_BASE_SAFETENSORS_H_
