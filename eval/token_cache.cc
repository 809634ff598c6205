#include "eval/token_cache.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

constexpr char kFormat[] = "gbmoa tokens 1";

std::string Checksum(const std::string& key, absl::Span<const char> ids, absl::Span<const char> type_ids,
                     absl::Span<const char> offsets) {
  Sha256 sha;
  sha.Update(absl::StrCat(key, ";", ids.size(), ";", type_ids.size(), ";"));
  for (const absl::Span<const char> bytes : {ids, type_ids, offsets}) {
    sha.Update(absl::string_view(bytes.data(), bytes.size()));
  }
  return sha.Finish();
}

template <typename T>
void Copy(absl::Span<const char> bytes, std::vector<T>* values) {
  values->resize(bytes.size() / sizeof(T));
  if (!values->empty()) std::memcpy(values->data(), bytes.data(), bytes.size());
}

// The checksum tells accidents; the rest is so that no content whatever can break who uses the tokens.
absl::StatusOr<PackedTokens> ReadTokens(const std::string& path, const std::string& key, int64_t num_sequences,
                                        int vocabulary_size) {
  GBMOA_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  const auto metadata = [&](const std::string& name) {
    const auto found = file.metadata().find(name);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (metadata("format") != kFormat) return bad("is not a file of tokens");
  const SafetensorsView* ids = file.Find("ids");
  const SafetensorsView* type_ids = file.Find("type_ids");
  const SafetensorsView* offsets = file.Find("offsets");
  if (ids == nullptr || type_ids == nullptr || offsets == nullptr || ids->dtype != SafetensorsDtype::kInt32 ||
      type_ids->dtype != SafetensorsDtype::kInt32 || offsets->dtype != SafetensorsDtype::kInt64 ||
      ids->num_elements() != type_ids->num_elements() || offsets->num_elements() != num_sequences + 1) {
    return bad("has not the tensors of a file of tokens");
  }
  if (metadata("sha256") != Checksum(key, ids->data, type_ids->data, offsets->data)) return bad("has another checksum");
  PackedTokens tokens;
  Copy(ids->data, &tokens.ids);
  Copy(type_ids->data, &tokens.type_ids);
  Copy(offsets->data, &tokens.offsets);
  if (tokens.offsets.front() != 0 || tokens.offsets.back() != static_cast<int64_t>(tokens.ids.size())) {
    return bad("offsets do not fit the tokens");
  }
  for (int64_t s = 0; s < num_sequences; ++s) {
    if (tokens.offsets[s] > tokens.offsets[s + 1]) return bad("offsets fall");
  }
  for (const int32_t id : tokens.ids) {
    if (id < 0 || id >= vocabulary_size) return bad(absl::StrCat("the vocabulary has no id ", id));
  }
  for (const int32_t type : tokens.type_ids) {
    if (type != 0 && type != 1) return bad(absl::StrCat("no type id: ", type));
  }
  return tokens;
}

}  // namespace

TokenCacheKey::TokenCacheKey(const Tokenizer& tokenizer, int max_tokens) {
  sha_.Update(absl::StrCat(kFormat, ";", tokenizer.fingerprint(), ";", max_tokens, ";"));
}

void TokenCacheKey::Add(absl::string_view text) {
  ++count_;
  sha_.Update(absl::StrCat("1:", text.size(), ":"));
  sha_.Update(text);
}

void TokenCacheKey::AddPair(absl::string_view first, absl::string_view second) {
  ++count_;
  sha_.Update(absl::StrCat("2:", first.size(), ",", second.size(), ":"));
  sha_.Update(first);
  sha_.Update(second);
}

std::string TokenCacheKey::Finish() {
  sha_.Update(absl::StrCat("end:", count_));
  return sha_.Finish();
}

absl::StatusOr<PackedTokens> CachedTokens(const std::string& folder, const std::string& key, int64_t num_sequences,
                                          const Tokenizer& tokenizer,
                                          absl::FunctionRef<absl::StatusOr<PackedTokens>()> make) {
  const std::string path = JoinPath(folder, absl::StrCat(key, ".safetensors"));
  if (FileExists(path)) {
    absl::StatusOr<PackedTokens> tokens = ReadTokens(path, key, num_sequences, tokenizer.vocabulary_size());
    if (tokens.ok()) return tokens;
    LOG(WARNING) << tokens.status().message() << "; the texts are tokenized again";
  }
  // Now, so that a folder that cannot be written does not cost the whole work first.
  GBMOA_RETURN_IF_ERROR(AtomicFile::Create(path).status());
  GBMOA_ASSIGN_OR_RETURN(PackedTokens tokens, make());
  CHECK_EQ(tokens.num_sequences(), num_sequences);
  const absl::Span<const char> ids = AsBytes<int32_t>(tokens.ids), type_ids = AsBytes<int32_t>(tokens.type_ids),
                               offsets = AsBytes<int64_t>(tokens.offsets);
  GBMOA_RETURN_IF_ERROR(WriteSafetensors(path,
                                         {{"ids", SafetensorsDtype::kInt32, {tokens.num_tokens()}, ids},
                                          {"type_ids", SafetensorsDtype::kInt32, {tokens.num_tokens()}, type_ids},
                                          {"offsets", SafetensorsDtype::kInt64, {num_sequences + 1}, offsets}},
                                         {{"format", kFormat}, {"sha256", Checksum(key, ids, type_ids, offsets)}}));
  return tokens;
}

}  // namespace gbmoa
