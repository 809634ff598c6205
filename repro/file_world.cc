#include "repro/file_world.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eval/few_shot_suite.h"
#include "eval/task_config.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/published.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/grouped_digits.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/textproto.h"
#include "glog/logging.h"
#include "repro/world_parts.h"

namespace gbmoa {
namespace {

// What test sets and draws are a function of, besides the task's name and data.
constexpr uint64_t kTaskSeed = 1;
constexpr uint64_t kTestRows = 0, kDevelopmentRows = 1, kDraws = 2;
constexpr absl::string_view kDevelopment = "@development";
constexpr absl::string_view kGetData =
    "get the archives with: ./tools/bazel run --config=glue_fetch //repro:fetch_task_data -- --out=DIR, and name DIR "
    "with --data_root or GBMOA_DATA";

std::vector<int64_t> AllRows(int64_t count) {
  std::vector<int64_t> rows(count);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

// Rows of the same question, which are neighbours.
std::vector<std::vector<int64_t>> Questions(const Dataset& dataset) {
  std::vector<std::vector<int64_t>> questions;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (i == 0 || dataset.examples[i].group != dataset.examples[i - 1].group) questions.emplace_back();
    questions.back().push_back(i);
  }
  return questions;
}

std::vector<std::vector<int64_t>> RowsByClass(const Dataset& dataset) {
  std::vector<std::vector<int64_t>> rows(dataset.num_classes());
  for (int64_t i = 0; i < dataset.size(); ++i) rows[dataset.examples[i].label].push_back(i);
  return rows;
}

// How many of each class, `total` together, in proportion to their sizes: the largest remainders get what is left.
std::vector<int64_t> Quotas(const std::vector<std::vector<int64_t>>& classes, int64_t total) {
  int64_t size = 0, given = 0;
  for (const std::vector<int64_t>& rows : classes) size += static_cast<int64_t>(rows.size());
  std::vector<int64_t> quotas;
  std::vector<std::pair<int64_t, size_t>> remainders;  // negative, so that equal ones go by class
  for (size_t c = 0; c < classes.size(); ++c) {
    const int64_t share = total * static_cast<int64_t>(classes[c].size());
    quotas.push_back(share / size);
    given += quotas.back();
    remainders.emplace_back(-(share % size), c);
  }
  std::sort(remainders.begin(), remainders.end());
  for (size_t i = 0; given < total; ++i, ++given) ++quotas[remainders[i].second];
  return quotas;
}

// The profile's way for pairs, if it has one of its own.
void SetEncoding(const FileWorld& settings, Dataset* dataset) {
  if (!dataset->pairs || settings.pairs() == FileWorld::AS_THE_TASK_SAYS) return;
  dataset->encoding = settings.pairs() == FileWorld::PAIR_APART ? Encoding::kPairApart : Encoding::kOneSequence;
}

int MaxTokens(const TaskConfig& config, const FileWorld& settings) {
  return settings.max_tokens() > 0 ? std::min(settings.max_tokens(), config.max_tokens()) : config.max_tokens();
}

void FillTestSet(const Dataset& dataset, const TokenizedDataset& tokens, const std::vector<int64_t>& rows,
                 TestSet* test_set) {
  test_set->batch = tokens.MakeBatch(rows);
  if (!dataset.grouped) return;
  for (const int64_t row : rows) {
    test_set->groups.push_back(dataset.examples[row].group);
    test_set->answers.push_back(dataset.examples[row].answer);
  }
}

// The names of the tasks that the grid is searched on, without "@development".
absl::StatusOr<std::set<std::string>> DevelopmentTasks(const Profile& profile) {
  std::set<std::string> names;
  for (const std::string& task : profile.grid().tasks()) {
    if (!absl::EndsWith(task, kDevelopment)) {
      return absl::InvalidArgumentError(absl::StrCat("the grid's task '", task, "' is not called TASK", kDevelopment));
    }
    names.insert(task.substr(0, task.size() - kDevelopment.size()));
  }
  return names;
}

// One task, and its development task if the grid has one.
absl::Status AddTask(const std::string& name, const std::string& suite, bool development, const Profile& profile,
                     const FileWorldOptions& options, const Tokenizer& tokenizer, TableWorld* world) {
  GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadFileTaskConfig(name, options));
  EvalTask task;
  task.name = name;
  task.suite = suite;
  task.missing = MissingDataText(config, {"train", "validation"}, options.data_root);
  // Of a task that is missing, too: they say which columns it is missing in.
  task.test_set.metrics.assign(config.metrics().begin(), config.metrics().end());
  task.test_set.official_metrics.assign(config.official_metrics().begin(), config.official_metrics().end());
  EvalTask dev = task;
  dev.name = absl::StrCat(name, kDevelopment);
  dev.suite = profile.grid().suite();
  dev.development = true;
  if (!task.missing.empty()) {
    LOG(WARNING) << name << ": " << task.missing;
    world->tasks.push_back(std::move(task));
    if (development) world->tasks.push_back(std::move(dev));
    return absl::OkStatus();
  }
  const FileWorld& settings = profile.file_world();
  GBMOA_ASSIGN_OR_RETURN(const TokenizedSplit train, LoadTokenizedSplit(config, "train", settings, options, tokenizer));
  GBMOA_ASSIGN_OR_RETURN(const TokenizedSplit validation,
                         LoadTokenizedSplit(config, "validation", settings, options, tokenizer));
  const RandomStream stream(kTaskSeed, name);

