#include "repro/submission.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eval/file_task.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"
#include "repro/table.h"

namespace gbmoa {
namespace {

// What the leaderboard asks for: a file's name, what it is predicted for, and the task whose model does it.
struct GlueFile {
  const char* file;
  const char* task;
  const char* split;
  const char* model;
};
constexpr GlueFile kGlueFiles[] = {
    {"CoLA.tsv", "glue/cola", "test", "glue/cola"},
    {"SST-2.tsv", "glue/sst2", "test", "glue/sst2"},
    {"MRPC.tsv", "glue/mrpc", "test", "glue/mrpc"},
    {"STS-B.tsv", "glue/stsb", "test", "glue/stsb"},
    {"QQP.tsv", "glue/qqp", "test", "glue/qqp"},
    {"MNLI-m.tsv", "glue/mnli", "test", "glue/mnli"},
    {"MNLI-mm.tsv", "glue/mnli", "test_mismatched", "glue/mnli"},
    {"QNLI.tsv", "glue/qnli", "test", "glue/qnli"},
    {"RTE.tsv", "glue/rte", "test", "glue/rte"},
    {"WNLI.tsv", "glue/wnli", "test", "glue/wnli"},
    {"AX.tsv", "glue/ax", "test", "glue/mnli"},
};

// Why a row with a grid has no settings; empty if it has. What the grid did not choose is not replaced by a default.
std::string WhyNothingChosen(const Profile& profile, const TableWorld& world, const TableRun& run,
                             const std::string& row) {
  if (FindRowSettings(profile, row)->grid().empty()) return "";
  for (const Selection& selection : run.selections) {
    if (selection.row != row) continue;
    if (selection.chosen >= 0) return "";
    return absl::StrCat("row ", row, ": failed: no candidate of its grid could be run");
  }
  for (const EvalTask& task : world.tasks) {
    if (task.development && !task.missing.empty()) return task.missing;
  }
  return absl::StrCat("BUDGET: the grid of row ", row, " was not searched");
}

// The row's learner, meta-trained where it meta-learns, with what the grid chose.
absl::StatusOr<std::unique_ptr<Learner>> MakeRowLearner(const Table& table, const Profile& profile,
                                                        const TableWorld& world, const TableRun& run,
                                                        const std::string& row, const std::string& out) {
  const RowSettings& settings = *FindRowSettings(profile, row);
  LearnerOptions options(settings.options().begin(), settings.options().end());
  for (const Selection& selection : run.selections) {
    if (selection.row != row) continue;
    const LearnerOptions& chosen = selection.candidates[selection.chosen].options;
    options.insert(chosen.begin(), chosen.end());
  }
  GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<Learner> learner, world.make_learner(FindRow(table, row)->method(), options));
  if (learner->meta_learns()) {
    GBMOA_RETURN_IF_ERROR(
        learner->Load(JoinPath(out, absl::StrCat("meta/", row, "-seed", profile.first_meta_seed(), ".safetensors"))));
  }
  return learner;
}

AdaptOptions RowAdaptOptions(const Table& table, const Profile& profile, const std::string& row) {
  const RowSettings& settings = *FindRowSettings(profile, row);
  AdaptOptions options;
  options.steps = settings.steps() > 0 ? settings.steps() : profile.steps();
  options.batch_size = profile.batch_size();
  options.head_start = FindRow(table, row)->head() == Row::ZERO ? HeadStart::kZero : HeadStart::kPrototypes;
  options.seed = static_cast<uint64_t>(profile.first_draw());
  return options;
}

// A test split's tokens and why there are none. Read once for all rows.
struct TestSplit {
  TokenizedSplit split;
  std::string not_attempted;
};

absl::StatusOr<TestSplit> LoadTestSplit(const GlueFile& file, const Profile& profile, const Tokenizer& tokenizer,
                                        FileWorldOptions options) {
  options.max_bad_rows = 0;  // the leaderboard takes whole files only
  TestSplit test;
  GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadFileTaskConfig(file.task, options));
  test.not_attempted = MissingDataText(config, {file.split}, options.data_root);
  if (!test.not_attempted.empty()) return test;
  absl::StatusOr<TokenizedSplit> split =
      LoadTokenizedSplit(config, file.split, profile.file_world(), options, tokenizer);
  if (!split.ok()) {
    test.not_attempted = absl::StrCat("MISSING_DATA: ", split.status().message());
  } else if (split->split.subset()) {
    test.not_attempted =
        absl::StrCat("MISSING_DATA: ", file.task, " has not the leaderboard's rows, ", SubsetText({&split->split}));
  } else {
    test.split = *std::move(split);
  }
  return test;
}

