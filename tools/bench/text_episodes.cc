#include "tools/bench/text_episodes.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

constexpr int64_t kMaxBytes = 64 << 20;

// The examples under `key`; errors say what is wrong, not where.
absl::StatusOr<std::vector<TextEpisode::Example>> ReadSet(const nlohmann::json& row, const char* key, int num_classes) {
  const auto found = row.find(key);
  if (found == row.end()) return absl::DataLossError(absl::StrCat("'", key, "' is missing"));
  if (!found->is_array() || found->empty()) {
    return absl::DataLossError(
        absl::StrCat("'", key, "': wanted a list of examples, got ", found->dump().substr(0, 40)));
  }
  std::vector<TextEpisode::Example> examples;
  for (size_t i = 0; i < found->size(); ++i) {
    const nlohmann::json& example = (*found)[i];
    if (!example.is_array() || example.size() != 2 || !example[0].is_string() || !example[1].is_number_integer()) {
      return absl::DataLossError(
          absl::StrCat("'", key, "', example ", i, ": wanted [TEXT, CLASS], got ", example.dump().substr(0, 40)));
    }
    const auto label = example[1].get<int64_t>();
    if (label < 0 || label >= num_classes) {
      return absl::DataLossError(
          absl::StrCat("'", key, "', example ", i, ": class ", label, " is not in 0 to ", num_classes - 1));
    }
    examples.emplace_back(example[0].get<std::string>(), static_cast<int>(label));
  }
  return examples;
}

absl::StatusOr<TextEpisode> ReadEpisode(const nlohmann::json& row) {
  if (!row.is_object()) return absl::DataLossError(absl::StrCat("wanted an object, got ", row.dump().substr(0, 40)));
  const auto classes = row.find("classes");
  if (classes == row.end() || !classes->is_array() || classes->empty()) {
    return absl::DataLossError("'classes': wanted a list of names");
  }
  TextEpisode episode;
  episode.num_classes = static_cast<int>(classes->size());
  GBMOA_ASSIGN_OR_RETURN(episode.support_set, ReadSet(row, "support", episode.num_classes));
  GBMOA_ASSIGN_OR_RETURN(episode.query_set, ReadSet(row, "query", episode.num_classes));
  return episode;
}

absl::StatusOr<Batch> Tokenize(const std::vector<TextEpisode::Example>& examples, int num_classes,
                               const Tokenizer& tokenizer, int max_tokens) {
  Batch batch;
  batch.num_classes = num_classes;
  for (const auto& [text, label] : examples) {
    GBMOA_ASSIGN_OR_RETURN(const TokenIds tokens, tokenizer.Encode(text, max_tokens));
    batch.tokens.Append(tokens.ids, tokens.type_ids);
    batch.labels.push_back(label);
  }
  return batch;
}

absl::Status AtLine(const std::string& path, int line, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ":", line, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::vector<TextEpisode>> ReadTextEpisodes(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  std::vector<TextEpisode> episodes;
  int line = 0;
  for (const absl::string_view row : absl::StrSplit(text, '\n')) {
    ++line;
    if (row.find_first_not_of(" \t\r") == absl::string_view::npos) continue;
    absl::StatusOr<nlohmann::json> json = ParseJson(path, row);
    // A parser that has seen as many line ends as there are before this line counts from the top of the file.
    if (!json.ok()) return ParseJson(path, absl::StrCat(std::string(line - 1, '\n'), row)).status();
    absl::StatusOr<TextEpisode> episode = ReadEpisode(*json);
    if (!episode.ok()) return AtLine(path, line, episode.status());
    episode->line = line;
    episodes.push_back(*std::move(episode));
  }
  if (episodes.empty()) return absl::DataLossError(absl::StrCat(path, ": no episodes"));
  return episodes;
}

absl::StatusOr<std::vector<Episode>> TokenizeEpisodes(const std::string& path, const std::vector<TextEpisode>& episodes,
                                                      const Tokenizer& tokenizer, int max_tokens) {
  std::vector<Episode> result;
  for (const TextEpisode& episode : episodes) {
    absl::StatusOr<Batch> support = Tokenize(episode.support_set, episode.num_classes, tokenizer, max_tokens);
    if (!support.ok()) return AtLine(path, episode.line, support.status());
    absl::StatusOr<Batch> query = Tokenize(episode.query_set, episode.num_classes, tokenizer, max_tokens);
    if (!query.ok()) return AtLine(path, episode.line, query.status());
    result.push_back({absl::StrCat(path, ":", episode.line), *std::move(support), *std::move(query)});
  }
  return result;
}

}  // namespace gbmoa
