#include "eval/dataset.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace gbmoa {

absl::Status ValidateDataset(const Dataset& dataset) {
  const std::string place = absl::StrCat(dataset.name, "/", dataset.split);
  if (dataset.num_classes() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": needs two classes, has ", dataset.num_classes()));
  }
  std::set<std::string> names;
  for (const std::string& name : dataset.class_names) {
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": two classes are called '", name, "'"));
    }
  }
  if (dataset.encoding == Encoding::kPairApart && !dataset.pairs) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": pairs are to be encoded apart, but there are no pairs"));
  }
  if (!dataset.labelled) return absl::OkStatus();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const int64_t label = dataset.examples[i].label;
    if (label < 0 || label >= dataset.num_classes()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": example ", i + 1, " has label ", label,
                                                     ", classes are 0 to ", dataset.num_classes() - 1));
    }
  }
  return absl::OkStatus();
}

std::vector<int64_t> ClassCounts(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.num_classes());
  if (!dataset.labelled) return counts;
  for (const Example& example : dataset.examples) {
    CHECK_GE(example.label, 0);
    CHECK_LT(example.label, dataset.num_classes());
    ++counts[example.label];
  }
  return counts;
}

}  // namespace gbmoa
