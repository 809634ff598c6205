#include "eval/file_task.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "eval/task_reader.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/grouped_digits.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;  // the largest official file has 200 MB

const FileTask::Split* FindSplit(const TaskConfig& config, absl::string_view name) {
  for (const FileTask::Split& split : config.files().splits()) {
    if (split.name() == name) return &split;
  }
  return nullptr;
}

// ISO 8859-1 has the first 256 code points of Unicode.
std::string Latin1ToUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

// Takes lines that no reader could read for bad rows, and empties them.
absl::Status TakeOutBadLines(TaskFile* file, BadRows* bad_rows) {
  const absl::string_view contents = file->contents;
  if (FindInvalidUtf8(contents) == absl::string_view::npos && contents.find('\0') == absl::string_view::npos) {
    return absl::OkStatus();
  }
  std::string good;
  good.reserve(contents.size());
  int64_t line = 1;
  for (size_t begin = 0; begin < contents.size(); ++line) {
    const size_t end = std::min(contents.find('\n', begin), contents.size() - 1) + 1;
    const absl::string_view content = contents.substr(begin, end - begin);
    const size_t nul = content.find('\0'), invalid = FindInvalidUtf8(content), bad = std::min(nul, invalid);
    if (bad == absl::string_view::npos) {
      good.append(content.data(), content.size());
    } else {
      GBMOA_RETURN_IF_ERROR(bad_rows->Add(absl::DataLossError(
          absl::StrCat(file->path, ":", line, ":", bad + 1, ": ", bad == nul ? "NUL" : "not UTF-8"))));
      file->bad_lines.insert(line);
      good += '\n';
    }
    begin = end;
  }
  file->contents = std::move(good);
  return absl::OkStatus();
}

absl::Status Decode(const FileTask& task, const FileTaskOptions& options, TaskFile* file, BadRows* bad_rows,
                    int64_t* replaced) {
  if (task.encoding_of_text() == "latin-1") file->contents = Latin1ToUtf8(file->contents);
  if (absl::StartsWith(file->contents, "\xef\xbb\xbf")) file->contents.erase(0, 3);
  if (file->contents.empty()) return absl::DataLossError(absl::StrCat(file->path, ":1:1: the file is empty"));
  const size_t carriage_return = file->contents.find('\r');
  if (carriage_return < file->contents.size() - 1 && file->contents.find('\n') == std::string::npos) {
    return absl::DataLossError(absl::StrCat(file->path, ":1:", carriage_return + 1,
                                            ": expected lines that end in LF or CR LF, found CR alone"));
  }
  if (options.replace_invalid_utf8) {
    int64_t count = 0;
    file->contents = ReplaceInvalidUtf8(file->contents, &count);
    if (count > 0) LOG(WARNING) << file->path << ": U+FFFD in place of bytes that are not UTF-8: " << count;
    *replaced += count;
  }
  return TakeOutBadLines(file, bad_rows);
}

// Every class of the task has to be among the labels to be learnt from; elsewhere scores can live without.
absl::Status CheckLabelSet(const Dataset& dataset, const std::string& path) {
  if (!dataset.labelled || dataset.regression) return absl::OkStatus();
  const std::vector<int64_t> counts = ClassCounts(dataset);
  std::vector<std::string> missing;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) missing.push_back(dataset.class_names[c]);
  }
  if (missing.empty()) return absl::OkStatus();
  const std::string message =
      absl::StrCat(path, ": label set: expected every class of ", dataset.name, " in its split '", dataset.split,
                   "', found no ", absl::StrJoin(missing, ", "));
  if (absl::StartsWith(dataset.split, "train")) return absl::DataLossError(message);
  LOG(WARNING) << message;
  return absl::OkStatus();
}

// How many examples from `begin` on have an id that another one before them has, too.
int64_t CountRepeated(const std::string& path, std::vector<Example>::const_iterator begin,
                      std::vector<Example>::const_iterator end) {
  std::vector<absl::string_view> ids;
  for (auto example = begin; example != end; ++example) {
    if (!example->id.empty()) ids.push_back(example->id);
  }
  std::sort(ids.begin(), ids.end());
  int64_t repeated = 0;
  for (size_t i = 1; i < ids.size(); ++i) {
    if (ids[i] != ids[i - 1]) continue;
    if (++repeated == 1) LOG(WARNING) << path << ": id '" << ids[i] << "' stands more than once";
  }
  return repeated;
}

}  // namespace

std::vector<std::string> MissingFiles(const TaskConfig& config, absl::string_view split, const std::string& data_root) {
  std::vector<std::string> missing;
  const FileTask::Split* found = FindSplit(config, split);
  if (found == nullptr) return missing;
  for (const std::string& file : found->files()) {
    if (!FileExists(JoinPath(data_root, file))) missing.push_back(file);
  }
  return missing;
}

