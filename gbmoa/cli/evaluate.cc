// gbmoa evaluate: how often an adapted task is right on labelled texts.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eval/metric.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"
#include "gbmoa/cli/labelled_file.h"

ABSL_DECLARE_FLAG(bool, header);

namespace gbmoa {
namespace {

class EvaluateCommand : public Command {
 public:
  std::string summary() const override { return "accuracy and macro-F1 of an adapted task on labelled texts"; }
  std::string description() const override {
    return "Reads a .tsv, .csv or .jsonl file as adapt does, whose labels are among the task's. Prints one JSON\n"
           "object:\n"
           "  {\"n\": 40, \"accuracy\": 0.925, \"macro_f1\": 0.921}\n\n"
           "  gbmoa evaluate --task=task --input=test.tsv";
  }
  std::vector<std::string> flags() const override { return {"task", "input", "header", "backbone"}; }

  absl::Status Run() override {
    const std::string path = UserPath(absl::GetFlag(FLAGS_input));
    if (path.empty()) return absl::InvalidArgumentError("--input: is missing");
    GBMOA_ASSIGN_OR_RETURN(const std::vector<LabelledText> examples,
                           ReadLabelledFile(path, absl::GetFlag(FLAGS_header)));
    GBMOA_ASSIGN_OR_RETURN(const AdaptedTask task, LoadAdaptedTask());
    const std::vector<std::string>& labels = task.saved.labels;
    std::vector<double> gold, predicted;
    for (const LabelledText& example : examples) {
      const auto found = std::find(labels.begin(), labels.end(), example.label);
      if (found == labels.end()) {
        return absl::DataLossError(absl::StrCat(example.place, ": '", example.label,
                                                "' is none of the task's labels: ", absl::StrJoin(labels, ", ")));
      }
      gold.push_back(static_cast<double>(found - labels.begin()));
    }
    GBMOA_ASSIGN_OR_RETURN(const Batch batch,
                           MakeBatch(task.texts, task.saved.encoding, task.saved.num_classes(), examples));
    GBMOA_ASSIGN_OR_RETURN(const Prediction prediction, task.predictor->Predict(batch));
    GBMOA_RETURN_IF_ERROR(CheckFinite(prediction, [&](size_t i) { return examples[i].place; }));
    for (int64_t i = 0; i < prediction.size(); ++i) predicted.push_back(static_cast<double>(prediction.label(i)));

    std::string text = absl::StrCat("{\"n\": ", examples.size());
    for (const char* name : {"accuracy", "macro_f1"}) {
      GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Metric> metric, MetricRegistry::Global().Create(name));
      GBMOA_ASSIGN_OR_RETURN(const MetricValue value, metric->Compute({gold, predicted, task.saved.num_classes()}));
      absl::StrAppendFormat(&text, ", \"%s\": %.6g", name, value.value);
    }
    return Print(text + "}\n");
  }
};

GBMOA_REGISTER_COMMAND("evaluate", EvaluateCommand);

}  // namespace
}  // namespace gbmoa
