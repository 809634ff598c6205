#include "eval/few_shot_suite.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

constexpr int64_t kTestEvery = 5;  // of a task without a test split

// Streams below a task's: which classes, and from kFirstClass on, which examples of each.
constexpr uint64_t kClasses = 0, kFirstClass = 1;
// The order in which test examples are taken is no draw: it has this seed always.
constexpr uint64_t kQuerySeed = 0;

FewShotSplits Divide(Dataset all) {
  FewShotSplits splits;
  std::vector<Example> examples = std::move(all.examples);
  all.examples.clear();
  splits.train = all;
  splits.train.split = "train";
  splits.test = std::move(all);
  splits.test.split = "test";
  std::vector<int64_t> seen(splits.test.class_names.size());
  int64_t questions = 0, group = -1;
  for (Example& example : examples) {
    int64_t number;
    if (splits.test.grouped) {
      if (example.group != group) ++questions;
      group = example.group;
      number = questions;
    } else {
      number = ++seen[example.label];
    }
    (number % kTestEvery == 0 ? splits.test : splits.train).examples.push_back(std::move(example));
  }
  return splits;
}

// The words of a text in lower case, with a blank before each; the text itself if it has none (an emoticon). Letters
// beyond ASCII are letters as they stand.
std::string Words(absl::string_view text) {
  std::string words;
  bool within = false;
  for (const char c : text) {
    const bool letter = absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80;
    if (letter && !within) words += ' ';
    if (letter) words += absl::ascii_tolower(c);
    within = letter;
  }
  return words.empty() ? std::string(text) : words;
}

// Texts of an example as one key. No text that was read has a NUL.
std::string Key(const Example& example) {
  return absl::StrCat(Words(example.text_a), absl::string_view("\0", 1), Words(example.text_b));
}

// How many of each class's `counts` to take so that they are `total` in proportion, and one of each at least: largest
// remainders, the first one of equal ones. `total` is neither below the number of classes nor above their sum.
std::vector<int64_t> Proportional(const std::vector<int64_t>& counts, int64_t total) {
  int64_t sum = 0, taken = 0;
  for (const int64_t count : counts) sum += count;
  std::vector<int64_t> shares;
  for (const int64_t count : counts) {
    shares.push_back(std::max<int64_t>(1, total * count / sum));
    taken += shares.back();
  }
  const auto remainder = [&](size_t c) { return total * counts[c] - shares[c] * sum; };
  for (; taken != total; taken += taken < total ? 1 : -1) {
    const bool add = taken < total;
    size_t best = counts.size();
    for (size_t c = 0; c < counts.size(); ++c) {
      if (add ? shares[c] == counts[c] : shares[c] == 1) continue;
      if (best == counts.size() || (add ? remainder(c) > remainder(best) : remainder(c) < remainder(best))) best = c;
    }
    shares[best] += add ? 1 : -1;
  }
  return shares;
}

}  // namespace

absl::StatusOr<FewShotSplits> LoadFewShotSplits(const TaskConfig& config, const std::string& data_root,
                                                const FileTaskOptions& options) {
  const auto& splits = config.files().splits();
  if (std::any_of(splits.begin(), splits.end(), [](const FileTask::Split& split) { return split.name() == "all"; })) {
    GBMOA_ASSIGN_OR_RETURN(FileTaskSplit all, LoadFileTaskSplit(config, "all", data_root, options));
    std::string subset = SubsetText({&all});  // before its examples are moved away
    FewShotSplits divided = Divide(std::move(all.dataset));
    divided.subset = std::move(subset);
    divided.bad_rows = all.bad_rows;
    return divided;
  }
  GBMOA_ASSIGN_OR_RETURN(FileTaskSplit train, LoadFileTaskSplit(config, "train", data_root, options));
  GBMOA_ASSIGN_OR_RETURN(FileTaskSplit test, LoadFileTaskSplit(config, "test", data_root, options));
  std::string subset = SubsetText({&train, &test});
  return FewShotSplits{std::move(train.dataset), std::move(test.dataset), std::move(subset),
                       train.bad_rows + test.bad_rows};
}

