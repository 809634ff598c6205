#include "gbmoa/base/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"

namespace gbmoa {
namespace {

struct DtypeInfo {
  SafetensorsDtype dtype;
  absl::string_view name;
  int bytes;
};

constexpr DtypeInfo kDtypes[] = {
    {SafetensorsDtype::kBool, "BOOL", 1},
    {SafetensorsDtype::kUint8, "U8", 1},
    {SafetensorsDtype::kInt8, "I8", 1},
    {SafetensorsDtype::kFloat8E5M2, "F8_E5M2", 1},
    {SafetensorsDtype::kFloat8E4M3, "F8_E4M3", 1},
    {SafetensorsDtype::kFloat8E8M0, "F8_E8M0", 1},
    {SafetensorsDtype::kUint16, "U16", 2},
    {SafetensorsDtype::kInt16, "I16", 2},
    {SafetensorsDtype::kFloat16, "F16", 2},
    {SafetensorsDtype::kBfloat16, "BF16", 2},
    {SafetensorsDtype::kUint32, "U32", 4},
    {SafetensorsDtype::kInt32, "I32", 4},
    {SafetensorsDtype::kFloat32, "F32", 4},
    {SafetensorsDtype::kUint64, "U64", 8},
    {SafetensorsDtype::kInt64, "I64", 8},
    {SafetensorsDtype::kFloat64, "F64", 8},
    {SafetensorsDtype::kComplex64, "C64", 8},
};

const DtypeInfo& InfoOf(SafetensorsDtype dtype) {
  const DtypeInfo& info = kDtypes[static_cast<int>(dtype)];
  CHECK(info.dtype == dtype);
  return info;
}

constexpr absl::string_view kMetadataKey = "__metadata__";
constexpr size_t kLengthBytes = 8;

// What comes from the file and goes into a message: printable and short.
std::string Shown(absl::string_view value) {
  constexpr size_t kMax = 100;
  const std::string escaped = absl::Utf8SafeCEscape(value.substr(0, kMax));
  return absl::StrCat("'", escaped, value.size() > kMax ? "..." : "", "'");
}

// Takes the header's JSON apart as the parser meets it: no tree is built, and the first thing that has no place in this
// format stops the parser, however deep or long the rest may be.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Tensor {
    size_t name_begin, name_size;  // in names
    SafetensorsDtype dtype;
    size_t shape_begin, rank;  // in dimensions
    uint64_t begin, end;       // in the data
  };

  explicit HeaderHandler(size_t header_bytes) {
    // Room once and for all: growing would hold old and new at the same time. Pages that are not used cost nothing.
    const size_t max_tensors = std::min<size_t>(header_bytes / 40, SafetensorsFile::kMaxTensors);
    tensors.reserve(max_tensors);
    names.reserve(header_bytes);
    dimensions.reserve(std::min<size_t>(header_bytes / 2, max_tensors * SafetensorsFile::kMaxRank));
  }

  std::vector<Tensor> tensors;
  std::vector<char> names;
  std::vector<int64_t> dimensions;
  std::map<std::string, std::string> metadata;