  const Dataset& dataset = validation.split.dataset;
  const std::vector<int64_t> test_rows = TestRows(dataset, settings.max_test_examples(), stream.Substream(kTestRows));
  FillTestSet(dataset, *validation.tokens, test_rows, &task.test_set);
  std::vector<std::string> subset;
  if (std::string files = SubsetText({&train.split, &validation.split}); !files.empty()) {
    subset.push_back(std::move(files));
  }
  if (static_cast<int64_t>(test_rows.size()) < dataset.size()) {
    subset.push_back(
        absl::StrCat(GroupedDigits(test_rows.size()), " of ", GroupedDigits(dataset.size()), " validation examples"));
  }

  std::vector<int64_t> held_out;
  if (development) {
    held_out = TestRows(train.split.dataset, settings.development_examples(), stream.Substream(kDevelopmentRows));
    FillTestSet(train.split.dataset, *train.tokens, held_out, &dev.test_set);
    dev.subset = absl::StrCat(GroupedDigits(held_out.size()), " of ", GroupedDigits(train.split.dataset.size()),
                              " training examples");
  }
  const auto pool = std::make_shared<const SupportPool>(train.split.dataset, held_out, stream.Substream(kDraws));
  int64_t set_aside = train.split.dataset.size();
  for (const int64_t count : pool->counts()) {
    set_aside -= count;
    if (count > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": of ", train.split.dataset.size(), " training examples ", held_out.size(),
        " are held out for development with all that share a text with them; a class has no example left"));
  }
  // A draw of some shots is not the whole training split anyway.
  if (profile.shots() == 0 && set_aside > 0) {
    subset.push_back(absl::StrCat(GroupedDigits(set_aside), " of ", GroupedDigits(train.split.dataset.size()),
                                  " training rows set aside for choosing settings"));
  }
  task.subset = absl::StrJoin(subset, "; ");
  task.support_set = [tokens = train.tokens, pool](int draw, int shots) -> absl::StatusOr<Batch> {
    return tokens->MakeBatch(pool->Draw(draw, shots));
  };
  dev.support_set = task.support_set;

  for (const TokenizedSplit* split : {&train, &validation}) {
    for (const auto& file : split->split.files) task.inputs.push_back(file);
  }
  task.inputs.emplace_back(absl::StrCat("eval/tasks/", name, ".textproto"), Sha256Hex(DeterministicBytes(config)));
  task.inputs.emplace_back(
      absl::StrCat(name, ", sizes and encoding"),
      Sha256Hex(absl::StrCat(settings.max_test_examples(), " ", settings.max_tokens(), " ", settings.pairs(), " ",
                             development ? settings.development_examples() : 0, " ", options.max_bad_rows)));
  dev.inputs = task.inputs;
  world->tasks.push_back(std::move(task));
  if (development) world->tasks.push_back(std::move(dev));
  return absl::OkStatus();
}

