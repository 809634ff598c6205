// The encoder's input: the tokens of one or several tasks' examples, packed, with every index that the forward pass
// needs worked out once. A batch is prepared once and run through many times (inner steps, Hessian-vector products).
#ifndef GBMOA_BACKBONE_PACKED_BATCH_H_
#define GBMOA_BACKBONE_PACKED_BATCH_H_

#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/backbone/attention.h"
#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/base/tensor.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// B tasks in a row; N tokens, S sequences, n examples in all. Task b owns a contiguous range of each.
struct PackedBatch {
  at::Tensor ids, type_ids, position_ids;  // [N] int64; ids are 0 at prompt positions
  SequenceOffsets sequences;               // [S + 1] in tokens, prompt positions included
  std::vector<int64_t> task_tokens;        // [B + 1]
  std::vector<int64_t> task_examples;      // [B + 1]
  at::Tensor token_sequences;              // [N] int64, each token's sequence
  at::Tensor token_weights;                // [N, 1] 1 / real tokens of its sequence; 0 at prompt positions
  at::Tensor left, right;                  // [n] rows of S of an example's sides; right undefined without pairs
  at::Tensor first_rows;                   // [n] int64, rows of N where the left sides begin, with the prompt's first
  at::Tensor is_pair;                      // [n, 1] bool; undefined without pairs
  at::Tensor labels;                       // [n] int64; undefined when a task is unlabelled or a regression
  at::Tensor targets;                      // [n] of labelled regressions; else undefined
  at::Tensor class_mask;                   // [n, C] 0 for a class of the example's task, -1e4 beyond
  at::Tensor example_tasks;                // [n] int64, each example's task
  at::Tensor example_weights;              // [n] 1 / examples of its task
  at::Tensor prompt_rows;                  // [B S_b prompt_tokens] int64 in N order; undefined without a prompt
  std::vector<int64_t> task_sequences;     // [B + 1]
  int64_t prompt_tokens = 0;               // before each sequence

  int64_t num_tasks() const { return static_cast<int64_t>(task_tokens.size()) - 1; }
  int64_t num_tokens() const { return task_tokens.back(); }
  int64_t num_sequences() const { return task_sequences.back(); }
  int64_t num_examples() const { return task_examples.back(); }
};

// max_classes = C: logits have that many columns, and a task's own classes are the first ones. dtype is the
// activations'. Errors: InvalidArgument for an empty task, a token id, type or position outside the backbone's tables,
// a label outside its task's classes, or more classes than max_classes; a batch whose parts have different lengths;
// regressions together with classifications, a regression of other than one class, a target that is not finite; the
// message names task, example and value. ResourceExhausted when memory ends.
absl::StatusOr<PackedBatch> PackBatch(const std::vector<const Batch*>& tasks, const BackboneConfig& config,
                                      int max_classes, int64_t prompt_tokens, at::ScalarType dtype);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_PACKED_BATCH_H_