  const std::string& error() const { return error_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool value) override { return Unexpected(value ? "true" : "false"); }
  bool number_integer(int64_t value) override { return Unexpected(absl::StrCat(value)); }
  bool number_float(double, const std::string& text) override { return Unexpected(Shown(text)); }
  bool binary(nlohmann::json::binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(uint64_t value) override {
    if (place_ == Place::kShape) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Unexpected(absl::StrCat(value));
      if (tensor_.rank == SafetensorsFile::kMaxRank) {
        return Fail(absl::StrCat(Where(), ": more than ", SafetensorsFile::kMaxRank, " dimensions"));
      }
      dimensions.push_back(static_cast<int64_t>(value));
      ++tensor_.rank;
      return true;
    }
    if (place_ == Place::kOffsets && num_offsets_ < 2) {
      (num_offsets_++ == 0 ? tensor_.begin : tensor_.end) = value;
      return true;
    }
    return Unexpected(absl::StrCat(value));
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadataValue) {
      if (!metadata.emplace(metadata_key_, value).second) {
        return Fail(absl::StrCat(kMetadataKey, ": ", Shown(metadata_key_), " comes twice"));
      }
      if (static_cast<int64_t>(metadata.size()) > SafetensorsFile::kMaxMetadata) {
        return Fail(absl::StrCat(kMetadataKey, ": more than ", SafetensorsFile::kMaxMetadata, " entries"));
      }
      place_ = Place::kMetadata;
      return true;
    }
    if (place_ == Place::kDtype) {
      for (const DtypeInfo& info : kDtypes) {
        if (info.name != value) continue;
        tensor_.dtype = info.dtype;
        place_ = Place::kTensor;
        return true;
      }
      return Fail(absl::StrCat(Where(), ": ", Shown(value), " is unknown"));
    }
    return Unexpected(Shown(value));
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kBefore:
        place_ = Place::kTop;
        return true;
      case Place::kMetadataStart:
        place_ = Place::kMetadata;
        return true;
      case Place::kTensorStart:
        place_ = Place::kTensor;
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool key(std::string& value) override {
    switch (place_) {
      case Place::kTop:
        if (value == kMetadataKey) {
          if (std::exchange(has_metadata_, true)) return Fail(absl::StrCat(kMetadataKey, " comes twice"));
          place_ = Place::kMetadataStart;
          return true;
        }
        if (static_cast<int64_t>(tensors.size()) == SafetensorsFile::kMaxTensors) {
          return Fail(absl::StrCat("more than ", SafetensorsFile::kMaxTensors, " tensors"));
        }
        tensor_ = {names.size(), value.size(), SafetensorsDtype::kBool, dimensions.size(), 0, 0, 0};
        names.insert(names.end(), value.begin(), value.end());
        has_dtype_ = has_shape_ = has_offsets_ = false;
        place_ = Place::kTensorStart;
        return true;
      case Place::kMetadata:
        metadata_key_ = value;
        place_ = Place::kMetadataValue;
        return true;
      case Place::kTensor: {
        bool* seen;
        if (value == "dtype") {
          seen = &has_dtype_;
          place_ = Place::kDtype;
        } else if (value == "shape") {
          seen = &has_shape_;
          place_ = Place::kShapeStart;
        } else if (value == "data_offsets") {
          seen = &has_offsets_;
          num_offsets_ = 0;
          place_ = Place::kOffsetsStart;
        } else {
          return Fail(absl::StrCat(Where(), ": unknown field ", Shown(value)));
        }
        if (std::exchange(*seen, true)) return Fail(absl::StrCat(Where(), ": comes twice"));
        return true;
      }
      default:
        return Unexpected(Shown(value));
    }
  }

  bool end_object() override {
    if (place_ == Place::kTop) {
      place_ = Place::kAfter;
    } else if (place_ == Place::kMetadata) {
      place_ = Place::kTop;
    } else {
      for (const auto& [seen, field] :
           {std::pair{has_dtype_, "dtype"}, {has_shape_, "shape"}, {has_offsets_, "data_offsets"}}) {
        if (!seen) return Fail(absl::StrCat(Where(), ": ", field, " is missing"));
      }
      tensors.push_back(tensor_);
      place_ = Place::kTop;
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kShapeStart) {
      place_ = Place::kShape;
      return true;
    }
    if (place_ == Place::kOffsetsStart) {
      place_ = Place::kOffsets;
      return true;
    }
    return Unexpected("an array");
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && num_offsets_ != 2) {
      return Fail(absl::StrCat(Where(), ": wanted two numbers, got ", num_offsets_));
    }
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..."
    absl::string_view what = error.what();
    const size_t colon = what.find(": ");
    if (colon != absl::string_view::npos) what.remove_prefix(colon + 2);
    return Fail(absl::StrCat("byte ", position, ": ", what.substr(0, 200)));
  }

 private:
  enum class Place {
    kBefore,         // wants the outermost object
    kTop,            // wants a tensor's name or __metadata__
    kMetadataStart,  // wants an object
    kMetadata,       // wants a key
    kMetadataValue,  // wants a string
    kTensorStart,    // wants an object
    kTensor,         // wants a field's name
    kDtype,          // wants a string
    kShapeStart,     // wants an array
    kShape,          // wants a number
    kOffsetsStart,   // wants an array
    kOffsets,        // wants a number
    kAfter,
  };

  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  std::string Where() const {
    switch (place_) {
      case Place::kMetadataStart:
        return std::string(kMetadataKey);
      case Place::kMetadata:
      case Place::kMetadataValue:
        return absl::StrCat(kMetadataKey, ": ", Shown(metadata_key_));
      case Place::kBefore:
      case Place::kTop:
      case Place::kAfter:
        return "the header";
      default:
        break;
    }
    const std::string tensor =
        absl::StrCat("tensor ", Shown(absl::string_view(names.data() + tensor_.name_begin, tensor_.name_size)));
    switch (place_) {
      case Place::kDtype:
        return tensor + ": dtype";
      case Place::kShapeStart:
      case Place::kShape:
        return tensor + ": shape";
      case Place::kOffsetsStart:
      case Place::kOffsets:
        return tensor + ": data_offsets";
      default:
        return tensor;
    }
  }

  bool Unexpected(const std::string& got) {
    absl::string_view wanted;
    switch (place_) {
      case Place::kDtype:
      case Place::kMetadataValue:
        wanted = "a string";
        break;
      case Place::kShapeStart:
      case Place::kOffsetsStart:
        wanted = "an array";
        break;
      case Place::kShape:
        wanted = "integers from 0 to 2^63 - 1";
        break;
      case Place::kOffsets:
        wanted = num_offsets_ < 2 ? "integers from 0 to 2^64 - 1" : "two numbers";
        break;
      default:
        wanted = "an object";
    }
    return Fail(absl::StrCat(Where(), ": wanted ", wanted, ", got ", got));
  }

  Place place_ = Place::kBefore;
  Tensor tensor_ = {};
  int num_offsets_ = 0;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false, has_metadata_ = false;
  std::string metadata_key_;
  std::string error_;
};

