// Shapes of published encoders, by name: one textproto each in configs/. A new size is a new file there.
#ifndef GBMOA_BACKBONE_PUBLISHED_H_
#define GBMOA_BACKBONE_PUBLISHED_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/backbone/backbone_config.pb.h"

namespace gbmoa {

// "roberta-large" -> what configs/roberta-large.textproto says, validated. Errors: InvalidArgument for an unknown name,
// with those that there are, or for a file that makes no encoder; NotFound if the program is not beside its runfiles.
absl::StatusOr<BackboneConfig> PublishedBackboneConfig(const std::string& name);

// Ascending; none if the program is not beside its runfiles.
std::vector<std::string> PublishedBackboneNames();

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_PUBLISHED_H_
