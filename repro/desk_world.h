// The world of the desk profiles: tasks from WordNet, a bundled or given encoder.
#ifndef GBMOA_REPRO_DESK_WORLD_H_
#define GBMOA_REPRO_DESK_WORLD_H_

#include <string>

#include "absl/status/statusor.h"
#include "repro/table.pb.h"
#include "repro/table_runner.h"

namespace gbmoa {

struct DeskWorldOptions {
  std::string backbone;   // folder; empty: the bundled MiniLM
  std::string precision;  // "fp32", "bf16"; empty: the fastest here
  // Few-shot episodes of the validation split, where settings are chosen, not of the test split.
  bool validation = false;
  MetaTrainTasks meta_train_tasks;  // what is not set is as DeskEpisodeOptions would have it
};

// Tasks are those of eval/tasks/desk, of which the validation split's are development tasks; meta-training and few-shot
// episodes come from the train and test splits. Errors: those of reading WordNet, the tasks and the encoder.
absl::StatusOr<TableWorld> MakeDeskWorld(const DeskWorldOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_DESK_WORLD_H_