// The JSON library keeps each string and number whole, twice; and it takes a NUL for the end of the text.
absl::Status CheckTokens(absl::string_view header) {
  bool in_string = false;
  size_t start = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const char c = header[i];
    if (c == '\0') return absl::DataLossError(absl::StrCat("byte ", i, ": NUL"));
    if (static_cast<int64_t>(i - start) > SafetensorsFile::kMaxTokenBytes) {
      return absl::DataLossError(absl::StrCat("byte ", start, ": a string or number of more than ",
                                              SafetensorsFile::kMaxTokenBytes, " bytes"));
    }
    if (in_string) {
      if (c == '\\') {
        ++i;
        if (i < header.size() && header[i] == '\0') return absl::DataLossError(absl::StrCat("byte ", i, ": NUL"));
      } else if (c == '"') {
        in_string = false;
        start = i + 1;
      }
    } else if (c == '"') {
      in_string = true;
      start = i + 1;
    } else if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '+') {
      start = i + 1;
    }
  }
  return absl::OkStatus();
}

// Bytes of a tensor; false if that number does not fit into 64 bits.
bool SizeOf(absl::Span<const int64_t> shape, int64_t element_bytes, uint64_t* bytes) {
  // With a zero among them the others may be anything, their product is still 0.
  if (std::count(shape.begin(), shape.end(), 0) > 0) {
    *bytes = 0;
    return true;
  }
  *bytes = static_cast<uint64_t>(element_bytes);
  for (const int64_t dimension : shape) {
    if (__builtin_mul_overflow(*bytes, static_cast<uint64_t>(dimension), bytes)) return false;
  }
  return true;
}

uint64_t ReadLittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

absl::string_view DtypeName(SafetensorsDtype dtype) { return InfoOf(dtype).name; }
int64_t DtypeBytes(SafetensorsDtype dtype) { return InfoOf(dtype).bytes; }

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  GBMOA_ASSIGN_OR_RETURN(SafetensorsFile file, Parse(path, mapped.data()));
  file.file_ = std::make_unique<MappedFile>(std::move(mapped));
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(const std::string& name, absl::string_view bytes) {
  SafetensorsFile file;
  const absl::Status status = file.Read(bytes);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
  return file;
}

