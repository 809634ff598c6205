// gbmoa adapt: adapts a frozen encoder to a file of labelled texts.

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/atomic_folder.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"
#include "gbmoa/cli/labelled_file.h"
#include "gbmoa/task/learner.h"
#include "gbmoa/task_folder.h"

ABSL_DECLARE_FLAG(std::string, out);
ABSL_FLAG(std::string, train, "", "file of labelled texts, .tsv, .csv or .jsonl");
ABSL_FLAG(std::string, method, "", "how to adapt; adapter_tuning, or gbmoa with --meta, if none is given");
ABSL_FLAG(std::string, options, "", "options of the method, name=value,...; a value may have commas");
ABSL_FLAG(
    std::string, meta, "",
    "safetensors file of a meta-trained state, for the methods that meta-learn; it does not say which encoder and "
    "--options it was trained with, so give the same");
ABSL_FLAG(int, steps, 50, "gradient steps");
ABSL_FLAG(int, batch_size, 16, "examples a step; 0: all of them");
ABSL_FLAG(uint64_t, seed, 0, "of the random start and the order of the examples");
ABSL_FLAG(bool, header, false, "the first line of a .tsv or .csv file names the columns");
ABSL_FLAG(std::string, encoding, "one_sequence",
          "of pairs: one_sequence, or pair_apart, which encodes each text by itself");

namespace gbmoa {
namespace {

constexpr int kMaxSteps = 10'000'000;

// "a=1,b=x,y" -> a: "1", b: "x,y": a part without "=" belongs to the value before it.
absl::StatusOr<LearnerOptions> ParseOptions(const std::string& text) {
  LearnerOptions options;
  if (text.empty()) return options;
  if (FindInvalidUtf8(text) != absl::string_view::npos) return absl::InvalidArgumentError("--options: not UTF-8");
  std::string* value = nullptr;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const size_t equals = part.find('=');
    if (equals == absl::string_view::npos && value != nullptr) {
      absl::StrAppend(value, ",", part);
      continue;
    }
    if (equals == absl::string_view::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--options: '", part, "': wanted name=value"));
    }
    const auto [at, is_new] =
        options.emplace(std::string(part.substr(0, equals)), std::string(part.substr(equals + 1)));
    if (!is_new) return absl::InvalidArgumentError(absl::StrCat("--options: ", at->first, " comes twice"));
    value = &at->second;
  }
  return options;
}

class AdaptCommand : public Command {
 public:
  std::string summary() const override { return "adapts an encoder to a file of labelled texts"; }
  std::string description() const override {
    return "Writes a new folder that predict, evaluate and export read: task.json and parameters.safetensors. The\n"
           "encoder is not copied into it. Prints one JSON object about the run.\n\n"
           "A line of a .tsv file is a text or two, then the label, with a tab before each but the first; .csv is\n"
           "the same with commas and \"quoted fields\"; a line of a .jsonl file is an object with text, perhaps\n"
           "text_pair, and label. The classes are the labels of the file in the order of their bytes.\n\n"
           "Methods that meta-learn (gbmoa, maml_ft) need a state that was learned before: --meta.\n\n"
           "  gbmoa adapt --train=train.tsv --method=lora --options=lora_rank=4,head=tanh --out=task";
  }
  std::vector<std::string> flags() const override {
    return {"train", "header",     "out",  "method",   "options",  "meta",
            "steps", "batch_size", "seed", "encoding", "backbone", "max_tokens"};
  }

