#include "gbmoa/backbone/packed_batch.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

constexpr double kMaskedLogit = -1e4;  // exp underflows to exactly 0, and no infinity enters a derivative

at::Tensor LongTensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// That a task's labels or targets are as many as its examples, or none, and fit its kind.
absl::Status CheckAnswers(const Batch& batch, size_t task) {
  const auto error = [&](const auto&... message) {
    return absl::InvalidArgumentError(absl::StrCat("task ", task, message...));
  };
  if (!batch.labels.empty() && batch.labels.size() != batch.size()) {
    return error(": ", batch.labels.size(), " labels for ", batch.size(), " examples");
  }
  if (!batch.targets.empty() && batch.targets.size() != batch.size()) {
    return error(": ", batch.targets.size(), " targets for ", batch.size(), " examples");
  }
  if (!batch.regression) {
    if (!batch.targets.empty()) return error(": a classification with targets");
    return absl::OkStatus();
  }
  if (batch.num_classes != 1) return error(": a regression of ", batch.num_classes, " classes, wanted 1");
  if (!batch.labels.empty()) return error(": a regression with labels");
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (!std::isfinite(batch.targets[i]))
      return error(", example ", i, ": target ", batch.targets[i], " is not finite");
  }
  return absl::OkStatus();
}

absl::Status Pack(const std::vector<const Batch*>& tasks, const BackboneConfig& config, int max_classes,
                  int64_t prompt_tokens, at::ScalarType dtype, PackedBatch& packed) {
  packed.prompt_tokens = prompt_tokens;
  std::vector<int64_t> ids, type_ids, position_ids, prompt_rows, left, right, labels, is_pair;
  auto sequences = std::make_shared<std::vector<int64_t>>(1, 0);
  packed.task_tokens = packed.task_examples = packed.task_sequences = {0};
  std::vector<float> targets;
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
    if (tokens.ids.size() != tokens.num_tokens() || tokens.type_ids.size() != tokens.num_tokens()) {
      return absl::InvalidArgumentError(absl::StrCat("task ", task, ": ", tokens.ids.size(), " ids and ",
                                                     tokens.type_ids.size(), " types for ", tokens.num_tokens(),
                                                     " tokens"));
    }
    if (tokens.num_sequences() % batch.sequences_per_example() != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("task ", task, ": ", tokens.num_sequences(), " sequences are not a number of pairs"));
    }
    if (batch.regression != tasks[0]->regression) {
      return absl::InvalidArgumentError(absl::StrCat(
          "task ", task, " is a ", batch.regression ? "regression" : "classification", ", and task 0 is none"));
    }
    GBMOA_RETURN_IF_ERROR(CheckAnswers(batch, task));
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
    targets.insert(targets.end(), batch.targets.begin(), batch.targets.end());
    all_labelled = all_labelled && !(batch.regression ? batch.targets.empty() : batch.labels.empty());
    packed.task_tokens.push_back(static_cast<int64_t>(ids.size()));
    packed.task_sequences.push_back(first_sequence + tokens.num_sequences());
    packed.task_examples.push_back(packed.task_examples.back() + batch.size());
  }

  packed.ids = LongTensor(ids);
  packed.type_ids = LongTensor(type_ids);
  packed.position_ids = LongTensor(position_ids);
  packed.left = LongTensor(left);
  for (int64_t& sequence : left) sequence = (*sequences)[sequence];
  packed.first_rows = LongTensor(left);
  if (any_pair) {
    packed.right = LongTensor(right);
    packed.is_pair = LongTensor(is_pair).unsqueeze(1) > 0;
  }
  if (all_labelled && tasks[0]->regression) packed.targets = at::tensor(targets).to(dtype);
  if (all_labelled && !tasks[0]->regression) packed.labels = LongTensor(labels);
  if (prompt_tokens > 0) packed.prompt_rows = LongTensor(prompt_rows);

  const auto num_sequences = packed.num_sequences(), num_examples = packed.num_examples();
  std::vector<int64_t> token_sequences(packed.num_tokens());
  packed.token_weights = at::zeros({packed.num_tokens(), 1}, dtype);
  for (int64_t s = 0; s < num_sequences; ++s) {
    const int64_t begin = (*sequences)[s], real = begin + prompt_tokens, end = (*sequences)[s + 1];
    std::fill(token_sequences.begin() + begin, token_sequences.begin() + end, s);
    packed.token_weights.narrow(0, real, end - real).fill_(1.0 / static_cast<double>(end - real));
  }
  packed.token_sequences = LongTensor(token_sequences);
  packed.class_mask = at::zeros({num_examples, max_classes}, dtype);
  std::vector<int64_t> example_tasks(num_examples);
  packed.example_weights = at::zeros({num_examples}, dtype);
  for (int64_t b = 0; b < packed.num_tasks(); ++b) {
    const int64_t begin = packed.task_examples[b], count = packed.task_examples[b + 1] - begin;
    const int64_t classes = tasks[b]->num_classes;
    packed.class_mask.narrow(0, begin, count).narrow(1, classes, max_classes - classes).fill_(kMaskedLogit);
    std::fill(example_tasks.begin() + begin, example_tasks.begin() + begin + count, b);
    packed.example_weights.narrow(0, begin, count).fill_(1.0 / static_cast<double>(count));
  }
  packed.example_tasks = LongTensor(example_tasks);
  packed.sequences = std::move(sequences);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackedBatch> PackBatch(const std::vector<const Batch*>& tasks, const BackboneConfig& config,
                                      int max_classes, int64_t prompt_tokens, at::ScalarType dtype) {
  PackedBatch packed;
  const absl::Status status =
      CatchTorch([&] { return Pack(tasks, config, max_classes, prompt_tokens, dtype, packed); });
  if (!status.ok()) return status;
  return packed;
}

}  // namespace gbmoa