// There are no more different episodes than tasks times seeds.
absl::Status CheckEpisodes(const Profile& profile) {
  const int64_t tasks = profile.file_world().few_shot_tasks_size(), seeds = profile.file_world().few_shot_seeds_size();
  const int64_t first = profile.few_shot().first_episode(), end = first + profile.few_shot().episodes();
  if (end <= tasks * seeds) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("few-shot episodes ", first, " to ", end - 1, ": profile ", profile.name(), " has ", tasks * seeds,
                   ", numbers from 0, of ", tasks, " tasks with ", seeds,
                   " seeds each; --first_seed=N begins at N times the number of episodes"));
}

// Episode number i is of task i mod T, with seed number i / T of the profile's.
absl::Status AddFewShot(const Profile& profile, const FileWorldOptions& options, const Tokenizer& tokenizer,
                        TableWorld* world) {
  const FileWorld& settings = profile.file_world();
  FileTaskOptions file_options;
  file_options.max_bad_rows = options.max_bad_rows;
  FewShotOptions few_shot_options;
  few_shot_options.max_query = settings.max_query_examples();
  std::vector<FewShotTask> tasks;
  std::vector<std::string> missing, subsets;
  for (const std::string& name : settings.few_shot_tasks()) {
    GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadFileTaskConfig(name, options));
    std::vector<std::string> splits;
    for (const FileTask::Split& split : config.files().splits()) {
      if (split.name() != "validation") splits.push_back(split.name());
    }
    if (!MissingDataText(config, splits, options.data_root).empty()) {
      missing.push_back(name);
      continue;
    }
    GBMOA_ASSIGN_OR_RETURN(FewShotSplits data, LoadFewShotSplits(config, options.data_root, file_options));
    if (data.train.grouped) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": questions with several answers cannot be few-shot episodes of a table"));
    }
    if (!data.subset.empty()) subsets.push_back(absl::StrCat(name, ": ", data.subset));
    for (Dataset* dataset : {&data.train, &data.test}) SetEncoding(settings, dataset);
    GBMOA_ASSIGN_OR_RETURN(FewShotTask task,
                           FewShotTask::Create(config, std::move(data), tokenizer, MaxTokens(config, settings),
                                               few_shot_options, options.cache_folder));
    tasks.push_back(std::move(task));
    for (const std::string& split : splits) {
      for (const FileTask::Split& of_config : config.files().splits()) {
        if (of_config.name() != split) continue;
        for (const std::string& file : of_config.files()) {
          GBMOA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(JoinPath(options.data_root, file)));
          world->few_shot_inputs.emplace_back(file, sha256);
        }
      }
    }
    world->few_shot_inputs.emplace_back(absl::StrCat("eval/tasks/", name, ".textproto"),
                                        Sha256Hex(DeterministicBytes(config)));
  }
  // A mean over other tasks than the profile's would not be its few-shot accuracy.
  if (!missing.empty()) {
    world->few_shot_missing =
        absl::StrCat("MISSING_DATA: the files of ", absl::StrJoin(missing, ", "), " are not below ", options.data_root,
                     "; docs/glue_profile.md says where they come from");
    LOG(WARNING) << "few-shot episodes: " << world->few_shot_missing;
    return absl::OkStatus();
  }
  if (!subsets.empty()) {
    world->environment["few-shot subsets"] = absl::StrJoin(subsets, "; ");
    LOG(WARNING) << "few-shot tasks are subsets: " << world->environment["few-shot subsets"];
  }
  world->few_shot_inputs.emplace_back(
      "few-shot sizes, encoding and seeds",
      Sha256Hex(absl::StrCat(settings.max_query_examples(), " ", settings.max_tokens(), " ", settings.pairs(), " ",
                             absl::StrJoin(settings.few_shot_seeds(), ","), " ", options.max_bad_rows)));
  const auto shared = std::make_shared<const std::vector<FewShotTask>>(std::move(tasks));
  const std::vector<uint64_t> seeds(settings.few_shot_seeds().begin(), settings.few_shot_seeds().end());
  world->few_shot = [shared, seeds](int shots, int index) -> absl::StatusOr<Episode> {
    const FewShotTask& task = (*shared)[index % shared->size()];
    CHECK_LT(index / shared->size(), seeds.size());
    GBMOA_ASSIGN_OR_RETURN(FewShotEpisode drawn, task.Draw(shots, seeds[index / shared->size()]));
    return std::move(drawn.episode);
  };
  return absl::OkStatus();
}

