// gbmoa metrics: scores predictions that lie in a file, by the metrics of a benchmark's task.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eval/metric.h"
#include "eval/task_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "gbmoa/cli/adapted_task.h"
#include "gbmoa/cli/command.h"

ABSL_DECLARE_FLAG(std::string, task);
ABSL_FLAG(std::string, gold, "", "file of the true classes or values, one a line");
ABSL_FLAG(std::string, pred, "", "file of the predictions, one a line; - is standard input, here and in the others");
ABSL_FLAG(std::string, groups, "", "file of the question that each answer belongs to, one a line; any text names one");
ABSL_FLAG(std::string, answers, "", "file of the answers' texts, one a line; of superglue/record");
ABSL_FLAG(std::string, classes, "",
          "what the lines of --gold and --pred are, where they can be read as either: names or indices");

namespace gbmoa {
namespace {

struct Lines {
  std::string name;  // of the file
  std::vector<std::string> lines;

  size_t size() const { return lines.size(); }
  absl::Status Error(size_t line, absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(name, ":", line + 1, ": ", what));
  }
};

absl::StatusOr<Lines> ReadLines(const absl::Flag<std::string>& flag, absl::string_view flag_name) {
  const std::string path = UserPath(absl::GetFlag(flag));
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("--", flag_name, ": is missing"));
  Lines file;
  file.name = path == "-" ? "standard input" : path;
  GBMOA_ASSIGN_OR_RETURN(const std::string contents, ReadFile(path, std::numeric_limits<int64_t>::max()));
  const size_t bad_byte = FindInvalidUtf8(contents);
  if (bad_byte != absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat(file.name, ":", LineAndColumn(contents, bad_byte), ": not UTF-8"));
  }
  absl::string_view text = contents;
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // the mark that some programs write
  while (!text.empty()) {
    const size_t newline = std::min(text.find('\n'), text.size());
    absl::string_view line = text.substr(0, newline);
    absl::ConsumeSuffix(&line, "\r");
    file.lines.emplace_back(line);
    text.remove_prefix(std::min(newline + 1, text.size()));
  }
  if (file.lines.empty()) return absl::DataLossError(absl::StrCat(file.name, ": is empty"));
  return file;
}

// A file that has a line for each one of `gold`.
absl::StatusOr<Lines> ReadLinesBeside(const Lines& gold, const absl::Flag<std::string>& flag,
                                      absl::string_view flag_name) {
  GBMOA_ASSIGN_OR_RETURN(Lines file, ReadLines(flag, flag_name));
  if (file.size() == gold.size()) return file;
  return absl::DataLossError(
      absl::StrCat(file.name, ": has ", file.size(), " lines, but ", gold.name, " has ", gold.size()));
}

absl::StatusOr<TaskConfig> FindTask(const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("--task: is missing");
  // Bazel's manifest knows files only, so ask for one of them.
  GBMOA_ASSIGN_OR_RETURN(const std::string some_task, RunfilePath("gbmoa/eval/tasks/desk/noun8.textproto"));
  const std::filesystem::path folder = std::filesystem::path(some_task).parent_path().parent_path();
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::filesystem::path path = it->path().lexically_relative(folder);
    if (path.extension() == ".textproto") names.push_back(path.replace_extension().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder.string(), ": ", error.message()));
  std::sort(names.begin(), names.end());
  if (!std::binary_search(names.begin(), names.end(), name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--task: unknown task '", name, "'; known: ", absl::StrJoin(names, ", ")));
  }
  return LoadTaskConfig(JoinPath(folder.string(), name + ".textproto"));
}

// A class in the words that a line may have for it.
struct TaskClass {
  std::string value, name;  // in the benchmark's files, and elsewhere; each may be empty

  std::string label() const {
    if (value.empty() || name.empty()) return value + name;
    return absl::StrCat(value, " (", name, ")");
  }
};

// None of a regression.
std::vector<TaskClass> TaskClasses(const TaskConfig& config) {
  std::vector<TaskClass> classes;
  for (const FileTask::Class& c : config.files().classes()) classes.push_back({c.value(), c.name()});
  for (const WordnetTask::Class& c : config.wordnet().classes()) classes.push_back({"", c.name()});
  // A WordNet family of pairs: no and yes.
  if (config.has_wordnet() && classes.empty()) classes.resize(2);
  return classes;
}

