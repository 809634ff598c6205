// Which tasks come next (paper §3.4): easy ones first, harder ones more often later, on a cosine schedule.
#ifndef GBMOA_META_CURRICULUM_H_
#define GBMOA_META_CURRICULUM_H_

#include <cstdint>
#include <vector>

#include "gbmoa/base/rng.h"

namespace gbmoa {

struct CurriculumOptions {
  double initial_share = 0.2;  // of the tasks, the easiest, that are open at the start
};

// Entropy of one example's class probabilities over ln C: 0 certain, 1 uniform. Tasks of different C compare by it.
double NormalizedEntropy(const float* probabilities, int num_classes);

// The order in which all N tasks are visited once. difficulty[i] is task i's mean normalized entropy on its support
// set. Draw j picks uniformly among the unvisited of the easiest share
//   s(t) = s₀ + (1 − s₀) (1 − cos πt) / 2,   t = j / N.
// A pure function of its arguments: log it, and a run can be replayed. CHECKs 0 < s₀ <= 1.
std::vector<int64_t> CurriculumOrder(const std::vector<double>& difficulty, const CurriculumOptions& options,
                                     const RandomStream& stream);

}  // namespace gbmoa

#endif  // GBMOA_META_CURRICULUM_H_