absl::Status SafetensorsFile::Read(absl::string_view bytes) {
  if (bytes.size() < kLengthBytes) {
    return absl::DataLossError(absl::StrCat("not a safetensors file: only ", bytes.size(), " bytes"));
  }
  const uint64_t header_bytes = ReadLittleEndian(bytes);
  if (header_bytes > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return absl::DataLossError(absl::StrCat("not a safetensors file: the header's length is ", header_bytes,
                                            ", more than the limit of ", kMaxHeaderBytes));
  }
  if (header_bytes > bytes.size() - kLengthBytes) {
    return absl::DataLossError(absl::StrCat("cut short: the header has ", header_bytes, " bytes, the file has ",
                                            bytes.size() - kLengthBytes, " after the length"));
  }
  const absl::string_view header = bytes.substr(kLengthBytes, header_bytes);
  const absl::string_view data = bytes.substr(kLengthBytes + header_bytes);

  if (header.empty() || header[0] != '{') return absl::DataLossError("header: does not begin with {");
  const size_t bad_byte = FindInvalidUtf8(header);
  if (bad_byte != absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat("header: byte ", bad_byte, ": not UTF-8"));
  }
  const absl::Status tokens = CheckTokens(header);
  if (!tokens.ok()) return absl::DataLossError(absl::StrCat("header: ", tokens.message()));
  HeaderHandler handler(header.size());
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &handler)) {
    return absl::DataLossError(absl::StrCat("header: ", handler.error()));
  }

  names_ = std::move(handler.names);
  names_.shrink_to_fit();
  dimensions_ = std::move(handler.dimensions);
  dimensions_.shrink_to_fit();
  metadata_ = std::move(handler.metadata);
  tensors_.reserve(handler.tensors.size());
  std::sort(handler.tensors.begin(), handler.tensors.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.begin, a.end) < std::make_pair(b.begin, b.end);
  });
  // In order of their offsets, each tensor begins where the last one ended: no overlap, no hole, nothing left over.
  uint64_t position = 0;
  for (const HeaderHandler::Tensor& tensor : handler.tensors) {
    SafetensorsView view;
    view.name = absl::string_view(names_.data() + tensor.name_begin, tensor.name_size);
    view.dtype = tensor.dtype;
    view.shape = absl::MakeConstSpan(dimensions_.data() + tensor.shape_begin, tensor.rank);
    const auto type = [&] { return absl::StrCat(DtypeName(view.dtype), " [", absl::StrJoin(view.shape, ", "), "]"); };
    const auto bad_offsets = [&](const std::string& what) {
      return absl::DataLossError(
          absl::StrCat("tensor ", Shown(view.name), ": data_offsets [", tensor.begin, ", ", tensor.end, "]", what));
    };
    uint64_t size;
    if (!SizeOf(view.shape, DtypeBytes(view.dtype), &size)) {
      return absl::DataLossError(
          absl::StrCat("tensor ", Shown(view.name), ": ", type(), " has more bytes than fit into 64 bits"));
    }
    if (tensor.end < tensor.begin) return bad_offsets(": the end is before the beginning");
    if (tensor.end > data.size()) return bad_offsets(absl::StrCat(": the file has ", data.size(), " bytes of data"));
    if (tensor.end - tensor.begin != size) {
      return bad_offsets(absl::StrCat(" are ", tensor.end - tensor.begin, " bytes, but ", type(), " has ", size));
    }
    if (tensor.begin < position) return bad_offsets(absl::StrCat(": overlaps the tensor that ends at ", position));
    if (tensor.begin > position) {
      return bad_offsets(absl::StrCat(": bytes ", position, " to ", tensor.begin, " before it belong to no tensor"));
    }
    position = tensor.end;
    view.data = absl::MakeConstSpan(data.data() + tensor.begin, size);
    tensors_.push_back(view);
  }
  if (position != data.size()) {
    return absl::DataLossError(
        absl::StrCat("the tensors end at byte ", position, " of the data, the file goes on to ", data.size()));
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != tensors_.end()) return absl::DataLossError(absl::StrCat("tensor ", Shown(twice->name), " comes twice"));
  return absl::OkStatus();
}

const SafetensorsView* SafetensorsFile::Find(absl::string_view name) const {
  const auto found = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                      [](const SafetensorsView& view, absl::string_view n) { return view.name < n; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

std::string SafetensorsHeader(const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  uint64_t position = 0;
  int64_t last_bytes = 8;
  std::set<absl::string_view> names;
  for (const SafetensorsEntry& entry : entries) {
    CHECK_LE(DtypeBytes(entry.dtype), last_bytes) << entry.name << " would not be aligned";
    last_bytes = DtypeBytes(entry.dtype);
    CHECK(names.insert(entry.name).second && entry.name != kMetadataKey) << "cannot write " << entry.name;
    uint64_t size;
    CHECK(SizeOf(entry.shape, DtypeBytes(entry.dtype), &size)) << entry.name;
    header[entry.name] = {{"dtype", std::string(DtypeName(entry.dtype))},
                          {"shape", entry.shape},
                          {"data_offsets", {position, position + size}}};
    position += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data begin at a multiple of 8
  CHECK_LE(static_cast<int64_t>(text.size()), SafetensorsFile::kMaxHeaderBytes);
  std::string length(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

absl::Status WriteSafetensors(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsEntry> ordered = entries;
  std::sort(ordered.begin(), ordered.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::make_pair(-DtypeBytes(a.dtype), absl::string_view(a.name)) <
           std::make_pair(-DtypeBytes(b.dtype), absl::string_view(b.name));
  });
  GBMOA_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  GBMOA_RETURN_IF_ERROR(file.Append(SafetensorsHeader(ordered, metadata)));
  for (const SafetensorsEntry& entry : ordered) {
    uint64_t size;
    CHECK(SizeOf(entry.shape, DtypeBytes(entry.dtype), &size) && size == entry.data.size())
        << entry.name << " has " << entry.data.size() << " bytes";
    GBMOA_RETURN_IF_ERROR(file.Append(absl::string_view(entry.data.data(), entry.data.size())));
  }
  return file.Commit();
}

}  // namespace gbmoa
