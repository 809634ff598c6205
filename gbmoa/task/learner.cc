#include "gbmoa/task/learner.h"

#include <algorithm>

namespace gbmoa {

int64_t Prediction::label(int64_t i) const {
  const auto begin = probabilities.begin() + i * num_classes;
  return std::max_element(begin, begin + num_classes) - begin;
}

absl::Status Learner::MetaTrain(const EpisodeSource&, const MetaTrainOptions&) { return absl::OkStatus(); }
absl::Status Learner::Save(const std::string&) const { return absl::OkStatus(); }
absl::Status Learner::Load(const std::string&) { return absl::OkStatus(); }

}  // namespace gbmoa
