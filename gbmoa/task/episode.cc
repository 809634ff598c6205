#include "gbmoa/task/episode.h"

#include "glog/logging.h"

namespace gbmoa {

Batch SelectExamples(const Batch& batch, const std::vector<int64_t>& rows) {
  Batch selected;
  selected.num_classes = batch.num_classes;
  selected.encoding = batch.encoding;
  const int64_t per_example = batch.sequences_per_example();
  for (const int64_t row : rows) {
    CHECK_GE(row, 0);
    CHECK_LT(row, batch.size());
    for (int64_t s = row * per_example; s < (row + 1) * per_example; ++s) {
      const auto begin = batch.tokens.offsets[s], end = batch.tokens.offsets[s + 1];
      PackedTokens& to = selected.tokens;
      to.ids.insert(to.ids.end(), batch.tokens.ids.begin() + begin, batch.tokens.ids.begin() + end);
      to.type_ids.insert(to.type_ids.end(), batch.tokens.type_ids.begin() + begin, batch.tokens.type_ids.begin() + end);
      to.offsets.push_back(static_cast<int64_t>(to.ids.size()));
    }
    if (!batch.labels.empty()) selected.labels.push_back(batch.labels[row]);
  }
  return selected;
}

}  // namespace gbmoa
