#include "gbmoa/cli/adapted_task.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

ABSL_FLAG(std::string, task, "",
          "folder of an adapted task, as adapt and import write it; for metrics a benchmark's task, e.g. glue/mrpc");

namespace gbmoa {
namespace {

// What other libraries know the bundled encoder by; its folder is called "model".
constexpr char kBundledName[] = "sentence-transformers/all-MiniLM-L6-v2";

}  // namespace

absl::StatusOr<AdaptedTask> LoadAdaptedTask() {
  AdaptedTask task;
  task.folder = UserPath(absl::GetFlag(FLAGS_task));
  if (task.folder.empty()) return absl::InvalidArgumentError("--task: is missing");
  GBMOA_ASSIGN_OR_RETURN(task.saved, LoadTask(task.folder));
  const std::string config_path = JoinPath(task.folder, kTaskConfigFile);
  const auto blame = [](const std::string& path, const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  };
  const std::string& named = task.saved.backbone.folder;
  if (absl::GetFlag(FLAGS_backbone).empty() && !named.empty()) {
    if (!FileExists(UserPath(named))) {
      return absl::NotFoundError(absl::StrCat(config_path, ": backbone.folder: there is no ", named,
                                              "; --backbone=DIR says where '", task.saved.backbone.name, "' is"));
    }
    absl::SetFlag(&FLAGS_backbone, named);
  }
  absl::SetFlag(&FLAGS_max_tokens, task.saved.max_tokens);
  absl::StatusOr<TextEncoding> texts = LoadTextEncoding();
  if (!texts.ok()) return blame(config_path, texts.status());
  task.texts = *std::move(texts);
  GBMOA_ASSIGN_OR_RETURN(const BackboneHashes hashes,
                         HashBackbone(task.texts.folder, task.texts.config, task.texts.tokenizer->fingerprint()));
  GBMOA_RETURN_IF_ERROR(CheckBackbone(task.saved, task.texts.folder, hashes));
  GBMOA_ASSIGN_OR_RETURN(std::shared_ptr<const Backbone> backbone,
                         Backbone::Load(task.texts.folder, Precision::kFloat32));
  const absl::StatusOr<std::unique_ptr<Learner>> learner =
      LearnerRegistry::Global().Create(task.saved.method, std::move(backbone), task.saved.options);
  if (!learner.ok()) return blame(config_path, learner.status());
  absl::StatusOr<std::unique_ptr<Predictor>> predictor =
      (*learner)->Restore(task.saved.num_classes(), task.saved.parameters);
  if (!predictor.ok()) return blame(task.folder, predictor.status());
  task.predictor = *std::move(predictor);
  return task;
}

absl::StatusOr<SavedTask::NamedBackbone> NameBackbone(const TextEncoding& texts) {
  SavedTask::NamedBackbone backbone;
  backbone.folder = absl::GetFlag(FLAGS_backbone);
  backbone.name = backbone.folder.empty() ? kBundledName : texts.config.name();
  GBMOA_ASSIGN_OR_RETURN(backbone.hashes, HashBackbone(texts.folder, texts.config, texts.tokenizer->fingerprint()));
  return backbone;
}

absl::StatusOr<Batch> MakeBatch(const TextEncoding& texts, Encoding encoding, int num_classes,
                                absl::Span<const TextLine> lines, const std::function<std::string(size_t)>& place) {
  Batch batch;
  batch.num_classes = num_classes;
  batch.encoding = encoding;
  const auto append = [&](const TextLine& line) -> absl::Status {
    GBMOA_ASSIGN_OR_RETURN(const TokenIds tokens, texts.Encode(line));
    batch.tokens.Append(tokens.ids, tokens.type_ids);
    return absl::OkStatus();
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::Status status;
    if (encoding == Encoding::kOneSequence) {
      status = append(lines[i]);
    } else if (!lines[i].second.has_value()) {
      status = absl::DataLossError("one text, but the task encodes the two of a pair apart");
    } else {
      status = append({lines[i].first, absl::nullopt});
      if (status.ok()) status = append({*lines[i].second, absl::nullopt});
    }
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat(place(i), ": ", status.message()));
  }
  return batch;
}

absl::StatusOr<Batch> MakeBatch(const TextEncoding& texts, Encoding encoding, int num_classes,
                                absl::Span<const LabelledText> examples) {
  std::vector<TextLine> lines;
  for (const LabelledText& example : examples) {
    TextLine line = {example.first, absl::nullopt};
    if (example.second.has_value()) line.second = *example.second;
    lines.push_back(line);
  }
  return MakeBatch(texts, encoding, num_classes, lines, [&](size_t i) { return examples[i].place; });
}

absl::StatusOr<int> MaxTokensBesidePrompt(const Learner& learner, const TextEncoding& texts) {
  const int prompt = static_cast<int>(learner.prompt_tokens());
  const int takes = MaxSequenceTokens(texts.config);
  if (prompt + texts.max_tokens <= takes) return texts.max_tokens;
  if (absl::GetFlag(FLAGS_max_tokens) == 0 && takes - prompt >= 3) return takes - prompt;
  return absl::InvalidArgumentError(absl::StrCat("--max_tokens: ", texts.max_tokens, " and the prompt's ", prompt,
                                                 " are more than the ", takes, " that the encoder takes"));
}

absl::Status CheckFinite(const Prediction& prediction, const std::function<std::string(size_t)>& place) {
  for (size_t i = 0; i < prediction.probabilities.size(); ++i) {
    if (std::isfinite(prediction.probabilities[i])) continue;
    return absl::AbortedError(
        absl::StrCat(place(i / prediction.num_classes), ": the task's numbers run over: a logit is not finite"));
  }
  return absl::OkStatus();
}

absl::Status Print(absl::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size()) return absl::OkStatus();
  return absl::UnknownError("standard output: cannot write");
}

std::string FormatFloat(float value) {
  CHECK(std::isfinite(value)) << value;
  for (int digits = 6;; ++digits) {
    const std::string text = absl::StrFormat("%.*g", digits, value);
    if (digits == 9 || std::strtof(text.c_str(), nullptr) == value) return text;
  }
}

std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

}  // namespace gbmoa
