#include "repro/result.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eval/statistics.h"
#include "repro/aggregate.h"
#include "repro/selection.h"

namespace gbmoa {
namespace {

// Paired differences and bands are stated at 95 %; verdicts at 90 %, see verdict.h.
constexpr double kConfidence = 0.95;

using CellMap = std::map<std::pair<std::string, int>, const Cell*>;  // task, draw

// nullptr if there is none.
const TaskFacts* FindTask(const TableRun& run, const std::string& name) {
  for (const std::vector<TaskFacts>* tasks : {&run.tasks, &run.left_out_tasks}) {
    for (const TaskFacts& task : *tasks) {
      if (task.name == name) return &task;
    }
  }
  return nullptr;
}

std::vector<std::string> SuiteTasks(const TableRun& run, const std::string& suite,
                                    const std::function<bool(const TaskFacts&)>& which) {
  std::vector<std::string> names;
  for (const TaskFacts& task : run.tasks) {
    if (!task.development && task.suite == suite && which(task)) names.push_back(task.name);
  }
  return names;
}

std::vector<std::string> SuiteTasks(const TableRun& run, const std::string& suite) {
  return SuiteTasks(run, suite, [](const TaskFacts&) { return true; });
}

// The tasks that a column is a mean over, run or not. Of one that is missing there is no mean.
std::vector<std::string> ColumnTasks(const Profile& profile, const TableRun& run, const Column& column) {
  if (!column.tasks().empty()) return {column.tasks().begin(), column.tasks().end()};
  if (column.measure() == Column::PARAMETERS_PERCENT) {
    // The same for all tasks, so that those that are there tell it.
    std::vector<std::string> tasks =
        SuiteTasks(run, column.suite(), [](const TaskFacts& task) { return task.missing.empty(); });
    if (!tasks.empty()) return tasks;
  }
  std::vector<std::string> tasks = SuiteTasks(run, column.suite());
  for (const Suite& suite : profile.suite_tasks()) {
    if (suite.name() == column.suite()) tasks.assign(suite.tasks().begin(), suite.tasks().end());
  }
  if (column.measure() != Column::MACRO_F1) return tasks;
  const auto not_scored = [&run](const std::string& name) {
    const TaskFacts* const task = FindTask(run, name);
    return task != nullptr && std::count(task->metrics.begin(), task->metrics.end(), "macro_f1") == 0;
  };
  tasks.erase(std::remove_if(tasks.begin(), tasks.end(), not_scored), tasks.end());
  return tasks;
}

// All runs of one row on some tasks.
class RowRuns {
 public:
  RowRuns(const TableRun& run, const std::string& row, const std::vector<std::string>& tasks)
      : tasks_(tasks.begin(), tasks.end()) {
    for (const Cell& cell : run.cells) {
      if (cell.row != row || cell.suite == "few_shot" || tasks_.count(cell.task) == 0) continue;
      draws_.insert(cell.draw);
      cells_[{cell.task, cell.draw}] = &cell;
    }
  }
  const std::set<int>& draws() const { return draws_; }
  // nullptr if there is none.
  const Cell* Find(const std::string& task, int draw) const {
    const auto found = cells_.find({task, draw});
    return found == cells_.end() ? nullptr : found->second;
  }

  // The steps at which models were scored; empty if none was.
  std::set<int> Marks() const {
    std::set<int> marks;
    for (const auto& [key, cell] : cells_) {
      for (const CurvePoint& point : cell->run.curve) marks.insert(point.step);
    }
    return marks;
  }

  // Why there is no mean over the tasks; empty if they have all been run, well or not.
  std::string NotAttempted() const {
    if (tasks_.empty()) return "UNDERSPECIFIED: no task that is run is scored by this";
    std::vector<std::string> not_run, missing;
    std::string why;
    for (const std::string& task : tasks_) {
      const auto first = cells_.lower_bound({task, std::numeric_limits<int>::min()});
      if (first == cells_.end() || first->first.first != task) {
        not_run.push_back(task);
      } else if (!first->second->not_attempted.empty()) {
        if (missing.empty()) why = first->second->not_attempted;
        missing.push_back(task);
      }
    }
    if (missing.size() == 1) return why;
    if (!missing.empty()) return absl::StrCat(why, " (likewise ", JoinFrom(missing, 1), ")");
    return not_run.empty() ? "" : absl::StrCat("BUDGET: ", JoinFrom(not_run, 0), " not run");
  }

  // Mean over the tasks of one draw; nothing if one of them has not been run or failed.
  template <typename F>
  std::optional<double> Mean(int draw, const F& value) const {
    double sum = 0;
    for (const std::string& task : tasks_) {
      const Cell* const cell = Find(task, draw);
      if (cell == nullptr || !cell->has_run()) return std::nullopt;
      sum += value(*cell);
    }
    if (tasks_.empty()) return std::nullopt;
    return sum / static_cast<double>(tasks_.size());
  }

 private:
  static std::string JoinFrom(const std::vector<std::string>& names, size_t first) {
    return absl::StrJoin(names.begin() + static_cast<int64_t>(first), names.end(), ", ");
  }

  std::set<std::string> tasks_;
  std::set<int> draws_;
  CellMap cells_;
};

// Accuracies in percent of one start with one number of shots at one mark, by episode and repetition.
class EpisodeGrid {
 public:
  void Add(int episode, int replicate, double value) { values_[episode][replicate] = value; }
  bool empty() const { return values_.empty(); }

  // One value an episode, the mean over its repetitions: the ones that are independent of each other. Repetitions share
  // their episodes, so that all values together are not.
  std::vector<double> EpisodeMeans() const {
    std::vector<double> means;
    for (const auto& [episode, values] : values_) means.push_back(Mean(values));
    return means;
  }
  // One value a repetition, the mean over its episodes.
  std::vector<double> ReplicateMeans() const {
    std::map<int, std::map<int, double>> by_replicate;
    for (const auto& [episode, values] : values_) {
      for (const auto& [replicate, value] : values) by_replicate[replicate][episode] = value;
    }
    std::vector<double> means;
    for (const auto& [replicate, values] : by_replicate) means.push_back(Mean(values));
    return means;
  }
  // This minus the other where both have the same episode and repetition.
  EpisodeGrid Minus(const EpisodeGrid& other) const {
    EpisodeGrid difference;
    for (const auto& [episode, values] : values_) {
      const auto theirs = other.values_.find(episode);
      if (theirs == other.values_.end()) continue;
      for (const auto& [replicate, value] : values) {
        const auto found = theirs->second.find(replicate);
        if (found != theirs->second.end()) difference.Add(episode, replicate, value - found->second);
      }
    }
    return difference;
  }

 private:
  static double Mean(const std::map<int, double>& values) {
    double sum = 0;
    for (const auto& [key, value] : values) sum += value;
    return sum / static_cast<double>(values.size());
  }

