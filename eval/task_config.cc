#include "eval/task_config.h"

#include <algorithm>
#include <cmath>
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

absl::Status ValidateSplit(const FileTask::Split& split, const std::string& field) {
  if (split.name().empty() ||
      split.name().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos) {
    return Invalid(absl::StrCat(field, ".name"), "lower-case letters, digits and '_'", split.name());
  }
  if (split.files_size() == 0) return Invalid(absl::StrCat(field, ".files"), "at least one", "");
  for (int i = 0; i < split.files_size(); ++i) {
    const std::string& file = split.files(i);
    const std::string slashes = absl::StrCat("/", file, "/");
    // Nothing outside the data root is read.
    if (file.empty() || file[0] == '/' || absl::StrContains(slashes, "/../")) {
      return Invalid(absl::StrCat(field, ".files[", i, "]"), "a path below the data root", file);
    }
  }
  if (split.official_rows() < 0) {
    return Invalid(absl::StrCat(field, ".official_rows"), "0 or more", absl::StrCat(split.official_rows()));
  }
  if (split.official_questions() < 0 || (split.official_questions() > 0 && split.official_rows() > 0)) {
    return Invalid(absl::StrCat(field, ".official_questions"), "0 or more, and none beside official_rows",
                   absl::StrCat(split.official_questions()));
  }
  return absl::OkStatus();
}

absl::Status ValidateFiles(const FileTask& task) {
  if (task.layout().empty()) return Invalid("files.layout", "a layout of eval/readers", "");
  if (task.splits_size() == 0) return Invalid("files.splits", "at least one", "");
  std::set<std::string> names, values;
  for (int i = 0; i < task.splits_size(); ++i) {
    const std::string field = absl::StrCat("files.splits[", i, "]");
    GBMOA_RETURN_IF_ERROR(ValidateSplit(task.splits(i), field));
    if (!names.insert(task.splits(i).name()).second) {
      return Invalid(absl::StrCat(field, ".name"), "a name that no other split has", task.splits(i).name());
    }
  }
  if (!task.encoding_of_text().empty() && task.encoding_of_text() != "latin-1") {
    return Invalid("files.encoding_of_text", "nothing or latin-1", task.encoding_of_text());
  }
  if (task.has_range()) {
    if (task.classes_size() > 0) return Invalid("files.classes", "none of a regression", task.classes(0).value());
    // Written so that NaN fails too.
    if (!(std::isfinite(task.range().low()) && std::isfinite(task.range().high()) &&
          task.range().low() < task.range().high())) {
      return Invalid("files.range", "low < high", absl::StrCat(task.range().low(), " to ", task.range().high()));
    }
    return absl::OkStatus();
  }
  if (task.classes_size() < 2)
    return Invalid("files.classes", "at least 2, or a range", absl::StrCat(task.classes_size()));
  names.clear();
  for (int i = 0; i < task.classes_size(); ++i) {
    const FileTask::Class& c = task.classes(i);
    const std::string field = absl::StrCat("files.classes[", i, "]");
    if (c.value().empty()) return Invalid(absl::StrCat(field, ".value"), "what files call it", "");
    if (!values.insert(c.value()).second) {
      return Invalid(absl::StrCat(field, ".value"), "a value that no other class has", c.value());
    }
    const std::string& name = c.name().empty() ? c.value() : c.name();
    if (!names.insert(name).second) {
      return Invalid(absl::StrCat(field, ".name"), "a name that no other class has", name);
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateMetrics(const TaskConfig& config) {
  if (config.metrics_size() == 0) return Invalid("metrics", "at least one", "");
  std::set<std::string> metrics, official;
  for (const std::string& metric : config.metrics()) {
    if (metric.empty() || !metrics.insert(metric).second) return Invalid("metrics", "names, each once", metric);
  }
  for (const std::string& metric : config.official_metrics()) {
    if (metrics.count(metric) == 0 || !official.insert(metric).second) {
      return Invalid("official_metrics", "some of metrics, each once", metric);
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
  GBMOA_RETURN_IF_ERROR(ValidateMetrics(config));
  if (!TaskConfig::Encoding_IsValid(config.encoding()) || config.encoding() == TaskConfig::ENCODING_UNSPECIFIED) {
    return Invalid("encoding", "ONE_SEQUENCE or PAIR_APART", absl::StrCat(config.encoding()));
  }
  if (config.max_tokens() < 3 || config.max_tokens() > kMaxTokensLimit) {
    return Invalid("max_tokens", absl::StrCat("3 to ", kMaxTokensLimit), absl::StrCat(config.max_tokens()));
  }
  switch (config.source_case()) {
    case TaskConfig::kWordnet:
      return ValidateWordnet(config.wordnet(), config.encoding());
    case TaskConfig::kFiles:
      return ValidateFiles(config.files());
    default:
      return Invalid("source", "wordnet or files", "nothing");
  }
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