absl::StatusOr<FileTaskSplit> LoadFileTaskSplit(const TaskConfig& config, absl::string_view name,
                                                const std::string& data_root, const FileTaskOptions& options) {
  if (!config.has_files()) {
    return absl::InvalidArgumentError(absl::StrCat(config.name(), ": expected a task whose examples lie in files"));
  }
  const FileTask& task = config.files();
  const FileTask::Split* split = FindSplit(config, name);
  if (split == nullptr) {
    std::vector<std::string> names;
    for (const FileTask::Split& known : task.splits()) names.push_back(known.name());
    return absl::InvalidArgumentError(
        absl::StrCat(config.name(), ": split: expected one of ", absl::StrJoin(names, ", "), ", found '", name, "'"));
  }
  const absl::StatusOr<std::unique_ptr<TaskReader>> reader = TaskReaderRegistry::Global().Create(task.layout());
  if (!reader.ok()) {
    return absl::Status(reader.status().code(),
                        absl::StrCat(config.name(), ": files.layout: ", reader.status().message()));
  }
  const std::vector<std::string> missing = MissingFiles(config, name, data_root);
  if (!missing.empty()) {
    return absl::NotFoundError(absl::StrCat(JoinPath(data_root, missing[0]), ": no such file, of ", config.name()));
  }

  FileTaskSplit result;
  result.official_rows = split->official_rows();
  result.official_questions = split->official_questions();
  Dataset& dataset = result.dataset;
  dataset.name = config.name();
  dataset.split = std::string(name);
  for (const FileTask::Class& c : task.classes()) {
    dataset.class_names.push_back(c.name().empty() ? c.value() : c.name());
  }
  dataset.pairs = (*reader)->pairs(task);
  dataset.labelled = !split->unlabelled();
  dataset.regression = task.has_range();
  dataset.grouped = (*reader)->grouped();
  dataset.encoding = config.encoding() == TaskConfig::PAIR_APART ? Encoding::kPairApart : Encoding::kOneSequence;

  BadRows bad_rows(options.max_bad_rows);
  int64_t next_group = 0;
  std::string first_path;
  const int step = (*reader)->paired_files() ? 2 : 1;
  if (split->files_size() % step != 0) {
    return absl::InvalidArgumentError(absl::StrCat(config.name(), ": split '", name,
                                                   "': expected pairs of files for layout '", task.layout(),
                                                   "', found ", split->files_size()));
  }
  for (int i = 0; i < split->files_size(); i += step) {
    const std::string& relative_path = split->files(i);
    TaskFile file;
    file.path = JoinPath(data_root, relative_path);
    if (first_path.empty()) first_path = file.path;
    file.config = &config;
    file.fields = {task.fields().begin(), task.fields().end()};
    for (const auto& [field, value] : split->fields()) file.fields[field] = value;
    file.header = split->has_header() ? split->header() : task.header();
    file.labelled = dataset.labelled;
    GBMOA_ASSIGN_OR_RETURN(file.contents, ReadFile(file.path, kMaxFileBytes));
    result.files.emplace_back(relative_path, Sha256Hex(file.contents));
    GBMOA_RETURN_IF_ERROR(Decode(task, options, &file, &bad_rows, &result.replaced));
    if (step == 2) {
      TaskFile second;
      second.path = JoinPath(data_root, split->files(i + 1));
      GBMOA_ASSIGN_OR_RETURN(second.contents, ReadFile(second.path, kMaxFileBytes));
      result.files.emplace_back(split->files(i + 1), Sha256Hex(second.contents));
      GBMOA_RETURN_IF_ERROR(Decode(task, options, &second, &bad_rows, &result.replaced));
      file.bad_lines.insert(second.bad_lines.begin(), second.bad_lines.end());
      file.second_path = std::move(second.path);
      file.second_contents = std::move(second.contents);
    }
    const int64_t first = dataset.size(), before = first + bad_rows.count();
    GBMOA_RETURN_IF_ERROR((*reader)->Read(file, &bad_rows, &next_group, &dataset.examples));
    if (dataset.size() + bad_rows.count() == before && file.bad_lines.empty()) {
      return absl::DataLossError(absl::StrCat(file.path, ":1:1: expected examples, found none"));
    }
    if (!dataset.grouped) {
      result.repeated_rows += CountRepeated(file.path, dataset.examples.begin() + first, dataset.examples.end());
    }
  }
  result.bad_rows = bad_rows.count();
  if (result.bad_rows > 0) {
    LOG(WARNING) << config.name() << ", " << name << ": bad rows left out: " << result.bad_rows
                 << "; the first: " << bad_rows.first();
  }
  if (dataset.examples.empty()) {
    return absl::DataLossError(absl::StrCat(first_path, ": every row is bad; the first: ", bad_rows.first()));
  }
  GBMOA_RETURN_IF_ERROR(ValidateDataset(dataset));
  GBMOA_RETURN_IF_ERROR(CheckLabelSet(dataset, first_path));
  for (int64_t i = 0; i < dataset.size() && dataset.grouped; ++i) {
    if (i == 0 || dataset.examples[i].group != dataset.examples[i - 1].group) ++result.questions;
  }
  return result;
}

std::string SubsetText(const std::vector<const FileTaskSplit*>& splits) {
  std::vector<std::string> texts;
  for (const FileTaskSplit* split : splits) {
    const std::string& name = split->dataset.split;
    const int64_t size = split->dataset.size(), bad = split->bad_rows;
    if (!split->subset()) {
      if (bad > 0) {
        texts.push_back(absl::StrCat(name, ": ", GroupedDigits(bad), " of ", GroupedDigits(size + bad),
                                     " rows left out, which are bad"));
      }
      continue;
    }
    const bool questions = split->official_questions > 0;
    const int64_t found = questions ? split->questions : size - split->repeated_rows;
    const int64_t official = questions ? split->official_questions : split->official_rows;
    std::string text = absl::StrCat(name, ": ", GroupedDigits(found));
    if (official > 0) absl::StrAppend(&text, " of ", GroupedDigits(official));
    absl::StrAppend(&text, questions ? " questions" : " rows");
    if (split->repeated_rows > 0) {
      absl::StrAppend(&text, " and ", GroupedDigits(split->repeated_rows), " of them again");
    }
    if (bad > 0) {
      absl::StrAppend(&text, ", ", GroupedDigits(bad), split->dataset.grouped ? " bad line" : " bad row",
                      bad > 1 ? "s" : "", " left out");
    }
    texts.push_back(std::move(text));
  }
  return absl::StrJoin(texts, "; ");
}

}  // namespace gbmoa
