#include "gbmoa/backbone/checkpoint.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kModel[] = "model.safetensors", kIndex[] = "model.safetensors.index.json";
constexpr absl::string_view kAnchor = "embeddings.word_embeddings.weight";

// One file or several shards, as one set of tensors.
class CheckpointFiles {
 public:
  static absl::StatusOr<CheckpointFiles> Open(const std::string& folder) {
    CheckpointFiles files;
    const std::string model = JoinPath(folder, kModel), index = JoinPath(folder, kIndex);
    if (FileExists(model) || !FileExists(index)) {
      files.path_ = model;
      GBMOA_RETURN_IF_ERROR(files.Add(model));
    } else {
      files.path_ = index;
      GBMOA_RETURN_IF_ERROR(files.AddShards(folder));
    }
    return files;
  }

  const std::string& path() const { return path_; }  // of the file or the index
  const std::map<absl::string_view, const SafetensorsView*>& tensors() const { return tensors_; }
  // Null if there is none of that name.
  const SafetensorsView* Find(absl::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

 private:
  absl::Status Add(const std::string& path) {
    GBMOA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
    files_.push_back(std::make_unique<const SafetensorsFile>(std::move(file)));
    for (const SafetensorsView& view : files_.back()->tensors()) {
      if (tensors_.emplace(view.name, &view).second) continue;
      return absl::DataLossError(absl::StrCat(path, ": tensor '", view.name, "' is in another shard, too"));
    }
    return absl::OkStatus();
  }

  absl::Status AddShards(const std::string& folder) {
    GBMOA_ASSIGN_OR_RETURN(const json index, LoadJson(path_));
    const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path_, ": ", what)); };
    if (!index.is_object()) return bad("wanted an object");
    const auto map = index.find("weight_map");
    if (map == index.end() || !map->is_object()) return bad("weight_map: wanted an object");
    std::map<std::string, std::vector<std::string>> shards;  // file name -> names of its tensors
    for (const auto& [tensor, value] : map->items()) {
      const std::string shard = value.is_string() ? value.get<std::string>() : "";
      if (shard.empty() || shard == "." || shard == ".." || shard.find('/') != std::string::npos ||
          shard.find('\0') != std::string::npos) {
        return bad(absl::StrCat("weight_map: '", tensor, "': wanted the name of a file in this folder, got ",
                                value.dump().substr(0, 100)));
      }
      shards[shard].push_back(tensor);
    }
    std::vector<std::string> missing;
    for (const auto& [shard, names] : shards) {
      const absl::Status status = Add(JoinPath(folder, shard));
      if (!status.ok()) {
        return absl::Status(
            status.code(), absl::StrCat(path_, ": weight_map has '", names[0], "' in ", shard, ": ", status.message()));
      }
      for (const std::string& name : names) {
        if (files_.back()->Find(name) == nullptr) missing.push_back(absl::StrCat("'", name, "' is not in ", shard));
      }
    }
    if (!missing.empty()) return bad(absl::StrCat("weight_map: ", absl::StrJoin(missing, "; ")));
    return absl::OkStatus();
  }

  std::string path_;
  std::vector<std::unique_ptr<const SafetensorsFile>> files_;
  std::map<absl::string_view, const SafetensorsView*> tensors_;
};

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

// What stands before the encoder's names: the family's prefix or nothing.
absl::StatusOr<absl::string_view> FindPrefix(const CheckpointFiles& files, const BackboneConfig& config) {
  const bool is_roberta = config.family() == BackboneConfig::ROBERTA;
  const absl::string_view own = is_roberta ? "roberta." : "bert.", other = is_roberta ? "bert." : "roberta.";
  for (const absl::string_view prefix : {own, absl::string_view()}) {
    if (files.Find(absl::StrCat(prefix, kAnchor)) != nullptr) return prefix;
  }
  if (files.Find(absl::StrCat(other, kAnchor)) != nullptr) {
    return absl::DataLossError(absl::StrCat(files.path(), ": does not fit: its tensors begin with '", other,
                                            "', those of the configuration's family with '", own, "'"));
  }
  return absl::string_view();
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
