#include "eval/task_config.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/textproto.h"

namespace gbmoa {
namespace {

constexpr int kMaxTokensLimit = 8192;
constexpr int kTestExamplesLimit = 1000000;

absl::Status Invalid(absl::string_view field, absl::string_view wanted, absl::string_view value) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": expected ", wanted, ", found '", value, "'"));
}

absl::Status ValidateWordnet(const WordnetTask& task, TaskConfig::Encoding encoding) {
  if (!WordnetTask::Split_IsValid(task.split()) || task.split() == WordnetTask::SPLIT_UNSPECIFIED) {
    return Invalid("wordnet.split", "TRAIN, VALIDATION or TEST", absl::StrCat(task.split()));
  }
  if (task.test_examples() < 1 || task.test_examples() > kTestExamplesLimit) {
    return Invalid("wordnet.test_examples", absl::StrCat("1 to ", kTestExamplesLimit),
                   absl::StrCat(task.test_examples()));
  }
  const bool pairs = task.family() == WordnetTask::GLOSS_MATCH || task.family() == WordnetTask::HYPERNYM;
  if (encoding == TaskConfig::PAIR_APART && !pairs) {
    return Invalid("encoding", "ONE_SEQUENCE for a family of single texts", TaskConfig::Encoding_Name(encoding));
  }
  if (encoding != TaskConfig::PAIR_APART && pairs) {
    return Invalid("encoding", "PAIR_APART for a family of pairs", TaskConfig::Encoding_Name(encoding));
  }
  switch (task.family()) {
    case WordnetTask::GLOSS_MATCH:
    case WordnetTask::HYPERNYM:
      if (task.classes_size() > 0) {
        return Invalid("wordnet.classes", "none, since the family has its own", task.classes(0).name());
      }
      return absl::OkStatus();
    case WordnetTask::SUPERSENSE:
    case WordnetTask::TOPIC:
    case WordnetTask::BRANCH:
      break;
    default:
      return Invalid("wordnet.family", "a family", absl::StrCat(task.family()));
  }
  if (task.classes_size() < 2) return Invalid("wordnet.classes", "at least 2", absl::StrCat(task.classes_size()));
  std::set<std::string> names, sources;
  for (int i = 0; i < task.classes_size(); ++i) {
    const WordnetTask::Class& c = task.classes(i);
    const std::string field = absl::StrCat("wordnet.classes[", i, "]");
    const bool by_lexfile = task.family() == WordnetTask::SUPERSENSE;
    if (c.lexfile().empty() == by_lexfile || c.synset().empty() != by_lexfile) {
      return Invalid(field, by_lexfile ? "a lexfile and no synset" : "a synset and no lexfile",
                     absl::StrCat("lexfile ", c.lexfile(), ", synset ", c.synset()));
    }
    if (c.name().empty()) return Invalid(absl::StrCat(field, ".name"), "a name", "");
    if (!names.insert(c.name()).second) {
      return Invalid(absl::StrCat(field, ".name"), "a name that no other class has", c.name());
    }
    if (!sources.insert(c.lexfile() + c.synset()).second) {
      return Invalid(field, "a source that no other class has", c.lexfile() + c.synset());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateTaskConfig(const TaskConfig& config) {
  constexpr absl::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/";
  if (config.name().empty() || config.name().find_first_not_of(kNameCharacters.data()) != std::string::npos) {
    return Invalid("name", "letters, digits, '_', '-' and '/'", config.name());
  }
  if (config.suite().empty()) return Invalid("suite", "a name", "");
  if (config.metrics_size() == 0) return Invalid("metrics", "at least one", "");
  if (!TaskConfig::Encoding_IsValid(config.encoding()) || config.encoding() == TaskConfig::ENCODING_UNSPECIFIED) {
    return Invalid("encoding", "ONE_SEQUENCE or PAIR_APART", absl::StrCat(config.encoding()));
  }
  if (config.max_tokens() < 3 || config.max_tokens() > kMaxTokensLimit) {
    return Invalid("max_tokens", absl::StrCat("3 to ", kMaxTokensLimit), absl::StrCat(config.max_tokens()));
  }
  if (config.source_case() != TaskConfig::kWordnet) return Invalid("source", "wordnet", "nothing");
  return ValidateWordnet(config.wordnet(), config.encoding());
}

absl::StatusOr<TaskConfig> LoadTaskConfig(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(TaskConfig config, LoadTextproto<TaskConfig>(path));
  const absl::Status status = ValidateTaskConfig(config);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  if (!absl::EndsWith(absl::StrCat("/", path), absl::StrCat("/", config.name(), ".textproto"))) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": name: expected the name of the file, found '", config.name(), "'"));
  }
  return config;
}

absl::StatusOr<std::vector<TaskConfig>> LoadTaskConfigs(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".textproto") paths.push_back(it->path().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (paths.empty()) return absl::NotFoundError(absl::StrCat(folder, ": no task (*.textproto) in this folder"));
  std::sort(paths.begin(), paths.end());
  std::vector<TaskConfig> configs;
  for (const std::string& path : paths) {
    GBMOA_ASSIGN_OR_RETURN(TaskConfig config, LoadTaskConfig(path));
    configs.push_back(std::move(config));
  }
  return configs;
}

}  // namespace gbmoa
