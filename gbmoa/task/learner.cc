#include "gbmoa/task/learner.h"

#include <algorithm>

#include "glog/logging.h"

namespace gbmoa {

int64_t Prediction::label(int64_t i) const {
  CHECK_GT(num_classes, 0) << "a regression has no labels";
  const auto begin = probabilities.begin() + i * num_classes;
  return std::max_element(begin, begin + num_classes) - begin;
}

absl::StatusOr<std::vector<float>> Predictor::Logits(const Batch&) const {
  return absl::UnimplementedError("this predictor has no logits");
}

absl::StatusOr<std::unique_ptr<Predictor>> Learner::Restore(int,
                                                            const std::map<std::string, std::vector<float>>&) const {
  return absl::UnimplementedError("this learner cannot restore a predictor");
}

absl::Status Learner::MetaTrain(const EpisodeSource&, const MetaTrainOptions&) { return absl::OkStatus(); }
absl::Status Learner::Save(const std::string&) const { return absl::OkStatus(); }
absl::Status Learner::Load(const std::string&) { return absl::OkStatus(); }

}  // namespace gbmoa
