#include "repro/result.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eval/statistics.h"

namespace gbmoa {
namespace {

// Paired differences and bands are stated at 95 %; verdicts at 90 %, see verdict.h.
constexpr double kConfidence = 0.95;

using CellMap = std::map<std::pair<std::string, int>, const Cell*>;  // task, draw

// All runs of one row on the tasks of one suite.
class RowRuns {
 public:
  RowRuns(const TableRun& run, const std::string& row, const std::string& suite) {
    for (const Cell& cell : run.cells) {
      if (cell.row != row || cell.suite != suite) continue;
      draws_.insert(cell.draw);
      tasks_.insert(cell.task);
      cells_[{cell.task, cell.draw}] = &cell;
    }
  }
  const std::set<int>& draws() const { return draws_; }
  bool empty() const { return draws_.empty(); }

  // Mean over the tasks of one draw; nothing if one of them failed.
  template <typename F>
  std::optional<double> Mean(int draw, const F& value) const {
    double sum = 0;
    for (const std::string& task : tasks_) {
      const auto found = cells_.find({task, draw});
      if (found == cells_.end() || !found->second->error.empty()) return std::nullopt;
      sum += value(*found->second);
    }
    if (tasks_.empty()) return std::nullopt;
    return sum / static_cast<double>(tasks_.size());
  }