// The leaderboard's own sets are large; a batch at a time keeps what is in memory small.
absl::StatusOr<Prediction> PredictAll(const Predictor& predictor, const TokenizedDataset& tokens) {
  constexpr int64_t kRows = 512;
  Prediction all;
  for (int64_t begin = 0; begin < tokens.size(); begin += kRows) {
    std::vector<int64_t> rows;
    for (int64_t i = begin; i < std::min(begin + kRows, tokens.size()); ++i) rows.push_back(i);
    GBMOA_ASSIGN_OR_RETURN(const Prediction part, predictor.Predict(tokens.MakeBatch(rows)));
    all.num_classes = part.num_classes;
    all.probabilities.insert(all.probabilities.end(), part.probabilities.begin(), part.probabilities.end());
    all.values.insert(all.values.end(), part.values.begin(), part.values.end());
  }
  return all;
}

absl::StatusOr<std::vector<std::string>> ChooseRows(const Table& table, const Profile& profile,
                                                    const std::vector<std::string>& wanted) {
  std::vector<std::string> rows;
  for (const Row& row : table.rows()) {
    if (wanted.empty() && row.kind() == Row::METHOD && NotAttemptedReason(profile, row.id()).empty()) {
      rows.push_back(row.id());
    }
  }
  for (const std::string& id : wanted) {
    if (FindRow(table, id) == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("no row '", id, "' in the table"));
    if (const std::string reason = NotAttemptedReason(profile, id); !reason.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("row '", id, "' is not run: ", reason));
    }
    if (std::count(rows.begin(), rows.end(), id) == 0) rows.push_back(id);
  }
  return rows;
}

absl::StatusOr<std::unique_ptr<Predictor>> Adapt(const Learner& learner, const EvalTask& task, const Profile& profile,
                                                 const AdaptOptions& options) {
  GBMOA_ASSIGN_OR_RETURN(const Batch support_set, task.support_set(profile.first_draw(), profile.shots()));
  GBMOA_ASSIGN_OR_RETURN(Adaptation adaptation, learner.Adapt(support_set, options));
  return std::move(adaptation.predictor);
}

absl::StatusOr<std::string> PredictText(const Predictor& predictor, const TaskConfig& config,
                                        const TokenizedSplit& split) {
  GBMOA_ASSIGN_OR_RETURN(const Prediction prediction, PredictAll(predictor, *split.tokens));
  return SubmissionText(config, split.split.dataset, prediction);
}

std::string FailedText(const std::string& row, const absl::Status& status) {
  return absl::StrCat("row ", row, ": failed: ", status.message());
}

}  // namespace

absl::StatusOr<std::string> SubmissionText(const TaskConfig& config, const Dataset& test,
                                           const Prediction& prediction) {
  const FileTask& files = config.files();
  if (prediction.size() != test.size() ||
      (test.regression ? prediction.num_classes != 0 : prediction.num_classes != files.classes_size())) {
    return absl::InvalidArgumentError(absl::StrCat(config.name(), ": ", prediction.size(), " predictions of ",
                                                   prediction.num_classes, " classes for ", test.size(),
                                                   " examples of ", files.classes_size()));
  }
  std::string text = "index\tprediction\n";
  for (int64_t i = 0; i < test.size(); ++i) {
    const std::string& id = test.examples[i].id;
    absl::StrAppend(&text, id.empty() ? absl::StrCat(i) : id, "\t");
    if (test.regression) {
      absl::StrAppendFormat(&text, "%.3f",
                            std::clamp<double>(prediction.values[i], files.range().low(), files.range().high()));
    } else {
      text += files.classes(static_cast<int>(prediction.label(i))).value();
    }
    text += '\n';
  }
  return text;
}

