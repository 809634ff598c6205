// MultiRC (Khashabi et al. 2018), as SuperGLUE gives it: which answers to questions about a passage are right; any
// number of a question's may be.
//
//   {"idx": ..., "passage": {"text": ..., "questions": [{"question": ..., "idx": ...,
//    "answers": [{"text": ..., "idx": ..., "label": 0 or 1}]}]}}
//
// Every answer becomes an example, those of a question a group:
//   text_a   the passage
//   text_b   the question, a blank, the answer
//   id       "PASSAGE,QUESTION,ANSWER"
// as in SuperGLUE's own baseline. What differs is the length: passages of some 300 tokens lose their end (longest
// first) where a model or a profile takes fewer. A question without a right answer is legal: the official validation
// file has three.
#include "absl/strings/str_cat.h"
#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

class MultircReader : public TaskReader {
 public:
  bool grouped() const override { return true; }
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                    std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}));
    return ReadJsonRows(file, bad_rows, examples, [&](const json& object, std::vector<Example>* row) -> absl::Status {
      GBMOA_ASSIGN_OR_RETURN(const std::string id, JsonScalar(object, "idx"));
      GBMOA_ASSIGN_OR_RETURN(const std::string text, FilledText(object, "passage.text"));
      GBMOA_ASSIGN_OR_RETURN(const json* questions, JsonObjects(object, "passage.questions"));
      int64_t group = *next_group;
      for (size_t q = 0; q < questions->size(); ++q) {
        GBMOA_RETURN_IF_ERROR(Within(absl::StrCat("passage.questions[", q, "]"),
                                     ReadQuestion(file, (*questions)[q], text, id, group++, row)));
      }
      *next_group = group;
      return absl::OkStatus();
    });
  }

 private:
  static absl::Status ReadQuestion(const TaskFile& file, const json& object, const std::string& passage,
                                   const std::string& passage_id, int64_t group, std::vector<Example>* row) {
    GBMOA_ASSIGN_OR_RETURN(const std::string question, FilledText(object, "question"));
    GBMOA_ASSIGN_OR_RETURN(const std::string id, JsonScalar(object, "idx"));
    GBMOA_ASSIGN_OR_RETURN(const json* answers, JsonObjects(object, "answers"));
    for (size_t a = 0; a < answers->size(); ++a) {
      Example example;
      example.text_a = passage;
      example.group = group;
      example.id = absl::StrCat(passage_id, ",", id);
      GBMOA_RETURN_IF_ERROR(
          Within(absl::StrCat("answers[", a, "]"), ReadAnswer(file, (*answers)[a], question, &example)));
      row->push_back(std::move(example));
    }
    return absl::OkStatus();
  }

  static absl::Status ReadAnswer(const TaskFile& file, const json& object, const std::string& question,
                                 Example* example) {
    GBMOA_ASSIGN_OR_RETURN(example->answer, JsonText(object, "text"));
    example->text_b = absl::StrCat(question, " ", example->answer);
    GBMOA_ASSIGN_OR_RETURN(const std::string id, JsonScalar(object, "idx"));
    absl::StrAppend(&example->id, ",", id);
    if (!file.labelled) return absl::OkStatus();
    GBMOA_ASSIGN_OR_RETURN(const std::string label, JsonScalar(object, "label"));
    return ReadLabel(file.config->files(), label, example);
  }
};

GBMOA_REGISTER_TASK_READER("multirc", MultircReader);

}  // namespace
}  // namespace gbmoa
