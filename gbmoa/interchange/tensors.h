// Tensors of other libraries' safetensors files, in and out, as plain float32 numbers. No LibTorch in here.
#ifndef GBMOA_INTERCHANGE_TENSORS_H_
#define GBMOA_INTERCHANGE_TENSORS_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gbmoa/base/safetensors.h"

namespace gbmoa {

// Every Take notes its tensor; problems are kept, and Finish() tells them all.
class TensorReader {
 public:
  // Errors: those of SafetensorsFile::Open. Where there is no `path` but a pickle `old_path`, FailedPrecondition that
  // says what to do: a pickle can run code when it is read, so we do not.
  static absl::StatusOr<TensorReader> Open(const std::string& path, const std::string& old_path = "");

  bool Has(absl::string_view name) const { return file_.Find(name) != nullptr; }
  // The tensor's first dimension; 0 if there is none.
  int64_t Rows(absl::string_view name) const;
  // Its numbers in row-major order, converted from whatever floating-point type they have. With a problem (missing,
  // another shape or type, not finite) the result is empty.
  std::vector<float> Take(const std::string& name, const std::vector<int64_t>& shape);

  // Errors: DataLoss "PATH: does not fit: NAME is missing; NAME is unknown; ..."; a tensor that nobody took is unknown.
  absl::Status Finish() const;

 private:
  TensorReader(std::string path, SafetensorsFile file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  SafetensorsFile file_;
  std::set<std::string> taken_;
  std::vector<std::string> problems_;
};

// Collects tensors and writes them as the libraries do.
class TensorWriter {
 public:
  // `values` must live until Write. CHECKs that there are as many as the shape says.
  void Add(const std::string& name, const std::vector<int64_t>& shape, absl::Span<const float> values);
  absl::Status Write(const std::string& path) const;

 private:
  std::vector<SafetensorsEntry> entries_;
};

}  // namespace gbmoa

#endif  // GBMOA_INTERCHANGE_TENSORS_H_
