// ReCoRD (Zhang et al. 2018), as SuperGLUE gives it: which of the entities that a news passage names stands at a gap in
// a sentence about it.
//
//   {"idx": ..., "passage": {"text": ..., "entities": [{"start": ..., "end": ...}]},
//    "qas": [{"idx": ..., "query": "... @placeholder ...", "answers": [{"start": ..., "end": ..., "text": ...}]}]}
//   spans in code points of the passage, ends inclusive
//
// Every entity becomes an example of its query's group, wrong (0) or right (1); a name that the passage says more than
// once counts once, at its first place:
//   text_a   the passage
//   text_b   the query with the entity in place of "@placeholder"
//   id       the query's
// and the entity that looks most right is the answer (record_em, record_f1). SuperGLUE's own baseline does the same,
// but trains with all wrong entities of a query against one right one; here every entity weighs the same. A benchmark's
// row is a query, so the task's splits state official_questions, not official_rows.
//
// Checked: spans lie in the passage; the query has its gap; there are two entities; one of the answers is an entity.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "eval/readers/json_rows.h"
#include "eval/readers/rows.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kGap[] = "@placeholder";

// The passage's text at `span`, which is {"start": ..., "end": ...}.
absl::StatusOr<std::string> SpanText(absl::string_view passage, const json& span) {
  GBMOA_ASSIGN_OR_RETURN(const int64_t start, JsonInteger(span, "start"));
  GBMOA_ASSIGN_OR_RETURN(const int64_t end, JsonInteger(span, "end"));
  const size_t first = ByteOfCharacter(passage, start);
  // The last character is in the span. That nothing overflows: an end beyond the passage has no byte.
  const size_t last = end < start ? absl::string_view::npos : ByteOfCharacter(passage, end);
  if (first == absl::string_view::npos || last >= passage.size()) {
    return RowError("start, end", "a span within the passage", absl::StrCat(start, " to ", end));
  }
  return std::string(passage.substr(first, ByteOfCharacter(passage, end + 1) - first));
}

// The passage's entities, each once, in the order in which they first stand in the list.
absl::StatusOr<std::vector<std::string>> ReadEntities(const json& object, absl::string_view passage) {
  GBMOA_ASSIGN_OR_RETURN(const json* spans, JsonObjects(object, "passage.entities"));
  std::vector<std::string> entities;
  for (size_t i = 0; i < spans->size(); ++i) {
    absl::StatusOr<std::string> entity = SpanText(passage, (*spans)[i]);
    GBMOA_RETURN_IF_ERROR(Within(absl::StrCat("passage.entities[", i, "]"), entity.status()));
    if (std::find(entities.begin(), entities.end(), *entity) == entities.end()) entities.push_back(*std::move(entity));
  }
  if (entities.size() < 2) return RowError("passage.entities", "at least 2 different ones", "1");
  return entities;
}

// The texts of a query's answers. Errors also if none of them is one of the entities.
absl::StatusOr<std::set<std::string>> ReadAnswers(const json& query, absl::string_view passage,
                                                  const std::vector<std::string>& entities) {
  GBMOA_ASSIGN_OR_RETURN(const json* given, JsonObjects(query, "answers"));
  std::set<std::string> answers;
  bool found = false;
  for (size_t i = 0; i < given->size(); ++i) {
    const std::string path = absl::StrCat("answers[", i, "]");
    GBMOA_RETURN_IF_ERROR(Within(path, SpanText(passage, (*given)[i]).status()));
    absl::StatusOr<std::string> text = FilledText((*given)[i], "text");
    GBMOA_RETURN_IF_ERROR(Within(path, text.status()));
    found = found || std::find(entities.begin(), entities.end(), *text) != entities.end();
    answers.insert(*std::move(text));
  }
  if (!found) return RowError("answers", "one of the passage's entities", absl::StrCat("'", *answers.begin(), "'"));
  return answers;
}

class RecordReader : public TaskReader {
 public:
  bool grouped() const override { return true; }
  bool pairs(const FileTask&) const override { return true; }

  absl::Status Read(const TaskFile& file, BadRows* bad_rows, int64_t* next_group,
                    std::vector<Example>* examples) const override {
    GBMOA_RETURN_IF_ERROR(CheckFields(file, {}));
    return ReadJsonRows(file, bad_rows, examples, [&](const json& object, std::vector<Example>* row) -> absl::Status {
      GBMOA_ASSIGN_OR_RETURN(const std::string passage, FilledText(object, "passage.text"));
      GBMOA_ASSIGN_OR_RETURN(const std::vector<std::string> entities, ReadEntities(object, passage));
      GBMOA_ASSIGN_OR_RETURN(const json* queries, JsonObjects(object, "qas"));
      int64_t group = *next_group;
      for (size_t q = 0; q < queries->size(); ++q) {
        GBMOA_RETURN_IF_ERROR(Within(absl::StrCat("qas[", q, "]"),
                                     ReadQuery((*queries)[q], file.labelled, passage, entities, group++, row)));
      }
      *next_group = group;
      return absl::OkStatus();
    });
  }

 private:
  static absl::Status ReadQuery(const json& object, bool labelled, const std::string& passage,
                                const std::vector<std::string>& entities, int64_t group, std::vector<Example>* row) {
    GBMOA_ASSIGN_OR_RETURN(const std::string query, FilledText(object, "query"));
    if (!absl::StrContains(query, kGap)) return RowError("query", kGap, "none");
    GBMOA_ASSIGN_OR_RETURN(const std::string id, JsonScalar(object, "idx"));
    std::set<std::string> answers;
    if (labelled) {
      GBMOA_ASSIGN_OR_RETURN(answers, ReadAnswers(object, passage, entities));
    }
    for (const std::string& entity : entities) {
      Example example;
      example.text_a = passage;
      example.text_b = absl::StrReplaceAll(query, {{kGap, entity}});
      example.label = answers.count(entity) > 0 ? 1 : 0;
      example.group = group;
      example.answer = entity;
      example.id = id;
      row->push_back(std::move(example));
    }
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_TASK_READER("record", RecordReader);

}  // namespace
}  // namespace gbmoa
