// Dataset: the labelled examples of one split of one classification task, as text.
#ifndef GBMOA_EVAL_DATASET_H_
#define GBMOA_EVAL_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

struct Example {
  std::string text_a;
  std::string text_b;  // empty unless the dataset has pairs
  int64_t label = 0;   // class index; not read where the dataset is not labelled
  double target = 0;   // of a regression, in place of the label
  int64_t group = -1;  // of a grouped dataset: the question that this is an answer to
  std::string answer;  // of a grouped dataset: the answer as text
  std::string id;      // as the benchmark calls the example, for files that it is sent; may be empty
};

struct Dataset {
  std::string name;                      // of the task, e.g. "desk/noun8"
  std::string split;                     // "train", "validation", "test", ...
  std::vector<std::string> class_names;  // in the order of the class indices
  bool pairs = false;                    // examples have two texts
  bool labelled = true;
  bool regression = false;  // examples have a target, not a label; there are no classes
  // Several neighbouring examples are answers to one question: classes are 0 (wrong) and 1 (right).
  bool grouped = false;
  Encoding encoding = Encoding::kOneSequence;
  std::vector<Example> examples;

  int num_classes() const { return static_cast<int>(class_names.size()); }
  int64_t size() const { return static_cast<int64_t>(examples.size()); }
};

// Errors: InvalidArgument, naming dataset, split and example (counted from 1), if there are fewer than two classes, two
// classes of one name, classes or groups of a regression, Encoding::kPairApart without pairs, a label that is no class,
// a target that is not finite, groups with other than two classes, or whose examples are not neighbours.
absl::Status ValidateDataset(const Dataset& dataset);

// How many examples each class has: [num_classes], zeros if not labelled, nothing of a regression. CHECKs that the
// labels are classes.
std::vector<int64_t> ClassCounts(const Dataset& dataset);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_DATASET_H_
