#include "repro/desk_world.h"

#include <memory>
#include <utility>
#include <vector>

#include "eval/desk_suites.h"
#include "eval/episode_sampler.h"
#include "eval/task_config.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/textproto.h"
#include "repro/world_parts.h"

namespace gbmoa {
namespace {

// What the tasks and their draws are a function of; episodes for training and for testing take different ones.
constexpr uint64_t kTaskSeed = 1, kFewShotSeed = 3;

absl::StatusOr<std::string> TasksFolder() {
  GBMOA_ASSIGN_OR_RETURN(const std::string task, RunfilePath("gbmoa/eval/tasks/desk/noun8.textproto"));
  return task.substr(0, task.rfind('/'));
}

}  // namespace

absl::StatusOr<TableWorld> MakeDeskWorld(const DeskWorldOptions& options) {
  TableWorld world;
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Tokenizer> tokenizer,
                         AddEncoder(options.backbone, options.precision, &world));
  GBMOA_ASSIGN_OR_RETURN(const WordNetTexts texts, AddWordNet(*tokenizer, &world));
  GBMOA_RETURN_IF_ERROR(AddMetaTrainTasks(texts, options.meta_train_tasks, &world));

  GBMOA_ASSIGN_OR_RETURN(const std::string tasks_folder, TasksFolder());
  GBMOA_ASSIGN_OR_RETURN(const std::vector<TaskConfig> configs, LoadTaskConfigs(tasks_folder));
  Sha256 tasks;
  for (const TaskConfig& config : configs) {
    GBMOA_ASSIGN_OR_RETURN(DeskTask created, DeskTask::Create(config, texts.corpus, texts.table, kTaskSeed));
    const auto task = std::make_shared<const DeskTask>(std::move(created));
    EvalTask eval_task;
    eval_task.name = config.name();
    eval_task.suite = config.suite();
    eval_task.test_set.batch = task->TestSet();
    eval_task.test_set.metrics.assign(config.metrics().begin(), config.metrics().end());
    eval_task.test_set.official_metrics.assign(config.official_metrics().begin(), config.official_metrics().end());
    eval_task.support_set = [task](int draw, int shots) -> absl::StatusOr<Batch> { return task->Support(draw, shots); };
    eval_task.development = config.wordnet().split() == WordnetTask::VALIDATION;
    world.tasks.push_back(std::move(eval_task));
    tasks.Update(DeterministicBytes(config));
  }
  world.inputs.emplace_back("eval/tasks/desk", tasks.Finish());

  const DeskSplit split = options.validation ? DeskSplit::kValidation : DeskSplit::kTest;
  world.few_shot = [texts, split](int shots, int index) -> absl::StatusOr<Episode> {
    GBMOA_ASSIGN_OR_RETURN(
        const std::unique_ptr<DeskEpisodeSource> source,
        DeskEpisodeSource::Create(texts.corpus, texts.table, FewShotSuite(split, shots, kFewShotSeed)));
    return source->At(static_cast<uint64_t>(index));
  };
  return world;
}

}  // namespace gbmoa
