// WSC (Levesque et al. 2012), as SuperGLUE gives it: whether a pronoun of a text stands for a phrase of the text.
//
//   {"text": ..., "target": {"span1_text": the phrase, "span1_index": ..., "span2_text": the pronoun,
//    "span2_index": ...}, "label": true or false, "idx": ...}, indices in words between white space
//
//   text_a   the text with "* it *" in place of the pronoun at span2_index
//   text_b   the phrase
//
// The usual recipe reads the encoder's states at both spans; here the pronoun is marked in the text (as for WiC) and
// the phrase is the second text, because its index is often not where it stands in these words.
//
// What the official files keep to, and what is checked: both indices are words of the text; every word of the phrase is
// in the text, up to case and punctuation; the pronoun is (part of) the word at its index ("him.", "it's"), or of one
// beside it, since a row of the validation file is off by one.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr absl::string_view kWhiteSpace = " \t\n\r\f\v";

std::vector<absl::string_view> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(kWhiteSpace), absl::SkipEmpty());
}

// Where `part` stands in `word` with no letter or digit beside it; npos if nowhere. Case does not matter.
size_t FindWhole(absl::string_view word, absl::string_view part) {
  const std::string low = absl::AsciiStrToLower(word), wanted = absl::AsciiStrToLower(part);
  for (size_t at = low.find(wanted); at != std::string::npos; at = low.find(wanted, at + 1)) {
    const size_t end = at + wanted.size();
    const bool begins = at == 0 || !absl::ascii_isalnum(low[at - 1]);
    if (begins && (end == low.size() || !absl::ascii_isalnum(low[end]))) return at;
  }
  return std::string::npos;
}

absl::string_view WithoutPunctuation(absl::string_view word) {
  while (!word.empty() && absl::ascii_ispunct(word.front())) word.remove_prefix(1);
  while (!word.empty() && absl::ascii_ispunct(word.back())) word.remove_suffix(1);
  return word;
}

absl::StatusOr<int64_t> WordIndex(const json& object, const std::string& field, size_t words) {
  GBMOA_ASSIGN_OR_RETURN(const int64_t index, JsonInteger(object, field));
  if (index < 0 || index >= static_cast<int64_t>(words)) {
    return RowError(field, absl::StrCat("one of the text's ", words, " words"), absl::StrCat(index));
  }
  return index;
}

class WscReader : public TaskReader {
 public:
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t*, std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}));
    return ReadJsonRows(file, bad_rows, examples,
                        [&](const json& object, std::vector<Example>* row) { return ReadRow(file, object, row); });
  }

 private:
  static absl::Status ReadRow(const TaskFile& file, const json& object, std::vector<Example>* row) {
    GBMOA_ASSIGN_OR_RETURN(const std::string text, FilledText(object, "text"));
    GBMOA_ASSIGN_OR_RETURN(const std::string phrase, FilledText(object, "target.span1_text"));
    GBMOA_ASSIGN_OR_RETURN(const std::string pronoun, FilledText(object, "target.span2_text"));
    const std::vector<absl::string_view> words = Words(text);
    GBMOA_RETURN_IF_ERROR(WordIndex(object, "target.span1_index", words.size()).status());
    GBMOA_ASSIGN_OR_RETURN(const int64_t index, WordIndex(object, "target.span2_index", words.size()));

    const std::string low = absl::AsciiStrToLower(text);
    for (const absl::string_view word : Words(phrase)) {
      if (!absl::StrContains(low, absl::AsciiStrToLower(WithoutPunctuation(word)))) {
        return RowError("target.span1_text", "words of the text", absl::StrCat("'", word, "'"));
      }
    }
    absl::string_view place;  // of the pronoun, in `text`
    for (const int64_t i : {index, index + 1, index - 1}) {
      if (i < 0 || i >= static_cast<int64_t>(words.size())) continue;
      const size_t at = FindWhole(words[i], pronoun);
      if (at == std::string::npos) continue;
      place = words[i].substr(at, pronoun.size());
      break;
    }
    if (place.empty()) {
      return RowError("target.span2_index", absl::StrCat("a place of '", pronoun, "'"),
                      absl::StrCat(index, ", where '", words[index], "' stands"));
    }
    const absl::string_view whole = text;
    const size_t first = place.data() - whole.data();
    Example example;
    example.text_a = absl::StrCat(whole.substr(0, first), "* ", place, " *", whole.substr(first + place.size()));
    example.text_b = phrase;
    GBMOA_ASSIGN_OR_RETURN(example.id, JsonScalar(object, "idx"));
    if (file.labelled) {
      GBMOA_ASSIGN_OR_RETURN(const std::string label, JsonScalar(object, "label"));
      GBMOA_RETURN_IF_ERROR(ReadLabel(file.config->files(), label, &example));
    }
    row->push_back(std::move(example));
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_TASK_READER("wsc", WscReader);

}  // namespace
}  // namespace gbmoa
