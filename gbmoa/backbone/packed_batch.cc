#include "gbmoa/backbone/packed_batch.h"

#include "absl/strings/str_cat.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr double kMaskedLogit = -1e4;  // exp underflows to exactly 0, and no infinity enters a derivative

at::Tensor LongTensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

}  // namespace

absl::StatusOr<PackedBatch> PackBatch(const std::vector<const Batch*>& tasks, const BackboneConfig& config,
                                      int max_classes, int64_t prompt_tokens, at::ScalarType dtype) {
  PackedBatch packed;
  packed.prompt_tokens = prompt_tokens;
  std::vector<int64_t> ids, type_ids, position_ids, prompt_rows, left, right, labels, is_pair;
  auto sequences = std::make_shared<std::vector<int64_t>>(1, 0);
  packed.task_tokens = packed.task_examples = packed.task_sequences = {0};
  bool any_pair = false, all_labelled = true;
  const int64_t max_length = config.max_position_embeddings() - config.position_offset();

  for (size_t task = 0; task < tasks.size(); ++task) {
    const Batch& batch = *tasks[task];
    const PackedTokens& tokens = batch.tokens;
    if (batch.size() == 0) return absl::InvalidArgumentError(absl::StrCat("task ", task, " has no examples"));
    if (batch.num_classes > max_classes) {
      return absl::InvalidArgumentError(
          absl::StrCat("task ", task, " has ", batch.num_classes, " classes, the model has room for ", max_classes));
    }
    const bool pair = batch.encoding == Encoding::kPairApart;
    any_pair = any_pair || pair;
    for (int64_t s = 0; s < tokens.num_sequences(); ++s) {
      const int64_t length = tokens.offsets[s + 1] - tokens.offsets[s];
      const std::string where = absl::StrCat("task ", task, ", sequence ", s);
      if (length <= 0) return absl::InvalidArgumentError(absl::StrCat(where, ": no tokens"));
      if (length + prompt_tokens > max_length) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", length, " tokens and ", prompt_tokens,
                                                       " of a prompt, the backbone takes ", max_length));
      }
      for (int64_t i = 0; i < prompt_tokens; ++i) {
        prompt_rows.push_back(static_cast<int64_t>(ids.size()));
        ids.push_back(0);
        type_ids.push_back(0);
        position_ids.push_back(config.position_offset() + i);
      }
      for (int64_t i = 0; i < length; ++i) {
        const int64_t at = tokens.offsets[s] + i;
        if (tokens.ids[at] < 0 || tokens.ids[at] >= config.vocab_size()) {
          return absl::InvalidArgumentError(absl::StrCat(where, ": token id ", tokens.ids[at],
                                                         " is outside the vocabulary of ", config.vocab_size()));
        }
        if (tokens.type_ids[at] < 0 || tokens.type_ids[at] >= config.type_vocab_size()) {
          return absl::InvalidArgumentError(absl::StrCat(where, ": token type ", tokens.type_ids[at],
                                                         " is outside the ", config.type_vocab_size(), " types"));
        }
        ids.push_back(tokens.ids[at]);
        type_ids.push_back(tokens.type_ids[at]);
        position_ids.push_back(config.position_offset() + prompt_tokens + i);
      }
      sequences->push_back(static_cast<int64_t>(ids.size()));
    }
    const int64_t first_sequence = packed.task_sequences.back();
    for (int64_t i = 0; i < batch.size(); ++i) {
      left.push_back(first_sequence + i * batch.sequences_per_example());
      right.push_back(left.back() + (pair ? 1 : 0));
      is_pair.push_back(pair ? 1 : 0);
      if (batch.labels.empty()) continue;
      if (batch.labels[i] < 0 || batch.labels[i] >= batch.num_classes) {
        return absl::InvalidArgumentError(absl::StrCat("task ", task, ", example ", i, ": label ", batch.labels[i],
                                                       " is outside its ", batch.num_classes, " classes"));
      }
      labels.push_back(batch.labels[i]);
    }
    all_labelled = all_labelled && !batch.labels.empty();
    packed.task_tokens.push_back(static_cast<int64_t>(ids.size()));
    packed.task_sequences.push_back(first_sequence + tokens.num_sequences());
    packed.task_examples.push_back(packed.task_examples.back() + batch.size());
  }

  packed.ids = LongTensor(ids);
  packed.type_ids = LongTensor(type_ids);
  packed.position_ids = LongTensor(position_ids);
  packed.left = LongTensor(left);
  if (any_pair) {
    packed.right = LongTensor(right);
    packed.is_pair = LongTensor(is_pair).unsqueeze(1) > 0;
  }
  if (all_labelled) packed.labels = LongTensor(labels);
  if (prompt_tokens > 0) packed.prompt_rows = LongTensor(prompt_rows);

  const auto num_sequences = packed.num_sequences(), num_examples = packed.num_examples();
  at::Tensor pooling = at::zeros({num_sequences, packed.num_tokens()}, dtype);
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int64_t begin = (*sequences)[s] + prompt_tokens, length = (*sequences)[s + 1] - begin;
    pooling[s].narrow(0, begin, length).fill_(1.0 / static_cast<double>(length));
  }
  packed.pooling = pooling;
  packed.class_mask = at::zeros({num_examples, max_classes}, dtype);
  packed.example_weights = at::zeros({packed.num_tasks(), num_examples}, dtype);
  for (int64_t b = 0; b < packed.num_tasks(); ++b) {
    const int64_t begin = packed.task_examples[b], count = packed.task_examples[b + 1] - begin;
    const int64_t classes = tasks[b]->num_classes;
    packed.class_mask.narrow(0, begin, count).narrow(1, classes, max_classes - classes).fill_(kMaskedLogit);
    packed.example_weights[b].narrow(0, begin, count).fill_(1.0 / static_cast<double>(count));
  }
  packed.sequences = std::move(sequences);
  return packed;
}

}  // namespace gbmoa