int CountGpus() {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator it("/proc/driver/nvidia/gpus", error), end; !error && it != end;
       it.increment(error)) {
    ++count;
  }
  return count;
}

// Whether `folder` has an encoder of the sizes that configs/NAME.textproto gives; empty, or what is wrong.
std::string MissingEncoder(const std::string& name, const std::string& folder) {
  if (folder.empty()) return absl::StrCat(name, " is not bundled, and --backbone=FOLDER names none");
  const absl::StatusOr<BackboneConfig> wanted = PublishedBackboneConfig(name);
  if (!wanted.ok()) return std::string(wanted.status().message());
  const absl::StatusOr<BackboneConfig> found = ReadBackboneConfig(folder);
  if (!found.ok()) return std::string(found.status().message());
  if (found->family() == wanted->family() && found->hidden_size() == wanted->hidden_size() &&
      found->num_hidden_layers() == wanted->num_hidden_layers() && found->vocab_size() == wanted->vocab_size()) {
    return "";
  }
  return absl::StrCat("--backbone=", folder, " has ", found->num_hidden_layers(), " layers of width ",
                      found->hidden_size(), ", ", name, " has ", wanted->num_hidden_layers(), " of width ",
                      wanted->hidden_size());
}

// What the profile needs and does not find here, as "MISSING_WEIGHTS, HARDWARE: ...".
absl::Status CheckNeeds(const Profile& profile, const FileWorldOptions& options) {
  std::vector<std::string> reasons, why;
  if (const std::string& encoder = profile.needs().encoder(); !encoder.empty()) {
    const std::string missing = MissingEncoder(encoder, options.backbone);
    if (!missing.empty()) {
      reasons.push_back(Reason_Name(MISSING_WEIGHTS));
      why.push_back(missing);
    }
  }
  if (profile.needs().gpus() > 0) {
    // Also where they are: a table's workers compute on processors.
    reasons.push_back(Reason_Name(HARDWARE));
    why.push_back(absl::StrCat("needs ", profile.needs().gpus(), " GPUs (", profile.needs().gpu(), "), ", CountGpus(),
                               " found in /proc/driver/nvidia/gpus, and tables are run on processors only"));
  }
  std::vector<std::string> missing;
  int tasks = 0;
  for (const Suite& suite : profile.suite_tasks()) {
    for (const std::string& task : suite.tasks()) {
      GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadFileTaskConfig(task, options));
      ++tasks;
      if (!MissingDataText(config, {"train", "validation"}, options.data_root).empty()) missing.push_back(task);
    }
  }
  const bool nothing = static_cast<int>(missing.size()) == tasks;
  if (!missing.empty() && (nothing || !reasons.empty())) {
    reasons.push_back(Reason_Name(MISSING_DATA));
    why.push_back(absl::StrCat(
        options.data_root.empty()
            ? "there is no data root (--data_root, GBMOA_DATA, fetched archives)"
            : absl::StrCat(nothing ? "none of the profile's tasks has" : absl::StrJoin(missing, ", ") + " have not",
                           " its files below ", options.data_root),
        "; ", kGetData));
  }
  if (reasons.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(absl::StrJoin(reasons, ", "), ": ", absl::StrJoin(why, "; ")));
}

}  // namespace

std::string FindDataRoot(const std::string& flag) {
  if (!flag.empty()) return UserPath(flag);
  if (const char* const environment = std::getenv("GBMOA_DATA"); environment != nullptr && *environment != '\0') {
    return UserPath(environment);
  }
  const absl::StatusOr<std::string> fetched = RunfilePath("task_data/FETCHED");
  return fetched.ok() ? fetched->substr(0, fetched->rfind('/')) : "";
}

std::string TokenCacheFolder() {
  const char* const cache = std::getenv("GBMOA_CACHE");
  const char* const home = std::getenv("HOME");
  if (cache == nullptr && home == nullptr) return "";
  const std::string folder =
      cache != nullptr ? absl::StrCat(cache, "/tokens") : absl::StrCat(home, "/.cache/gbmoa/tokens");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) LOG(WARNING) << folder << ": cannot be made, tokens are not kept: " << error.message();
  return error ? "" : folder;
}

