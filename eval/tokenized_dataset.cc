#include "eval/tokenized_dataset.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eval/token_cache.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

absl::Status At(const absl::Status& status, absl::string_view place) {
  return absl::Status(status.code(), absl::StrCat(place, ": ", status.message()));
}

absl::StatusOr<PackedTokens> EncodeTexts(const Tokenizer& tokenizer, absl::Span<const absl::string_view> texts,
                                         int max_tokens) {
  PackedTokens packed;
  packed.offsets.reserve(texts.size() + 1);
  for (size_t i = 0; i < texts.size(); ++i) {
    const absl::StatusOr<TokenIds> tokens = tokenizer.Encode(texts[i], max_tokens);
    if (!tokens.ok()) return At(tokens.status(), absl::StrCat("text ", i + 1, " of ", texts.size()));
    packed.Append(tokens->ids, tokens->type_ids);
  }
  return packed;
}

bool IsApart(const Dataset& dataset) { return dataset.encoding == Encoding::kPairApart; }
bool IsJoint(const Dataset& dataset) { return dataset.pairs && !IsApart(dataset); }

// The sequences of all examples in their order: one for each example, or two if its texts are apart.
absl::StatusOr<PackedTokens> EncodeExamples(const Dataset& dataset, const Tokenizer& tokenizer, int max_tokens) {
  PackedTokens packed;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Example& example = dataset.examples[i];
    const std::string place = absl::StrCat(dataset.name, "/", dataset.split, ": example ", i + 1);
    const absl::StatusOr<TokenIds> first = IsJoint(dataset)
                                               ? tokenizer.EncodePair(example.text_a, example.text_b, max_tokens)
                                               : tokenizer.Encode(example.text_a, max_tokens);
    if (!first.ok()) return At(first.status(), place);
    packed.Append(first->ids, first->type_ids);
    if (!IsApart(dataset)) continue;
    const absl::StatusOr<TokenIds> second = tokenizer.Encode(example.text_b, max_tokens);
    if (!second.ok()) return At(second.status(), place);
    packed.Append(second->ids, second->type_ids);
  }
  return packed;
}

absl::StatusOr<PackedTokens> EncodeExamplesCached(const Dataset& dataset, const Tokenizer& tokenizer, int max_tokens,
                                                  const std::string& folder) {
  TokenCacheKey key(tokenizer, max_tokens);
  for (const Example& example : dataset.examples) {
    if (IsJoint(dataset)) {
      key.AddPair(example.text_a, example.text_b);
      continue;
    }
    key.Add(example.text_a);
    if (IsApart(dataset)) key.Add(example.text_b);
  }
  return CachedTokens(folder, key.Finish(), dataset.size() * (IsApart(dataset) ? 2 : 1), tokenizer,
                      [&] { return EncodeExamples(dataset, tokenizer, max_tokens); });
}

}  // namespace

absl::StatusOr<TokenTable> TokenTable::Encode(const Tokenizer& tokenizer, absl::Span<const absl::string_view> texts,
                                              int max_tokens) {
  GBMOA_ASSIGN_OR_RETURN(PackedTokens packed, EncodeTexts(tokenizer, texts, max_tokens));
  return TokenTable(std::move(packed));
}

absl::StatusOr<TokenTable> TokenTable::EncodeCached(const Tokenizer& tokenizer,
                                                    absl::Span<const absl::string_view> texts, int max_tokens,
                                                    const std::string& folder) {
  TokenCacheKey key(tokenizer, max_tokens);
  for (const absl::string_view text : texts) key.Add(text);
  GBMOA_ASSIGN_OR_RETURN(PackedTokens packed,
                         CachedTokens(folder, key.Finish(), static_cast<int64_t>(texts.size()), tokenizer,
                                      [&] { return EncodeTexts(tokenizer, texts, max_tokens); }));
  return TokenTable(std::move(packed));
}

int64_t TokenTable::length(int64_t index) const {
  CHECK_GE(index, 0);
  CHECK_LT(index, size());
  return tokens_.offsets[index + 1] - tokens_.offsets[index];
}

void TokenTable::AppendTo(int64_t index, PackedTokens* packed) const { packed->Append(tokens_, index); }

Batch MakeBatch(const TokenTable& table, absl::Span<const ExampleRef> refs, int num_classes, bool labelled) {
  Batch batch;
  batch.num_classes = num_classes;
  const bool apart = !refs.empty() && refs[0].second >= 0;
  batch.encoding = apart ? Encoding::kPairApart : Encoding::kOneSequence;
  for (const ExampleRef& ref : refs) {
    CHECK_EQ(ref.second >= 0, apart);
    table.AppendTo(ref.first, &batch.tokens);
    if (apart) table.AppendTo(ref.second, &batch.tokens);
    if (labelled) batch.labels.push_back(ref.label);
  }
  return batch;
}

absl::StatusOr<TokenizedDataset> TokenizedDataset::Create(const Dataset& dataset, const Tokenizer& tokenizer,
                                                          int max_tokens, const std::string& cache_folder) {
  GBMOA_RETURN_IF_ERROR(ValidateDataset(dataset));
  GBMOA_ASSIGN_OR_RETURN(PackedTokens packed, cache_folder.empty()
                                                  ? EncodeExamples(dataset, tokenizer, max_tokens)
                                                  : EncodeExamplesCached(dataset, tokenizer, max_tokens, cache_folder));
  const bool apart = IsApart(dataset);
  std::vector<ExampleRef> refs;
  refs.reserve(dataset.examples.size());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    ExampleRef ref;
    if (dataset.labelled) {
      ref.label = static_cast<int32_t>(dataset.examples[i].label);
      ref.target = static_cast<float>(dataset.examples[i].target);
    }
    ref.first = static_cast<int32_t>(apart ? 2 * i : i);
    if (apart) ref.second = ref.first + 1;
    refs.push_back(ref);
  }
  return TokenizedDataset(TokenTable(std::move(packed)), std::move(refs),
                          dataset.regression ? 1 : dataset.num_classes(), dataset.labelled, dataset.regression);
}

TokenizedDataset::TokenizedDataset(TokenTable table, std::vector<ExampleRef> refs, int num_classes, bool labelled,
                                   bool regression)
    : table_(std::move(table)),
      refs_(std::move(refs)),
      num_classes_(num_classes),
      labelled_(labelled),
      regression_(regression) {}

Batch TokenizedDataset::BatchOf(absl::Span<const ExampleRef> refs) const {
  Batch batch = gbmoa::MakeBatch(table_, refs, num_classes_, labelled_ && !regression_);
  batch.regression = regression_;
  if (!labelled_ || !regression_) return batch;
  for (const ExampleRef& ref : refs) batch.targets.push_back(ref.target);
  return batch;
}

Batch TokenizedDataset::MakeBatch(absl::Span<const int64_t> rows) const {
  std::vector<ExampleRef> selected;
  selected.reserve(rows.size());
  for (const int64_t row : rows) {
    CHECK_GE(row, 0);
    CHECK_LT(row, size());
    selected.push_back(refs_[row]);
  }
  return BatchOf(selected);
}

Batch TokenizedDataset::AllExamples() const { return BatchOf(refs_); }

}  // namespace gbmoa
