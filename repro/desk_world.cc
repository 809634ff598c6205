#include "repro/desk_world.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eval/desk_corpus.h"
#include "eval/desk_suites.h"
#include "eval/episode_sampler.h"
#include "eval/task_config.h"
#include "eval/tokenized_dataset.h"
#include "eval/tokenizer.h"
#include "eval/wordnet.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

// What the tasks and their draws are a function of; episodes for training and for testing take different ones.
constexpr uint64_t kTaskSeed = 1, kTrainSeed = 2, kFewShotSeed = 3;

absl::StatusOr<std::string> TasksFolder() {
  GBMOA_ASSIGN_OR_RETURN(const std::string task, RunfilePath("gbmoa/eval/tasks/desk/noun8.textproto"));
  return task.substr(0, task.rfind('/'));
}

}  // namespace

absl::StatusOr<TableWorld> MakeDeskWorld(const DeskWorldOptions& options) {
  TableWorld world;
  std::string folder = options.backbone;
  if (folder.empty()) {
    GBMOA_ASSIGN_OR_RETURN(folder, BundledBackboneFolder());
  }
  Precision precision = FastestPrecision();
  if (!options.precision.empty()) {
    GBMOA_ASSIGN_OR_RETURN(precision, ParsePrecision(options.precision));
  }
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone, Backbone::Load(folder, precision));
  GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(folder));

  GBMOA_ASSIGN_OR_RETURN(const std::string wordnet_folder, BundledWordNetFolder());
  GBMOA_ASSIGN_OR_RETURN(WordNet wordnet, WordNet::Load(wordnet_folder));
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const DeskCorpus> corpus,
                         DeskCorpus::Build(std::make_shared<const WordNet>(std::move(wordnet))));
  GBMOA_ASSIGN_OR_RETURN(TokenTable tokens, TokenTable::Encode(*tokenizer, corpus->texts(), kDeskMaxTokens));
  const auto table = std::make_shared<const TokenTable>(std::move(tokens));

  GBMOA_ASSIGN_OR_RETURN(const std::string tasks_folder, TasksFolder());
  GBMOA_ASSIGN_OR_RETURN(const std::vector<TaskConfig> configs, LoadTaskConfigs(tasks_folder));
  for (const TaskConfig& config : configs) {
    GBMOA_ASSIGN_OR_RETURN(DeskTask created, DeskTask::Create(config, corpus, table, kTaskSeed));
    const auto task = std::make_shared<const DeskTask>(std::move(created));
    world.tasks.push_back({config.name(), config.suite(), task->TestSet(),
                           [task](int draw, int shots) -> absl::StatusOr<Batch> { return task->Support(draw, shots); },
                           config.wordnet().split() == WordnetTask::VALIDATION});
  }

  DeskEpisodeOptions train;
  train.split = DeskSplit::kTrain;
  train.seed = kTrainSeed;
  const MetaTrainTasks& wanted = options.meta_train_tasks;
  if (wanted.shapes_size() > 0) train.shapes.clear();
  for (const MetaTrainTasks::Shape& shape : wanted.shapes()) train.shapes.push_back({shape.ways(), shape.shots()});
  if (wanted.query_per_class() > 0) train.query_per_class = wanted.query_per_class();
  if (wanted.pair_shots() > 0) train.pair_shots = wanted.pair_shots();
  if (wanted.pair_query_per_class() > 0) train.pair_query_per_class = wanted.pair_query_per_class();
  GBMOA_ASSIGN_OR_RETURN(world.meta_train_tasks, DeskEpisodeSource::Create(corpus, table, train));
  const DeskSplit few_shot_split = options.validation ? DeskSplit::kValidation : DeskSplit::kTest;
  world.few_shot = [corpus, table, few_shot_split](int shots, int index) -> absl::StatusOr<Episode> {
    GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<DeskEpisodeSource> source,
                           DeskEpisodeSource::Create(corpus, table, FewShotSuite(few_shot_split, shots, kFewShotSeed)));
    return source->At(static_cast<uint64_t>(index));
  };
  world.make_learner = [backbone](const std::string& method, const LearnerOptions& learner_options) {
    return LearnerRegistry::Global().Create(method, backbone, learner_options);
  };

  for (const char* file :
       {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json"}) {
    const std::string path = JoinPath(folder, file);
    if (!FileExists(path)) continue;
    GBMOA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(path));
    world.inputs.emplace_back(absl::StrCat("encoder ", file), sha256);
  }
  for (const char* file : {"data.noun", "data.verb"}) {
    GBMOA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(JoinPath(wordnet_folder, file)));
    world.inputs.emplace_back(absl::StrCat("WordNet ", file), sha256);
  }
  Sha256 tasks;
  for (const TaskConfig& config : configs) tasks.Update(config.SerializeAsString());
  world.inputs.emplace_back("eval/tasks/desk", tasks.Finish());
  world.inputs.emplace_back("corpus", absl::StrFormat("%016x", corpus->Fingerprint()));
  const char* const precision_name = precision == Precision::kBFloat16  ? "bf16"
                                     : precision == Precision::kFloat64 ? "fp64"
                                                                        : "fp32";
  // Numbers depend on it, so that finished cells of another precision are not taken for this run's.
  world.inputs.emplace_back("precision", precision_name);
  world.environment["precision"] = precision_name;
  world.environment["cuda"] = "not used";
  return world;
}

}  // namespace gbmoa
