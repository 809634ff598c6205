// What a meta-trained state is a function of, so that it is used again exactly where training would give it again.
#ifndef GBMOA_REPRO_META_KEY_H_
#define GBMOA_REPRO_META_KEY_H_

#include <cstdint>
#include <string>

#include "gbmoa/task/learner.h"

namespace gbmoa {

// `options` as text without those that only the adaptation to a task reads: its rates and optimizer, and the factor by
// which a generated start is shrunk.
std::string MetaTrainingOptionsText(const LearnerOptions& options);

// world   of everything outside: program, encoder, data
// tasks   of the episodes that it sees
// steps   -1: the learner's default
std::string MetaTrainingKey(const std::string& world, const std::string& tasks, const std::string& method,
                            const LearnerOptions& options, int64_t steps, uint64_t seed);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_META_KEY_H_