absl::StatusOr<FewShotTask> FewShotTask::Create(const TaskConfig& config, FewShotSplits splits,
                                                const Tokenizer& tokenizer, int max_tokens,
                                                const FewShotOptions& options, const std::string& cache_folder) {
  const auto invalid = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("few-shot task ", config.name(), ": ", what));
  };
  const Dataset &train = splits.train, &test = splits.test;
  if (train.regression || test.regression) return invalid("expected classes, found a regression");
  if (!train.labelled || !test.labelled) return invalid("expected labelled splits");
  if (train.class_names != test.class_names || train.pairs != test.pairs || train.grouped != test.grouped) {
    return invalid("expected splits of the same classes and kind");
  }
  if (options.max_ways < 2) return invalid(absl::StrCat("max_ways: expected 2 or more, found ", options.max_ways));
  if (options.max_query < 0) return invalid(absl::StrCat("max_query: expected 0 or more, found ", options.max_query));
  // Tokenizing checks the labels, too.
  GBMOA_ASSIGN_OR_RETURN(TokenizedDataset train_tokens,
                         TokenizedDataset::Create(train, tokenizer, max_tokens, cache_folder));
  GBMOA_ASSIGN_OR_RETURN(TokenizedDataset test_tokens,
                         TokenizedDataset::Create(test, tokenizer, max_tokens, cache_folder));
  FewShotTask task(config, std::move(splits), std::move(train_tokens), std::move(test_tokens), options);
  if (task.classes_.size() < 2) {
    return invalid(
        absl::StrCat("expected 2 or more classes with examples in both splits, found ", task.classes_.size()));
  }
  if (options.max_query > 0 && task.splits_.test.grouped) {
    absl::flat_hash_map<int64_t, int64_t> answers;
    for (const Example& example : task.splits_.test.examples) {
      if (++answers[example.group] > options.max_query) {
        return invalid(absl::StrCat("max_query: expected room for a question, found ", options.max_query));
      }
    }
  } else if (options.max_query > 0 && options.max_query < task.ways()) {
    return invalid(absl::StrCat("max_query: expected room for ", task.ways(), " classes, found ", options.max_query));
  }
  return task;
}

FewShotTask::FewShotTask(const TaskConfig& config, FewShotSplits splits, TokenizedDataset train, TokenizedDataset test,
                         const FewShotOptions& options)
    : config_(config),
      splits_(std::move(splits)),
      train_(std::move(train)),
      test_(std::move(test)),
      options_(options),
      support_pools_(splits_.train.class_names.size()),
      test_rows_(splits_.train.class_names.size()) {
  absl::flat_hash_set<std::string> test_texts, seen;
  for (int64_t i = 0; i < splits_.test.size(); ++i) {
    const Example& example = splits_.test.examples[i];
    test_texts.insert(Words(example.text_a));
    test_rows_[example.label].push_back(i);
  }
  for (int64_t i = 0; i < splits_.train.size(); ++i) {
    const Example& example = splits_.train.examples[i];
    if (test_texts.contains(Words(example.text_a)) || !seen.insert(Key(example)).second) continue;
    support_pools_[example.label].push_back(i);
  }
  const RandomStream order(kQuerySeed, absl::StrCat("fewshot/query/", short_name()));
  for (size_t c = 0; c < test_rows_.size(); ++c) {
    if (!test_rows_[c].empty() && !support_pools_[c].empty()) classes_.push_back(static_cast<int64_t>(c));
    std::vector<int64_t> permuted;
    for (const int64_t i : order.Substream(kFirstClass + c).Permutation(test_rows_[c].size())) {
      permuted.push_back(test_rows_[c][i]);
    }
    test_rows_[c] = std::move(permuted);
  }
}

std::string FewShotTask::short_name() const {
  const size_t slash = config_.name().rfind('/');
  return slash == std::string::npos ? config_.name() : config_.name().substr(slash + 1);
}

std::string FewShotTask::name() const { return absl::StrCat(config_.suite(), "/", short_name()); }

int FewShotTask::ways() const { return std::min(static_cast<int>(classes_.size()), options_.max_ways); }

