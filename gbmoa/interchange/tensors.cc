#include "gbmoa/interchange/tensors.h"

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

template <typename T>
T ReadAs(const char* data) {
  T value;  // the file's bytes need not be aligned
  std::memcpy(&value, data, sizeof(T));
  return value;
}

// IEEE 754 binary16.
float HalfToFloat(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// False if the type is no floating-point number.
bool ToFloats(const SafetensorsView& view, std::vector<float>& values) {
  values.resize(view.num_elements());
  const int64_t bytes = DtypeBytes(view.dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    const char* data = view.data.data() + static_cast<int64_t>(i) * bytes;
    switch (view.dtype) {
      case SafetensorsDtype::kFloat16:
        values[i] = HalfToFloat(ReadAs<uint16_t>(data));
        break;
      case SafetensorsDtype::kBfloat16: {
        const uint32_t bits = static_cast<uint32_t>(ReadAs<uint16_t>(data)) << 16;
        values[i] = ReadAs<float>(reinterpret_cast<const char*>(&bits));
        break;
      }
      case SafetensorsDtype::kFloat32:
        values[i] = ReadAs<float>(data);
        break;
      case SafetensorsDtype::kFloat64:
        values[i] = static_cast<float>(ReadAs<double>(data));
        break;
      default:
        return false;
    }
  }
  return true;
}

std::string Shape(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

}  // namespace

absl::StatusOr<TensorReader> TensorReader::Open(const std::string& path, const std::string& old_path) {
  if (!old_path.empty() && !FileExists(path) && FileExists(old_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(old_path,
                     ": is a pickle, which can run code when it is read; save it as safetensors instead "
                     "(peft: safe_serialization=True, adapters: use_safetensors=True)"));
  }
  GBMOA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  return TensorReader(path, std::move(file));
}

int64_t TensorReader::Rows(absl::string_view name) const {
  const SafetensorsView* view = file_.Find(name);
  return view == nullptr || view->shape.empty() ? 0 : view->shape[0];
}

std::vector<float> TensorReader::Take(const std::string& name, const std::vector<int64_t>& shape) {
  taken_.insert(name);
  std::vector<float> values;
  const SafetensorsView* view = file_.Find(name);
  if (view == nullptr) {
    problems_.push_back(absl::StrCat(name, " is missing"));
  } else if (view->shape != absl::MakeConstSpan(shape)) {
    problems_.push_back(absl::StrCat(name, " is ", Shape(view->shape), ", wanted ", Shape(shape)));
  } else if (!ToFloats(*view, values)) {
    problems_.push_back(absl::StrCat(name, " has type ", DtypeName(view->dtype)));
  } else {
    bool finite = true;
    for (const float value : values) finite = finite && std::isfinite(value);
    if (finite) return values;
    problems_.push_back(absl::StrCat(name, " holds NaN or infinity"));
  }
  return {};
}

absl::Status TensorReader::Finish() const {
  std::vector<std::string> problems = problems_;
  for (const SafetensorsView& view : file_.tensors()) {
    if (taken_.count(std::string(view.name)) == 0) problems.push_back(absl::StrCat(view.name, " is unknown"));
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, ": does not fit: ", absl::StrJoin(problems, "; ")));
}

void TensorWriter::Add(const std::string& name, const std::vector<int64_t>& shape, absl::Span<const float> values) {
  int64_t size = 1;
  for (const int64_t dimension : shape) size *= dimension;
  CHECK_EQ(size, static_cast<int64_t>(values.size())) << name;
  entries_.push_back({name, SafetensorsDtype::kFloat32, shape, AsBytes<float>(values)});
}

absl::Status TensorWriter::Write(const std::string& path) const {
  return WriteSafetensors(path, entries_, {{"format", "pt"}});
}

}  // namespace gbmoa
