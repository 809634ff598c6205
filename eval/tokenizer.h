// From text to the token ids of a pretrained encoder.
#ifndef GBMOA_EVAL_TOKENIZER_H_
#define GBMOA_EVAL_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {

// One sequence, special tokens included.
struct TokenIds {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;  // as many; 0, or 1 in the second text of a pair where the model tells them apart
};

// Immutable; safe to call from several threads. All ids are below vocabulary_size().
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // At most max_tokens tokens, special ones included; what is too long loses its end. Errors: DataLoss, naming the
  // byte, if the text is not UTF-8; ResourceExhausted if it has more than 64 MiB; InvalidArgument if max_tokens has no
  // room for the special tokens. Throws std::bad_alloc.
  virtual absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const = 0;

  // Two texts as one sequence. What is too long is shortened as SplitBudget says. Errors: as above; what is wrong
  // with a text begins with "first text: " or "second text: ".
  virtual absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second,
                                              int max_tokens) const = 0;

  virtual int vocabulary_size() const = 0;

  // 64 hexadecimal digits over everything that decides the ids: two tokenizers with the same one give the same ids to
  // any text, in other processes, too.
  virtual std::string fingerprint() const = 0;
};

// How many of a pair's `first` and `second` tokens stay when `budget` may, in the order of the arguments: the longer
// one is cut first, then both to half; where the budget is odd, the one that was longer (the second one of equals)
// keeps one more. This is the rule that the Hugging Face tokenizers call longest_first.
struct PairBudget {
  int64_t first, second;
};
PairBudget SplitBudget(int64_t first, int64_t second, int64_t budget);

// A tokenizer's factory gets the folder of a pretrained model and answers NotFound if the folder has not its kind of
// files, and an error that names file and line if they are there but bad.
using TokenizerRegistry = Registry<Tokenizer, const std::string&>;

// At the end of a tokenizer's file: GBMOA_REGISTER_TOKENIZER("wordpiece", MakeWordPiece);
#define GBMOA_REGISTER_TOKENIZER(name, factory)                                   \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::TokenizerRegistry::Global().Register(name, factory)

// The tokenizer of the pretrained model in `folder`, of whatever kind its files are. Errors: NotFound if there are none
// of a known kind; else that kind's own.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZER_H_
