// gbmoa predict: the labels of texts, by an adapted task.

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"

ABSL_FLAG(bool, logits, false, "print the numbers before the softmax instead of the probabilities");

namespace gbmoa {
namespace {

class PredictCommand : public Command {
 public:
  std::string summary() const override { return "labels of texts, by an adapted task"; }
  std::string description() const override {
    return "Reads one text a line; a tab in a line makes it a pair of texts. Prints one JSON object for each line on\n"
           "standard output, the classes in their order in task.json:\n"
           "  {\"label\": \"good\", \"probabilities\": {\"bad\": 0.25, \"good\": 0.75}}\n"
           "Nothing is printed unless all lines could be read.\n\n"
           "  gbmoa predict --task=task --input=texts.txt";
  }
  std::vector<std::string> flags() const override { return {"task", "input", "logits", "backbone", "invalid_utf8"}; }

  absl::Status Run() override {
    GBMOA_ASSIGN_OR_RETURN(const auto input, ReadInput());
    GBMOA_ASSIGN_OR_RETURN(const AdaptedTask task, LoadAdaptedTask());
    if (input->lines.empty()) return absl::OkStatus();
    const auto place = [&](size_t i) { return absl::StrCat(input->name, ":", i + 1); };
    const int classes = task.saved.num_classes();
    GBMOA_ASSIGN_OR_RETURN(const Batch batch, MakeBatch(task.texts, task.saved.encoding, classes, input->lines, place));
    const bool logits = absl::GetFlag(FLAGS_logits);
    Prediction prediction;
    prediction.num_classes = classes;
    if (logits) {
      GBMOA_ASSIGN_OR_RETURN(prediction.probabilities, task.predictor->Logits(batch));
    } else {
      GBMOA_ASSIGN_OR_RETURN(prediction, task.predictor->Predict(batch));
    }
    GBMOA_RETURN_IF_ERROR(CheckFinite(prediction, place));
    std::string text;
    for (int64_t i = 0; i < prediction.size(); ++i) {
      absl::StrAppend(&text, "{\"label\": ", Quoted(task.saved.labels[prediction.label(i)]), ", \"",
                      logits ? "logits" : "probabilities", "\": {");
      for (int c = 0; c < classes; ++c) {
        const float value = prediction.probabilities[i * classes + c];
        absl::StrAppend(&text, c == 0 ? "" : ", ", Quoted(task.saved.labels[c]), ": ", FormatFloat(value));
      }
      text += "}}\n";
    }
    return Print(text);
  }
};

GBMOA_REGISTER_COMMAND("predict", PredictCommand);

}  // namespace
}  // namespace gbmoa