  std::map<int, std::map<int, double>> values_;
};

// The few-shot part of a run.
class Episodes {
 public:
  explicit Episodes(const TableRun& run) {
    for (const Cell& cell : run.cells) {
      if (cell.suite == "few_shot") cells_[{cell.row, cell.shots}].push_back(&cell);
    }
  }
  // `mark`: its index in the profile's list; -1: the last one. No group: all families.
  EpisodeGrid Accuracies(const std::string& start, int shots, const FewShot::Group* group, int mark) const {
    EpisodeGrid grid;
    for (const Cell* cell : Find(start, shots)) {
      if (!cell->has_run() || !InGroup(*cell, group)) continue;
      const std::vector<CurvePoint>& curve = cell->run.curve;
      grid.Add(cell->draw, cell->replicate, 100 * (mark < 0 ? curve.back() : curve.at(mark)).accuracy);
    }
    return grid;
  }
  int64_t Count(const std::string& start, int shots) const { return static_cast<int64_t>(Find(start, shots).size()); }
  // Of all families: what family a failed episode is of may not be known.
  int64_t Failed(const std::string& start, int shots) const {
    const std::vector<const Cell*>& cells = Find(start, shots);
    return std::count_if(cells.begin(), cells.end(), [](const Cell* cell) { return !cell->error.empty(); });
  }
  std::string FirstError(const std::string& start, int shots) const {
    for (const Cell* cell : Find(start, shots)) {
      if (!cell->error.empty()) return cell->error;
    }
    return "";
  }
  // Empty unless they are not there.
  std::string NotAttempted(const std::string& start, int shots) const {
    const std::vector<const Cell*>& cells = Find(start, shots);
    return cells.empty() ? "" : cells[0]->not_attempted;
  }
  int64_t Replicates(const std::string& start) const {
    std::set<int> replicates;
    for (const auto& [key, cells] : cells_) {
      if (key.first != start) continue;
      for (const Cell* cell : cells) replicates.insert(cell->replicate);
    }
    return static_cast<int64_t>(replicates.size());
  }

 private:
  const std::vector<const Cell*>& Find(const std::string& start, int shots) const {
    static const auto* const kNone = new std::vector<const Cell*>;
    const auto found = cells_.find({start, shots});
    return found == cells_.end() ? *kNone : found->second;
  }
  static bool InGroup(const Cell& cell, const FewShot::Group* group) {
    if (group == nullptr) return true;
    const std::string family = cell.task.substr(0, cell.task.find('/'));
    return std::find(group->families().begin(), group->families().end(), family) != group->families().end();
  }

