#include "gbmoa/backbone/checkpoint_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kModel[] = "model.safetensors", kIndex[] = "model.safetensors.index.json";

bool IsSharded(const std::string& folder) {
  return !FileExists(JoinPath(folder, kModel)) && FileExists(JoinPath(folder, kIndex));
}

using Shards = std::map<std::string, std::vector<std::string>>;  // file name -> names of its tensors

absl::StatusOr<Shards> ReadIndex(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const json index, LoadJson(path));
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  if (!index.is_object()) return bad("wanted an object");
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) return bad("weight_map: wanted an object");
  Shards shards;
  for (const auto& [tensor, value] : map->items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    if (shard.empty() || shard == "." || shard == ".." || shard.find('/') != std::string::npos ||
        shard.find('\0') != std::string::npos) {
      return bad(absl::StrCat("weight_map: '", tensor, "': wanted the name of a file in this folder, got ",
                              value.dump().substr(0, 100)));
    }
    shards[shard].push_back(tensor);
  }
  return shards;
}

// What went wrong with a shard, with where it is named.
absl::Status OfShard(const std::string& index, const Shards::value_type& shard, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(index, ": weight_map has '", shard.second[0], "' in ", shard.first,
                                                  ": ", status.message()));
}

}  // namespace

absl::StatusOr<CheckpointFiles> CheckpointFiles::Open(const std::string& folder) {
  CheckpointFiles files;
  if (!IsSharded(folder)) {
    files.path_ = JoinPath(folder, kModel);
    GBMOA_RETURN_IF_ERROR(files.Add(files.path_));
    return files;
  }
  files.path_ = JoinPath(folder, kIndex);
  GBMOA_ASSIGN_OR_RETURN(const Shards shards, ReadIndex(files.path_));
  std::vector<std::string> missing;
  for (const auto& shard : shards) {
    const absl::Status status = files.Add(JoinPath(folder, shard.first));
    if (!status.ok()) return OfShard(files.path_, shard, status);
    for (const std::string& name : shard.second) {
      if (files.files_.back().tensors->Find(name) == nullptr) {
        missing.push_back(absl::StrCat("'", name, "' is not in ", shard.first));
      }
    }
  }
  if (!missing.empty()) {
    return absl::DataLossError(absl::StrCat(files.path_, ": weight_map: ", absl::StrJoin(missing, "; ")));
  }
  return files;
}

const SafetensorsView* CheckpointFiles::Find(absl::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::string CheckpointFiles::PathOf(absl::string_view name) const {
  for (const File& file : files_) {
    if (file.tensors->Find(name) != nullptr) return file.path;
  }
  return "";
}

absl::Status CheckpointFiles::Add(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  files_.push_back({path, std::make_unique<const SafetensorsFile>(std::move(file))});
  for (const SafetensorsView& view : files_.back().tensors->tensors()) {
    if (tensors_.emplace(view.name, &view).second) continue;
    return absl::DataLossError(absl::StrCat(path, ": tensor '", view.name, "' is in another shard, too"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HashCheckpoint(const std::string& folder) {
  if (!IsSharded(folder)) return Sha256HexOfFile(JoinPath(folder, kModel));
  const std::string index = JoinPath(folder, kIndex);
  GBMOA_ASSIGN_OR_RETURN(const Shards shards, ReadIndex(index));
  GBMOA_ASSIGN_OR_RETURN(const std::string index_hash, Sha256HexOfFile(index));
  Sha256 sha;
  sha.Update(index_hash);
  for (const auto& shard : shards) {
    const absl::StatusOr<std::string> hash = Sha256HexOfFile(JoinPath(folder, shard.first));
    if (!hash.ok()) return OfShard(index, shard, hash.status());
    sha.Update(*hash);  // the index has the names
  }
  return sha.Finish();
}

}  // namespace gbmoa
