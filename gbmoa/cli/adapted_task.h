// What the commands share that work on one adapted task: its folder, its encoder, batches of its texts.
#ifndef GBMOA_CLI_ADAPTED_TASK_H_
#define GBMOA_CLI_ADAPTED_TASK_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gbmoa/cli/encoder_input.h"
#include "gbmoa/cli/labelled_file.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/learner.h"
#include "gbmoa/task_folder.h"

ABSL_DECLARE_FLAG(std::string, task);

namespace gbmoa {

// A task ready to predict.
struct AdaptedTask {
  std::string folder;
  SavedTask saved;
  TextEncoding texts;
  std::unique_ptr<Predictor> predictor;
};

// Reads the folder of --task, and the encoder of --backbone or, without it, the one that the task names. Errors:
// InvalidArgument without --task; NotFound; FailedPrecondition if that encoder is another one than the task's; those of
// LoadTask, LoadTextEncoding and Learner::Restore.
absl::StatusOr<AdaptedTask> LoadAdaptedTask();

// How a task names the encoder that LoadTextEncoding found. Errors: those of HashBackbone.
absl::StatusOr<SavedTask::NamedBackbone> NameBackbone(const TextEncoding& texts);

// The texts as unlabelled examples. `place` says where example i is from, for errors. Errors: DataLoss for an example
// of one text where the encoding wants two; the tokenizer's.
absl::StatusOr<Batch> MakeBatch(const TextEncoding& texts, Encoding encoding, int num_classes,
                                absl::Span<const TextLine> lines, const std::function<std::string(size_t)>& place);

// The same of a file's examples, whose labels are left to the caller.
absl::StatusOr<Batch> MakeBatch(const TextEncoding& texts, Encoding encoding, int num_classes,
                                absl::Span<const LabelledText> examples);

// The most tokens of a sequence: texts.max_tokens, or fewer where the method puts a prompt before them and --max_tokens
// leaves it open. Errors: InvalidArgument if the encoder does not take as many.
absl::StatusOr<int> MaxTokensBesidePrompt(const Learner& learner, const TextEncoding& texts);

// Errors: Aborted "PLACE: what" for the first example, in batch order, that has a number which is not finite.
absl::Status CheckFinite(const Prediction& prediction, const std::function<std::string(size_t)>& place);

// On standard output. Errors: Unknown.
absl::Status Print(absl::string_view text);

// "0.25": the fewest digits that are read as the same float32. CHECKs that it is finite.
std::string FormatFloat(float value);

// JSON of a text that is UTF-8, with its quotes.
std::string Quoted(const std::string& text);

}  // namespace gbmoa

#endif  // GBMOA_CLI_ADAPTED_TASK_H_
