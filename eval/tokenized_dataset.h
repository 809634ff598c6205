// Datasets as token ids: every text goes through the tokenizer once, batches are copies of the ids.
#ifndef GBMOA_EVAL_TOKENIZED_DATASET_H_
#define GBMOA_EVAL_TOKENIZED_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eval/dataset.h"
#include "eval/tokenizer.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// The tokens of many texts, by index; immutable, so that datasets and episodes can share it.
class TokenTable {
 public:
  // Tokens of each text, special tokens included, at most max_tokens of them. Errors: the tokenizer's, naming the text.
  static absl::StatusOr<TokenTable> Encode(const Tokenizer& tokenizer, absl::Span<const absl::string_view> texts,
                                           int max_tokens);

  // The same, but out of a file in `folder` if these texts have been there before (token_cache.h). Errors also: those
  // of CachedTokens.
  static absl::StatusOr<TokenTable> EncodeCached(const Tokenizer& tokenizer, absl::Span<const absl::string_view> texts,
                                                 int max_tokens, const std::string& folder);

  // Takes over sequences that have been tokenized elsewhere.
  explicit TokenTable(PackedTokens tokens) : tokens_(std::move(tokens)) {}

  int64_t size() const { return tokens_.num_sequences(); }
  // Tokens of sequence `index`. CHECKs the index.
  int64_t length(int64_t index) const;
  // Appends sequence `index` to `packed`. CHECKs the index.
  void AppendTo(int64_t index, PackedTokens* packed) const;

 private:
  PackedTokens tokens_;
};

// One example by the indices of its texts in a TokenTable (or any other list of texts).
struct ExampleRef {
  int32_t first = -1;
  int32_t second = -1;  // -1: one sequence
  int32_t label = 0;
  float target = 0;  // of a regression
};

// The examples `refs`, in that order. CHECKs that all or none have a second sequence; that is what the batch's encoding
// says. `labelled` false leaves the labels empty.
Batch MakeBatch(const TokenTable& table, absl::Span<const ExampleRef> refs, int num_classes, bool labelled = true);

class TokenizedDataset {
 public:
  // Tokenizes all texts of `dataset`: with Encoding::kOneSequence a pair becomes one sequence of at most max_tokens,
  // with kPairApart each side is one. With a `cache_folder` a set that has been there before is read from there
  // (token_cache.h). Errors: ValidateDataset's; the tokenizer's, naming the example; those of CachedTokens.
  static absl::StatusOr<TokenizedDataset> Create(const Dataset& dataset, const Tokenizer& tokenizer, int max_tokens,
                                                 const std::string& cache_folder = "");

  int64_t size() const { return static_cast<int64_t>(refs_.size()); }
  int num_classes() const { return num_classes_; }  // as batches have it: 1 of a regression
  const std::vector<ExampleRef>& refs() const { return refs_; }

  // The examples `rows`, in that order; a row may come twice. CHECKs the rows.
  Batch MakeBatch(absl::Span<const int64_t> rows) const;
  Batch AllExamples() const;

 private:
  TokenizedDataset(TokenTable table, std::vector<ExampleRef> refs, int num_classes, bool labelled, bool regression);

  Batch BatchOf(absl::Span<const ExampleRef> refs) const;

  TokenTable table_;
  std::vector<ExampleRef> refs_;
  int num_classes_;
  bool labelled_, regression_;
};

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZED_DATASET_H_
