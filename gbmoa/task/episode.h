// The vocabulary everybody shares: tokens, labelled examples, and an episode of a task. No LibTorch in here, so that
// the data side of the project builds without it.
#ifndef GBMOA_TASK_EPISODE_H_
#define GBMOA_TASK_EPISODE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace gbmoa {

// The real tokens of S sequences one after another; there is no padding.
struct PackedTokens {
  std::vector<int32_t> ids;            // [N] ids of the tokenizer, special tokens included
  std::vector<int32_t> type_ids;       // [N] segment: 0, or 1 in the second text of a joint pair
  std::vector<int64_t> offsets = {0};  // [S + 1] sequence s is tokens offsets[s] ... offsets[s + 1] - 1

  int64_t num_sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t num_tokens() const { return offsets.back(); }
  // One more sequence. CHECKs that there are as many types as ids.
  void Append(absl::Span<const int32_t> sequence_ids, absl::Span<const int32_t> sequence_type_ids);
  // One more sequence, the one of `from` with this number, which CHECKs that there is one.
  void Append(const PackedTokens& from, int64_t sequence);
};

// How the texts of one example reach the encoder.
enum class Encoding {
  kOneSequence,  // one text, or a pair as one sequence: [CLS] a [SEP] b [SEP]
  kPairApart,    // a pair as two sequences; the feature is the elementwise product of both sides' features
};

// n examples of one task. With kPairApart, example i is sequences 2 i and 2 i + 1; otherwise it is sequence i.
struct Batch {
  PackedTokens tokens;
  std::vector<int64_t> labels;  // [n], each in {0, ..., num_classes - 1}; empty when not labelled or a regression
  std::vector<float> targets;   // [n] of a labelled regression: the wanted values, finite; else empty
  int num_classes = 0;          // 1 of a regression: its one output
  bool regression = false;
  Encoding encoding = Encoding::kOneSequence;

  int64_t sequences_per_example() const { return encoding == Encoding::kPairApart ? 2 : 1; }
  int64_t size() const { return tokens.num_sequences() / sequences_per_example(); }
};

// The rows `rows` of `batch`, in that order; a row may come twice.
Batch SelectExamples(const Batch& batch, const std::vector<int64_t>& rows);
// The rows begin ... end - 1.
Batch SelectRange(const Batch& batch, int64_t begin, int64_t end);

// One draw of a few-shot task: adapt on the support set, be judged on the query set.
struct Episode {
  std::string task;  // for messages and logs, e.g. "sup.n/5-way-5-shot"
  Batch support_set;
  Batch query_set;
};

// Meta-training tasks, addressed by position: At(i) is a pure function, so that training can resume anywhere and a
// curriculum can visit positions in any order.
class EpisodeSource {
 public:
  virtual ~EpisodeSource() = default;
  virtual Episode At(uint64_t position) const = 0;
};

}  // namespace gbmoa

#endif  // GBMOA_TASK_EPISODE_H_
