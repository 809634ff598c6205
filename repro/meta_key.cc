#include "repro/meta_key.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/sha256.h"

namespace gbmoa {

std::string MetaTrainingOptionsText(const LearnerOptions& options) {
  // An option that is missing here costs time, one too many a wrong state: new ones belong here only once they are
  // known not to be read by MetaTrain.
  static const auto* const kAdaptation =
      new std::set<std::string>{"learning_rate", "head_learning_rate", "weight_decay",         "optimizer",  "schedule",
                                "decay",         "finetuning_warm_up", "finetuning_clip_norm", "shift_scale"};
  LearnerOptions read = options;
  for (const std::string& name : *kAdaptation) read.erase(name);
  return absl::StrJoin(read, ",", absl::PairFormatter("="));
}

std::string MetaTrainingKey(const std::string& world, const std::string& tasks, const std::string& method,
                            const LearnerOptions& options, int64_t steps, uint64_t seed) {
  return Sha256Hex(absl::StrJoin(
      {world, tasks, method, MetaTrainingOptionsText(options), absl::StrCat(steps), absl::StrCat(seed)}, "\n"));
}

}  // namespace gbmoa