  absl::Status Run() override {
    const std::string train = UserPath(absl::GetFlag(FLAGS_train)), out = UserPath(absl::GetFlag(FLAGS_out));
    const std::string meta = UserPath(absl::GetFlag(FLAGS_meta));
    if (train.empty()) return absl::InvalidArgumentError("--train: is missing");
    if (out.empty()) return absl::InvalidArgumentError("--out: is missing");
    SavedTask task;
    task.method = absl::GetFlag(FLAGS_method);
    if (task.method.empty()) task.method = meta.empty() ? "adapter_tuning" : "gbmoa";
    const std::vector<std::string> known = LearnerRegistry::Global().Names();
    if (std::find(known.begin(), known.end(), task.method) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--method: unknown name '", task.method, "'; known: ", absl::StrJoin(known, ", ")));
    }
    GBMOA_ASSIGN_OR_RETURN(task.options, ParseOptions(absl::GetFlag(FLAGS_options)));
    const absl::StatusOr<Encoding> encoding = ParseEncoding(absl::GetFlag(FLAGS_encoding));
    if (!encoding.ok()) return absl::InvalidArgumentError(absl::StrCat("--encoding: ", encoding.status().message()));
    task.encoding = *encoding;
    AdaptOptions options;
    options.steps = absl::GetFlag(FLAGS_steps);
    options.batch_size = absl::GetFlag(FLAGS_batch_size);
    options.seed = absl::GetFlag(FLAGS_seed);
    if (options.steps < 0 || options.steps > kMaxSteps) {
      return absl::InvalidArgumentError(absl::StrCat("--steps: ", options.steps, " is not in 0 to ", kMaxSteps));
    }
    if (options.batch_size < 0) {
      return absl::InvalidArgumentError(absl::StrCat("--batch_size: ", options.batch_size, " is below 0"));
    }
    // Now, so that a folder that cannot be written does not cost the whole computation first.
    GBMOA_ASSIGN_OR_RETURN(AtomicFolder folder, AtomicFolder::Create(out));

    GBMOA_ASSIGN_OR_RETURN(const std::vector<LabelledText> examples,
                           ReadLabelledFile(train, absl::GetFlag(FLAGS_header)));
    std::set<std::string> labels;
    for (const LabelledText& example : examples) labels.insert(example.label);
    if (labels.size() < 2) {
      return absl::DataLossError(
          absl::StrCat(train, ": all examples have the label '", *labels.begin(), "'; wanted two labels or more"));
    }
    task.labels.assign(labels.begin(), labels.end());

    GBMOA_ASSIGN_OR_RETURN(TextEncoding texts, LoadTextEncoding());
    GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone,
                           Backbone::Load(texts.folder, Precision::kFloat32));
    const absl::StatusOr<std::unique_ptr<Learner>> created =
        LearnerRegistry::Global().Create(task.method, backbone, task.options);
    if (!created.ok()) {
      return absl::Status(created.status().code(), absl::StrCat("--options: ", created.status().message()));
    }
    Learner& learner = **created;
    GBMOA_RETURN_IF_ERROR(LoadMetaState(meta, task.method, learner));
    GBMOA_ASSIGN_OR_RETURN(texts.max_tokens, MaxTokensBesidePrompt(learner, texts));
    task.max_tokens = texts.max_tokens;

    GBMOA_ASSIGN_OR_RETURN(Batch batch, MakeBatch(texts, task.encoding, task.num_classes(), examples));
    for (const LabelledText& example : examples) {
      batch.labels.push_back(std::lower_bound(task.labels.begin(), task.labels.end(), example.label) -
                             task.labels.begin());
    }
    GBMOA_ASSIGN_OR_RETURN(const Adaptation adaptation, learner.Adapt(batch, options));
    const AdaptReport& report = adaptation.report;
    if (!report.finite) {
      return absl::AbortedError(absl::StrCat("after ", report.steps,
                                             " steps the loss is no finite number; a smaller learning_rate may help"));
    }
    task.parameters = adaptation.predictor->Parameters();
    GBMOA_ASSIGN_OR_RETURN(task.backbone, NameBackbone(texts));
    task.made_by = "gbmoa adapt";
    GBMOA_RETURN_IF_ERROR(SaveTask(folder.path(), task));
    GBMOA_RETURN_IF_ERROR(folder.Commit());
    const ParameterCounts counts = learner.CountParameters(task.num_classes());
    return Print(
        absl::StrFormat("{\"method\": %s, \"examples\": %d, \"classes\": %d, \"parameters\": %d, \"steps\": %d, "
                        "\"seconds\": %.3f, \"first_loss\": %.6g, \"last_loss\": %.6g}\n",
                        Quoted(task.method), examples.size(), task.num_classes(), counts.per_task + counts.head,
                        report.steps, report.seconds, report.first_loss, report.last_loss));
  }

 private:
  static absl::Status LoadMetaState(const std::string& meta, const std::string& method, Learner& learner) {
    if (learner.meta_learns() && meta.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--meta: is missing; ", method,
                       " adapts from a meta-trained state, the safetensors file that meta-training saved"));
    }
    if (!learner.meta_learns() && !meta.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--meta: ", method, " does not meta-learn"));
    }
    return meta.empty() ? absl::OkStatus() : learner.Load(meta);
  }
};

GBMOA_REGISTER_COMMAND("adapt", AdaptCommand);

}  // namespace
}  // namespace gbmoa
