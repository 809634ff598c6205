// Token sequences on disk, under a name made from all that decides them: large sets are tokenized once.
#ifndef GBMOA_EVAL_TOKEN_CACHE_H_
#define GBMOA_EVAL_TOKEN_CACHE_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// A SHA-256 of a tokenizer, the largest number of tokens, and the texts in their order.
class TokenCacheKey {
 public:
  TokenCacheKey(const Tokenizer& tokenizer, int max_tokens);

  // A sequence of one text, or of a pair of them.
  void Add(absl::string_view text);
  void AddPair(absl::string_view first, absl::string_view second);

  // 64 hexadecimal digits. At most once.
  std::string Finish();

 private:
  Sha256 sha_;
  int64_t count_ = 0;
};

// The sequences in FOLDER/KEY.safetensors, or, where there is no such file, those of `make`, which are then written
// there. A file that is damaged or is not one of ours is logged with a warning and made anew.
// The file has ids [N] and type_ids [N], int32, offsets [S + 1], int64, and a SHA-256 over their bytes.
// Errors: PermissionDenied or Unknown if the folder is missing or cannot be written, found out before `make` is called;
// those of `make`. CHECKs that `make` gives `num_sequences`.
absl::StatusOr<PackedTokens> CachedTokens(const std::string& folder, const std::string& key, int64_t num_sequences,
                                          const Tokenizer& tokenizer,
                                          absl::FunctionRef<absl::StatusOr<PackedTokens>()> make);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKEN_CACHE_H_
