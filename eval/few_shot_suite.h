// The few-shot suite: tasks of eval/tasks/fewshot with k examples a class to adapt on, over a fixed list of seeds.
#ifndef GBMOA_EVAL_FEW_SHOT_SUITE_H_
#define GBMOA_EVAL_FEW_SHOT_SUITE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eval/dataset.h"
#include "eval/file_task.h"
#include "eval/tokenized_dataset.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/task.pb.h"

namespace gbmoa {

// The seeds that k-shot results are published for (Gao et al. 2021), and the suite's.
constexpr uint64_t kFewShotSeeds[] = {13, 21, 42, 87, 100};

// The two splits that episodes of a task are drawn from.
struct FewShotSplits {
  Dataset train;         // for support sets
  Dataset test;          // for query sets
  std::string subset;    // SubsetText of the splits as they lie on disk: empty if nothing is missing
  int64_t bad_rows = 0;  // of both, left out
};

// Splits "train" and "test" of the task. Where it has a split "all" instead, every fifth example of each class (of
// grouped tasks every fifth question) is the test split, in the file's order. Errors: those of LoadFileTaskSplit.
absl::StatusOr<FewShotSplits> LoadFewShotSplits(const TaskConfig& config, const std::string& data_root,
                                                const FileTaskOptions& options = {});

struct FewShotOptions {
  // A task with more classes gives episodes of so many, drawn by the seed: k = 16 of 150 classes would be no small
  // support set. Labels are then counted from 0 in the classes' order.
  int max_ways = 10;
  int64_t max_query = 0;  // examples of a query set, at most; 0: all
};

struct FewShotEpisode {
  Episode episode;                    // its task is "FAMILY/NAME": "topic/ag_news"
  std::vector<int64_t> classes;       // of the task, by label
  std::vector<int64_t> support_rows;  // of the training split, by example
  std::vector<int64_t> query_rows;    // of the test split, by example, ascending
  // Of the query set of a grouped task, by example (MetricInput); else empty.
  std::vector<int64_t> groups;
  std::vector<std::string> answers;
};

// One task of the suite. Draw(k, seed) is a function of its arguments and the splits:
//   support set  k examples of each class of the training split, or as many as it has, drawn by
//                RandomStream(seed, "fewshot/NAME"), class after class in turn, so that what fewer shots draw is the
//                beginning of what more do. An example is drawn from only if its first text (sentence, premise,
//                question) is not in the test split, and it is the first one of its texts. Texts are the same if their
//                words are: case, punctuation and white space do not count, as long as there are words.
//   query set    the examples of the test split whose classes are in the episode; with max_query as many of each class
//                in proportion, or whole questions of a grouped task: the same ones for every seed and k.
// A class that lacks examples in either split is in no episode. All tasks of a suite are independent of each other.
class FewShotTask {
 public:
  // Tokenizes both splits, sequences of at most max_tokens. Errors: InvalidArgument, naming the task, for a regression,
  // an unlabelled split, splits of different classes, fewer than 2 classes with examples in both, max_ways below 2, or
  // a max_query too small for an example of each class or for a question; those of TokenizedDataset::Create.
  static absl::StatusOr<FewShotTask> Create(const TaskConfig& config, FewShotSplits splits, const Tokenizer& tokenizer,
                                            int max_tokens, const FewShotOptions& options = {},
                                            const std::string& cache_folder = "");

  const TaskConfig& config() const { return config_; }
  std::string name() const;  // "topic/ag_news": the config's suite, and the last part of its name
  int ways() const;          // of every episode
  const std::string& subset() const { return splits_.subset; }
  int64_t bad_rows() const { return splits_.bad_rows; }
  std::vector<int64_t> support_pool_counts() const;  // by class of the task: the examples that are drawn from

  // Errors: InvalidArgument unless shots is 1 or more.
  absl::StatusOr<FewShotEpisode> Draw(int shots, uint64_t seed) const;

 private:
  FewShotTask(const TaskConfig& config, FewShotSplits splits, TokenizedDataset train, TokenizedDataset test,
              const FewShotOptions& options);

  std::vector<int64_t> QueryRows(const std::vector<int64_t>& classes) const;
  std::vector<int64_t> QueryQuestions() const;
  std::string short_name() const;  // "ag_news"

  TaskConfig config_;
  FewShotSplits splits_;
  TokenizedDataset train_, test_;
  FewShotOptions options_;
  std::vector<std::vector<int64_t>> support_pools_;  // by class: rows of the training split
  std::vector<std::vector<int64_t>> test_rows_;      // by class: rows of the test split, in the order of their choice
  std::vector<int64_t> classes_;                     // that episodes are of, ascending
};

}  // namespace gbmoa

#endif  // GBMOA_EVAL_FEW_SHOT_SUITE_H_