absl::StatusOr<TaskConfig> LoadFileTaskConfig(const std::string& name, const FileWorldOptions& options) {
  const std::string file = absl::StrCat(name, ".textproto");
  std::string path;
  if (options.tasks_folder.empty()) {
    const absl::StatusOr<std::string> found = RunfilePath(absl::StrCat("gbmoa/eval/tasks/", file));
    if (!found.ok())
      return absl::InvalidArgumentError(absl::StrCat("no task '", name, "': ", found.status().message()));
    path = *found;
  } else {
    path = JoinPath(options.tasks_folder, file);
  }
  return LoadTaskConfig(path);
}

std::string MissingDataText(const TaskConfig& config, const std::vector<std::string>& splits,
                            const std::string& data_root) {
  if (data_root.empty()) return absl::StrCat("MISSING_DATA: there is no data root; ", kGetData);
  std::vector<std::string> files;
  for (const std::string& split : splits) {
    for (const std::string& file : MissingFiles(config, split, data_root)) files.push_back(file);
  }
  if (files.empty()) return "";
  return absl::StrCat(
      "MISSING_DATA: ", absl::StrJoin(files, ", "), files.size() == 1 ? " is" : " are", " not below ", data_root, "; ",
      config.files().archive().empty() ? absl::string_view("docs/glue_profile.md says where they come from")
                                       : kGetData);
}

absl::StatusOr<TokenizedSplit> LoadTokenizedSplit(const TaskConfig& config, absl::string_view name,
                                                  const FileWorld& settings, const FileWorldOptions& options,
                                                  const Tokenizer& tokenizer) {
  FileTaskOptions file_options;
  file_options.max_bad_rows = options.max_bad_rows;
  TokenizedSplit split;
  GBMOA_ASSIGN_OR_RETURN(split.split, LoadFileTaskSplit(config, name, options.data_root, file_options));
  SetEncoding(settings, &split.split.dataset);
  GBMOA_ASSIGN_OR_RETURN(
      TokenizedDataset tokens,
      TokenizedDataset::Create(split.split.dataset, tokenizer, MaxTokens(config, settings), options.cache_folder));
  split.tokens = std::make_shared<const TokenizedDataset>(std::move(tokens));
  return split;
}