absl::Status CheckSubmission(const Table& table, const Profile& profile, const std::vector<std::string>& rows) {
  if (WorldOf(profile) != "files") {
    return absl::InvalidArgumentError(absl::StrCat("profile ", profile.name(), " has no GLUE tasks"));
  }
  return ChooseRows(table, profile, rows).status();
}

absl::StatusOr<std::vector<SubmissionFile>> WriteSubmission(const Table& table, const Profile& profile,
                                                            const TableWorld& world, const TableRun& run,
                                                            const Tokenizer& tokenizer,
                                                            const SubmissionOptions& options) {
  GBMOA_RETURN_IF_ERROR(CheckSubmission(table, profile, options.rows));
  GBMOA_ASSIGN_OR_RETURN(const std::vector<std::string> rows, ChooseRows(table, profile, options.rows));
  std::map<std::string, const EvalTask*> tasks;
  for (const EvalTask& task : world.tasks) tasks[task.name] = &task;
  std::map<std::string, TestSplit> tests;  // by file
  for (const GlueFile& file : kGlueFiles) {
    const auto task = tasks.find(file.model);
    TestSplit& test = tests[file.file];
    if (task == tasks.end()) {
      test.not_attempted = absl::StrCat("BUDGET: ", file.model, " is not among the tasks of this run");
    } else if (!task->second->missing.empty()) {
      test.not_attempted = task->second->missing;
    } else {
      GBMOA_ASSIGN_OR_RETURN(test, LoadTestSplit(file, profile, tokenizer, options.files));
    }
  }
  std::vector<SubmissionFile> written;
  for (const std::string& row : rows) {
    const std::string folder = JoinPath(options.folder, row);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return absl::PermissionDeniedError(absl::StrCat(folder, ": cannot make the folder: ", error.message()));
    std::unique_ptr<Learner> learner;
    std::string failed = WhyNothingChosen(profile, world, run, row);
    if (failed.empty()) {
      absl::StatusOr<std::unique_ptr<Learner>> made = MakeRowLearner(table, profile, world, run, row, options.out);
      if (made.ok()) {
        learner = *std::move(made);
      } else {
        failed = FailedText(row, made.status());
      }
    }
    const AdaptOptions adapt = RowAdaptOptions(table, profile, row);
    std::map<std::string, absl::StatusOr<std::unique_ptr<Predictor>>> predictors;  // by task
    for (const GlueFile& file : kGlueFiles) {
      const TestSplit& test = tests[file.file];
      written.push_back({row, file.file, 0, test.not_attempted.empty() ? failed : test.not_attempted});
      if (!written.back().not_attempted.empty()) continue;
      if (predictors.count(file.model) == 0) {
        if (options.stopped && options.stopped()) return absl::CancelledError("interrupted");
        predictors.emplace(file.model, Adapt(*learner, *tasks[file.model], profile, adapt));
      }
      const absl::StatusOr<std::unique_ptr<Predictor>>& predictor = predictors.at(file.model);
      if (!predictor.ok()) {
        written.back().not_attempted = FailedText(row, predictor.status());
        continue;
      }
      GBMOA_ASSIGN_OR_RETURN(const TaskConfig config, LoadFileTaskConfig(file.task, options.files));
      const absl::StatusOr<std::string> text = PredictText(**predictor, config, test.split);
      if (!text.ok()) {
        written.back().not_attempted = FailedText(row, text.status());
        continue;
      }
      GBMOA_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, file.file), *text));
      written.back().predictions = test.split.split.dataset.size();
    }
  }
  return written;
}

}  // namespace gbmoa
