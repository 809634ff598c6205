// gbmoa import: a task that peft or AdapterHub's library saved, as one of ours.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/atomic_folder.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"
#include "gbmoa/interchange/format.h"
#include "gbmoa/task/learner.h"
#include "gbmoa/task_folder.h"

ABSL_DECLARE_FLAG(std::string, out);
ABSL_FLAG(std::string, from, "", "folder that save_pretrained (peft) or save_adapter (AdapterHub) wrote");
ABSL_FLAG(std::string, labels, "",
          "the classes' names in order, a,b,...; those in the folder, or 0,1,... where it has none, if none are given");

namespace gbmoa {
namespace {

class ImportCommand : public Command {
 public:
  std::string summary() const override { return "a task that Hugging Face peft or AdapterHub saved"; }
  std::string description() const override {
    return "Reads LoRA and prompt tuning for sequence classification as peft's save_pretrained writes them, and\n"
           "bottleneck adapters of the kind double_seq_bn as save_adapter(..., use_safetensors=True) writes them.\n"
           "Writes a new folder as adapt does. What cannot be had is refused by its name. --backbone is the encoder\n"
           "that they were trained on.\n\n"
           "  gbmoa import --from=saved --backbone=encoder --labels=bad,good --out=task";
  }
  std::vector<std::string> flags() const override { return {"from", "out", "labels", "backbone", "max_tokens"}; }

  absl::Status Run() override {
    const std::string from = UserPath(absl::GetFlag(FLAGS_from)), out = UserPath(absl::GetFlag(FLAGS_out));
    if (from.empty()) return absl::InvalidArgumentError("--from: is missing");
    if (out.empty()) return absl::InvalidArgumentError("--out: is missing");
    const std::string names = absl::GetFlag(FLAGS_labels);
    if (FindInvalidUtf8(names) != absl::string_view::npos) return absl::InvalidArgumentError("--labels: not UTF-8");
    std::vector<std::string> labels;
    if (!names.empty()) labels = absl::StrSplit(names, ',');
    GBMOA_ASSIGN_OR_RETURN(AtomicFolder folder, AtomicFolder::Create(out));
    GBMOA_ASSIGN_OR_RETURN(const TextEncoding texts, LoadTextEncoding());
    GBMOA_ASSIGN_OR_RETURN(SavedTask task, ImportTask(from, {texts.folder, texts.config}, labels));

    // What was read must be a task of ours: better to know now than at the first prediction.
    GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone,
                           Backbone::Load(texts.folder, Precision::kFloat32));
    const auto blame = [&](const absl::Status& status) {
      return absl::Status(status.code(), absl::StrCat(from, ": ", status.message()));
    };
    const absl::StatusOr<std::unique_ptr<Learner>> learner =
        LearnerRegistry::Global().Create(task.method, backbone, task.options);
    if (!learner.ok()) return blame(learner.status());
    const absl::Status restored = (*learner)->Restore(task.num_classes(), task.parameters).status();
    if (!restored.ok()) return blame(restored);
    GBMOA_ASSIGN_OR_RETURN(task.max_tokens, MaxTokensBesidePrompt(**learner, texts));
    GBMOA_ASSIGN_OR_RETURN(task.backbone, NameBackbone(texts));
    task.made_by = "gbmoa import";
    GBMOA_RETURN_IF_ERROR(SaveTask(folder.path(), task));
    return folder.Commit();
  }
};

GBMOA_REGISTER_COMMAND("import", ImportCommand);

}  // namespace
}  // namespace gbmoa