std::vector<int64_t> FewShotTask::support_pool_counts() const {
  std::vector<int64_t> counts;
  for (const std::vector<int64_t>& pool : support_pools_) counts.push_back(static_cast<int64_t>(pool.size()));
  return counts;
}

std::vector<int64_t> FewShotTask::QueryRows(const std::vector<int64_t>& classes) const {
  if (splits_.test.grouped) return QueryQuestions();
  std::vector<int64_t> counts;
  int64_t total = 0;
  for (const int64_t c : classes) {
    counts.push_back(static_cast<int64_t>(test_rows_[c].size()));
    total += counts.back();
  }
  if (options_.max_query > 0 && total > options_.max_query) counts = Proportional(counts, options_.max_query);
  std::vector<int64_t> rows;
  for (size_t label = 0; label < classes.size(); ++label) {
    const std::vector<int64_t>& of_class = test_rows_[classes[label]];
    rows.insert(rows.end(), of_class.begin(), of_class.begin() + counts[label]);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<int64_t> FewShotTask::QueryQuestions() const {
  std::vector<std::vector<int64_t>> questions;  // rows
  for (int64_t i = 0; i < splits_.test.size(); ++i) {
    const std::vector<Example>& examples = splits_.test.examples;
    if (i == 0 || examples[i].group != examples[i - 1].group) questions.emplace_back();
    questions.back().push_back(i);
  }
  const int64_t limit = options_.max_query > 0 ? options_.max_query : splits_.test.size();
  std::vector<int64_t> rows;
  const RandomStream order(kQuerySeed, absl::StrCat("fewshot/query/", short_name()));
  for (const int64_t q : order.Permutation(questions.size())) {
    if (static_cast<int64_t>(rows.size() + questions[q].size()) > limit) break;
    rows.insert(rows.end(), questions[q].begin(), questions[q].end());
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

absl::StatusOr<FewShotEpisode> FewShotTask::Draw(int shots, uint64_t seed) const {
  if (shots < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("few-shot task ", config_.name(), ": shots: expected 1 or more, found ", shots));
  }
  const RandomStream stream(seed, absl::StrCat("fewshot/", short_name()));
  FewShotEpisode drawn;
  drawn.classes = classes_;
  if (static_cast<int64_t>(classes_.size()) > ways()) {
    drawn.classes.clear();
    for (const int64_t i : stream.Substream(kClasses).Sample(classes_.size(), ways())) {
      drawn.classes.push_back(classes_[i]);
    }
    std::sort(drawn.classes.begin(), drawn.classes.end());
  }
  std::vector<std::vector<int64_t>> support(drawn.classes.size());  // by label
  std::vector<int64_t> label_of(splits_.train.class_names.size(), -1);
  for (size_t label = 0; label < drawn.classes.size(); ++label) {
    const int64_t c = drawn.classes[label];
    label_of[c] = static_cast<int64_t>(label);
    const std::vector<int64_t>& pool = support_pools_[c];
    const int64_t count = std::min<int64_t>(shots, pool.size());
    // A shorter sample is the beginning of a longer one.
    for (const int64_t i : stream.Substream(kFirstClass + c).Sample(pool.size(), count)) {
      support[label].push_back(pool[i]);
    }
  }
  for (int shot = 0; shot < shots; ++shot) {
    for (const std::vector<int64_t>& of_class : support) {
      if (shot < static_cast<int>(of_class.size())) drawn.support_rows.push_back(of_class[shot]);
    }
  }
  drawn.query_rows = QueryRows(drawn.classes);

  drawn.episode.task = name();
  drawn.episode.support_set = train_.MakeBatch(drawn.support_rows);
  drawn.episode.query_set = test_.MakeBatch(drawn.query_rows);
  for (Batch* batch : {&drawn.episode.support_set, &drawn.episode.query_set}) {
    batch->num_classes = static_cast<int>(drawn.classes.size());
    for (int64_t& label : batch->labels) label = label_of[label];
  }
  if (splits_.test.grouped) {
    for (const int64_t row : drawn.query_rows) {
      drawn.groups.push_back(splits_.test.examples[row].group);
      drawn.answers.push_back(splits_.test.examples[row].answer);
    }
  }
  return drawn;
}

}  // namespace gbmoa