// Class indices of lines that are all names or all indices, whichever fits.
absl::StatusOr<std::vector<double>> ReadClasses(const Lines& file, const std::vector<TaskClass>& classes) {
  const std::string kind = absl::GetFlag(FLAGS_classes);
  std::map<std::string, size_t> by_name, by_index;
  for (size_t c = 0; c < classes.size(); ++c) {
    by_index.emplace(absl::StrCat(c), c);
    for (const std::string& name : {classes[c].value, classes[c].name}) {
      if (!name.empty()) by_name.emplace(name, c);
    }
  }
  if (!kind.empty() && kind != "names" && kind != "indices") {
    return absl::InvalidArgumentError(absl::StrCat("--classes: '", kind, "' is neither names nor indices"));
  }
  if (kind == "names" && by_name.empty()) return absl::InvalidArgumentError("--classes: the task's have no names");
  // Up to the first line that is none of them.
  const auto read = [&](const std::map<std::string, size_t>& known) {
    std::vector<double> values;
    for (const std::string& line : file.lines) {
      const auto found = known.find(line);
      if (found == known.end()) break;
      values.push_back(static_cast<double>(found->second));
    }
    return values;
  };
  std::vector<double> names, indices;
  if (kind != "indices") names = read(by_name);
  if (kind != "names") indices = read(by_index);
  const bool names_fit = names.size() == file.size(), indices_fit = indices.size() == file.size();
  if (names_fit && indices_fit && names != indices) {
    const size_t line = std::mismatch(names.begin(), names.end(), indices.begin()).first - names.begin();
    return absl::InvalidArgumentError(
        absl::StrCat(file.name, ":", line + 1, ": '", file.lines[line], "' is the name of class ", names[line],
                     " and the index of another one, and all other lines fit either, too; give --classes=names or "
                     "--classes=indices"));
  }
  if (names_fit) return names;
  if (indices_fit) return indices;
  const size_t bad = std::max(names.size(), indices.size());
  constexpr size_t kShown = 20;
  std::vector<std::string> labels, wanted;
  for (size_t c = 0; c < classes.size() && c < kShown && !by_name.empty(); ++c) labels.push_back(classes[c].label());
  if (classes.size() > kShown) labels.push_back("...");
  if (!by_name.empty() && kind != "indices") wanted.push_back(absl::StrCat("one of ", absl::StrJoin(labels, ", ")));
  if (kind != "names") wanted.push_back(absl::StrCat("throughout the file an index of 0 to ", classes.size() - 1));
  return file.Error(bad, absl::StrCat("expected ", absl::StrJoin(wanted, ", or "), "; found '", file.lines[bad], "'"));
}

absl::StatusOr<std::vector<double>> ReadNumbers(const Lines& file, double low, double high) {
  std::vector<double> values(file.size());
  for (size_t i = 0; i < file.size(); ++i) {
    if (absl::SimpleAtod(file.lines[i], &values[i]) && std::isfinite(values[i]) && values[i] >= low &&
        values[i] <= high) {
      continue;
    }
    const std::string range = std::isfinite(low) ? absl::StrCat(" of ", low, " to ", high) : "";
    return file.Error(i, absl::StrCat("expected a number", range, "; found '", file.lines[i], "'"));
  }
  return values;
}

// Questions numbered in the file's order. With `needs_right`, each must have an answer that is.
absl::StatusOr<std::vector<int64_t>> ReadGroups(const Lines& file, const std::vector<double>& gold, bool needs_right) {
  std::vector<int64_t> groups;
  std::map<std::string, size_t> first_lines;
  bool some_right = true;
  const auto check_last = [&]() -> absl::Status {
    if (some_right || !needs_right) return absl::OkStatus();
    const std::string& question = file.lines[groups.size() - 1];
    return file.Error(first_lines[question], absl::StrCat("question '", question, "' has no answer that is right"));
  };
  for (size_t i = 0; i < file.size(); ++i) {
    const std::string& question = file.lines[i];
    if (i == 0 || question != file.lines[i - 1]) {
      GBMOA_RETURN_IF_ERROR(check_last());
      some_right = false;
      const auto [first, is_new] = first_lines.emplace(question, i);
      if (!is_new) {
        return file.Error(i, absl::StrCat("question '", question, "' stands in line ", first->second + 1,
                                          " already; its answers must be neighbours"));
      }
    }
    some_right |= gold[i] == 1;
    groups.push_back(static_cast<int64_t>(first_lines.size()) - 1);
  }
  GBMOA_RETURN_IF_ERROR(check_last());
  return groups;
}