  std::map<std::pair<std::string, int>, std::vector<const Cell*>> cells_;
};

double FinalAccuracy(const Cell& cell) { return 100 * cell.run.curve.back().accuracy; }
double FinalF1(const Cell& cell) { return cell.run.curve.back().macro_f1; }
double Seconds(const Cell& cell) { return cell.run.report.seconds; }

// The final model's official metrics, in the task's order; where it has none, its first metric.
std::vector<double> OfficialValues(const TableRun& run, const Cell& cell) {
  const TaskFacts* const task = FindTask(run, cell.task);
  const std::vector<double>& values = cell.run.curve.back().values;
  std::vector<double> official;
  for (size_t i = 0; task != nullptr && i < task->official_metrics.size(); ++i) {
    const auto found = std::find(cell.run.metrics.begin(), cell.run.metrics.end(), task->official_metrics[i]);
    official.push_back(found == cell.run.metrics.end() ? NAN : values.at(found - cell.run.metrics.begin()));
  }
  return official.empty() ? std::vector<double>{cell.run.curve.back().accuracy} : official;
}

// The task's score on its benchmark, as a share.
double OfficialScore(const TableRun& run, const Cell& cell) { return Summarize(OfficialValues(run, cell)).mean; }

std::optional<double> Measure(const TableRun& run, const Column& column, const RowRuns& row, const RowRuns& ratio_row,
                              int draw) {
  switch (column.measure()) {
    case Column::ACCURACY_PERCENT:
      return row.Mean(draw, FinalAccuracy);
    case Column::PUBLISHED_MEAN_PERCENT:
      return row.Mean(draw, [&run](const Cell& cell) { return 100 * OfficialValues(run, cell)[0]; });
    case Column::BENCHMARK_PERCENT:
      return row.Mean(draw, [&run](const Cell& cell) { return 100 * OfficialScore(run, cell); });
    case Column::MACRO_F1:
      return row.Mean(draw, FinalF1);
    case Column::ADAPTATION_STEPS:
      return row.Mean(draw, [](const Cell& cell) { return static_cast<double>(AdaptationSteps(cell.run.curve)); });
    case Column::PARAMETERS_PERCENT:
      return row.Mean(draw, [](const Cell& cell) {
        const ParameterCounts& counts = cell.run.parameters;
        return counts.backbone == 0
                   ? NAN
                   : 100.0 * static_cast<double>(counts.per_task) / static_cast<double>(counts.backbone);
      });
    case Column::WALL_SECONDS:
      return row.Mean(draw, Seconds);
    case Column::WALL_RATIO: {
      const std::optional<double> ours = row.Mean(draw, Seconds), unit = ratio_row.Mean(draw, Seconds);
      if (!ours.has_value() || !unit.has_value()) return std::nullopt;
      return *ours / *unit;
    }
    default:
      return std::nullopt;
  }
}

// The paper's cell. It prints no ratios, so they follow from its wall times.
std::optional<double> PaperValue(const Table& table, const Row& row, const Column& column) {
  const auto found = row.paper().find(column.id());
  if (found != row.paper().end()) return found->second;
  if (column.measure() != Column::WALL_RATIO) return std::nullopt;
  const Row* const unit = FindRow(table, table.ratio_row());
  for (const Column& seconds : table.columns()) {
    if (seconds.measure() != Column::WALL_SECONDS || unit == nullptr) continue;
    const auto ours = row.paper().find(seconds.id()), theirs = unit->paper().find(seconds.id());
    if (ours != row.paper().end() && theirs != unit->paper().end()) return ours->second / theirs->second;
  }
  return std::nullopt;
}

Json FiniteOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json OrNull(std::optional<double> value) { return value.has_value() ? Json(*value) : Json(); }

// Whether [first, first + count) of the expected value and of this run have one in common. One that says nothing of its
// numbers has none.
bool Overlap(bool known, int first, int count, int our_first, int our_count) {
  return known && our_first < first + count && first < our_first + our_count;
}

// What of this run the expected value comes from; nullptr if nothing. A run that finds itself again says nothing.
const char* Shared(const Expected& expected, const Profile& profile, const Column& column, bool meta_learns) {
  if (expected.exact()) return nullptr;
  if (meta_learns && Overlap(expected.has_first_meta_seed(), expected.first_meta_seed(), expected.meta_seeds(),
                             profile.first_meta_seed(), profile.meta_seeds())) {
    return "meta-trainings";
  }
  if (column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT) {
    const FewShot& few_shot = profile.few_shot();
    return Overlap(expected.has_first_episode(), expected.first_episode(), expected.episodes(),
                   few_shot.first_episode(), few_shot.episodes())
               ? "episodes"
               : nullptr;
  }
  return Overlap(expected.has_first_draw(), expected.first_draw(), expected.n(), profile.first_draw(), profile.draws())
             ? "draws"
             : nullptr;
}

// A cell's values: one a draw, or one a repetition of the few-shot episodes.
struct CellValues {
  std::vector<double> values;
  std::vector<double> episodes;  // of few-shot accuracy: one an episode, the mean over its repetitions
  std::string failed;            // what failed, or empty
  int64_t failures = 0;
  std::string not_attempted;        // why there are no values; else empty
  std::vector<double> part_values;  // where some tasks were not run: of the others
  size_t part_tasks = 0, all_tasks = 0;
};

// Where some tasks were not run: the mean over the others, which is no value of the column and is never judged. What
// published tables average has none.
void MeasurePart(const Table& table, const Row& row, const Column& column, const std::vector<std::string>& tasks,
                 const TableRun& run, CellValues* cell) {
  if (column.measure() == Column::PUBLISHED_MEAN_PERCENT || column.measure() == Column::BENCHMARK_PERCENT) return;
  std::vector<std::string> part;
  for (const std::string& task : tasks) {
    const bool has_run = std::any_of(run.cells.begin(), run.cells.end(), [&](const Cell& one) {
      return one.row == row.id() && one.suite != "few_shot" && one.task == task && one.has_run();
    });
    if (has_run) part.push_back(task);
  }
  if (part.empty()) return;
  const RowRuns runs(run, row.id(), part), ratio_runs(run, table.ratio_row(), part);
  for (const int draw : runs.draws()) {
    const std::optional<double> value = Measure(run, column, runs, ratio_runs, draw);
    if (value.has_value()) cell->part_values.push_back(*value);
  }
  cell->part_tasks = part.size();
  cell->all_tasks = tasks.size();
}

CellValues MeasureCell(const Table& table, const Profile& profile, const Row& row, const Column& column,
                       const TableRun& run) {
  CellValues cell;
  if (column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT) {
    const Episodes episodes(run);
    const FewShot::Group* const group = FindGroup(profile.few_shot(), column.group());
    const EpisodeGrid grid = episodes.Accuracies(row.id(), column.shots(), group, -1);
    cell.not_attempted = episodes.NotAttempted(row.id(), column.shots());
    cell.failures = episodes.Failed(row.id(), column.shots());
    cell.failed = absl::StrCat(cell.failures, " of ", episodes.Count(row.id(), column.shots()), " episodes failed");
    cell.values = grid.ReplicateMeans();
    cell.episodes = grid.EpisodeMeans();
    return cell;
  }
  const std::vector<std::string> tasks = ColumnTasks(profile, run, column);
  const RowRuns runs(run, row.id(), tasks), ratio_runs(run, table.ratio_row(), tasks);
  cell.not_attempted = runs.NotAttempted();
  if (cell.not_attempted.empty() && column.measure() == Column::WALL_RATIO)
    cell.not_attempted = ratio_runs.NotAttempted();
  if (!cell.not_attempted.empty()) {
    MeasurePart(table, row, column, tasks, run, &cell);
    return cell;
  }
  for (const int draw : runs.draws()) {
    const std::optional<double> value = Measure(run, column, runs, ratio_runs, draw);
    if (value.has_value()) {
      cell.values.push_back(*value);
    } else {
      ++cell.failures;
    }
  }
  cell.failed = absl::StrCat(cell.failures, " of ", cell.failures + cell.values.size(), " draws failed");
  return cell;
}

// nullptr if the row has no grid.
const Selection* FindSelection(const TableRun& run, const std::string& row) {
  for (const Selection& selection : run.selections) {
    if (selection.row == row) return &selection;
  }
  return nullptr;
}

LearnerOptions ExpectedOptions(const RowSettings& settings) {
  return LearnerOptions(settings.expected_options().begin(), settings.expected_options().end());
}

// Why what is expected of the row judges nothing: it was measured with other options than the row's grid has chosen.
std::string OtherOptions(const Profile& profile, const TableRun& run, const std::string& row) {
  const Selection* const selection = FindSelection(run, row);
  const RowSettings* const settings = FindRowSettings(profile, row);
  if (selection == nullptr || selection->chosen < 0 || settings == nullptr) return "";
  const LearnerOptions measured = ExpectedOptions(*settings), chosen = selection->candidates[selection->chosen].options;
  if (measured == chosen) return "";
  return absl::StrCat("UNDERSPECIFIED: the expected value was measured with ", OptionsText(measured),
                      ", and the grid of ", row, " has chosen ", OptionsText(chosen));
}

Json MakeCell(const Table& table, const Profile& profile, const Row& row, const Column& column, bool quick,
              const TableRun* run) {
  std::string not_attempted = NotAttemptedReason(profile, row.id());
  CellValues measured;
  if (run != nullptr && not_attempted.empty()) {
    measured = MeasureCell(table, profile, row, column, *run);
    not_attempted = measured.not_attempted;
  }
  const bool few_shot = column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT;
  const bool meta_learns = run != nullptr && run->meta_learns.count(row.id()) > 0 && run->meta_learns.at(row.id());
  const RowSettings* const settings = FindRowSettings(profile, row.id());
  const Expected* const expected = settings == nullptr ? nullptr : FindExpected(*settings, column.id());
  const Summary ours = Summarize(measured.values), ours_episodes = Summarize(measured.episodes);
  const double margin = column.margin_is_relative() && expected != nullptr
                            ? column.margin() * std::abs(expected->mean())
                            : column.margin();
  std::string other_options;
  if (run != nullptr && expected != nullptr && !expected->exact()) {
    other_options = OtherOptions(profile, *run, row.id());
    // A ratio is as much its unit's.
    if (other_options.empty() && column.measure() == Column::WALL_RATIO)
      other_options = OtherOptions(profile, *run, table.ratio_row());
  }

  Judgement judgement;
  if (!not_attempted.empty()) {
    judgement = {Verdict::kNotAttempted, not_attempted};
  } else if (measured.failures > 0) {
    judgement = {Verdict::kRunFailed, measured.failed};
  } else if (!column.not_judged().empty()) {
    judgement = {Verdict::kNotComparable, column.not_judged()};
  } else if (column.measure() == Column::WALL_RATIO && row.id() == table.ratio_row()) {
    judgement = {Verdict::kNotComparable, "the unit of this column"};
  } else if (quick) {
    judgement = {Verdict::kNotAttempted,
                 "BUDGET: --quick runs fewer tasks, draws and steps than the expected value is for"};
  } else if (!other_options.empty()) {
    judgement = {Verdict::kNotAttempted, other_options};
  } else if (const char* shared = expected == nullptr ? nullptr : Shared(*expected, profile, column, meta_learns);
             shared != nullptr) {
    judgement = {Verdict::kNotAttempted,
                 absl::StrCat("SAME_DRAWS: the expected value comes from ", shared, " of this run")};
  } else {
    std::optional<ExpectedValue> value;
    if (expected != nullptr) {
      Summary theirs{expected->n(), expected->mean(), expected->sd()};
      if (few_shot) theirs = CrossedSummary(theirs, {expected->episodes(), expected->mean(), expected->sd_episodes()});
      value = ExpectedValue{theirs, expected->exact()};
    }
    judgement = JudgeCell(few_shot ? CrossedSummary(ours, ours_episodes) : ours, measured.failures, value,
                          margin > 0 ? margin : column.margin(), /*n_counts_runs=*/!few_shot);
    const bool decided = judgement.verdict == Verdict::kReproduced || judgement.verdict == Verdict::kNotReproduced;
    if (decided && meta_learns && profile.meta_seeds() < 2 && !expected->exact()) {
      // Its draws share one meta-training, whose chance their spread does not hold.
      judgement.verdict = Verdict::kInconclusive;
      judgement.why = absl::StrCat("one meta-training is never enough; over the draws: ", judgement.why);
    }
  }

  Json cell;
  cell["mean"] = ours.n > 0 ? Json(ours.mean) : Json();
  cell["sd"] = ours.n > 1 ? Json(ours.sd) : Json();
  cell["n"] = ours.n;
  cell["values"] = measured.values;
  if (!measured.part_values.empty()) {
    const Summary part = Summarize(measured.part_values);
    cell["part"] = {{"mean", part.mean},
                    {"sd", part.n > 1 ? Json(part.sd) : Json()},
                    {"n", part.n},
                    {"tasks", measured.part_tasks},
                    {"of", measured.all_tasks}};
  }
  if (few_shot && ours_episodes.n > 0) {
    cell["episodes"] = ours_episodes.n;
    cell["sd_episodes"] = ours_episodes.n > 1 ? Json(ours_episodes.sd) : Json();
  }
  const std::optional<double> paper = PaperValue(table, row, column);
  cell["paper"] = OrNull(paper);
  if (paper.has_value() && !profile.not_comparable().empty()) {
    cell["paper_verdict"] = "NOT_COMPARABLE";
    cell["paper_why"] = profile.not_comparable();
  }
  cell["expected"] = expected == nullptr ? Json() : Json(expected->mean());
  if (expected != nullptr) {
    cell["expected_sd"] = expected->sd();
    cell["expected_n"] = expected->n();
    cell["expected_source"] = expected->source();
    if (!other_options.empty() && !settings->expected_options().empty())
      cell["expected_options"] = ExpectedOptions(*settings);
  }
  cell["margin"] = column.not_judged().empty() ? Json(margin) : Json();
  cell["verdict"] = std::string(VerdictName(judgement.verdict));
  cell["why"] = judgement.why;
  if (judgement.interval.df > 0 || judgement.interval.low == judgement.interval.high) {
    if (expected != nullptr && ours.n > 1) {
      cell["difference"] = judgement.interval.difference;
      cell["interval_90"] = {judgement.interval.low, judgement.interval.high};
    }
  }
  if (judgement.runs_to_decide > 0) cell["runs_to_decide"] = judgement.runs_to_decide;
  AddPValues(judgement, &cell);
  return cell;
}

// NaN if there is none.
double AccuracyAt(const std::vector<CurvePoint>& curve, int step) {
  for (const CurvePoint& point : curve) {
    if (point.step == step) return 100 * point.accuracy;
  }
  return NAN;
}

// Mean accuracy at each mark over those tasks of the suite that have been run, with spread and interval over the draws.
// The marks are the row's: with steps of its own it has others than the profile.
Json Curve(const TableRun& run, const std::string& row, const std::string& suite) {
  std::vector<std::string> missing;
  const std::vector<std::string> tasks = SuiteTasks(run, suite, [&](const TaskFacts& task) {
    if (!task.missing.empty()) missing.push_back(task.name);
    return task.missing.empty();
  });
  const RowRuns runs(run, row, tasks);
  Json curve = {{"marks", Json::array()}, {"mean", Json::array()}, {"sd", Json::array()},
                {"low", Json::array()},   {"high", Json::array()}, {"n", 0}};
  if (!missing.empty()) curve["missing"] = missing;
  for (const int mark : runs.Marks()) {
    std::vector<double> values;
    for (const int draw : runs.draws()) {
      const std::optional<double> value =
          runs.Mean(draw, [mark](const Cell& cell) { return AccuracyAt(cell.run.curve, mark); });
      if (value.has_value()) values.push_back(*value);
    }
    if (values.empty()) return Json();
    const Summary summary = Summarize(values);
    const DifferenceInterval interval = MeanInterval(summary, kConfidence);
    curve["marks"].push_back(mark);
    curve["mean"].push_back(summary.mean);
    curve["sd"].push_back(summary.n > 1 ? Json(summary.sd) : Json());
    curve["low"].push_back(summary.n > 1 ? Json(interval.low) : Json());
    curve["high"].push_back(summary.n > 1 ? Json(interval.high) : Json());
    curve["n"] = summary.n;
  }
  return curve["n"] == 0 ? Json() : curve;
}

Json RowTasks(const TableRun& run, const std::string& row) {
  Json tasks = Json::array();
  for (const Cell& cell : run.cells) {
    if (cell.row != row || cell.suite == "few_shot") continue;
    Json task = {{"task", cell.task}, {"suite", cell.suite}, {"draw", cell.draw}};
    if (cell.meta_seed >= 0) task["meta_seed"] = cell.meta_seed;
    if (const TaskFacts* facts = FindTask(run, cell.task); facts != nullptr && !facts->subset.empty())
      task["subset"] = facts->subset;
    if (!cell.not_attempted.empty()) task["not_attempted"] = cell.not_attempted;
    if (!cell.error.empty()) task["error"] = cell.error;
    if (!cell.has_run()) {
      tasks.push_back(task);
      continue;
    }
    Json curve = Json::array(), metrics = Json::object();
    for (const CurvePoint& point : cell.run.curve)
      curve.push_back({point.step, FiniteOrNull(point.accuracy), FiniteOrNull(point.macro_f1)});
    const CurvePoint& final_point = cell.run.curve.back();
    for (size_t i = 0; i < cell.run.metrics.size(); ++i)
      metrics[cell.run.metrics[i]] = FiniteOrNull(final_point.values.at(i));
    const AdaptReport& report = cell.run.report;
    task["metric"] = cell.run.metrics.empty() ? "" : cell.run.metrics[0];
    task["value"] = FiniteOrNull(final_point.accuracy);
    task["macro_f1"] = FiniteOrNull(final_point.macro_f1);
    task["metrics"] = metrics;
    task["official"] = FiniteOrNull(OfficialScore(run, cell));
    task["n_test"] = cell.run.num_test;
    task["steps"] = report.steps;
    task["tokens"] = report.tokens;
    task["seconds"] = report.seconds;
    task["flops"] = report.flops;
    task["peak_rss_bytes"] = cell.peak_rss_bytes;
    task["first_loss"] = FiniteOrNull(report.first_loss);
    task["last_loss"] = FiniteOrNull(report.last_loss);
    task["finite"] = report.finite;
    // Of some metric, whose value is then a convention: e.g. F1 of a class that was never predicted.
    task["degenerate"] = final_point.degenerate;
    task["curve"] = curve;
    task["predictions"] = absl::StrCat("predictions/", CellName(cell), ".txt");
    tasks.push_back(task);
  }
  return tasks;
}

// The largest head is that of the task with most classes; the other counts are the same for all tasks.
Json RowParameters(const TableRun& run, const std::string& row) {
  ParameterCounts counts;
  bool any = false;
  for (const Cell& cell : run.cells) {
    if (cell.row != row || cell.suite == "few_shot" || !cell.has_run()) continue;
    any = true;
    counts.per_task = cell.run.parameters.per_task;
    counts.head = std::max(counts.head, cell.run.parameters.head);
    counts.meta = cell.run.parameters.meta;
    counts.backbone = cell.run.parameters.backbone;
  }
  if (!any) return Json();
  return {{"per_task", counts.per_task}, {"head", counts.head}, {"meta", counts.meta}, {"backbone", counts.backbone}};
}

Json CostToJson(const Cost& cost) {
  return {{"adaptations", cost.adaptations}, {"seconds", cost.seconds}, {"flops", cost.flops}};
}

// How the row's grid was decided. `judged` is what the row's own cells cost.
Json SelectionToJson(const Profile& profile, const Selection& selection, const Cost& judged) {
  const Grid& grid = profile.grid();
  const RowSettings& settings = *FindRowSettings(profile, selection.row);
  const int own_steps = settings.steps();
  Json json = {{"grid", Json::object()}, {"suite", grid.suite()}};
  for (const GridOption& option : settings.grid()) json["grid"][option.option()] = option.values();
  std::vector<std::string> tasks;  // those that were run: a quick run has one
  for (const Cell& cell : selection.candidates[0].cells) {
    if (tasks.empty() || tasks.back() != cell.task) tasks.push_back(cell.task);
  }
  json.update({{"tasks", tasks},
               {"first_draw", grid.first_draw()},
               {"draws", grid.draws()},
               {"shots", grid.shots()},
               {"steps", own_steps > 0 ? own_steps : grid.steps()},
               {"batch_size", profile.batch_size()}});
  if (const int meta_seed = selection.candidates[0].cells[0].meta_seed; meta_seed >= 0) json["meta_seed"] = meta_seed;
  Cost cost;
  for (const Candidate& candidate : selection.candidates) {
    const CandidateScore score = ScoreCandidate(candidate);
    cost.Add(score.cost);
    const Summary& accuracy = score.accuracy;
    Json one = {{"options", candidate.options},
                {"accuracy",
                 {{"mean", accuracy.n > 0 ? Json(accuracy.mean) : Json()},
                  {"sd", accuracy.n > 1 ? Json(accuracy.sd) : Json()},
                  {"n", accuracy.n}}},
                {"seconds", score.cost.seconds},
                {"flops", score.cost.flops},
                {"diverged", score.diverged}};
    if (score.failed > 0) {
      one["failed"] = score.failed;
      one["first_error"] = score.first_error;
    }
    json["candidates"].push_back(one);
  }
  json["chosen"] = selection.chosen < 0 ? Json() : Json(selection.candidates[selection.chosen].options);
  json["cost"] = CostToJson(cost);
  json["judged_cost"] = CostToJson(judged);
  return json;
}

// Of the row's cells, those of the few-shot columns among them; starts are no rows.
Cost JudgedCost(bool few_shot_columns, const TableRun& run, const std::string& row) {
  Cost cost;
  for (const Cell& cell : run.cells) {
    if (cell.row == row && (cell.suite != "few_shot" || few_shot_columns)) cost.Add(cell);
  }
  return cost;
}

Json MakeRow(const TableDefinition& definition, const Profile& profile, const Row& row, bool quick,
             const TableRun* run) {
  const Table& table = definition.table;
  Json json = {{"method", row.method()},
               {"id", row.id()},
               {"title", row.title()},
               {"kind", Row::Kind_Name(row.kind())},
               {"reference", row.kind() == Row::REFERENCE},
               {"head", Row::Head_Name(row.head())},
               {"color", row.color()},
               {"dashed", row.dashed()},
               {"note", row.note()}};
  const std::string not_attempted = NotAttemptedReason(profile, row.id());
  if (!not_attempted.empty()) json["not_attempted"] = not_attempted;
  Json seeds = Json::array();
  if (run != nullptr && not_attempted.empty()) {
    for (int d = 0; d < profile.draws(); ++d) seeds.push_back(profile.first_draw() + d);
  }
  json["seeds"] = seeds;
  if (const RowSettings* settings = FindRowSettings(profile, row.id()); settings != nullptr) {
    LearnerOptions options(settings->options().begin(), settings->options().end());
    const Selection* const selection = run == nullptr ? nullptr : FindSelection(*run, row.id());
    if (selection != nullptr && selection->chosen >= 0) {
      const LearnerOptions& chosen = selection->candidates[selection->chosen].options;
      options.insert(chosen.begin(), chosen.end());
    }
    json["options"] = options;
    json["options_reason"] = settings->options_reason();
    for (const GridOption& option : settings->grid()) json["grid"][option.option()] = option.values();
    if (settings->steps() > 0) json["steps"] = settings->steps();
    if (settings->meta_steps() > 0) json["meta_steps"] = settings->meta_steps();
    if (selection != nullptr)
      json["selection"] =
          SelectionToJson(profile, *selection, JudgedCost(HasFewShotColumns(table, profile.name()), *run, row.id()));
  }
  for (const Column& column : table.columns()) {
    if (!HasColumn(profile.name(), column)) continue;
    json["cells"][column.id()] = MakeCell(table, profile, row, column, quick, run);
  }
  if (run == nullptr || !not_attempted.empty()) return json;
  json["tasks"] = RowTasks(*run, row.id());
  json["parameters"] = RowParameters(*run, row.id());
  for (const std::string& suite : profile.suites()) json["curves"][suite] = Curve(*run, row.id(), suite);
  std::vector<double> seconds;
  for (const MetaTraining& training : run->meta_trainings) {
    if (training.row != row.id()) continue;
    Json one = {{"seed", training.seed},
                {"steps", training.steps},
                {"tasks", training.tasks > 0 ? Json(training.tasks) : Json()},
                {"seconds", training.seconds},
                {"first_loss", training.first_loss},
                {"last_loss", training.last_loss}};
    if (training.tasks > 0) one["order"] = absl::StrCat("meta/", row.id(), "-seed", training.seed, "-order.json");
    if (!training.events.empty()) one["events"] = training.events;
    if (!training.error.empty()) one["error"] = training.error;
    json["meta_training"].push_back(one);
    if (training.error.empty()) seconds.push_back(training.seconds);
  }
  if (!seconds.empty()) json["meta_training_median_seconds"] = Median(seconds);
  return json;
}

Json Difference(const DifferenceInterval& interval, size_t n) {
  Json json = {{"difference", interval.difference}, {"low", Json()}, {"high", Json()}, {"n", n}};
  if (std::isfinite(interval.low)) {
    json["low"] = interval.low;
    json["high"] = interval.high;
  }
  return json;
}

// What a comparison of the column is called; nullptr if rows are not compared by it.
const char* ComparedMeasure(const Column& column) {
  switch (column.measure()) {
    case Column::ACCURACY_PERCENT:
      return "accuracy";
    case Column::MACRO_F1:
      return "f1";
    case Column::PUBLISHED_MEAN_PERCENT:
      return "published";
    case Column::BENCHMARK_PERCENT:
      return "benchmark";
    default:
      return nullptr;
  }
}

// A row's column minus that of another row, on what both were run on.
std::optional<Json> Compare(const Profile& profile, const TableRun& run, const Episodes& episodes,
                            const std::string& row, const std::string& to, const Column& column) {
  Json comparison = {{"row", row}, {"to", to}, {"column", column.id()}};
  if (column.measure() == Column::FEW_SHOT_ACCURACY_PERCENT) {
    const FewShot::Group* const group = FindGroup(profile.few_shot(), column.group());
    const EpisodeGrid difference =
        episodes.Accuracies(row, column.shots(), group, -1).Minus(episodes.Accuracies(to, column.shots(), group, -1));
    if (difference.empty()) return std::nullopt;
    const Summary by_episode = Summarize(difference.EpisodeMeans()),
                  by_replicate = Summarize(difference.ReplicateMeans());
    comparison.update(
        {{"suite", "few_shot"}, {"measure", "accuracy"}, {"shots", column.shots()}, {"group", column.group()}});
    comparison.update(Difference(MeanInterval(by_episode, kConfidence), by_episode.n));
    comparison["replicates"] = by_replicate.n;
    comparison["sd_replicates"] = by_replicate.n > 1 ? Json(by_replicate.sd) : Json();
    return comparison;
  }
  const char* const measure = ComparedMeasure(column);
  if (measure == nullptr) return std::nullopt;
  const std::vector<std::string> tasks = ColumnTasks(profile, run, column);
  const RowRuns ours(run, row, tasks), theirs(run, to, tasks);
  std::vector<double> a, b;
  for (const int draw : ours.draws()) {
    const std::optional<double> x = Measure(run, column, ours, ours, draw),
                                y = Measure(run, column, theirs, theirs, draw);
    if (!x.has_value() || !y.has_value()) continue;
    a.push_back(*x);
    b.push_back(*y);
  }
  if (a.empty()) return std::nullopt;
  comparison.update({{"suite", column.suite()}, {"measure", measure}});
  comparison.update(Difference(PairedInterval(a, b, kConfidence), a.size()));
  return comparison;
}

Json Comparisons(const Table& table, const Profile& profile, const TableRun& run) {
  Json comparisons = Json::array();
  const Episodes episodes(run);
  for (const std::string& to : table.compare_to()) {
    for (const Row& row : table.rows()) {
      if (row.id() == to) continue;
      for (const Column& column : table.columns()) {
        if (!HasColumn(profile.name(), column)) continue;
        std::optional<Json> comparison = Compare(profile, run, episodes, row.id(), to, column);
        if (!comparison.has_value()) continue;
        const std::optional<double> ours = PaperValue(table, row, column),
                                    theirs = PaperValue(table, *FindRow(table, to), column);
        if (ours.has_value() && theirs.has_value()) (*comparison)["paper_difference"] = *ours - *theirs;
        comparisons.push_back(*std::move(comparison));
      }
    }
  }
  return comparisons;
}

// One suite's tasks by row: scores of every task and draw, over tasks that are there. Rows without one are left out.
std::vector<ScoreRow> SuiteScores(const Table& table, const TableRun& run, const std::vector<std::string>& tasks) {
  std::vector<ScoreRow> rows;
  for (const Row& row : table.rows()) {
    const RowRuns runs(run, row.id(), tasks);
    if (!runs.NotAttempted().empty()) continue;
    ScoreRow scores{row.id()};
    for (const std::string& task : tasks) {
      scores.scores.emplace_back();
      for (const int draw : runs.draws()) {
        const Cell* const cell = runs.Find(task, draw);
        scores.scores.back().push_back(cell == nullptr || !cell->has_run() ? NAN : FinalAccuracy(*cell));
      }
    }
    rows.push_back(std::move(scores));
  }
  return rows;
}

// Of two rows on the same tasks and draws: a list a task, ours minus theirs.
Json PairedDifferences(const ScoreRow& ours, const ScoreRow& theirs, const std::vector<std::string>& tasks) {
  Json json = Json::array();
  for (size_t t = 0; t < tasks.size(); ++t) {
    Json values = Json::array();
    double sum = 0;
    for (size_t d = 0; d < ours.scores[t].size(); ++d) {
      const double difference = ours.scores[t][d] - theirs.scores[t][d];
      sum += difference;
      values.push_back(FiniteOrNull(difference));  // a run that failed
    }
    json.push_back({{"task", tasks[t]},
                    {"mean", FiniteOrNull(sum / static_cast<double>(values.size()))},
                    {"values", std::move(values)}});
  }
  return json;
}

// What each suite says over all its tasks and draws at once, and the differences that it comes from, in percent of the
// tasks' first metric.
Json Aggregates(const Table& table, const Profile& profile, const TableRun& run) {
  Json aggregates = Json::array();
  AggregateOptions options;
  options.compare_to.assign(table.compare_to().begin(), table.compare_to().end());
  for (const std::string& suite : profile.suites()) {
    const std::vector<std::string> tasks =
        SuiteTasks(run, suite, [](const TaskFacts& task) { return task.missing.empty(); });
    const std::vector<ScoreRow> rows = SuiteScores(table, run, tasks);
    Json json = AggregateJson(rows, options);
    if (json.is_null()) continue;
    json["suite"] = suite;
    json["task_names"] = tasks;
    for (Json& pair : json["pairs"]) {
      const auto find = [&](const char* side) {
        return std::find_if(rows.begin(), rows.end(), [&](const ScoreRow& row) { return pair[side] == row.id; });
      };
      const auto ours = find("row"), theirs = find("to");
      if (ours != rows.end() && theirs != rows.end()) pair["differences"] = PairedDifferences(*ours, *theirs, tasks);
    }
    aggregates.push_back(std::move(json));
  }
  return aggregates;
}

// Which tasks meta-training has seen, which ones rows are judged on, and where settings were chosen.
Json Split(const Profile& profile, const TableRun& run) {
  Json split = {{"meta_train", run.meta_train_tasks}, {"meta_test", Json::array()}, {"development", Json::array()}};
  for (const TaskFacts& task : run.tasks) {
    if (task.development && !task.missing.empty()) continue;  // nothing was chosen on it
    split[task.development ? "development" : "meta_test"].push_back(task.name);
  }
  if (!profile.has_few_shot()) return split;
  std::set<std::string> few_shot(profile.file_world().few_shot_tasks().begin(),
                                 profile.file_world().few_shot_tasks().end());
  for (const Cell& cell : run.cells) {
    // Of episodes that are not of files' tasks, their families.
    if (WorldOf(profile) != "desk" || cell.suite != "few_shot" || cell.task.empty()) continue;
    few_shot.insert(cell.task.substr(0, cell.task.find('/')));
  }
  split["few_shot"] = few_shot;
  return split;
}

// What there is to say of the tasks themselves: how much of the official data they have, and how they are scored.
Json Tasks(const TableRun& run) {
  Json tasks = Json::array();
  for (const TaskFacts& task : run.tasks) {
    tasks.push_back({{"task", task.name},
                     {"suite", task.suite},
                     {"development", task.development},
                     {"subset", task.subset},
                     {"missing", task.missing},
                     {"n_test", task.num_test},
                     {"metrics", task.metrics},
                     {"official_metrics", task.official_metrics}});
  }
  return tasks;
}

// The few-shot part: accuracy by start, shots, group of families and mark. An episode's value is its mean over the
// repetitions, so that intervals are over episodes; the spread over repetitions is told apart.
class FewShotTable {
 public:
  FewShotTable(const Table& table, const FewShot& few_shot, const TableRun& run)
      : table_(table), few_shot_(few_shot), run_(run), episodes_(run) {}

