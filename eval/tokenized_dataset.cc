#include "eval/tokenized_dataset.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

absl::Status At(const absl::Status& status, absl::string_view place) {
  return absl::Status(status.code(), absl::StrCat(place, ": ", status.message()));
}

}  // namespace

absl::StatusOr<TokenTable> TokenTable::Encode(const Tokenizer& tokenizer, absl::Span<const absl::string_view> texts,
                                              int max_tokens) {
  PackedTokens packed;
  packed.offsets.reserve(texts.size() + 1);
  for (size_t i = 0; i < texts.size(); ++i) {
    const absl::StatusOr<TokenIds> tokens = tokenizer.Encode(texts[i], max_tokens);
    if (!tokens.ok()) return At(tokens.status(), absl::StrCat("text ", i + 1, " of ", texts.size()));
    packed.Append(tokens->ids, tokens->type_ids);
  }
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
                                                          int max_tokens) {
  GBMOA_RETURN_IF_ERROR(ValidateDataset(dataset));
  PackedTokens packed;
  std::vector<ExampleRef> refs;
  refs.reserve(dataset.examples.size());
  const bool apart = dataset.encoding == Encoding::kPairApart;
  const bool joint = dataset.pairs && !apart;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Example& example = dataset.examples[i];
    const std::string place = absl::StrCat(dataset.name, "/", dataset.split, ": example ", i + 1);
    ExampleRef ref;
    ref.label = dataset.labelled ? static_cast<int32_t>(example.label) : 0;
    ref.first = static_cast<int32_t>(packed.num_sequences());
    const absl::StatusOr<TokenIds> first = joint ? tokenizer.EncodePair(example.text_a, example.text_b, max_tokens)
                                                 : tokenizer.Encode(example.text_a, max_tokens);
    if (!first.ok()) return At(first.status(), place);
    packed.Append(first->ids, first->type_ids);
    if (apart) {
      ref.second = static_cast<int32_t>(packed.num_sequences());
      const absl::StatusOr<TokenIds> second = tokenizer.Encode(example.text_b, max_tokens);
      if (!second.ok()) return At(second.status(), place);
      packed.Append(second->ids, second->type_ids);
    }
    refs.push_back(ref);
  }
  return TokenizedDataset(TokenTable(std::move(packed)), std::move(refs), dataset.num_classes(), dataset.labelled);
}

TokenizedDataset::TokenizedDataset(TokenTable table, std::vector<ExampleRef> refs, int num_classes, bool labelled)
    : table_(std::move(table)), refs_(std::move(refs)), num_classes_(num_classes), labelled_(labelled) {}

Batch TokenizedDataset::MakeBatch(absl::Span<const int64_t> rows) const {
  std::vector<ExampleRef> selected;
  selected.reserve(rows.size());
  for (const int64_t row : rows) {
    CHECK_GE(row, 0);
    CHECK_LT(row, size());
    selected.push_back(refs_[row]);
  }
  return gbmoa::MakeBatch(table_, selected, num_classes_, labelled_);
}

Batch TokenizedDataset::AllExamples() const { return gbmoa::MakeBatch(table_, refs_, num_classes_, labelled_); }

}  // namespace gbmoa