class MetricsCommand : public Command {
 public:
  std::string summary() const override { return "a benchmark's scores of predictions in a file"; }
  std::string description() const override {
    return "Scores the predictions of --pred against the truth of --gold by the metrics of a task in eval/tasks.\n"
           "The files have one value a line. Prints one JSON object; degenerate lists the metrics whose formula\n"
           "has no value, which are 0 then, or one that says little, e.g. since a class was never predicted:\n"
           "  {\"task\": \"glue/mrpc\", \"n\": 408, \"accuracy\": 0.8676, \"f1\": 0.906, \"degenerate\": []}\n\n"
           "Values are classes, as the benchmark's files call them (\"entailment\", \"1\") or the task's textproto\n"
           "does. A file may have indices from 0 instead, as the files in predictions/ of a table's run do;\n"
           "where both readings fit and differ, --classes says which is meant. Of a regression they are numbers.\n\n"
           "Questions with several answers (superglue/copa, multirc, record) have a line for each answer: --gold\n"
           "says whether it is right, 1, or wrong, 0, and --groups which question it answers; a question's\n"
           "answers are neighbours. Where one answer is chosen, --pred has scores, the higher the likelier. The\n"
           "first highest is chosen, so that probabilities, logits, or 1 for one and 0 for the others all do.\n"
           "(If the task has metrics that count answers, too, they are probabilities; above 0.5 is right.) Of\n"
           "multirc, --pred has 0 and 1. record needs --answers, the answers as text.\n\n"
           "  gbmoa metrics --task=glue/mrpc --gold=gold.txt --pred=predicted.txt\n"
           "An unknown task is answered with a list of those that there are.";
  }
  std::vector<std::string> flags() const override { return {"task", "gold", "pred", "groups", "answers", "classes"}; }

  absl::Status Run() override {
    GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, FindTask(absl::GetFlag(FLAGS_task)));
    std::vector<std::unique_ptr<Metric>> metrics;
    bool by_score = false, by_prediction = false, by_group = false, by_answer = false;
    for (const std::string& name : config.metrics()) {
      GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<Metric> metric, MetricRegistry::Global().Create(name));
      (metric->reads_scores() ? by_score : by_prediction) = true;
      by_group |= metric->reads_groups();
      by_answer |= metric->reads_answers();
      metrics.push_back(std::move(metric));
    }
    if (!by_group && !absl::GetFlag(FLAGS_groups).empty()) return Unwanted("groups", config);
    if (!by_answer && !absl::GetFlag(FLAGS_answers).empty()) return Unwanted("answers", config);

    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::vector<TaskClass> classes = TaskClasses(config);
    GBMOA_ASSIGN_OR_RETURN(const Lines gold_file, ReadLines(FLAGS_gold, "gold"));
    GBMOA_ASSIGN_OR_RETURN(const Lines pred_file, ReadLinesBeside(gold_file, FLAGS_pred, "pred"));
    std::vector<double> gold, predicted, scores;
    std::vector<int64_t> groups;
    std::vector<std::string> answers;
    if (classes.empty()) {
      const FileTask::Range& range = config.files().range();
      const bool bounded = config.files().has_range();
      GBMOA_ASSIGN_OR_RETURN(
          gold, ReadNumbers(gold_file, bounded ? range.low() : -kInfinity, bounded ? range.high() : kInfinity));
      GBMOA_ASSIGN_OR_RETURN(predicted, ReadNumbers(pred_file, -kInfinity, kInfinity));
    } else {
      GBMOA_ASSIGN_OR_RETURN(gold, ReadClasses(gold_file, classes));
      if (by_score) {
        GBMOA_ASSIGN_OR_RETURN(scores,
                               ReadNumbers(pred_file, by_prediction ? 0 : -kInfinity, by_prediction ? 1 : kInfinity));
        for (const double score : scores) predicted.push_back(score > 0.5);
      } else {
        GBMOA_ASSIGN_OR_RETURN(predicted, ReadClasses(pred_file, classes));
      }
    }
    if (by_group) {
      GBMOA_ASSIGN_OR_RETURN(const Lines groups_file, ReadLinesBeside(gold_file, FLAGS_groups, "groups"));
      GBMOA_ASSIGN_OR_RETURN(groups, ReadGroups(groups_file, gold, by_score));
    }
    if (by_answer) {
      GBMOA_ASSIGN_OR_RETURN(Lines answers_file, ReadLinesBeside(gold_file, FLAGS_answers, "answers"));
      answers = std::move(answers_file.lines);
    }

    const MetricInput input = {gold, predicted, static_cast<int>(classes.size()), groups, scores, answers};
    std::string text = absl::StrCat("{\"task\": ", Quoted(config.name()), ", \"n\": ", gold.size());
    if (by_group) absl::StrAppend(&text, ", \"questions\": ", groups.back() + 1);
    std::vector<std::string> degenerate;
    for (size_t i = 0; i < metrics.size(); ++i) {
      const std::string name = Quoted(config.metrics(static_cast<int>(i)));
      GBMOA_ASSIGN_OR_RETURN(const MetricValue value, metrics[i]->Compute(input));
      absl::StrAppend(&text, ", ", name, ": ", nlohmann::json(value.value).dump());
      if (value.degenerate) degenerate.push_back(name);
    }
    return Print(absl::StrCat(text, ", \"degenerate\": [", absl::StrJoin(degenerate, ", "), "]}\n"));
  }

 private:
  static absl::Status Unwanted(absl::string_view flag, const TaskConfig& config) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": no metric of ", config.name(), " reads it"));
  }
};

GBMOA_REGISTER_COMMAND("metrics", MetricsCommand);

}  // namespace
}  // namespace gbmoa
