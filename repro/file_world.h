// The world of profiles whose tasks lie in files: GLUE, SuperGLUE and the few-shot tasks, below a data root.
#ifndef GBMOA_REPRO_FILE_WORLD_H_
#define GBMOA_REPRO_FILE_WORLD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/dataset.h"
#include "eval/file_task.h"
#include "eval/tokenized_dataset.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/rng.h"
#include "repro/table.pb.h"
#include "repro/table_runner.h"

namespace gbmoa {

struct FileWorldOptions {
  std::string backbone;            // folder; empty: the bundled MiniLM
  std::string precision;           // "fp32", "bf16"; empty: the fastest here
  std::string data_root;           // as FindDataRoot returns it
  std::string cache_folder;        // of tokenized splits; empty: none is kept
  std::string tasks_folder;        // with "glue/cola.textproto"; empty: the bundled one
  std::vector<std::string> tasks;  // of the profile's, those that are read; empty: all
  int64_t max_bad_rows = 0;        // as FileTaskOptions
};

// Where the data lie: `flag` if it is not empty, else $GBMOA_DATA, else the archives that Bazel has fetched
// (--config=glue_fetch); empty if there are none.
std::string FindDataRoot(const std::string& flag);

// $GBMOA_CACHE/tokens, else ~/.cache/gbmoa/tokens, made if it is not there; empty where it cannot be.
std::string TokenCacheFolder();

// Test sets are the validation splits, up to max_test_examples (TestRows), the same for every row. Support sets are
// draws of the training splits (SupportPool). The grid's tasks, "glue/mrpc@development", have development_examples of a
// training split as their test set; no example of that task's support sets has a text of it. Meta-training tasks are
// WordNet's, so that no task of the profile is one; few-shot episodes are those of eval/few_shot_suite.h. A task whose
// files are not there has name, suite, metrics and `missing`, nothing else. Errors: FailedPrecondition "MISSING_DATA:
// ..." with the command that gets the data if there is no data root or no task has its files, or "MISSING_WEIGHTS,
// HARDWARE: ..." for what else the profile needs and what was found instead; InvalidArgument for a task that does not
// exist, a grid's task that is not "TASK@development", development examples that leave a class without any, or few-shot
// episodes beyond tasks times seeds; those of reading data, encoder and WordNet.
absl::StatusOr<TableWorld> MakeFileWorld(const Profile& profile, const FileWorldOptions& options);

// The task's textproto. Errors: InvalidArgument for a task that does not exist; those of LoadTaskConfig.
absl::StatusOr<TaskConfig> LoadFileTaskConfig(const std::string& name, const FileWorldOptions& options);

// What is to be said of files that are not there, "MISSING_DATA: glue/CoLA/train.tsv is not below DIR; ..."; empty if
// all are.
std::string MissingDataText(const TaskConfig& config, const std::vector<std::string>& splits,
                            const std::string& data_root);

struct TokenizedSplit {
  FileTaskSplit split;
  std::shared_ptr<const TokenizedDataset> tokens;
};
// Errors: those of LoadFileTaskSplit and TokenizedDataset::Create.
absl::StatusOr<TokenizedSplit> LoadTokenizedSplit(const TaskConfig& config, absl::string_view name,
                                                  const FileWorld& settings, const FileWorldOptions& options,
                                                  const Tokenizer& tokenizer);

// At most `max` rows of `dataset` (0: all), ascending: of each class its share, of a regression any, of questions with
// several answers whole questions. A function of the data set and the stream.
std::vector<int64_t> TestRows(const Dataset& dataset, int64_t max, const RandomStream& stream);

// The examples of a training split that support sets are drawn from.
class SupportPool {
 public:
  // `without`: rows that are in no support set, nor are others that share a text with one of them.
  SupportPool(const Dataset& dataset, const std::vector<int64_t>& without, const RandomStream& stream);

  // `shots` examples a class, or as many as there are, class after class in turn; of a regression 2 · shots; of
  // questions with several answers whole questions until there are 2 · shots examples of both classes together; 0 shots
  // are all, in the files' order. Draw d is f(stream, d); the first rows of a draw are those of the same draw with
  // fewer shots. CHECKs that neither is negative.
  std::vector<int64_t> Draw(int draw, int shots) const;

  // Examples by class; of a regression in one.
  std::vector<int64_t> counts() const;

 private:
  bool regression_, grouped_;
  RandomStream stream_;
  std::vector<std::vector<int64_t>> strata_;  // rows by class, or by question
  std::vector<int64_t> labels_;               // of all rows, where there are questions
};

}  // namespace gbmoa

#endif  // GBMOA_REPRO_FILE_WORLD_H_
