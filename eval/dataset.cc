#include "eval/dataset.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace gbmoa {

absl::Status ValidateDataset(const Dataset& dataset) {
  const std::string place = absl::StrCat(dataset.name, "/", dataset.split);
  const auto bad = [&](int64_t i, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": example ", i + 1, " has ", what));
  };
  if (dataset.regression && (dataset.num_classes() > 0 || dataset.grouped)) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": a regression has neither classes nor groups"));
  }
  if (!dataset.regression && dataset.num_classes() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": needs two classes, has ", dataset.num_classes()));
  }
  if (dataset.grouped && dataset.num_classes() != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": answers are wrong or right, but there are ", dataset.num_classes(), " classes"));
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
  std::set<int64_t> groups;
  for (int64_t i = 0; i < dataset.size() && dataset.grouped; ++i) {
    const int64_t group = dataset.examples[i].group;
    if (group < 0) return bad(i, "no group");
    if (i > 0 && group == dataset.examples[i - 1].group) continue;
    if (!groups.insert(group).second) return bad(i, absl::StrCat("group ", group, ", others of which stand before"));
  }
  if (!dataset.labelled) return absl::OkStatus();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Example& example = dataset.examples[i];
    if (dataset.regression) {
      if (!std::isfinite(example.target)) return bad(i, absl::StrCat("target ", example.target));
    } else if (example.label < 0 || example.label >= dataset.num_classes()) {
      return bad(i, absl::StrCat("label ", example.label, ", classes are 0 to ", dataset.num_classes() - 1));
    }
  }
  return absl::OkStatus();
}

std::vector<int64_t> ClassCounts(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.num_classes());
  if (!dataset.labelled || dataset.regression) return counts;
  for (const Example& example : dataset.examples) {
    CHECK_GE(example.label, 0);
    CHECK_LT(example.label, dataset.num_classes());
    ++counts[example.label];
  }
  return counts;
}

}  // namespace gbmoa
