// Test-only: examples of random words, labelled or with targets.
#ifndef GBMOA_TASK_RANDOM_BATCH_H_
#define GBMOA_TASK_RANDOM_BATCH_H_

#include <cstdint>

#include "gbmoa/base/rng.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// `per_class` examples of each class, or as many pairs, of 2 to 6 words each; a function of its arguments.
inline Batch RandomBatch(int classes, int per_class, Encoding encoding, uint64_t vocab_size,
                         const RandomStream& stream) {
  Batch batch;
  batch.num_classes = classes;
  batch.encoding = encoding;
  uint64_t next = 0;
  for (int i = 0; i < classes * per_class; ++i) {
    batch.labels.push_back(i % classes);
    for (int64_t side = 0; side < batch.sequences_per_example(); ++side) {
      const int64_t length = 2 + static_cast<int64_t>(stream.Below(5, next++));
      for (int64_t t = 0; t < length; ++t) {
        batch.tokens.ids.push_back(static_cast<int32_t>(stream.Below(vocab_size, next++)));
        batch.tokens.type_ids.push_back(0);
      }
      batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
    }
  }
  return batch;
}

// `size` examples as above with targets in 0 to 5.
inline Batch RandomRegression(int size, Encoding encoding, uint64_t vocab_size, const RandomStream& stream) {
  Batch batch = RandomBatch(1, size, encoding, vocab_size, stream);
  batch.regression = true;
  batch.labels.clear();
  const RandomStream targets = stream.Substream(1);
  for (int i = 0; i < size; ++i) batch.targets.push_back(static_cast<float>(5 * targets.Uniform(i)));
  return batch;
}

}  // namespace gbmoa

#endif  // GBMOA_TASK_RANDOM_BATCH_H_
