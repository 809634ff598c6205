// Fixed tasks over WordNet: one test set and many draws of a support set, the same for every method that is compared.
#ifndef GBMOA_EVAL_DESK_SUITES_H_
#define GBMOA_EVAL_DESK_SUITES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eval/dataset.h"
#include "eval/desk_corpus.h"
#include "eval/tokenized_dataset.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/task.pb.h"

namespace gbmoa {

// A task of eval/tasks/desk: composite and harder (meta-test), validation (for choosing settings).
//
// Test set: of each class the same share of config.wordnet().test_examples, but at most half of the class, so that the
// support pool, which is all the rest, has something to vary. Both are f(seed, task). No text is in both, not even as
// the other half of a pair.
class DeskTask {
 public:
  // `table` has the tokens of corpus.texts(). Errors: NotFound for a class that WordNet or the corpus lacks;
  // InvalidArgument for a class of another split, a synset that is not called so, a class with fewer than two texts,
  // max_tokens other than kDeskMaxTokens, a table of another size. All name the task and the class.
  static absl::StatusOr<DeskTask> Create(const TaskConfig& config, std::shared_ptr<const DeskCorpus> corpus,
                                         std::shared_ptr<const TokenTable> table, uint64_t seed);

  const std::string& name() const { return config_.name(); }
  const TaskConfig& config() const { return config_; }
  int num_classes() const { return static_cast<int>(classes_.size()); }

  // What there is, by class: the test set, and the examples that support sets are drawn from.
  std::vector<int64_t> test_counts() const;
  std::vector<int64_t> support_pool_counts() const;

  Batch TestSet() const;
  // `shots` examples a class, or as many as the class's pool has. Draw d is f(seed, task, d); the first examples of a
  // draw are those of the same draw with fewer shots, class after class in turn. CHECKs draw >= 0 and shots > 0.
  Batch Support(int draw, int shots) const;

  // The same as text, for baselines that read words and for files.
  Dataset TestDataset() const;
  Dataset SupportDataset(int draw, int shots) const;

 private:
  struct Class {
    std::string name;
    std::vector<DeskExample> test;
    std::vector<DeskExample> pool;
  };
  DeskTask(const TaskConfig& config, std::shared_ptr<const DeskCorpus> corpus, std::shared_ptr<const TokenTable> table,
           uint64_t seed);

  std::vector<ExampleRef> TestRefs() const;
  std::vector<ExampleRef> SupportRefs(int draw, int shots) const;
  Dataset MakeDataset(absl::string_view split, const std::vector<ExampleRef>& refs) const;

  TaskConfig config_;
  std::shared_ptr<const DeskCorpus> corpus_;
  std::shared_ptr<const TokenTable> table_;
  RandomStream stream_;
  std::vector<Class> classes_;
};

}  // namespace gbmoa

#endif  // GBMOA_EVAL_DESK_SUITES_H_
