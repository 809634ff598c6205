#include "gbmoa/backbone/checkpoint.h"

#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

constexpr absl::string_view kPrefixes[] = {"", "bert.", "roberta."};
constexpr absl::string_view kAnchor = "embeddings.word_embeddings.weight";

// The tensor of that name under today's or the old name of layer norm's weights.
const SafetensorsView* FindTensor(const SafetensorsFile& file, const std::string& name) {
  if (const SafetensorsView* view = file.Find(name)) return view;
  if (!absl::StrContains(name, "LayerNorm.")) return nullptr;
  return file.Find(
      absl::StrReplaceAll(name, {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}));
}

// A float32 copy; undefined if the type is no floating-point number.
at::Tensor ToFloat(const SafetensorsView& view) {
  at::ScalarType type;
  switch (view.dtype) {
    case SafetensorsDtype::kFloat16:
      type = at::kHalf;
      break;
    case SafetensorsDtype::kBfloat16:
      type = at::kBFloat16;
      break;
    case SafetensorsDtype::kFloat32:
      type = at::kFloat;
      break;
    case SafetensorsDtype::kFloat64:
      type = at::kDouble;
      break;
    default:
      return {};
  }
  const at::IntArrayRef shape(view.shape.data(), view.shape.size());
  at::Tensor copy = at::empty(shape, type);  // the file's bytes need not be aligned
  if (!view.data.empty()) std::memcpy(copy.mutable_data_ptr(), view.data.data(), view.data.size());
  return copy.to(at::kFloat);
}

std::string Shape(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

}  // namespace

absl::StatusOr<EncoderWeights> LoadEncoderWeights(const std::string& folder, const BackboneConfig& config,
                                                  std::vector<std::string>* unused) {
  const std::string path = JoinPath(folder, "model.safetensors");
  GBMOA_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  absl::string_view prefix;
  for (const absl::string_view candidate : kPrefixes) {
    if (file.Find(absl::StrCat(candidate, kAnchor)) != nullptr) prefix = candidate;
  }
  // All that is wrong is told at once.
  std::map<std::string, at::Tensor> loaded;
  std::set<absl::string_view> used;
  std::vector<std::string> problems;
  GBMOA_RETURN_IF_ERROR(CatchTorch([&] {
    ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
      const std::string full_name = absl::StrCat(prefix, name);
      const SafetensorsView* view = FindTensor(file, full_name);
      if (view == nullptr) {
        problems.push_back(absl::StrCat(full_name, " is missing"));
        return;
      }
      used.insert(view->name);
      if (view->shape != absl::MakeConstSpan(shape)) {
        problems.push_back(
            absl::StrCat(view->name, " is ", Shape(view->shape), ", the configuration wants ", Shape(shape)));
        return;
      }
      at::Tensor tensor = ToFloat(*view);
      if (!tensor.defined()) {
        problems.push_back(absl::StrCat(view->name, " has type ", DtypeName(view->dtype)));
      } else if (!at::isfinite(tensor).all().item<bool>()) {
        problems.push_back(absl::StrCat(view->name, " holds NaN or infinity"));
      } else {
        loaded.emplace(name, std::move(tensor));
      }
    });
    return absl::OkStatus();
  }));
  if (!problems.empty()) {
    return absl::DataLossError(absl::StrCat(path, ": does not fit: ", absl::StrJoin(problems, "; ")));
  }
  std::vector<std::string> left;
  for (const SafetensorsView& view : file.tensors()) {
    if (used.count(view.name) == 0) left.emplace_back(view.name);
  }
  LOG_IF(INFO, !left.empty()) << path << ": " << left.size() << " tensors are not the encoder's, among them "
                              << left[0];
  if (unused != nullptr) *unused = std::move(left);

  EncoderWeights weights;
  weights.layers.resize(config.num_hidden_layers());
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) { tensor = loaded.at(name); });
  return weights;
}

}  // namespace gbmoa
