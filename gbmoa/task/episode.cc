#include "gbmoa/task/episode.h"

#include <numeric>

#include "glog/logging.h"

namespace gbmoa {

void PackedTokens::Append(absl::Span<const int32_t> sequence_ids, absl::Span<const int32_t> sequence_type_ids) {
  CHECK_EQ(sequence_ids.size(), sequence_type_ids.size());
  ids.insert(ids.end(), sequence_ids.begin(), sequence_ids.end());
  type_ids.insert(type_ids.end(), sequence_type_ids.begin(), sequence_type_ids.end());
  offsets.push_back(static_cast<int64_t>(ids.size()));
}

void PackedTokens::Append(const PackedTokens& from, int64_t sequence) {
  CHECK_GE(sequence, 0);
  CHECK_LT(sequence, from.num_sequences());
  const int64_t begin = from.offsets[sequence], length = from.offsets[sequence + 1] - begin;
  Append(absl::MakeConstSpan(from.ids).subspan(begin, length),
         absl::MakeConstSpan(from.type_ids).subspan(begin, length));
}

Batch SelectExamples(const Batch& batch, const std::vector<int64_t>& rows) {
  Batch selected;
  selected.num_classes = batch.num_classes;
  selected.regression = batch.regression;
  selected.encoding = batch.encoding;
  const int64_t per_example = batch.sequences_per_example();
  for (const int64_t row : rows) {
    CHECK_GE(row, 0);
    CHECK_LT(row, batch.size());
    for (int64_t s = row * per_example; s < (row + 1) * per_example; ++s) {
      selected.tokens.Append(batch.tokens, s);
    }
    if (!batch.labels.empty()) selected.labels.push_back(batch.labels[row]);
    if (!batch.targets.empty()) selected.targets.push_back(batch.targets[row]);
  }
  return selected;
}

Batch SelectRange(const Batch& batch, int64_t begin, int64_t end) {
  CHECK_LE(begin, end);
  std::vector<int64_t> rows(end - begin);
  std::iota(rows.begin(), rows.end(), begin);
  return SelectExamples(batch, rows);
}

}  // namespace gbmoa