  Json ToJson() const {
    Json json = {{"shots", few_shot_.shots()},
                 {"episodes", few_shot_.episodes()},
                 {"first_episode", few_shot_.first_episode()},
                 {"steps", few_shot_.steps()},
                 {"batch_size", few_shot_.batch_size()},
                 {"marks", few_shot_.marks()},
                 {"compare_to", few_shot_.compare_to()},
                 {"note", few_shot_.note()}};
    json["groups"].push_back({{"id", "all"}, {"title", "all"}});
    for (const FewShot::Group& group : few_shot_.groups()) {
      json["groups"].push_back({{"id", group.id()}, {"title", group.title()}, {"families", group.families()}});
    }
    for (const FewShot::Start& start : few_shot_.starts()) {
      const Row& row = *FindRow(table_, start.row());
      const auto meta_learns = run_.meta_learns.find(start.row());
      json["starts"].push_back(
          {{"id", start.id()},
           {"title", start.title()},
           {"row", start.row()},
           {"color", row.color()},
           {"dashed", row.dashed()},
           {"meta_learns", meta_learns != run_.meta_learns.end() && meta_learns->second},
           {"options", std::map<std::string, std::string>(start.options().begin(), start.options().end())}});
    }
    json["results"] = Json::array();
    for (const FewShot::Start& start : few_shot_.starts()) {
      for (const int shots : few_shot_.shots()) {
        json["results"].push_back(Result(start.id(), shots, nullptr));
        for (const FewShot::Group& group : few_shot_.groups())
          json["results"].push_back(Result(start.id(), shots, &group));
      }
    }
    return json;
  }

