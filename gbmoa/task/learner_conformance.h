// The tests that every registered Learner must pass (learner_conformance.cc), whatever it does inside. A program that
// links this library, the learners and gtest's main runs them for every name in LearnerRegistry: a new learner is
// covered as soon as it is linked. No LibTorch in here.
#ifndef GBMOA_TASK_LEARNER_CONFORMANCE_H_
#define GBMOA_TASK_LEARNER_CONFORMANCE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "gbmoa/task/learner.h"

namespace gbmoa {

// The encoder that the learners adapt. Its features must depend on the input, or nothing could be learned from it.
struct ConformanceBackbone {
  std::shared_ptr<const Backbone> backbone;
  std::function<uint64_t()> fingerprint;  // of every weight's bytes
  int64_t num_parameters = 0;
  int32_t vocab_size = 0;
  int64_t max_tokens = 0;  // of one sequence; at least 32
};

// Defined by the program: to make an encoder takes LibTorch, and packages that this one must not see.
const ConformanceBackbone& GetConformanceBackbone();

}  // namespace gbmoa

#endif  // GBMOA_TASK_LEARNER_CONFORMANCE_H_
