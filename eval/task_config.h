// Fixed tasks as files: loads TaskConfig textprotos and checks what protobuf cannot.
#ifndef GBMOA_EVAL_TASK_CONFIG_H_
#define GBMOA_EVAL_TASK_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gbmoa/task/task.pb.h"

namespace gbmoa {

// Errors: InvalidArgument, naming the field and the value. Whether a layout, its fields or a metric exist is known only
// to the programs that have them: LoadFileTaskSplit and EvaluateTask check those.
absl::Status ValidateTaskConfig(const TaskConfig& config);

// Errors: LoadTextproto's; InvalidArgument with the path for what ValidateTaskConfig says, and if the file is not
// called after the task's name: "desk/noun8" is in .../desk/noun8.textproto.
absl::StatusOr<TaskConfig> LoadTaskConfig(const std::string& path);

// Every *.textproto of a folder, in the order of their names. Errors: NotFound if the folder does not exist or has
// none.
absl::StatusOr<std::vector<TaskConfig>> LoadTaskConfigs(const std::string& folder);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TASK_CONFIG_H_