std::vector<int64_t> TestRows(const Dataset& dataset, int64_t max, const RandomStream& stream) {
  if (max <= 0 || dataset.size() <= max) return AllRows(dataset.size());
  std::vector<int64_t> rows;
  if (dataset.grouped) {
    const std::vector<std::vector<int64_t>> questions = Questions(dataset);
    for (const int64_t q : stream.Permutation(static_cast<int64_t>(questions.size()))) {
      if (!rows.empty() && static_cast<int64_t>(rows.size() + questions[q].size()) > max) break;
      rows.insert(rows.end(), questions[q].begin(), questions[q].end());
    }
  } else if (dataset.regression) {
    rows = stream.Sample(dataset.size(), max);
  } else {
    const std::vector<std::vector<int64_t>> classes = RowsByClass(dataset);
    const std::vector<int64_t> quotas = Quotas(classes, max);
    for (size_t c = 0; c < classes.size(); ++c) {
      for (const int64_t i : stream.Substream(c).Sample(static_cast<int64_t>(classes[c].size()), quotas[c])) {
        rows.push_back(classes[c][i]);
      }
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

SupportPool::SupportPool(const Dataset& dataset, const std::vector<int64_t>& without, const RandomStream& stream)
    : regression_(dataset.regression), grouped_(dataset.grouped), stream_(stream) {
  absl::flat_hash_set<absl::string_view> texts;
  for (const int64_t row : without) {
    for (const std::string* text : {&dataset.examples[row].text_a, &dataset.examples[row].text_b}) {
      if (!text->empty()) texts.insert(*text);
    }
  }
  const std::set<int64_t> out(without.begin(), without.end());  // a row may have no text at all
  const auto is_free = [&](int64_t row) {
    const Example& example = dataset.examples[row];
    return out.count(row) == 0 && !texts.contains(example.text_a) && !texts.contains(example.text_b);
  };
  if (grouped_) {
    for (std::vector<int64_t>& question : Questions(dataset)) {
      if (std::all_of(question.begin(), question.end(), is_free)) strata_.push_back(std::move(question));
    }
    for (const Example& example : dataset.examples) labels_.push_back(example.label);
    return;
  }
  strata_.resize(regression_ ? 1 : dataset.num_classes());
  for (int64_t row = 0; row < dataset.size(); ++row) {
    if (is_free(row)) strata_[regression_ ? 0 : dataset.examples[row].label].push_back(row);
  }
}

std::vector<int64_t> SupportPool::counts() const {
  if (!grouped_) {
    std::vector<int64_t> counts;
    for (const std::vector<int64_t>& rows : strata_) counts.push_back(static_cast<int64_t>(rows.size()));
    return counts;
  }
  std::vector<int64_t> counts(2);
  for (const std::vector<int64_t>& question : strata_) {
    for (const int64_t row : question) ++counts[labels_[row]];
  }
  return counts;
}

std::vector<int64_t> SupportPool::Draw(int draw, int shots) const {
  CHECK_GE(draw, 0);
  CHECK_GE(shots, 0);
  std::vector<int64_t> rows;
  if (shots == 0) {
    for (const std::vector<int64_t>& stratum : strata_) rows.insert(rows.end(), stratum.begin(), stratum.end());
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  const RandomStream stream = stream_.Substream(draw);
  if (grouped_) {
    bool seen[2] = {false, false};
    for (const int64_t q : stream.Permutation(static_cast<int64_t>(strata_.size()))) {
      if (static_cast<int64_t>(rows.size()) >= 2 * int64_t{shots} && seen[0] && seen[1]) break;
      for (const int64_t row : strata_[q]) {
        rows.push_back(row);
        seen[labels_[row]] = true;
      }
    }
    return rows;
  }
  const int64_t wanted = regression_ ? 2 * int64_t{shots} : shots;
  std::vector<std::vector<int64_t>> orders;
  for (size_t c = 0; c < strata_.size(); ++c) {
    const int64_t size = static_cast<int64_t>(strata_[c].size());
    orders.push_back(stream.Substream(c).Sample(size, std::min(size, wanted)));
  }
  for (int64_t i = 0; i < wanted; ++i) {
    for (size_t c = 0; c < strata_.size(); ++c) {
      if (i < static_cast<int64_t>(orders[c].size())) rows.push_back(strata_[c][orders[c][i]]);
    }
  }
  return rows;
}

absl::StatusOr<TableWorld> MakeFileWorld(const Profile& profile, const FileWorldOptions& options) {
  GBMOA_RETURN_IF_ERROR(CheckNeeds(profile, options));
  if (profile.has_few_shot()) GBMOA_RETURN_IF_ERROR(CheckEpisodes(profile));
  GBMOA_ASSIGN_OR_RETURN(std::set<std::string> development, DevelopmentTasks(profile));
  TableWorld world;
  GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Tokenizer> tokenizer,
                         AddEncoder(options.backbone, options.precision, &world));
  GBMOA_ASSIGN_OR_RETURN(const WordNetTexts texts, AddWordNet(*tokenizer, &world));
  GBMOA_RETURN_IF_ERROR(AddMetaTrainTasks(texts, profile.meta_train_tasks(), &world));

  std::set<std::string> known;
  for (const Suite& suite : profile.suite_tasks()) {
    for (const std::string& name : suite.tasks()) {
      known.insert(name);
      const bool wanted = options.tasks.empty() || std::count(options.tasks.begin(), options.tasks.end(), name) > 0;
      const bool develops = development.erase(name) > 0;
      if (!wanted && !develops) continue;
      GBMOA_RETURN_IF_ERROR(AddTask(name, suite.name(), develops, profile, options, *tokenizer, &world));
      // Not asked for, but its development task is.
      if (!wanted) {
        world.tasks.erase(std::find_if(world.tasks.begin(), world.tasks.end(),
                                       [&name = name](const EvalTask& task) { return task.name == name; }));
      }
    }
  }
  for (const std::string& name : options.tasks) {
    if (known.count(name) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("no task '", name, "' in profile ", profile.name(), "; known: ", absl::StrJoin(known, ", ")));
    }
  }
  // The grid may be searched on tasks that the table does not have.
  for (const std::string& name : development) {
    GBMOA_RETURN_IF_ERROR(AddTask(name, "", true, profile, options, *tokenizer, &world));
    world.tasks.erase(world.tasks.end() - 2);
  }
  if (profile.has_few_shot()) GBMOA_RETURN_IF_ERROR(AddFewShot(profile, options, *tokenizer, &world));
  return world;
}

}  // namespace gbmoa
