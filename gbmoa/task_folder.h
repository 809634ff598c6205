// The folder that holds one adapted task: what `gbmoa adapt` writes and `gbmoa predict`, `evaluate` and `export` read.
//
//   task.json               {"format": 1, "method", "options": {name: text}, "labels": [text, ...],
//                            "encoding": "one_sequence" | "pair_apart", "max_tokens",
//                            "backbone": {"name", "weights_sha256", "config_sha256", "tokenizer_sha256", "folder"},
//                            "made_by"}
//   parameters.safetensors  the task's own numbers, float32, by the names of Predictor::Parameters
//
// The encoder is not in it: it is named, and known again by the hashes of all that decides what it makes of a text. No
// LibTorch in here.
#ifndef GBMOA_TASK_FOLDER_H_
#define GBMOA_TASK_FOLDER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/task/episode.h"
#include "gbmoa/task/learner.h"

namespace gbmoa {

// 64 hexadecimal digits each.
struct BackboneHashes {
  std::string weights;    // HashCheckpoint's
  std::string config;     // of the shape fields, whatever else config.json says
  std::string tokenizer;  // Tokenizer::fingerprint
};

struct SavedTask {
  struct NamedBackbone {
    std::string name;
    BackboneHashes hashes;
    std::string folder;  // as the user gave it; empty: the bundled one
  };

  std::string method;  // a name of LearnerRegistry
  LearnerOptions options;
  std::vector<std::string> labels;  // in the order of the classes
  Encoding encoding = Encoding::kOneSequence;
  int max_tokens = 0;  // of a sequence, special ones included
  NamedBackbone backbone;
  std::string made_by;
  std::map<std::string, std::vector<float>> parameters;

  int num_classes() const { return static_cast<int>(labels.size()); }
};

constexpr absl::string_view kTaskConfigFile = "task.json";

// "one_sequence", "pair_apart". Errors: InvalidArgument.
absl::string_view EncodingName(Encoding encoding);
absl::StatusOr<Encoding> ParseEncoding(absl::string_view name);

// Writes both files into a folder that is there, task.json last. Errors: those of AtomicFile.
absl::Status SaveTask(const std::string& folder, const SavedTask& task);

// Errors: NotFound; Unimplemented for another format than 1; DataLoss "PATH: FIELD: what" for a field that is missing,
// unknown or bad, and naming the tensor where one is not of finite float32 numbers.
absl::StatusOr<SavedTask> LoadTask(const std::string& folder);

// Errors: those of HashCheckpoint.
absl::StatusOr<BackboneHashes> HashBackbone(const std::string& folder, const BackboneConfig& config,
                                            const std::string& tokenizer_fingerprint);

// Whether the backbone in `folder`, with the hashes `found`, is the task's. Errors: FailedPrecondition naming both and
// what differs.
absl::Status CheckBackbone(const SavedTask& task, const std::string& folder, const BackboneHashes& found);

}  // namespace gbmoa

#endif  // GBMOA_TASK_FOLDER_H_
