// WiC (Pilehvar and Camacho-Collados 2019), as SuperGLUE gives it: whether a word has the same sense in two sentences.
//
//   {"word": ..., "sentence1": ..., "sentence2": ..., "start1": ..., "end1": ..., "start2": ..., "end2": ...,
//    "label": true or false, "idx": ...}, spans in code points, ends exclusive
//
//   text_a, text_b   the sentences, with "* word *" in place of the word as it stands there
//
// The usual recipe gives the classifier the encoder's states at both words besides that of the whole pair; our encoder
// knows one feature of a sequence, so the place is marked in the text, as text-to-text models do. That a span is the
// word itself is not checked: it is inflected, and the official files cut it ("does" of "doesn't").
#include "absl/strings/str_cat.h"
#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

// The sentence of this number (1 or 2) with its span marked.
absl::StatusOr<std::string> MarkedSentence(const json& object, int number) {
  GBMOA_ASSIGN_OR_RETURN(const std::string sentence, FilledText(object, absl::StrCat("sentence", number)));
  GBMOA_ASSIGN_OR_RETURN(const int64_t start, JsonInteger(object, absl::StrCat("start", number)));
  GBMOA_ASSIGN_OR_RETURN(const int64_t end, JsonInteger(object, absl::StrCat("end", number)));
  const size_t first = ByteOfCharacter(sentence, start), last = ByteOfCharacter(sentence, end);
  if (first == absl::string_view::npos || last == absl::string_view::npos || first >= last) {
    return RowError(absl::StrCat("start", number, ", end", number),
                    absl::StrCat("a span within the characters of sentence", number), absl::StrCat(start, " to ", end));
  }
  const absl::string_view text = sentence;
  return absl::StrCat(text.substr(0, first), "* ", text.substr(first, last - first), " *", text.substr(last));
}

class WicReader : public TaskReader {
 public:
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}));
    return ReadJsonRows(file, bad_rows, examples,
                        [&](const json& object, std::vector<Example>* row) { return ReadRow(file, object, row); });
  }

 private:
  static absl::Status ReadRow(const TaskFile& file, const json& object, std::vector<Example>* row) {
    Example example;
    GBMOA_RETURN_IF_ERROR(FilledText(object, "word").status());
    GBMOA_ASSIGN_OR_RETURN(example.text_a, MarkedSentence(object, 1));
    GBMOA_ASSIGN_OR_RETURN(example.text_b, MarkedSentence(object, 2));
    GBMOA_ASSIGN_OR_RETURN(example.id, JsonScalar(object, "idx"));
    if (file.labelled) {
      GBMOA_ASSIGN_OR_RETURN(const std::string label, JsonScalar(object, "label"));
      GBMOA_RETURN_IF_ERROR(ReadLabel(file.config->files(), label, &example));
    }
    row->push_back(std::move(example));
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_TASK_READER("wic", WicReader);

}  // namespace
}  // namespace gbmoa