 private:
  std::set<int> draws_;
  std::set<std::string> tasks_;
  CellMap cells_;
};

double FinalAccuracy(const Cell& cell) { return 100 * cell.run.curve.back().accuracy; }
double FinalF1(const Cell& cell) { return cell.run.curve.back().macro_f1; }
double Seconds(const Cell& cell) { return cell.run.report.seconds; }

std::optional<double> Measure(const Column& column, const RowRuns& row, const RowRuns& ratio_row, int draw) {
  switch (column.measure()) {
    case Column::ACCURACY_PERCENT:
      return row.Mean(draw, FinalAccuracy);
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

Json OrNull(std::optional<double> value) { return value.has_value() ? Json(*value) : Json(); }

Json MakeCell(const Table& table, const Profile& profile, const Row& row, const Column& column, bool quick,
              const TableRun* run) {
  std::vector<double> values;
  int64_t failed = 0;
  const std::string not_attempted = NotAttemptedReason(profile, row.id());
  if (run != nullptr && not_attempted.empty()) {
    const RowRuns runs(*run, row.id(), column.suite()), ratio_runs(*run, table.ratio_row(), column.suite());
    for (const int draw : runs.draws()) {
      const std::optional<double> value = Measure(column, runs, ratio_runs, draw);
      if (value.has_value()) {
        values.push_back(*value);
      } else {
        ++failed;
      }
    }
  }
  const RowSettings* const settings = FindRowSettings(profile, row.id());
  const Expected* const expected = settings == nullptr ? nullptr : FindExpected(*settings, column.id());
  const Summary ours = Summarize(values);
  const double margin = column.margin_is_relative() && expected != nullptr
                            ? column.margin() * std::abs(expected->mean())
                            : column.margin();

  Judgement judgement;
  if (!not_attempted.empty()) {
    judgement = {Verdict::kNotAttempted, not_attempted};
  } else if (failed > 0) {
    judgement = {Verdict::kRunFailed, absl::StrCat(failed, " of ", failed + ours.n, " draws failed")};
  } else if (!column.not_judged().empty()) {
    judgement = {Verdict::kNotComparable, column.not_judged()};
  } else if (column.measure() == Column::WALL_RATIO && row.id() == table.ratio_row()) {
    judgement = {Verdict::kNotComparable, "the unit of this column"};
  } else if (quick) {
    judgement = {Verdict::kNotAttempted,
                 "BUDGET: --quick runs fewer tasks, draws and steps than the expected value is for"};
  } else if (expected != nullptr && expected->has_first_draw() && !expected->exact() &&
             profile.first_draw() < expected->first_draw() + expected->n() &&
             expected->first_draw() < profile.first_draw() + profile.draws()) {
    judgement = {Verdict::kNotAttempted, "SAME_DRAWS: the expected value comes from draws of this run"};
  } else {
    std::optional<ExpectedValue> value;
    if (expected != nullptr)
      value = ExpectedValue{{expected->n(), expected->mean(), expected->sd()}, expected->exact()};
    judgement = JudgeCell(ours, failed, value, margin > 0 ? margin : column.margin());
    const bool decided = judgement.verdict == Verdict::kReproduced || judgement.verdict == Verdict::kNotReproduced;
    const bool meta_learns = run != nullptr && run->meta_learns.count(row.id()) > 0 && run->meta_learns.at(row.id());
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
  cell["values"] = values;
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
  return cell;
}

// Mean accuracy over the suite's tasks at each mark, with spread and interval over the draws.
Json Curve(const RowRuns& runs, const Profile& profile) {
  Json curve = {{"marks", Json::array()}, {"mean", Json::array()}, {"sd", Json::array()},
                {"low", Json::array()},   {"high", Json::array()}, {"n", 0}};
  for (int i = 0; i < profile.marks_size(); ++i) {
    std::vector<double> values;
    for (const int draw : runs.draws()) {
      const std::optional<double> value =
          runs.Mean(draw, [&](const Cell& cell) { return 100 * cell.run.curve.at(i).accuracy; });
      if (value.has_value()) values.push_back(*value);
    }
    if (values.empty()) return Json();
    const Summary summary = Summarize(values);
    const DifferenceInterval interval = MeanInterval(summary, kConfidence);
    curve["marks"].push_back(profile.marks(i));
    curve["mean"].push_back(summary.mean);
    curve["sd"].push_back(summary.n > 1 ? Json(summary.sd) : Json());
    curve["low"].push_back(summary.n > 1 ? Json(interval.low) : Json());
    curve["high"].push_back(summary.n > 1 ? Json(interval.high) : Json());
    curve["n"] = summary.n;
  }
  return curve;
}

Json RowTasks(const TableRun& run, const std::string& row) {
  Json tasks = Json::array();
  for (const Cell& cell : run.cells) {
    if (cell.row != row || cell.suite == "few_shot") continue;
    Json task = {{"task", cell.task}, {"suite", cell.suite}, {"draw", cell.draw}};
    if (cell.meta_seed >= 0) task["meta_seed"] = cell.meta_seed;
    if (!cell.error.empty()) {
      task["error"] = cell.error;
      tasks.push_back(task);
      continue;
    }
    Json curve = Json::array();
    bool degenerate = false;
    for (const CurvePoint& point : cell.run.curve) curve.push_back({point.step, point.accuracy, point.macro_f1});
    degenerate = cell.run.curve.back().degenerate;
    const AdaptReport& report = cell.run.report;
    task["metric"] = "accuracy";
    task["value"] = cell.run.curve.back().accuracy;
    task["macro_f1"] = cell.run.curve.back().macro_f1;
    task["n_test"] = cell.run.num_test;
    task["steps"] = report.steps;
    task["seconds"] = report.seconds;
    task["flops"] = report.flops;
    task["peak_rss_bytes"] = cell.peak_rss_bytes;
    task["first_loss"] = report.first_loss;
    task["last_loss"] = report.last_loss;
    task["finite"] = report.finite;
    task["degenerate"] = degenerate;  // some class was never predicted: its F1 of 0 is a convention
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
    if (cell.row != row || cell.suite == "few_shot" || !cell.error.empty()) continue;
    any = true;
    counts.per_task = cell.run.parameters.per_task;
    counts.head = std::max(counts.head, cell.run.parameters.head);
    counts.meta = cell.run.parameters.meta;
    counts.backbone = cell.run.parameters.backbone;
  }
  if (!any) return Json();
  return {{"per_task", counts.per_task}, {"head", counts.head}, {"meta", counts.meta}, {"backbone", counts.backbone}};
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
    json["options"] = std::map<std::string, std::string>(settings->options().begin(), settings->options().end());
    json["options_reason"] = settings->options_reason();
  }
  for (const Column& column : table.columns()) {
    json["cells"][column.id()] = MakeCell(table, profile, row, column, quick, run);
  }
  if (run == nullptr || !not_attempted.empty()) return json;
  json["tasks"] = RowTasks(*run, row.id());
  json["parameters"] = RowParameters(*run, row.id());
  for (const std::string& suite : profile.suites())
    json["curves"][suite] = Curve(RowRuns(*run, row.id(), suite), profile);
  for (const MetaTraining& training : run->meta_trainings) {
    if (training.row != row.id()) continue;
    Json one = {{"seed", training.seed},
                {"steps", training.steps},
                {"seconds", training.seconds},
                {"first_loss", training.first_loss},
                {"last_loss", training.last_loss}};
    if (!training.error.empty()) one["error"] = training.error;
    json["meta_training"].push_back(one);
  }
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

Json Comparisons(const Table& table, const Profile& profile, const TableRun& run) {
  Json comparisons = Json::array();
  for (const std::string& to : table.compare_to()) {
    for (const Row& row : table.rows()) {
      if (row.id() == to) continue;
      for (const std::string& suite : profile.suites()) {
        const RowRuns ours(run, row.id(), suite), theirs(run, to, suite);
        const std::pair<const char*, double (*)(const Cell&)> measures[] = {{"accuracy", FinalAccuracy},
                                                                            {"f1", FinalF1}};
        for (const auto& [name, value] : measures) {
          std::vector<double> a, b;
          for (const int draw : ours.draws()) {
            const std::optional<double> x = ours.Mean(draw, value), y = theirs.Mean(draw, value);
            if (!x.has_value() || !y.has_value()) continue;
            a.push_back(*x);
            b.push_back(*y);
          }
          if (a.empty()) continue;
          Json comparison = {{"row", row.id()}, {"to", to}, {"suite", suite}, {"measure", name}};
          comparison.update(Difference(PairedInterval(a, b, kConfidence), a.size()));
          comparisons.push_back(comparison);
        }
      }
    }
  }
  return comparisons;
}

// The few-shot part: accuracy by start, shots, group of families and mark. An episode's value is its mean over the
// meta-trainings, so that intervals are over episodes; the spread over meta-trainings is told apart.
class FewShotTable {
 public:
  FewShotTable(const FewShot& few_shot, const TableRun& run) : few_shot_(few_shot) {
    for (const Cell& cell : run.cells) {
      if (cell.suite != "few_shot") continue;
      if (!cell.error.empty()) {
        ++failed_[{cell.row, cell.shots}];
        continue;
      }
      cells_[{cell.row, cell.shots}][cell.draw].push_back(&cell);
      seeds_[cell.row].insert(cell.meta_seed);
    }
  }

  Json ToJson(const Table& table) const {
    Json json = {{"shots", few_shot_.shots()}, {"episodes", few_shot_.episodes()},
                 {"steps", few_shot_.steps()}, {"batch_size", few_shot_.batch_size()},
                 {"marks", few_shot_.marks()}, {"compare_to", few_shot_.compare_to()},
                 {"note", few_shot_.note()}};
    json["groups"].push_back({{"id", "all"}, {"title", "all"}});
    for (const FewShot::Group& group : few_shot_.groups()) {
      json["groups"].push_back({{"id", group.id()}, {"title", group.title()}, {"families", group.families()}});
    }
    for (const FewShot::Start& start : few_shot_.starts()) {
      const Row& row = *FindRow(table, start.row());
      json["starts"].push_back(
          {{"id", start.id()},
           {"title", start.title()},
           {"row", start.row()},
           {"color", row.color()},
           {"dashed", row.dashed()},
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
  using Episodes = std::map<int, std::vector<const Cell*>>;

  static bool InGroup(const Cell& cell, const FewShot::Group* group) {
    if (group == nullptr) return true;
    const std::string family = cell.task.substr(0, cell.task.find('/'));
    return std::find(group->families().begin(), group->families().end(), family) != group->families().end();
  }

  // Accuracy at a mark by episode, averaged over meta-trainings.
  std::map<int, double> Values(const std::string& start, int shots, const FewShot::Group* group, int mark) const {
    std::map<int, double> values;
    const auto found = cells_.find({start, shots});
    if (found == cells_.end()) return values;
    for (const auto& [episode, cells] : found->second) {
      if (!InGroup(*cells[0], group)) continue;
      double sum = 0;
      for (const Cell* cell : cells) sum += 100 * cell->run.curve.at(mark).accuracy;
      values[episode] = sum / static_cast<double>(cells.size());
    }
    return values;
  }

  Json Result(const std::string& start, int shots, const FewShot::Group* group) const {
    Json json = {{"start", start}, {"shots", shots}, {"group", group == nullptr ? "all" : group->id()}};
    const auto failed = failed_.find({start, shots});
    if (failed != failed_.end()) json["failed"] = failed->second;
    const auto seeds = seeds_.find(start);
    json["seeds"] = seeds == seeds_.end() ? 0 : seeds->second.size();
    for (const char* name :
         {"marks", "mean", "sd", "low", "high", "sd_seeds", "difference", "difference_low", "difference_high"}) {
      json[name] = Json::array();
    }
    json["n"] = 0;
    for (int i = 0; i < few_shot_.marks_size(); ++i) {
      const std::map<int, double> values = Values(start, shots, group, i);
      const std::map<int, double> base = Values(few_shot_.compare_to(), shots, group, i);
      std::vector<double> all, ours, theirs;
      for (const auto& [episode, value] : values) {
        all.push_back(value);
        const auto other = base.find(episode);
        if (other == base.end()) continue;
        ours.push_back(value);
        theirs.push_back(other->second);
      }
      if (all.empty()) break;
      const Summary summary = Summarize(all);
      const DifferenceInterval interval = MeanInterval(summary, kConfidence);
      const DifferenceInterval difference = PairedInterval(ours, theirs, kConfidence);
      const auto finite = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
      json["n"] = summary.n;
      json["marks"].push_back(few_shot_.marks(i));
      json["mean"].push_back(summary.mean);
      json["sd"].push_back(summary.n > 1 ? Json(summary.sd) : Json());
      json["low"].push_back(finite(interval.low));
      json["high"].push_back(finite(interval.high));
      json["sd_seeds"].push_back(SeedSpread(start, shots, group, i));
      json["difference"].push_back(difference.difference);
      json["difference_low"].push_back(finite(difference.low));
      json["difference_high"].push_back(finite(difference.high));
    }
    return json;
  }

  Json SeedSpread(const std::string& start, int shots, const FewShot::Group* group, int mark) const {
    std::map<int, std::vector<double>> by_seed;
    for (const auto& [episode, cells] : cells_.at({start, shots})) {
      for (const Cell* cell : cells) {
        if (InGroup(*cell, group)) by_seed[cell->meta_seed].push_back(100 * cell->run.curve.at(mark).accuracy);
      }
    }
    std::vector<double> means;
    for (const auto& [seed, values] : by_seed) means.push_back(Summarize(values).mean);
    return means.size() > 1 ? Json(Summarize(means).sd) : Json();
  }

  const FewShot& few_shot_;
  std::map<std::pair<std::string, int>, Episodes> cells_;
  std::map<std::pair<std::string, int>, int> failed_;
  std::map<std::string, std::set<int>> seeds_;
};

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
                        {"shots", profile.shots()},
                        {"steps", profile.steps()},
                        {"batch_size", profile.batch_size()},
                        {"marks", profile.marks()},
                        {"ratio_row", table.ratio_row()}};
  for (const Column& column : table.columns()) {
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
  }
  for (const Row& row : table.rows()) result["rows"].push_back(MakeRow(definition, profile, row, context.quick, run));
  const VerdictCounts paper = Count(result, /*paper_only=*/true), all = CountVerdicts(result);
  result["headline"] = Headline(paper);
  result["counts"] = {{"paper", CountsToJson(paper)}, {"all", CountsToJson(all)}};
  if (run == nullptr) return result;
  result["comparisons"] = Comparisons(table, profile, *run);
  if (profile.has_few_shot()) result["few_shot"] = FewShotTable(profile.few_shot(), *run).ToJson(table);
  return result;
}

std::string ExpectedTextproto(const Json& result) {
  const Json& protocol = result["protocol"];
  const int first = protocol["first_draw"], draws = protocol["draws"];
  const std::string source =
      absl::StrCat("own run of ", result["started"].get<std::string>().substr(0, 10), ", commit ",
                   result["git"].get<std::string>(), ", draws ", first, " to ", first + draws - 1);
  std::string text = absl::StrCat("# For profile \"", result["profile"].get<std::string>(),
                                  "\"; exact values are arithmetic and are not listed.\n");
  for (const Json& row : result["rows"]) {
    std::string expected;
    for (const Json& column : result["columns"]) {
      const Json& cell = row["cells"][column["id"].get<std::string>()];
      if (!cell["mean"].is_number() || !cell["sd"].is_number()) continue;
      if (column["measure"] == "PARAMETERS_PERCENT" || column["measure"] == "WALL_SECONDS") continue;
      if (column["measure"] == "WALL_RATIO" && row["id"] == protocol["ratio_row"]) continue;
      absl::StrAppend(
          &expected,
          absl::StrFormat("      expected { column: \"%s\" mean: %.6g sd: %.4g n: %d first_draw: %d source: \"%s\" }\n",
                          column["id"].get<std::string>(), cell["mean"].get<double>(), cell["sd"].get<double>(),
                          cell["n"].get<int>(), first, source));
    }
    if (!expected.empty()) {
      absl::StrAppend(&text, "    rows {\n      row: \"", row["id"].get<std::string>(), "\"\n", expected, "    }\n");
    }
  }
  return text;
}

}  // namespace gbmoa