 private:
  Json Result(const std::string& start, int shots, const FewShot::Group* group) const {
    Json json = {{"start", start}, {"shots", shots}, {"group", group == nullptr ? "all" : group->id()}};
    if (const std::string missing = episodes_.NotAttempted(start, shots); !missing.empty()) json["missing"] = missing;
    const int64_t failed = episodes_.Failed(start, shots);
    if (failed > 0) {
      json["failed"] = failed;
      json["first_error"] = episodes_.FirstError(start, shots);
    }
    json["seeds"] = episodes_.Replicates(start);
    for (const char* name :
         {"marks", "mean", "sd", "low", "high", "sd_seeds", "difference", "difference_low", "difference_high"}) {
      json[name] = Json::array();
    }
    json["n"] = 0;
    const auto finite = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
    for (int i = 0; i < few_shot_.marks_size(); ++i) {
      const EpisodeGrid ours = episodes_.Accuracies(start, shots, group, i);
      if (ours.empty()) break;
      const EpisodeGrid base = episodes_.Accuracies(few_shot_.compare_to(), shots, group, i);
      const Summary summary = Summarize(ours.EpisodeMeans()), seeds = Summarize(ours.ReplicateMeans());
      const DifferenceInterval interval = MeanInterval(summary, kConfidence);
      const DifferenceInterval difference = MeanInterval(Summarize(ours.Minus(base).EpisodeMeans()), kConfidence);
      json["n"] = summary.n;
      json["marks"].push_back(few_shot_.marks(i));
      json["mean"].push_back(summary.mean);
      json["sd"].push_back(summary.n > 1 ? Json(summary.sd) : Json());
      json["low"].push_back(finite(interval.low));
      json["high"].push_back(finite(interval.high));
      json["sd_seeds"].push_back(seeds.n > 1 ? Json(seeds.sd) : Json());
      json["difference"].push_back(difference.difference);
      json["difference_low"].push_back(finite(difference.low));
      json["difference_high"].push_back(finite(difference.high));
    }
    return json;
  }

