// COPA (Roemmele et al. 2011), as SuperGLUE gives it: a premise and two choices, of which one is its more plausible
// cause or effect.
//
//   {"premise": ..., "choice1": ..., "choice2": ..., "question": "cause" or "effect", "label": 0 or 1, "idx": ...}
//
// A row becomes two examples of one group, wrong (0) or right (1):
//   text_a   the premise, then " What was the cause?" or " What happened as a result?"
//   text_b   the choice
// and the choice that looks more right is the answer (group_accuracy). The usual recipe lets one linear unit score both
// choices and trains them against each other by a softmax over the two; ours trains a classifier on single choices, so
// that COPA is a task like all others, and compares them only when it is scored.
#include "absl/strings/str_cat.h"
#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

class CopaReader : public TaskReader {
 public:
  bool grouped() const override { return true; }
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                    std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}));
    return ReadJsonRows(file, bad_rows, examples, [&](const json& object, std::vector<Example>* row) {
      const absl::Status status = ReadRow(object, file.labelled, *next_group, row);
      if (status.ok()) ++*next_group;
      return status;
    });
  }

 private:
  static absl::Status ReadRow(const json& object, bool labelled, int64_t group, std::vector<Example>* row) {
    GBMOA_ASSIGN_OR_RETURN(const std::string premise, FilledText(object, "premise"));
    GBMOA_ASSIGN_OR_RETURN(const std::string question, JsonText(object, "question"));
    const bool cause = question == "cause";
    if (!cause && question != "effect") {
      return RowError("question", "'cause' or 'effect'", absl::StrCat("'", question, "'"));
    }
    GBMOA_ASSIGN_OR_RETURN(const std::string idx, JsonScalar(object, "idx"));
    int64_t right = -1;
    if (labelled) {
      GBMOA_ASSIGN_OR_RETURN(right, JsonInteger(object, "label"));
      if (right != 0 && right != 1) return RowError("label", "0 or 1", absl::StrCat(right));
    }
    for (int i = 0; i < 2; ++i) {
      Example example;
      example.text_a = absl::StrCat(premise, cause ? " What was the cause?" : " What happened as a result?");
      GBMOA_ASSIGN_OR_RETURN(example.text_b, FilledText(object, i == 0 ? "choice1" : "choice2"));
      example.label = i == right ? 1 : 0;
      example.group = group;
      example.answer = example.text_b;
      example.id = idx;
      row->push_back(std::move(example));
    }
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_TASK_READER("copa", CopaReader);

}  // namespace
}  // namespace gbmoa
