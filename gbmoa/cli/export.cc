// gbmoa export: an adapted task as a folder that peft or AdapterHub's library loads.

#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/atomic_folder.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/interchange/format.h"

ABSL_DECLARE_FLAG(std::string, out);
ABSL_FLAG(std::string, format, "", "of the folder to write: peft or adapterhub");

namespace gbmoa {
namespace {

// What the adapter is called: the folder's own name, in the characters that all names may have.
std::string NameFrom(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  std::string name(path.substr(path.rfind('/') + 1));
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  }
  return name;
}

class ExportCommand : public Command {
 public:
  std::string summary() const override { return "an adapted task for Hugging Face peft or AdapterHub"; }
  std::string description() const override {
    return "Writes a new folder:\n"
           "  --format=peft        of a task of method lora or prompt_tuning, for PeftModel.from_pretrained\n"
           "  --format=adapterhub  of bottleneck adapters (adapter_tuning, gbmoa), for load_adapter\n"
           "A head made with the option head=tanh becomes the library's own. The head unit_mean has no counterpart\n"
           "there: it is written beside, in head.safetensors. README.md has the lines of Python for either. Prints\n"
           "which of the two it is.\n\n"
           "  gbmoa export --task=task --format=peft --out=task_for_peft";
  }
  std::vector<std::string> flags() const override { return {"task", "format", "out", "backbone"}; }

  absl::Status Run() override {
    const std::string out = UserPath(absl::GetFlag(FLAGS_out)), format = absl::GetFlag(FLAGS_format);
    if (out.empty()) return absl::InvalidArgumentError("--out: is missing");
    const std::vector<std::string> known = InterchangeRegistry::Global().Names();
    if (format.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--format: is missing; known: ", absl::StrJoin(known, ", ")));
    }
    // Restoring the predictor checks that the parameters are the method's.
    GBMOA_ASSIGN_OR_RETURN(const AdaptedTask task, LoadAdaptedTask());
    GBMOA_ASSIGN_OR_RETURN(AtomicFolder folder, AtomicFolder::Create(out));
    const absl::Status status = ExportTask(task.saved, format, task.texts.config, NameFrom(out), folder.path());
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat("--format: ", status.message()));
    GBMOA_RETURN_IF_ERROR(folder.Commit());
    return Print(HeadName(task.saved) == "tanh"
                     ? "the head is the library's own; README.md has the lines that load the task\n"
                     : "the head is not one of the library's: it is in head.safetensors, and README.md has the lines "
                       "that compute it\n");
  }
};

GBMOA_REGISTER_COMMAND("export", ExportCommand);

}  // namespace
}  // namespace gbmoa