  const Table& table_;
  const FewShot& few_shot_;
  const TableRun& run_;
  const Episodes episodes_;
};

// The settings that only some profiles have; what is 0 is left open and not said.
void AddParts(const Profile& profile, Json* protocol) {
  if (profile.has_grid()) {
    const Grid& grid = profile.grid();
    (*protocol)["grid"] = {{"suite", grid.suite()}, {"tasks", grid.tasks()}, {"first_draw", grid.first_draw()},
                           {"draws", grid.draws()}, {"shots", grid.shots()}, {"steps", grid.steps()}};
  }
  if (profile.has_few_shot()) {
    const FewShot& few_shot = profile.few_shot();
    (*protocol)["few_shot"] = {
        {"shots", few_shot.shots()}, {"episodes", few_shot.episodes()},     {"first_episode", few_shot.first_episode()},
        {"steps", few_shot.steps()}, {"batch_size", few_shot.batch_size()}, {"marks", few_shot.marks()}};
  }
  if (profile.has_file_world()) {
    const FileWorld& world = profile.file_world();
    Json& json = (*protocol)["file_world"] = Json::object();
    const std::pair<const char*, int> kSizes[] = {{"max_test_examples", world.max_test_examples()},
                                                  {"max_tokens", world.max_tokens()},
                                                  {"development_examples", world.development_examples()},
                                                  {"max_query_examples", world.max_query_examples()}};
    for (const auto& [name, size] : kSizes) {
      if (size > 0) json[name] = size;
    }
    json["pairs"] = FileWorld::TaskConfigEncoding_Name(world.pairs());
    if (world.few_shot_tasks_size() > 0) json["few_shot_tasks"] = world.few_shot_tasks();
    if (world.few_shot_seeds_size() > 0) json["few_shot_seeds"] = world.few_shot_seeds();
  }
  if (!profile.has_needs()) return;
  const Needs& needs = profile.needs();
  Json& json = (*protocol)["needs"] = Json::object();
  if (!needs.encoder().empty()) json["encoder"] = needs.encoder();
  if (needs.gpus() > 0) json["gpus"] = needs.gpus();
  if (!needs.gpu().empty()) json["gpu"] = needs.gpu();
}

Json CountsToJson(const VerdictCounts& counts) {
  return {{"reproduced", counts.reproduced},
          {"inconclusive", counts.inconclusive},
          {"not_reproduced", counts.not_reproduced},
          {"not_attempted", counts.not_attempted},
          {"run_failed", counts.failed}};
}

VerdictCounts Count(const Json& result, bool paper_only) {
  VerdictCounts counts;
  for (const Json& row : result["rows"]) {
    for (const Json& column : result["columns"]) {
      if (paper_only && !(row["kind"] == "METHOD" && column["in_paper"] == true)) continue;
      if (column["not_judged"] != "") continue;
      const Json& cell = row["cells"][column["id"].get<std::string>()];
      for (const Verdict verdict : {Verdict::kReproduced, Verdict::kInconclusive, Verdict::kNotReproduced,
                                    Verdict::kNotAttempted, Verdict::kRunFailed}) {
        if (cell["verdict"] == std::string(VerdictName(verdict))) counts.Add(verdict);
      }
    }
  }
  return counts;
}

}  // namespace

VerdictCounts CountVerdicts(const Json& result) { return Count(result, /*paper_only=*/false); }

Json BuildResult(const TableDefinition& definition, const Profile& profile, const RunContext& context,
                 const TableRun* run) {
  const Table& table = definition.table;
  Json result;
  result["table"] = table.name();
  result["title"] = table.title();
  result["paper"] = table.paper();
  result["profile"] = profile.name();
  result["profile_title"] = profile.title();
  result["quick"] = context.quick;
  result["git"] = context.git;
  result["started"] = context.started;
  result["seconds"] = context.seconds;
  result["command"] = context.command;
  if (profile.has_not_attempted()) result["not_attempted"] = NotAttemptedText(profile.not_attempted());
  Json environment;
  for (const auto& [name, value] : context.environment) environment[name] = value;
  environment["threads"] = context.threads;
  environment["program_sha256"] = context.build;
  if (!environment.contains("world_size")) environment["world_size"] = 1;
  if (run != nullptr) environment["peak_rss_bytes"] = run->peak_rss_bytes;
  result["environment"] = environment;
  std::vector<std::pair<std::string, std::string>> inputs = context.inputs;
  inputs.insert(inputs.begin(), {absl::StrCat("repro/tables/", table.name(), ".textproto"), definition.sha256});
  for (const auto& [name, sha256] : inputs) result["inputs"].push_back({{"name", name}, {"sha256", sha256}});
  result["protocol"] = {{"data", profile.data()},
                        {"backbone", profile.backbone()},
                        {"subset_note", profile.subset_note()},
                        {"not_comparable", profile.not_comparable()},
                        {"suites", profile.suites()},
                        {"draws", profile.draws()},
                        {"first_draw", profile.first_draw()},
                        {"meta_seeds", profile.meta_seeds()},
                        {"first_meta_seed", profile.first_meta_seed()},
                        {"meta_train_tasks", MetaTrainTasksText(profile.meta_train_tasks())},
                        {"shots", profile.shots()},
                        {"steps", profile.steps()},
                        {"batch_size", profile.batch_size()},
                        {"marks", profile.marks()},
                        {"ratio_row", table.ratio_row()},
                        {"world", WorldOf(profile)}};
  AddParts(profile, &result["protocol"]);
  for (const Suite& suite : profile.suite_tasks())
    result["suites"].push_back({{"name", suite.name()}, {"title", suite.title()}, {"tasks", suite.tasks()}});
  for (const Column& column : table.columns()) {
    if (!HasColumn(profile.name(), column)) continue;
    result["columns"].push_back({{"id", column.id()},
                                 {"title", column.title()},
                                 {"measure", Column::Measure_Name(column.measure())},
                                 {"suite", column.suite()},
                                 {"in_paper", column.in_paper()},
                                 {"margin", column.not_judged().empty() ? Json(column.margin()) : Json()},
                                 {"margin_is_relative", column.margin_is_relative()},
                                 {"margin_reason", column.margin_reason()},
                                 {"not_judged", column.not_judged()},
                                 {"decimals", column.decimals()},
                                 {"note", column.note()}});
    if (!column.tasks().empty()) result["columns"].back()["tasks"] = column.tasks();
    if (column.measure() != Column::FEW_SHOT_ACCURACY_PERCENT) continue;
    result["columns"].back()["shots"] = column.shots();
    result["columns"].back()["group"] = column.group();
  }
  for (const Row& row : table.rows()) result["rows"].push_back(MakeRow(definition, profile, row, context.quick, run));
  const VerdictCounts paper = Count(result, /*paper_only=*/true), all = CountVerdicts(result);
  result["headline"] = Headline(paper);
  ApplyHolm(&result);  // says in the headline how much of it holds for the whole table
  result["counts"] = {{"paper", CountsToJson(paper)}, {"all", CountsToJson(all)}};
  if (run == nullptr) return result;
  result["split"] = Split(profile, *run);
  result["data"] = Tasks(*run);
  result["comparisons"] = Comparisons(table, profile, *run);
  result["aggregates"] = Aggregates(table, profile, *run);
  if (profile.has_few_shot()) result["few_shot"] = FewShotTable(table, profile.few_shot(), *run).ToJson();
  return result;
}

std::string ExpectedTextproto(const Json& result) {
  const Json& protocol = result["protocol"];
  const int first = protocol["first_draw"], draws = protocol["draws"];
  const std::string run = absl::StrCat("own run of ", result["started"].get<std::string>().substr(0, 10), ", commit ",
                                       result["git"].get<std::string>());
  std::string text = absl::StrCat("# For profile \"", result["profile"].get<std::string>(),
                                  "\"; exact values are arithmetic and are not listed.\n");
  for (const Json& row : result["rows"]) {
    // Draws that meet other meta-trainings are other draws.
    std::string meta;
    if (row.contains("meta_training")) {
      meta = absl::StrFormat(" first_meta_seed: %d meta_seeds: %d", protocol["first_meta_seed"].get<int>(),
                             protocol["meta_seeds"].get<int>());
    }
    std::string chosen, expected;
    for (const Json& column : result["columns"]) {
      const Json& cell = row["cells"][column["id"].get<std::string>()];
      if (!cell["mean"].is_number() || !cell["sd"].is_number()) continue;
      if (column["measure"] == "PARAMETERS_PERCENT" || column["not_judged"] != "") continue;
      if (column["measure"] == "WALL_RATIO" && row["id"] == protocol["ratio_row"]) continue;
      std::string what = absl::StrCat(" first_draw: ", first),
                  of = absl::StrCat("draws ", first, " to ", first + draws - 1);
      if (column["measure"] == "FEW_SHOT_ACCURACY_PERCENT") {
        if (!cell["sd_episodes"].is_number()) continue;
        const int episode = result["few_shot"]["first_episode"], episodes = result["few_shot"]["episodes"];
        what = absl::StrFormat(" first_episode: %d episodes: %d sd_episodes: %.4g", episode, episodes,
                               cell["sd_episodes"].get<double>());
        of = absl::StrCat("episodes ", episode, " to ", episode + episodes - 1);
      }
      absl::StrAppend(
          &expected,
          absl::StrFormat("      expected { column: \"%s\" mean: %.6g sd: %.4g n: %d%s%s source: \"%s, %s\" }\n",
                          column["id"].get<std::string>(), cell["mean"].get<double>(), cell["sd"].get<double>(),
                          cell["n"].get<int>(), what, meta, run, of));
    }
    if (row.contains("selection")) {
      for (const auto& [option, value] : row["selection"]["chosen"].items()) {
        chosen +=
            absl::StrFormat("      expected_options { key: \"%s\" value: \"%s\" }\n", option, value.get<std::string>());
      }
    }
    if (!expected.empty()) {
      absl::StrAppend(&text, "    rows {\n      row: \"", row["id"].get<std::string>(), "\"\n", chosen, expected,
                      "    }\n");
    }
  }
  return text;
}

}  // namespace gbmoa
