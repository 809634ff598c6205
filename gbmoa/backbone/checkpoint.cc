#include "gbmoa/backbone/checkpoint.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
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
#include "gbmoa/backbone/checkpoint_files.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

// The tensor of that name under today's or the old name of layer norm's weights.
const SafetensorsView* FindTensor(const CheckpointFiles& files, const std::string& name) {
  if (const SafetensorsView* view = files.Find(name)) return view;
  if (!absl::StrContains(name, "LayerNorm.")) return nullptr;
  return files.Find(
      absl::StrReplaceAll(name, {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}));
}

// What was read of a mapped file counts as resident memory until somebody else needs it. These bytes are not needed
// again, and if they were they would be read again.
void Release(absl::Span<const char> mapped) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(mapped.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(mapped.data() + mapped.size()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
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
  Release(view.data);
  return copy.to(at::kFloat);
}

// Without a copy of the tensor.
bool IsFinite(const at::Tensor& tensor) {
  const auto [low, high] = at::aminmax(tensor);  // NaN, if there is one
  return std::isfinite(low.item<float>()) && std::isfinite(high.item<float>());
}

std::string Shape(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

// What stands before the encoder's names, the family's prefix or nothing: whichever more of them have, so that a file
// that lacks some is told what it lacks.
absl::StatusOr<absl::string_view> FindPrefix(const CheckpointFiles& files, const BackboneConfig& config) {
  const bool is_roberta = config.family() == BackboneConfig::ROBERTA;
  const absl::string_view own = is_roberta ? "roberta." : "bert.", other = is_roberta ? "bert." : "roberta.";
  const auto count = [&](absl::string_view prefix) {
    int found = 0;
    ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>&) {
      found += FindTensor(files, absl::StrCat(prefix, name)) != nullptr ? 1 : 0;
    });
    return found;
  };
  const int with_own = count(own), with_other = count(other), with_none = count("");
  if (with_other > with_own && with_other > with_none) {
    return absl::DataLossError(absl::StrCat(files.path(), ": does not fit: its tensors begin with '", other,
                                            "', those of the configuration's family with '", own, "'"));
  }
  return with_own > with_none ? own : absl::string_view();
}

}  // namespace

absl::StatusOr<EncoderWeights> LoadEncoderWeights(const std::string& folder, const BackboneConfig& config,
                                                  std::vector<std::string>* unused) {
  GBMOA_ASSIGN_OR_RETURN(const CheckpointFiles files, CheckpointFiles::Open(folder));
  GBMOA_ASSIGN_OR_RETURN(const absl::string_view prefix, FindPrefix(files, config));
  // All that is wrong is told at once.
  std::map<std::string, at::Tensor> loaded;
  std::set<absl::string_view> used;
  std::vector<std::string> problems;
  GBMOA_RETURN_IF_ERROR(CatchTorch([&] {
    ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
      const std::string full_name = absl::StrCat(prefix, name);
      const SafetensorsView* view = FindTensor(files, full_name);
      if (view == nullptr) {
        problems.push_back(absl::StrCat(full_name, " is missing"));
        return;
      }
      used.insert(view->name);
      if (view->shape != absl::MakeConstSpan(shape)) {
        const bool transposed = std::vector<int64_t>(view->shape.rbegin(), view->shape.rend()) == shape;
        problems.push_back(absl::StrCat(view->name, " is ", Shape(view->shape), ", the configuration wants ",
                                        Shape(shape), transposed ? " (transposed?)" : ""));
        return;
      }
      at::Tensor tensor = ToFloat(*view);
      if (!tensor.defined()) {
        problems.push_back(absl::StrCat(view->name, " has type ", DtypeName(view->dtype)));
      } else if (!IsFinite(tensor)) {
        problems.push_back(absl::StrCat(view->name, " holds NaN or infinity"));
      } else {
        loaded.emplace(name, std::move(tensor));
      }
    });
    return absl::OkStatus();
  }));
  if (!problems.empty()) {
    return absl::DataLossError(absl::StrCat(files.path(), ": does not fit: ", absl::StrJoin(problems, "; ")));
  }
  std::vector<std::string> left;
  for (const auto& [name, view] : files.tensors()) {
    if (used.count(name) == 0) left.emplace_back(name);
  }
  LOG_IF(INFO, !left.empty()) << files.path() << ": " << left.size() << " tensors are not the encoder's, among them "
                              << left[0];
  if (unused != nullptr) *unused = std::move(left);

  EncoderWeights weights;
  weights.layers.resize(config.num_hidden_layers());
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) { tensor = loaded.at(name); });
  return weights;
}

}  // namespace gbmoa
