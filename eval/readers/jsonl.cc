// Layout "jsonl": an example a line, a JSON object. Of SuperGLUE: BoolQ, CB, RTE, AX-b and AX-g.
//
//   text_a   the text, or the first of two
//   text_b   the second one, if the task has pairs
//   label    a string, a number, true or false; not read where the split is unlabelled
//   id       may be absent
//
// are names of the object's members, or of members of objects in it: "passage.text". Other members are not looked at.
#include <string>
#include <utility>
#include <vector>

#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "eval/task_reader.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

class JsonlReader : public TaskReader {
 public:
  bool pairs(const FileTask& task) const override { return HasField(task, "text_b"); }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                    std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(file.labelled ? CheckFields(file, {"text_a", "label"}, {"text_b", "id"})
                                        : CheckFields(file, {"text_a"}, {"text_b", "label", "id"}));
    return ReadJsonRows(file, bad_rows, examples, [&](const json& object, std::vector<Example>* row) -> absl::Status {
      Example example;
      GBMOA_ASSIGN_OR_RETURN(example.text_a, FilledText(object, file.fields.at("text_a")));
      if (const auto text_b = file.fields.find("text_b"); text_b != file.fields.end()) {
        GBMOA_ASSIGN_OR_RETURN(example.text_b, JsonText(object, text_b->second));
      }
      if (const auto id = file.fields.find("id"); id != file.fields.end() && JsonMember(object, id->second).ok()) {
        GBMOA_ASSIGN_OR_RETURN(example.id, JsonScalar(object, id->second));
      }
      if (file.labelled) {
        GBMOA_ASSIGN_OR_RETURN(const std::string label, JsonScalar(object, file.fields.at("label")));
        GBMOA_RETURN_IF_ERROR(ReadLabel(file.config->files(), label, &example));
      }
      row->push_back(std::move(example));
      return absl::OkStatus();
    });
  }
};

GBMOA_REGISTER_TASK_READER("jsonl", JsonlReader);

}  // namespace
}  // namespace gbmoa
