#include "repro/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "eval/statistics.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/grouped_digits.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"
#include "repro/document.h"
#include "repro/figure.h"
#include "repro/progress.h"

namespace gbmoa {
namespace {

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// What a results file does not have reads as null.
const Json& At(const Json& json, const std::string& key) {
  static const auto* const kNull = new Json;
  const auto found = json.find(key);
  return found == json.end() ? *kNull : *found;
}

const Json& Item(const Json& array, size_t i) {
  static const auto* const kNull = new Json;
  return array.is_array() && i < array.size() ? array[i] : *kNull;
}

std::vector<std::string> Strings(const Json& array) {
  std::vector<std::string> strings;
  for (const Json& one : array) {
    if (one.is_string()) strings.push_back(one);
  }
  return strings;
}

std::string Fixed(const Json& value, int decimals) {
  return value.is_number() ? absl::StrFormat("%.*f", decimals, value.get<double>()) : "–";
}

std::string Signed(const Json& value, int decimals) {
  return value.is_number() ? absl::StrFormat("%+.*f", decimals, value.get<double>()) : "–";
}

// "learning_rate = 3e-5, lora_rank = 8"
std::string OptionsText(const Json& options) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : options.items())
    texts.push_back(absl::StrCat(name, " = ", value.is_string() ? value.get<std::string>() : value.dump()));
  return absl::StrJoin(texts, ", ");
}

// "learning_rate: 1e-5, 3e-5; lora_rank: 4, 8"
std::string GridText(const Json& grid) {
  std::vector<std::string> texts;
  for (const auto& [option, values] : grid.items())
    texts.push_back(absl::StrCat(option, ": ", absl::StrJoin(Strings(values), ", ")));
  return absl::StrJoin(texts, "; ");
}

// What the results file says of a task, in whichever place.
struct ReportTask {
  std::string name, suite;
  std::string subset;   // what is missing to the official data; empty: nothing
  std::string missing;  // why it was not run; empty: it was
  bool development = false;
  int64_t num_test = -1;  // -1: unknown
  std::vector<std::string> metrics, official_metrics;
};

class TaskList {
 public:
  explicit TaskList(const Json& result) {
    for (const Json& task : At(result, "data")) {
      ReportTask* const facts = Find(Text(task, "task"), Text(task, "suite"));
      facts->subset = Text(task, "subset");
      facts->missing = Text(task, "missing");
      facts->development = At(task, "development") == true;
      facts->metrics = Strings(At(task, "metrics"));
      facts->official_metrics = Strings(At(task, "official_metrics"));
      if (At(task, "n_test").is_number()) facts->num_test = At(task, "n_test");
    }
    for (const Json& row : At(result, "rows")) {
      for (const Json& task : At(row, "tasks")) {
        ReportTask* const facts = Find(Text(task, "task"), Text(task, "suite"));
        if (facts->subset.empty()) facts->subset = Text(task, "subset");
        if (facts->num_test < 0 && At(task, "n_test").is_number()) facts->num_test = At(task, "n_test");
        if (!facts->metrics.empty()) continue;
        for (const auto& [metric, value] : At(task, "metrics").items()) facts->metrics.push_back(metric);
      }
    }
    std::map<std::string, int> uses;
    for (const ReportTask& facts : facts_) ++uses[LastPart(facts.name)];
    for (const ReportTask& facts : facts_) {
      const std::string name = uses[LastPart(facts.name)] > 1 ? facts.name : LastPart(facts.name);
      names_[facts.name] = name;
    }
  }

  const std::vector<ReportTask>& all() const { return facts_; }
  const ReportTask* Find(const std::string& task) const {
    for (const ReportTask& facts : facts_) {
      if (facts.name == task) return &facts;
    }
    return nullptr;
  }
  // As short as it is unique: "mrpc".
  std::string Name(const std::string& task) const {
    const auto found = names_.find(task);
    return found == names_.end() ? task : found->second;
  }
  bool IsSubset(const std::string& task) const {
    const ReportTask* const facts = Find(task);
    return facts != nullptr && !facts->subset.empty();
  }
  // No number of a subset stands without the word.
  std::string Title(const std::string& task) const {
    return absl::StrCat(Name(task), IsSubset(task) ? " (subset)" : "");
  }
  // Of what comes from all tasks of a suite, or from the named ones.
  std::string SubsetNote(const std::string& suite, const std::vector<std::string>& tasks) const {
    for (const ReportTask& facts : facts_) {
      const bool counts =
          tasks.empty() ? facts.suite == suite : std::find(tasks.begin(), tasks.end(), facts.name) != tasks.end();
      if (counts && facts.missing.empty() && !facts.subset.empty()) return " (subsets)";
    }
    return "";
  }

 private:
  static std::string LastPart(const std::string& name) { return name.substr(name.rfind('/') + 1); }
  ReportTask* Find(const std::string& name, const std::string& suite) {
    for (ReportTask& facts : facts_) {
      if (facts.name == name) return &facts;
    }
    facts_.push_back({name, suite});
    return &facts_.back();
  }

  std::vector<ReportTask> facts_;
  std::map<std::string, std::string> names_;
};

std::string SuiteName(const Json& result, std::string suite) {
  for (const Json& one : At(result, "suites")) {
    if (Text(one, "name") == suite && !Text(one, "title").empty()) return Text(one, "title");
  }
  std::replace(suite.begin(), suite.end(), '_', ' ');
  return suite;
}

// Of means over those tasks of the suite that were run: "GLUE (subsets) without record".
std::string SuiteTitle(const Json& result, const std::string& suite) {
  const TaskList list(result);
  std::vector<std::string> missing;
  for (const ReportTask& task : list.all()) {
    if (task.suite == suite && !task.missing.empty()) missing.push_back(list.Name(task.name));
  }
  return absl::StrCat(SuiteName(result, suite), list.SubsetNote(suite, {}), missing.empty() ? "" : " without ",
                      absl::StrJoin(missing, ", "));
}

bool IsFewShot(const Json& column) { return At(column, "measure") == "FEW_SHOT_ACCURACY_PERCENT"; }

// Parameters are the same on any data.
std::string ColumnTitle(const Json& result, const Json& column) {
  if (IsFewShot(column)) {
    const bool subsets = At(At(result, "environment"), "few-shot subsets").is_string();
    return absl::StrCat(Text(column, "title"), subsets ? " (subsets)" : "");
  }
  if (Text(column, "measure") == "PARAMETERS_PERCENT") return Text(column, "title");
  return absl::StrCat(Text(column, "title"),
                      TaskList(result).SubsetNote(Text(column, "suite"), Strings(At(column, "tasks"))));
}

// Whether the tasks are made of files that somebody has to have.
bool IsOfFiles(const Json& result) {
  if (Text(At(result, "protocol"), "world") == "files") return true;
  const TaskList list(result);
  return std::any_of(list.all().begin(), list.all().end(),
                     [](const ReportTask& task) { return !task.subset.empty() || !task.missing.empty(); });
}

TableCell RowName(const Json& row) {
  TableCell cell;
  cell.text = Text(row, "title");
  cell.color = Text(row, "color");
  cell.dashed = row.value("dashed", false);
  if (At(row, "kind") == "REFERENCE") cell.note = "reference, not in the paper";
  if (At(row, "kind") == "EXTRA") cell.note = "not in the paper";
  return cell;
}

bool HasFewShotColumns(const Json& result) {
  return std::any_of(At(result, "columns").begin(), At(result, "columns").end(), IsFewShot);
}

bool IsMeasured(const Json& result) { return !result.contains("not_attempted"); }

TableCell VerdictCell(const Json& cell, const Json& column) {
  if (!cell.is_object()) return {"–"};
  const int decimals = column.value("decimals", 1);
  TableCell shown;
  shown.text = Fixed(At(cell, "mean"), decimals);
  std::vector<std::string> notes;
  if (const Json& part = At(cell, "part"); part.is_object()) {
    shown.text = Fixed(At(part, "mean"), decimals);
    if (At(part, "sd").is_number() && At(part, "sd") != 0)
      shown.small = absl::StrCat("± ", Fixed(At(part, "sd"), decimals), " (n ", At(part, "n").dump(), ")");
    notes.push_back(absl::StrCat("over ", At(part, "tasks").dump(), " of ", At(part, "of").dump(), " tasks only"));
  }
  // What comes out the same on every draw has no spread to show.
  if (At(cell, "sd").is_number() && At(cell, "sd") != 0)
    shown.small = absl::StrCat("± ", Fixed(At(cell, "sd"), decimals), " (n ", At(cell, "n").dump(), ")");
  if (!At(cell, "sd").is_number() && At(cell, "n") == 1) shown.small = "(n 1)";
  if (cell.contains("sd_episodes") && At(cell, "sd_episodes").is_number()) {
    const double episodes = At(cell, "episodes");
    notes.push_back(absl::StrFormat("± %.*f over %d episodes", decimals,
                                    At(cell, "sd_episodes").get<double>() / std::sqrt(episodes),
                                    At(cell, "episodes").get<int>()));
  }
  // A part of another column has no verdict to show.
  if (Text(column, "group").empty() || At(cell, "n") == 0) shown.badge = Text(cell, "verdict");
  shown.why = Text(cell, "why");
  if (At(cell, "expected").is_number()) {
    notes.push_back(absl::StrCat("expected ", Fixed(At(cell, "expected"), decimals)));
    if (cell.contains("expected_options"))
      absl::StrAppend(&notes.back(), " with ", OptionsText(At(cell, "expected_options")));
  }
  if (At(cell, "paper").is_number()) notes.push_back(absl::StrFormat("paper %.4g", At(cell, "paper").get<double>()));
  shown.note = absl::StrJoin(notes, " · ");
  return shown;
}

void AddCells(const Json& result, bool in_paper, const std::string& caption, Document* document) {
  std::vector<std::string> header = {"Method"};
  std::vector<const Json*> columns;
  for (const Json& column : At(result, "columns")) {
    if (At(column, "in_paper") != in_paper) continue;
    columns.push_back(&column);
    header.push_back(ColumnTitle(result, column));
  }
  if (columns.empty()) return;
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : At(result, "rows")) {
    rows.push_back({RowName(row)});
    for (const Json* column : columns) {
      rows.back().push_back(VerdictCell(At(At(row, "cells"), Text(*column, "id")), *column));
    }
  }
  document->Table(caption, header, rows, /*cards=*/true);
}

void AddHeader(const Json& result, Document* document) {
  document->title = Text(result, "title");
  const Json& protocol = At(result, "protocol");
  document->subtitle =
      absl::StrCat(Text(result, "profile_title"), " · profile `", Text(result, "profile"), "` · ",
                   Text(result, "started").substr(0, 16), " · commit `", Text(result, "git").substr(0, 18), "`");
  document->Text(absl::StrCat("Of the cells that the paper has: ", Text(result, "headline"), "."));
  Block badges{Block::kBadges};
  for (const auto& [key, count] : At(At(result, "counts"), "paper").items()) {
    if (count != 0) badges.items.emplace_back(absl::AsciiStrToUpper(key), count.dump());
  }
  document->blocks.push_back(badges);
  if (!IsMeasured(result)) {
    document->Text(absl::StrCat("Nothing was run. ", Text(result, "not_attempted")));
    document->Text(
        "Below stand the paper's own numbers, what this profile would run, and the command that runs it where it can.");
    return;
  }
  if (At(result, "quick") == true) {
    document->Text(
        "This is a quick run: few tasks, draws and steps, to see that everything works. Its numbers mean nothing and "
        "are not judged.");
  }
  const bool own_steps = std::any_of(At(result, "rows").begin(), At(result, "rows").end(),
                                     [](const Json& row) { return row.contains("steps"); });
  document->Text(absl::StrCat(
      Text(protocol, "data"), " Encoder: ", Text(protocol, "backbone"),
      " Every method adapts to the same tasks from the same ", At(protocol, "draws").dump(), " draws of ",
      At(protocol, "shots") == 0 ? std::string("all training examples")
                                 : absl::StrCat(At(protocol, "shots").dump(), " examples a class"),
      ", ", At(protocol, "steps").dump(), " steps",
      own_steps ? " (or as many as stand under Settings of every row)" : "", " of ",
      At(protocol, "batch_size") == 0 ? std::string("the whole support set")
                                      : absl::StrCat(At(protocol, "batch_size").dump(), " examples"),
      ", and is scored on the same test sets. Meta-learning methods have ", At(protocol, "meta_seeds").dump(),
      At(protocol, "meta_seeds") == 1 ? " meta-training, so their spread over draws says nothing about its chance."
                                      : " meta-trainings; a draw uses one of them."));
  std::vector<std::string> subsets, missing;
  const TaskList tasks(result);
  for (const ReportTask& task : tasks.all()) {
    if (task.development) continue;
    if (!task.missing.empty()) {
      missing.push_back(tasks.Name(task.name));
    } else if (!task.subset.empty()) {
      subsets.push_back(tasks.Name(task.name));
    }
  }
  if (!subsets.empty()) {
    document->Text(absl::StrCat("Run on a subset of the official data, and so called wherever their numbers stand: ",
                                absl::StrJoin(subsets, ", "), ". What is missing to it stands under Data."));
  }
  if (!missing.empty()) {
    document->Text(absl::StrCat(
        "Not run: ", absl::StrJoin(missing, ", "),
        ". A mean that needs one of them is NOT_ATTEMPTED. Why, and how to get missing data, stands under Data."));
  }
  if (!HasFewShotColumns(result) || !result.contains("few_shot")) return;
  const Json& few_shot = At(result, "few_shot");
  document->Text(absl::StrCat(
      "Few-shot columns are means over ", At(few_shot, "episodes").dump(), " episodes, the same for every row, after ",
      At(few_shot, "steps").dump(), " steps on ",
      At(few_shot, "batch_size") == 0 ? std::string("the whole support set")
                                      : absl::StrCat(At(few_shot, "batch_size").dump(), " examples"),
      ". Every row runs them ", At(protocol, "meta_seeds").dump(),
      At(protocol, "meta_seeds") == 1
          ? " time."
          : " times: with one meta-training after the other where it meta-learns, else with as many adaptation seeds.",
      " An error over episodes is the standard error of the mean."));
}

struct Figures {
  bool available = false;
  std::string folder;
  absl::Status status;

  void Draw(const Panel& panel, const std::string& caption, Block* block) {
    if (available && status.ok()) Add(DrawPanel(panel, folder), caption, block);
  }
  void Draw(const RangePanel& panel, const std::string& caption, Block* block) {
    if (available && status.ok()) Add(DrawRanges(panel, folder), caption, block);
  }
  void Draw(const BarPanel& panel, const std::string& caption, Block* block) {
    if (available && status.ok()) Add(DrawBars(panel, folder), caption, block);
  }
  void Draw(const CostPanel& panel, const std::string& caption, Block* block) {
    if (available && status.ok()) Add(DrawCosts(panel, folder), caption, block);
  }
  void Add(absl::StatusOr<std::string> svg, const std::string& caption, Block* block) {
    if (!svg.ok()) {
      status = svg.status();
      return;
    }
    block->figures.emplace_back(*std::move(svg), caption);
  }
};

// Of a curve's values the one at the mark, or null.
const Json& AtMark(const Json& curve, const std::string& values, int mark) {
  const Json& marks = At(curve, "marks");
  const auto found = std::find(marks.begin(), marks.end(), mark);
  return Item(At(curve, values), found - marks.begin());
}

Series MakeSeries(const Json& style, const Json& curve, const std::vector<int>& marks) {
  const auto doubles = [&](const char* values) {
    std::vector<double> all;
    for (const int mark : marks) {
      const Json& value = AtMark(curve, values, mark);
      all.push_back(value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN());
    }
    return all;
  };
  Series series{Text(style, "title"), Text(style, "color"), style.value("dashed", false), doubles("mean")};
  if (series.color.empty()) series.color = "#555555";
  if (Item(At(curve, "low"), 0).is_number()) {
    series.low = doubles("low");
    series.high = doubles("high");
  }
  return series;
}

// The rows that have a curve of the suite, with it.
std::vector<std::pair<const Json*, const Json*>> CurvesOf(const Json& result, const std::string& suite) {
  std::vector<std::pair<const Json*, const Json*>> curves;
  for (const Json& row : At(result, "rows")) {
    const Json& curve = At(At(row, "curves"), suite);
    if (curve.is_object()) curves.emplace_back(&row, &curve);
  }
  return curves;
}

// The marks of all curves: those of a row with steps of its own may be others.
std::vector<int> AllMarks(const std::vector<std::pair<const Json*, const Json*>>& curves) {
  std::set<int> marks;
  for (const auto& [row, curve] : curves) {
    for (const Json& mark : At(*curve, "marks")) marks.insert(mark.get<int>());
  }
  return {marks.begin(), marks.end()};
}

void AddCurves(const Json& result, Figures* figures, Document* document) {
  // Two points are no curve; the next section has them as numbers.
  if (At(At(result, "protocol"), "marks").size() < 3) return;
  document->Heading("Accuracy against adaptation steps");
  Block legend{Block::kLegend}, block{Block::kFigures};
  legend.rows.emplace_back();
  for (const Json& row : At(result, "rows")) {
    if (row.contains("curves")) legend.rows[0].push_back(RowName(row));
  }
  for (const Json& suite_json : At(At(result, "protocol"), "suites")) {
    const std::string suite = suite_json;
    Panel panel{absl::StrCat("curve_", suite), "adaptation steps", "accuracy, %"};
    const auto curves = CurvesOf(result, suite);
    panel.marks = AllMarks(curves);
    for (const auto& [row, curve] : curves) panel.series.push_back(MakeSeries(*row, *curve, panel.marks));
    if (!panel.series.empty()) figures->Draw(panel, absl::StrCat("Suite ", SuiteTitle(result, suite)), &block);
  }
  if (block.figures.empty()) {
    document->Text(
        figures->available
            ? "There are no curves."
            : "There are no figures here: gnuplot is not installed. The numbers behind them are in the results file.");
    return;
  }
  document->Text(
      "Mean over the suite's tasks and the draws; bands are 95 % intervals of the mean over the draws. Steps are "
      "evenly "
      "spaced, not to scale.");
  document->blocks.push_back(legend);
  document->blocks.push_back(block);
}

void AddSteps(const Json& result, Document* document) {
  // Each suite's curve as numbers, so that the page can be read without figures.
  for (const Json& suite_json : At(At(result, "protocol"), "suites")) {
    const std::string suite = suite_json;
    const auto curves = CurvesOf(result, suite);
    if (curves.empty()) continue;
    const std::vector<int> marks = AllMarks(curves);
    std::vector<std::string> header = {"Method"};
    for (const int mark : marks) header.push_back(absl::StrCat("step ", mark));
    std::vector<std::vector<TableCell>> rows;
    for (const auto& [row, curve] : curves) {
      rows.push_back({RowName(*row)});
      for (const int mark : marks) {
        TableCell cell{Fixed(AtMark(*curve, "mean", mark), 1)};
        const Json& sd = AtMark(*curve, "sd", mark);
        if (sd.is_number()) cell.small = absl::StrCat("± ", Fixed(sd, 1));
        rows.back().push_back(cell);
      }
    }
    document->FoldBegin(absl::StrCat("Accuracy at every mark, suite ", SuiteTitle(result, suite)));
    document->Table("Mean and standard deviation over the draws, in %.", header, rows);
    document->FoldEnd();
  }
}

// Of figures' files.
std::string FigureName(std::string name) {
  for (char& c : name) {
    if (!absl::ascii_isalnum(c)) c = '_';
  }
  return name;
}

constexpr double kPerCent = 100;

// The values of one number of a row's adaptations on a task, one a draw; of failed ones none. `get` returns NaN for
// none.
template <typename F>
std::vector<double> ValuesOf(const Json& row, const std::string& task, const F& get) {
  std::vector<double> values;
  for (const Json& one : At(row, "tasks")) {
    if (Text(one, "task") != task) continue;
    const double value = get(one);
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

double Number(const Json& json, const char* key) {
  const Json& value = At(json, key);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> Accuracies(const Json& row, const std::string& task) {
  return ValuesOf(row, task, [](const Json& one) { return kPerCent * Number(one, "value"); });
}

// The tasks that some row was run on, in the order of the results.
std::vector<std::string> RunTasks(const Json& result, const std::string& suite = "") {
  std::vector<std::string> tasks;
  for (const Json& row : At(result, "rows")) {
    for (const Json& task : At(row, "tasks")) {
      const std::string name = Text(task, "task");
      if (task.contains("not_attempted") || (!suite.empty() && Text(task, "suite") != suite)) continue;
      if (std::find(tasks.begin(), tasks.end(), name) == tasks.end()) tasks.push_back(name);
    }
  }
  return tasks;
}

TableCell MeanCell(const std::vector<double>& values, int decimals) {
  const Summary summary = Summarize(values);
  TableCell cell{values.empty() ? "–" : absl::StrFormat("%.*f", decimals, summary.mean)};
  if (values.size() > 1) cell.small = absl::StrFormat("± %.*f", decimals, summary.sd);
  return cell;
}

// A panel holds few tasks, so that its bars can be told apart on a narrow screen.
void AddTaskBars(const Json& result, Figures* figures, Document* document) {
  constexpr size_t kMostGroups = 4;
  const TaskList list(result);
  Block legend{Block::kLegend}, block{Block::kFigures};
  block.wide = true;
  legend.rows.emplace_back();
  for (const Json& row : At(result, "rows")) {
    if (At(row, "tasks").empty()) continue;
    legend.rows[0].push_back(RowName(row));
    legend.rows[0].back().note.clear();
  }
  for (const Json& suite_json : At(At(result, "protocol"), "suites")) {
    const std::string suite = suite_json;
    const std::vector<std::string> tasks = RunTasks(result, suite);
    const size_t panels = (tasks.size() + kMostGroups - 1) / kMostGroups;
    for (size_t p = 0; p < panels; ++p) {
      BarPanel panel;
      panel.name = FigureName(absl::StrCat("bars_", suite, "_", p));
      panel.y_label = "score, %";
      const size_t begin = p * tasks.size() / panels, end = (p + 1) * tasks.size() / panels;
      for (size_t t = begin; t < end; ++t)
        panel.groups.emplace_back(list.Name(tasks[t]), list.IsSubset(tasks[t]) ? "(subset)" : "");
      bool any = false;
      for (const Json& row : At(result, "rows")) {
        if (At(row, "tasks").empty()) continue;
        Series series{Text(row, "title"), Text(row, "color"), row.value("dashed", false)};
        if (series.color.empty()) series.color = "#555555";
        for (size_t t = begin; t < end; ++t) {
          const Summary summary = Summarize(Accuracies(row, tasks[t]));
          const double none = std::numeric_limits<double>::quiet_NaN();
          const DifferenceInterval interval = MeanInterval(summary, 0.95);
          series.values.push_back(summary.n > 0 ? summary.mean : none);
          series.low.push_back(summary.n > 1 ? interval.low : none);
          series.high.push_back(summary.n > 1 ? interval.high : none);
        }
        any = any || std::any_of(series.values.begin(), series.values.end(), [](double v) { return std::isfinite(v); });
        panel.series.push_back(std::move(series));
      }
      if (!any) continue;
      figures->Draw(
          panel, absl::StrCat(SuiteTitle(result, suite), panels > 1 ? absl::StrCat(", ", p + 1, " of ", panels) : ""),
          &block);
    }
  }
  if (block.figures.empty()) return;
  document->Text(
      "Each task's first metric after the last step, mean over the draws; lines are 95 % intervals of the mean "
      "over the draws, up to what percentages can be. Hollow bars: dashed in the legend.");
  document->blocks.push_back(legend);
  document->blocks.push_back(block);
}

double MetricValue(const Json& task, const std::string& metric) {
  return kPerCent * Number(At(task, "metrics"), metric.c_str());
}

void AddTaskMetrics(const Json& result, Document* document) {
  const TaskList list(result);
  bool begun = false;
  for (const std::string& task : RunTasks(result)) {
    const ReportTask* const facts = list.Find(task);  // what was run is in the list
    const std::vector<std::string>& metrics = facts->metrics;
    if (metrics.empty()) continue;
    std::vector<std::string> header = {"Method"};
    header.insert(header.end(), metrics.begin(), metrics.end());
    const std::vector<std::string>& official = facts->official_metrics;
    if (!official.empty()) header.push_back("Official score");
    std::vector<std::vector<TableCell>> rows;
    for (const Json& row : At(result, "rows")) {
      std::vector<TableCell> cells = {RowName(row)};
      cells[0].note.clear();
      bool any = false;
      for (const std::string& metric : metrics) {
        const std::vector<double> values =
            ValuesOf(row, task, [&](const Json& one) { return MetricValue(one, metric); });
        any = any || !values.empty();
        cells.push_back(MeanCell(values, 1));
      }
      if (!any) continue;
      if (!official.empty()) {
        cells.push_back(MeanCell(ValuesOf(row, task,
                                          [&](const Json& one) {
                                            double sum = 0;
                                            for (const std::string& metric : official) sum += MetricValue(one, metric);
                                            return sum / static_cast<double>(official.size());
                                          }),
                                 1));
      }
      int64_t degenerate = 0;
      for (const Json& one : At(row, "tasks")) degenerate += Text(one, "task") == task && At(one, "degenerate") == true;
      if (degenerate > 0) cells[0].note = absl::StrCat(degenerate, " degenerate: some metric is a convention");
      rows.push_back(std::move(cells));
    }
    if (rows.empty()) continue;
    if (!begun) {
      document->FoldBegin("Every metric of every task");
      document->Text(
          "After the last step, mean and standard deviation over the draws, times 100, correlations, too. The official "
          "score is the mean of the metrics that the task's benchmark counts.");
    }
    begun = true;
    std::string caption = absl::StrCat("`", task, "`", list.IsSubset(task) ? " (subset)" : "");
    if (facts->num_test >= 0) absl::StrAppend(&caption, ", ", GroupedDigits(facts->num_test), " test examples");
    if (!official.empty()) absl::StrAppend(&caption, "; official: ", absl::StrJoin(official, ", "));
    document->Table(caption, header, rows, /*cards=*/true);
  }
  if (begun) document->FoldEnd();
}

// What the adaptations to each task cost.
void AddTaskCosts(const Json& result, Document* document) {
  const TaskList list(result);
  bool tokens = false, any = false;
  for (const Json& row : At(result, "rows")) {
    for (const Json& task : At(row, "tasks")) {
      tokens = tokens || At(task, "tokens").is_number();
      any = any || At(task, "seconds").is_number();
    }
  }
  if (!any) return;
  std::vector<std::string> header = {"Method", "Steps"};
  if (tokens) header.push_back("Tokens");
  header.insert(header.end(), {"TFLOP", "Seconds", "Peak memory"});
  document->FoldBegin("Steps, work, time and memory of every task");
  document->Text(
      "Of one adaptation without scoring, mean over the draws: products with weight matrices counted, seconds on one "
      "core, and the most memory that the whole process had held by then.");
  for (const std::string& task : RunTasks(result)) {
    std::vector<std::vector<TableCell>> rows;
    for (const Json& row : At(result, "rows")) {
      const auto values = [&](const char* key, double scale) {
        return ValuesOf(row, task, [&](const Json& one) { return scale * Number(one, key); });
      };
      const std::vector<double> seconds = values("seconds", 1), memory = values("peak_rss_bytes", 1e-9);
      if (seconds.empty()) continue;
      rows.push_back({RowName(row), {absl::StrFormat("%.0f", Summarize(values("steps", 1)).mean)}});
      rows.back()[0].note.clear();
      if (tokens) {
        const std::vector<double> counts = values("tokens", 1);
        rows.back().push_back({counts.empty() ? "–" : GroupedDigits(std::llround(Summarize(counts).mean))});
      }
      rows.back().push_back({absl::StrFormat("%.4g", Summarize(values("flops", 1e-12)).mean)});
      rows.back().push_back(MeanCell(seconds, 2));
      rows.back().push_back(
          {memory.empty() ? "–" : absl::StrFormat("%.2f GB", *std::max_element(memory.begin(), memory.end()))});
    }
    if (rows.empty()) continue;
    document->Table(absl::StrCat("`", task, "`", list.IsSubset(task) ? " (subset)" : ""), header, rows, /*cards=*/true);
  }
  document->FoldEnd();
}

void AddTasks(const Json& result, Figures* figures, Document* document) {
  const TaskList list(result);
  std::vector<std::string> tasks = RunTasks(result);
  for (const ReportTask& task : list.all()) {
    if (!task.missing.empty() && !task.development) tasks.push_back(task.name);
  }
  std::vector<std::pair<std::string, std::string>> failures;
  int diverged = 0;
  for (const Json& row : At(result, "rows")) {
    for (const Json& task : At(row, "tasks")) {
      if (task.contains("error")) {
        failures.emplace_back(
            absl::StrCat(Text(row, "title"), ", ", Text(task, "task"), ", draw ", At(task, "draw").dump()),
            Text(task, "error"));
      }
      diverged += At(task, "finite") == false;
    }
  }
  document->Heading("Task by task");
  AddTaskBars(result, figures, document);
  std::vector<std::string> header = {"Method"};
  bool accuracies = true;
  for (const std::string& task : tasks) {
    header.push_back(list.Title(task));
    const std::vector<std::string>& metrics = list.Find(task)->metrics;
    if (metrics.empty() || metrics[0] == "accuracy") continue;
    absl::StrAppend(&header.back(), ", ", metrics[0]);
    accuracies = false;
  }
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("tasks")) continue;
    rows.push_back({RowName(row)});
    for (const std::string& task : tasks) {
      rows.back().push_back(MeanCell(Accuracies(row, task), 1));
      if (!list.Find(task)->missing.empty()) rows.back().back().badge = "NOT_ATTEMPTED";
    }
  }
  document->FoldBegin("Accuracy by task, after the last step");
  document->Table(absl::StrCat("Mean and standard deviation over the draws, in %",
                               accuracies ? "." : "; where another metric stands for accuracy, its name is there."),
                  header, rows);
  document->FoldEnd();
  AddTaskMetrics(result, document);
  AddTaskCosts(result, document);
  if (diverged > 0) {
    document->Text(absl::StrCat(
        diverged, " runs met a loss or gradient that was not finite; they count with the last model before it."));
  }
  if (result.contains("few_shot")) {
    for (const Json& one : At(At(result, "few_shot"), "results")) {
      if (At(one, "group") != "all" || !one.contains("first_error")) continue;
      failures.emplace_back(absl::StrCat(Text(one, "start"), ", ", At(one, "shots").dump(), "-shot, ",
                                         At(one, "failed").dump(), " episodes"),
                            Text(one, "first_error"));
    }
  }
  if (!failures.empty()) {
    document->Heading("Failed runs");
    document->List(failures);
  }
}

// Mean over the tasks of means over the draws; NaN if a task has no value.
double MeanOverTasks(const Json& row, const std::vector<std::string>& tasks, const char* key) {
  double sum = 0;
  for (const std::string& task : tasks) {
    const std::vector<double> values = ValuesOf(row, task, [&](const Json& one) { return Number(one, key); });
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    sum += Summarize(values).mean;
  }
  return sum / static_cast<double>(tasks.size());
}

// Mean accuracy over the tasks, one a draw; of a draw without a value of some task none.
std::vector<double> MeansOfDraws(const Json& row, const std::vector<std::string>& tasks) {
  std::map<int64_t, std::vector<double>> by_draw;
  for (const Json& one : At(row, "tasks")) {
    const double value = kPerCent * Number(one, "value");
    if (std::count(tasks.begin(), tasks.end(), Text(one, "task")) == 0 || !std::isfinite(value)) continue;
    by_draw[At(one, "draw").is_number() ? At(one, "draw").get<int64_t>() : 0].push_back(value);
  }
  std::vector<double> means;
  for (const auto& [draw, values] : by_draw) {
    if (values.size() == tasks.size()) means.push_back(Summarize(values).mean);
  }
  return means;
}

void AddCosts(const Json& result, Figures* figures, Document* document) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  Block block{Block::kFigures};
  block.wide = true;
  struct SuiteTable {
    std::string caption;
    std::vector<std::vector<TableCell>> rows;
  };
  std::vector<SuiteTable> tables;
  for (const Json& suite_json : At(At(result, "protocol"), "suites")) {
    const std::string suite = suite_json;
    const std::vector<std::string> tasks = RunTasks(result, suite);
    if (tasks.empty()) continue;
    const std::string title = SuiteTitle(result, suite);
    CostPanel seconds, work;
    SuiteTable table{title};
    for (const Json& row : At(result, "rows")) {
      const Summary accuracy = Summarize(MeansOfDraws(row, tasks));
      if (accuracy.n == 0) continue;
      const DifferenceInterval interval = MeanInterval(accuracy, 0.95);
      const double cost = MeanOverTasks(row, tasks, "seconds"), flops = MeanOverTasks(row, tasks, "flops") / 1e12;
      CostPoint point{Text(row, "title"),
                      Text(row, "color"),
                      row.value("dashed", false),
                      cost,
                      accuracy.mean,
                      accuracy.n > 1 ? interval.low : none,
                      accuracy.n > 1 ? interval.high : none};
      if (point.color.empty()) point.color = "#555555";
      seconds.points.push_back(point);
      point.x = flops;
      work.points.push_back(point);
      TableCell shown{absl::StrFormat("%.1f", accuracy.mean)};
      if (accuracy.n > 1) shown.small = absl::StrFormat("[%.1f, %.1f]", interval.low, interval.high);
      table.rows.push_back({RowName(row),
                            shown,
                            {std::isfinite(cost) ? absl::StrFormat("%.3g", cost) : "–"},
                            {std::isfinite(flops) ? absl::StrFormat("%.3g", flops) : "–"}});
    }
    if (table.rows.empty()) continue;
    tables.push_back(std::move(table));
    seconds.name = FigureName(absl::StrCat("cost_seconds_", suite));
    work.name = FigureName(absl::StrCat("cost_work_", suite));
    seconds.x_label = "seconds of adaptation a task, one core";
    work.x_label = "TFLOP of adaptation a task";
    seconds.y_label = work.y_label = "accuracy, %";
    figures->Draw(seconds, absl::StrCat(title, ": time"), &block);
    figures->Draw(work, absl::StrCat(title, ": work"), &block);
  }
  if (tables.empty()) return;
  document->Heading("Cost against accuracy");
  document->Text(
      "Up and to the left is better. Accuracy is the mean over a suite's tasks after the last step, with the 95 % "
      "interval of the mean over the draws; cost is that of one adaptation without scoring, mean over the tasks and "
      "draws, on a logarithmic axis. Meta-training comes on top, once for all tasks. What costs nothing by this count "
      "is not in the figures.");
  if (!block.figures.empty()) document->blocks.push_back(block);
  document->FoldBegin("Cost and accuracy as numbers");
  for (SuiteTable& table : tables) {
    document->Table(table.caption, {"Method", "Accuracy, %", "Seconds a task", "TFLOP a task"}, std::move(table.rows),
                    /*cards=*/true);
  }
  document->FoldEnd();
}

// A row's difference to another row in one column; nullptr if there is none.
const Json* FindComparison(const Json& result, const Json& row, const std::string& to, const std::string& column) {
  for (const Json& c : At(result, "comparisons")) {
    if (At(c, "row") == At(row, "id") && At(c, "to") == to && Text(c, "column") == column) return &c;
  }
  return nullptr;
}

void AddDifferenceTable(const Json& result, const std::string& to, const std::vector<const Json*>& columns,
                        const std::string& caption, Document* document) {
  std::vector<std::string> header = {"Method"};
  for (const Json* column : columns) header.push_back(ColumnTitle(result, *column));
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : At(result, "rows")) {
    std::vector<TableCell> cells = {RowName(row)};
    cells[0].note.clear();
    bool any = false;
    for (const Json* column : columns) {
      TableCell cell{"–"};
      if (const Json* c = FindComparison(result, row, to, Text(*column, "id")); c != nullptr) {
        any = true;
        cell.text = Signed(At(*c, "difference"), 1);
        if (At(*c, "low").is_number())
          cell.small = absl::StrCat("[", Signed(At(*c, "low"), 1), ", ", Signed(At(*c, "high"), 1), "]");
        std::vector<std::string> notes;
        if (c->contains("sd_replicates") && At(*c, "sd_replicates").is_number()) {
          notes.push_back(
              absl::StrCat("sd of ", At(*c, "replicates").dump(), " repetitions ", Fixed(At(*c, "sd_replicates"), 1)));
        }
        if (c->contains("paper_difference"))
          notes.push_back(absl::StrCat("paper ", Signed(At(*c, "paper_difference"), 1)));
        cell.note = absl::StrJoin(notes, " · ");
      }
      cells.push_back(cell);
    }
    if (any) rows.push_back(std::move(cells));
  }
  if (!rows.empty()) document->Table(caption, header, rows, /*cards=*/true);
}

// A panel a column, on one axis; the row that is compared with is the line at 0.
void AddDifferencePanels(const Json& result, const std::string& to, const std::vector<const Json*>& columns, int width,
                         Figures* figures, Block* block) {
  const double kNone = std::numeric_limits<double>::quiet_NaN();
  const auto number = [&](const Json& c, const char* key) {
    return c.contains(key) && At(c, key).is_number() ? At(c, key).get<double>() : kNone;
  };
  std::vector<RangePanel> panels;
  std::vector<std::string> captions;
  for (const Json* column : columns) {
    RangePanel panel;
    panel.name = absl::StrCat("difference_", Text(*column, "id"));
    panel.x_label = "difference in points";
    panel.width = width;
    for (const Json& row : At(result, "rows")) {
      const Json* const c = FindComparison(result, row, to, Text(*column, "id"));
      if (c == nullptr) continue;
      panel.rows.push_back({Text(row, "title"), Text(row, "color").empty() ? "#555555" : Text(row, "color"),
                            number(*c, "difference"), number(*c, "low"), number(*c, "high"),
                            number(*c, "paper_difference")});
    }
    if (panel.rows.empty()) continue;
    panels.push_back(std::move(panel));
    captions.push_back(ColumnTitle(result, *column));
  }
  ShareAxis(&panels);
  for (size_t i = 0; i < panels.size(); ++i) figures->Draw(panels[i], captions[i], block);
}

void AddComparisons(const Json& result, Figures* figures, Document* document) {
  if (!result.contains("comparisons") || At(result, "comparisons").empty()) return;
  std::map<std::string, std::string> titles;
  for (const Json& row : At(result, "rows")) titles[At(row, "id")] = Text(row, "title");
  std::vector<std::string> tos;
  for (const Json& c : At(result, "comparisons")) {
    if (std::find(tos.begin(), tos.end(), At(c, "to")) == tos.end()) tos.push_back(At(c, "to"));
  }
  // Accuracies; the other columns' differences are in the results file.
  std::vector<const Json*> shown, parts;
  for (const Json& column : At(result, "columns")) {
    if (At(column, "measure") != "ACCURACY_PERCENT" && !IsFewShot(column)) continue;
    (IsFewShot(column) && At(column, "group") != "" ? parts : shown).push_back(&column);
  }
  const bool few_shot = HasFewShotColumns(result);
  document->Heading(few_shot ? "Differences on the same draws and episodes" : "Differences on the same draws");
  document->Text(
      "Accuracy after the last step, in points: a row's minus the compared row's, draw by draw, with the 95 % "
      "interval of the mean difference. An interval that holds 0 shows no difference. There are many of them: of "
      "twenty true zeros one looks different.");
  if (few_shot) {
    const Json& meta_seeds = At(At(result, "protocol"), "meta_seeds");
    document->Text(absl::StrCat(
        "In few-shot columns the difference of an episode is the mean over its repetitions, and the interval is over "
        "episodes: repetitions share their episodes and are not independent of each other. So it tells what other "
        "episodes would change, with these meta-trainings; what other meta-trainings would change, the standard "
        "deviation over repetitions tells. ",
        meta_seeds > 1 ? absl::StrCat("The draws share ", meta_seeds.dump(), " meta-trainings in the same way.") : ""));
  }
  Block block{Block::kFigures};
  block.wide = true;
  AddDifferencePanels(result, tos[0], shown, /*width=*/430, figures, &block);
  if (!block.figures.empty()) {
    const bool paper = std::any_of(At(result, "comparisons").begin(), At(result, "comparisons").end(),
                                   [](const Json& c) { return c.contains("paper_difference"); });
    document->Text(absl::StrCat("Differences to ", titles[tos[0]], ", with 95 % intervals.",
                                paper ? " A hollow diamond is the paper's own difference, which comes from another "
                                        "encoder and other data: information, no verdict."
                                      : ""));
    document->blocks.push_back(block);
  }
  Block groups{Block::kFigures};
  AddDifferencePanels(result, tos[0], parts, /*width=*/390, figures, &groups);
  if (!groups.figures.empty()) {
    document->Text("The same for the groups of families within the few-shot columns, on an axis of their own.");
    document->blocks.push_back(groups);
  }
  for (const std::string& to : tos) {
    AddDifferenceTable(result, to, shown, absl::StrCat("Minus ", titles[to]), document);
    if (parts.empty()) continue;
    document->FoldBegin(absl::StrCat("Groups of few-shot episodes, minus ", titles[to]));
    AddDifferenceTable(result, to, parts, "", document);
    document->FoldEnd();
  }
}

void AddFewShot(const Json& result, Figures* figures, Document* document) {
  if (!result.contains("few_shot")) return;
  const Json& few_shot = At(result, "few_shot");
  const bool of_rows = HasFewShotColumns(result);
  document->Heading(of_rows ? "Few-shot episodes by group and step" : "How good the start is: few examples, few steps");
  document->Text(
      absl::StrCat("Accuracy in % on ", At(few_shot, "episodes").dump(),
                   " few-shot episodes a setting, the same for every ", of_rows ? "row" : "start", ", after 0 to ",
                   At(few_shot, "steps").dump(), " steps. Intervals (95 %) are over episodes. Differences are to the ",
                   of_rows ? "compared row" : "compared start", " on the same episodes. ", Text(few_shot, "note")));
  Block legend{Block::kLegend}, block{Block::kFigures};
  legend.rows.emplace_back();
  std::map<std::string, const Json*> starts;
  for (const Json& start : At(few_shot, "starts")) {
    starts[Text(start, "id")] = &start;
    TableCell cell{Text(start, "title")};
    cell.color = Text(start, "color");
    cell.dashed = start.value("dashed", false);
    legend.rows[0].push_back(cell);
  }
  const auto start_of = [&](const Json& one, const char* key) -> const Json& {
    const auto found = starts.find(Text(one, key));
    static const auto* const kNull = new Json;
    return found == starts.end() ? *kNull : *found->second;
  };
  const std::string compare_to = Text(few_shot, "compare_to");
  for (const Json& shots : At(few_shot, "shots")) {
    if (of_rows && At(few_shot, "marks").size() < 3)
      break;  // the differences have been shown, and two points are no curve
    for (const Json& group : At(few_shot, "groups")) {
      if (At(group, "id") == "all") continue;
      Panel panel{absl::StrCat("few_shot_", shots.dump(), "_", Text(group, "id")), "adaptation steps", "accuracy, %"};
      panel.width = 380;
      panel.height = 270;
      for (const Json& one : At(few_shot, "results")) {
        if (At(one, "shots") != shots || At(one, "group") != At(group, "id") || At(one, "marks").empty()) continue;
        panel.marks = At(one, "marks").get<std::vector<int>>();
        panel.series.push_back(MakeSeries(start_of(one, "start"), one, panel.marks));
      }
      if (panel.series.empty()) continue;
      figures->Draw(
          panel,
          absl::StrCat(Text(group, "title"), ", ", shots.dump(), shots == 1 ? " example a class" : " examples a class"),
          &block);
    }
  }
  if (!block.figures.empty()) {
    document->blocks.push_back(legend);
    document->blocks.push_back(block);
  }
  for (const Json& shots : At(few_shot, "shots")) {
    document->FoldBegin(
        absl::StrCat(shots.dump(), shots == 1 ? " example" : " examples", " a class, by group and step"));
    for (const Json& group : At(few_shot, "groups")) {
      std::vector<std::string> header = {of_rows ? "Method" : "Start"};
      std::vector<std::vector<TableCell>> rows;
      int64_t n = 0;
      for (const Json& one : At(few_shot, "results")) {
        if (At(one, "shots") != shots || At(one, "group") != At(group, "id") || At(one, "marks").empty()) continue;
        if (rows.empty()) {
          for (const Json& mark : At(one, "marks")) header.push_back(absl::StrCat("step ", mark.dump()));
        }
        n = At(one, "n");
        const Json& start = start_of(one, "start");
        TableCell name{Text(start, "title")};
        name.color = Text(start, "color");
        name.dashed = At(start, "dashed") == true;
        if (At(one, "seeds") > 1) {
          name.note = absl::StrCat(At(one, "seeds").dump(),
                                   At(start, "meta_learns") != false ? " meta-trainings" : " adaptation seeds");
        }
        if (one.contains("failed")) name.note = absl::StrCat(At(one, "failed").dump(), " episodes failed");
        rows.push_back({name});
        for (size_t i = 0; i < At(one, "marks").size(); ++i) {
          TableCell cell{Fixed(Item(At(one, "mean"), i), 1)};
          if (Item(At(one, "sd"), i).is_number()) cell.small = absl::StrCat("± ", Fixed(Item(At(one, "sd"), i), 1));
          if (At(one, "start") != compare_to && Item(At(one, "difference_low"), i).is_number()) {
            cell.note = absl::StrCat(Signed(Item(At(one, "difference"), i), 1), " [",
                                     Signed(Item(At(one, "difference_low"), i), 1), ", ",
                                     Signed(Item(At(one, "difference_high"), i), 1), "]");
          }
          if (Item(At(one, "sd_seeds"), i).is_number()) {
            cell.note += absl::StrCat(cell.note.empty() ? "" : " · ", "sd over repetitions ",
                                      Fixed(Item(At(one, "sd_seeds"), i), 1));
          }
          rows.back().push_back(cell);
        }
      }
      if (rows.empty()) continue;
      std::string families;
      if (group.contains("families"))
        families = absl::StrCat(" (", absl::StrJoin(At(group, "families").get<std::vector<std::string>>(), ", "), ")");
      document->Table(absl::StrCat(Text(group, "title"), families, ", ", n,
                                   " episodes: mean and standard deviation over episodes; below it the difference to ",
                                   Text(start_of(few_shot, "compare_to"), "title"), " with its 95 % interval"),
                      header, rows, /*cards=*/true);
    }
    document->FoldEnd();
  }
}

// "81.2 [80.9, 81.6]", or with signs.
TableCell EstimateCell(const Json& estimate, int decimals, double scale, bool sign) {
  if (!At(estimate, "value").is_number()) return {"–"};
  const auto text = [&](const Json& value) {
    return sign ? absl::StrFormat("%+.*f", decimals, scale * value.get<double>())
                : absl::StrFormat("%.*f", decimals, scale * value.get<double>());
  };
  TableCell cell{text(At(estimate, "value"))};
  if (At(estimate, "low").is_number() && At(estimate, "high").is_number())
    cell.small = absl::StrCat("[", text(At(estimate, "low")), ", ", text(At(estimate, "high")), "]");
  return cell;
}

// One suite's rows and pairs of rows.
void AddAggregate(const Json& result, const std::string& suite, const Json& aggregate, Document* document) {
  std::map<std::string, const Json*> by_id;
  for (const Json& row : At(result, "rows")) by_id[Text(row, "id")] = &row;
  const auto name = [&](const std::string& id) {
    if (by_id.count(id) == 0) return TableCell{id};
    TableCell cell = RowName(*by_id[id]);
    cell.note.clear();
    return cell;
  };
  const auto failed = [](const Json& one) {
    return At(one, "failed").is_number() ? absl::StrCat(At(one, "failed").dump(), " runs failed: no mean")
                                         : std::string();
  };
  std::vector<std::vector<TableCell>> rows, pairs;
  for (const Json& row : At(aggregate, "rows")) {
    rows.push_back({name(Text(row, "row")), EstimateCell(At(row, "iqm"), 1, 1, false),
                    EstimateCell(At(row, "mean"), 1, 1, false)});
    rows.back()[0].note = failed(row);
  }
  for (const Json& pair : At(aggregate, "pairs")) {
    pairs.push_back({name(Text(pair, "row")), name(Text(pair, "to")),
                     EstimateCell(At(pair, "iqm_difference"), 1, 1, true),
                     EstimateCell(At(pair, "mean_difference"), 1, 1, true),
                     EstimateCell(At(pair, "probability_of_improvement"), 0, 100, false)});
    pairs.back()[0].note = failed(pair);
  }
  if (rows.empty()) return;
  const std::string title = suite.empty() ? "All tasks" : SuiteTitle(result, suite);
  const std::string of =
      At(aggregate, "tasks").is_number() && At(aggregate, "draws").is_number()
          ? absl::StrCat(", ", At(aggregate, "tasks").dump(), " tasks, ", At(aggregate, "draws").dump(),
                         At(aggregate, "draws") == 1 ? " draw" : " draws")
          : "";
  document->Table(absl::StrCat(title, of), {"Method", "Interquartile mean, %", "Mean, %"}, rows, /*cards=*/true);
  if (pairs.empty()) return;
  document->FoldBegin(absl::StrCat("Pairs of rows, ", title));
  document->Table("Row minus compared row on the same draws, and how often a run of the row beats one of the other.",
                  {"Method", "Compared with", "Interquartile mean", "Mean", "Probability of improvement, %"}, pairs,
                  /*cards=*/true);
  document->FoldEnd();
}

void AddAggregates(const Json& result, Document* document) {
  const Json& aggregates = At(result, "aggregates");
  if (!aggregates.is_structured() || aggregates.empty()) return;
  document->Heading("Over all tasks");
  document->Text(
      "Scores of all tasks and draws together. The interquartile mean leaves out the best and the worst quarter, so "
      "that "
      "no single task decides. Intervals (95 %) come from a bootstrap that draws again within each task: they tell "
      "what "
      "other draws would change on these tasks, nothing about other tasks. The probability of improvement is that a "
      "run "
      "of the row beats a run of the other on one of these tasks; at 50 % neither is better.");
  if (aggregates.is_array()) {
    for (const Json& one : aggregates) AddAggregate(result, Text(one, "suite"), one, document);
  } else if (aggregates.contains("rows")) {
    AddAggregate(result, Text(aggregates, "suite"), aggregates, document);
  } else {
    for (const auto& [suite, one] : aggregates.items()) AddAggregate(result, suite, one, document);
  }
}

bool HasSelections(const Json& result) {
  return std::any_of(At(result, "rows").begin(), At(result, "rows").end(),
                     [](const Json& row) { return row.contains("selection"); });
}

// Adaptations, seconds and TFLOP, and what share of the judged runs' that is.
std::vector<TableCell> CostCells(const Json& cost, const Json& judged) {
  const double seconds = At(cost, "seconds"), flops = At(cost, "flops");
  const double judged_seconds = At(judged, "seconds"), judged_flops = At(judged, "flops");
  TableCell time{absl::StrFormat("%.1f", seconds)}, work{absl::StrFormat("%.2f", flops / 1e12)};
  if (judged_seconds > 0) time.note = absl::StrFormat("%.2f of the judged runs'", seconds / judged_seconds);
  if (judged_flops > 0) work.note = absl::StrFormat("%.2f of the judged runs'", flops / judged_flops);
  return {{At(cost, "adaptations").dump()}, time, work};
}

Json SumOfCosts(const Json& result, const char* name) {
  Json sum = {{"adaptations", 0}, {"seconds", 0.0}, {"flops", 0.0}};
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("selection")) continue;
    const Json& cost = At(At(row, "selection"), name);
    sum["adaptations"] = sum["adaptations"].get<int64_t>() + At(cost, "adaptations").get<int64_t>();
    for (const char* key : {"seconds", "flops"}) sum[key] = sum[key].get<double>() + At(cost, key).get<double>();
  }
  return sum;
}

// One row's candidates.
void AddCandidates(const Json& row, Document* document) {
  const Json& selection = At(row, "selection");
  std::vector<std::vector<TableCell>> rows;
  for (const Json& candidate : At(selection, "candidates")) {
    const Json& accuracy = At(candidate, "accuracy");
    TableCell shown{Fixed(At(accuracy, "mean"), 2)};
    if (At(accuracy, "sd").is_number())
      shown.small = absl::StrCat("± ", Fixed(At(accuracy, "sd"), 2), " (n ", At(accuracy, "n").dump(), ")");
    if (candidate.contains("failed")) {
      shown.note = absl::StrCat(At(candidate, "failed").dump(), " failed: ", Text(candidate, "first_error"));
    } else if (At(candidate, "diverged") > 0) {
      shown.note = absl::StrCat(At(candidate, "diverged").dump(), " count with their last finite model");
    }
    rows.push_back({{OptionsText(At(candidate, "options"))},
                    shown,
                    {At(candidate, "options") == At(selection, "chosen") ? "yes" : ""},
                    {Fixed(At(candidate, "seconds"), 1)},
                    {absl::StrFormat("%.2f", At(candidate, "flops").get<double>() / 1e12)}});
  }
  const std::string seed = selection.contains("meta_seed")
                               ? absl::StrCat(", on meta-training ", At(selection, "meta_seed").dump(), " alone")
                               : "";
  document->Table(absl::StrCat(Text(row, "title"), seed),
                  {"Candidate", "Development accuracy, %", "Chosen", "Seconds", "TFLOP"}, rows, /*cards=*/true);
}

void AddSelections(const Json& result, Document* document) {
  if (!HasSelections(result)) return;
  document->Heading("How the settings were chosen");
  std::vector<std::vector<TableCell>> rows;
  const Json* any = nullptr;
  std::set<std::string> steps;
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("selection")) continue;
    const Json& selection = At(row, "selection");
    any = &selection;
    steps.insert(At(selection, "steps").dump());
    TableCell chosen{"none", "", "", "every candidate failed"};
    if (At(selection, "chosen").is_object()) chosen = {OptionsText(At(selection, "chosen"))};
    rows.push_back({RowName(row), {GridText(At(selection, "grid"))}, chosen});
    for (TableCell& cell : CostCells(At(selection, "cost"), At(selection, "judged_cost"))) rows.back().push_back(cell);
  }
  rows.push_back({TableCell{"All"}, TableCell{}, TableCell{}});
  for (TableCell& cell : CostCells(SumOfCosts(result, "cost"), SumOfCosts(result, "judged_cost")))
    rows.back().push_back(cell);
  document->Text(absl::StrCat(
      "Before its test tasks, each of these rows was run on development tasks (",
      absl::StrJoin(At(*any, "tasks").get<std::vector<std::string>>(), ", "), " of suite ", Text(*any, "suite"),
      IsOfFiles(result) ? "), made of training examples that are in no test set and no support set"
                        : "), which share no class and no text with the test tasks",
      ", once with every combination of its grid: ", At(*any, "draws").dump(),
      At(*any, "draws") == 1 ? " draw of " : " draws of ", At(*any, "shots").dump(), " examples a class, ",
      steps.size() == 1 ? absl::StrCat(*steps.begin(), " steps") : "each row with its own number of steps",
      ". The combination with the highest mean accuracy after the last step is the row's from there on; of equal "
      "ones the earlier."));
  if (At(result, "quick") == true)
    document->Text(
        "This quick run searches the grids on their first task and one draw only: the choice means nothing.");
  document->Table(
      "Cost of the choice: adaptations, their seconds on one core without scoring and their products with weight "
      "matrices, and what share that is of the runs that are judged. Meta-training is in neither.",
      {"Method", "Grid", "Chosen", "Adaptations", "Seconds", "TFLOP"}, rows, /*cards=*/true);
  document->FoldBegin("Every candidate");
  for (const Json& row : At(result, "rows")) {
    if (row.contains("selection")) AddCandidates(row, document);
  }
  document->FoldEnd();
}

void AddParameters(const Json& result, Document* document) {
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("parameters") || At(row, "parameters").is_null()) continue;
    const Json& counts = At(row, "parameters");
    const double backbone = std::max(1.0, At(counts, "backbone").get<double>());
    rows.push_back({RowName(row)});
    for (const char* name : {"per_task", "head", "meta"}) {
      TableCell cell{GroupedDigits(At(counts, name).get<int64_t>())};
      cell.small = absl::StrFormat("%.3f %%", 100 * At(counts, name).get<double>() / backbone);
      rows.back().push_back(cell);
    }
    rows.back().push_back({GroupedDigits(At(counts, "backbone").get<int64_t>())});
  }
  if (rows.empty()) return;
  document->Heading("Parameters");
  document->Table(
      "Numbers that a method adapts per task, the task's head (of the task with most classes), what meta-training "
      "learned, and the encoder; shares are of the encoder.",
      {"Method", "Per task", "Head", "Meta", "Encoder"}, rows, /*cards=*/true);
}

void AddMetaTraining(const Json& result, Document* document) {
  std::vector<std::vector<TableCell>> rows, each;
  bool orders = false, events = false;
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("meta_training")) continue;
    std::vector<double> first, last;
    Json tasks;
    int64_t failed = 0;
    for (const Json& one : At(row, "meta_training")) {
      each.push_back({RowName(row),
                      {At(one, "seed").dump()},
                      {At(one, "steps").dump()},
                      {DurationText(At(one, "seconds").get<double>())},
                      {Fixed(At(one, "first_loss"), 3)},
                      {Fixed(At(one, "last_loss"), 3)}});
      events = events || !Text(one, "events").empty();
      if (one.contains("order")) {
        each.back()[1].note = Text(one, "order");
        orders = true;
      }
      if (one.contains("error")) {
        each.back()[1].note = Text(one, "error");
        ++failed;
        continue;
      }
      if (one.contains("tasks") && At(one, "tasks").is_number()) tasks = At(one, "tasks");
      if (At(one, "first_loss").is_number()) first.push_back(At(one, "first_loss"));
      if (At(one, "last_loss").is_number()) last.push_back(At(one, "last_loss"));
    }
    TableCell seconds{"–"};
    if (row.contains("meta_training_median_seconds")) {
      const double median = At(row, "meta_training_median_seconds");
      seconds.text = DurationText(median);
      if (tasks.is_number() && tasks > 0)
        seconds.small = absl::StrFormat("%.2f s a task", median / tasks.get<double>());
    }
    TableCell count{absl::StrCat(At(row, "meta_training").size())};
    if (failed > 0) count.note = absl::StrCat(failed, " failed");
    rows.push_back({RowName(row),
                    count,
                    {tasks.is_number() ? tasks.dump() : "–"},
                    seconds,
                    {first.empty() ? "–" : absl::StrFormat("%.3f", Summarize(first).mean)},
                    {last.empty() ? "–" : absl::StrFormat("%.3f", Summarize(last).mean)}});
  }
  if (rows.empty()) return;
  document->Heading("Meta-training");
  const std::string shapes = Text(At(result, "protocol"), "meta_train_tasks");
  if (!shapes.empty()) document->Text(absl::StrCat("Episodes of meta-training: ", shapes, "."));
  document->Table(
      "Times are medians over the meta-trainings, of a whole one on one core. Query losses are means over the first "
      "and "
      "the last tenth of the steps, on tasks as they came.",
      {"Method", "Meta-trainings", "Tasks each", "Time of one", "Query loss, first tenth", "last tenth"}, rows,
      /*cards=*/true);
  if (events) {
    document->Text(
        "The course of each training is beside the results, for TensorBoard: `tensorboard --logdir=meta` in their "
        "folder.");
  }
  document->FoldBegin("Every meta-training");
  document->Table(orders ? "Below a seed stands the file, beside the results, with the tasks in the order in which the "
                           "training visited them and the difficulty of each where it was measured."
                         : "",
                  {"Method", "Seed", "Steps", "Time", "Query loss, first tenth", "last tenth"}, each, /*cards=*/true);
  document->FoldEnd();
}

void AddReasons(const Json& result, Document* document) {
  document->Heading("How cells are judged");
  document->Text(
      "The expected values were written down before the run, from earlier runs of our own on other draws. A cell is "
      "REPRODUCED "
      "when the 90 % interval of ours minus expected (Welch's, widened until its error rate holds) lies within the "
      "margin, NOT_REPRODUCED when it lies "
      "wholly outside, on either side, "
      "INCONCLUSIVE when it straddles the margin or there is only one run, and NOT_ATTEMPTED with a reason otherwise. "
      "A failed run "
      "makes its cell RUN_FAILED.");
  const std::string holm = Text(At(result, "holm"), "text");
  if (!holm.empty()) {
    document->Text(
        absl::StrCat("Each verdict stands for its own cell; of many, some are wrong by chance. Held against the whole "
                     "table by Holm's "
                     "method: ",
                     holm));
  }
  if (HasSelections(result)) {
    document->Text(
        "A row whose grid has chosen other options than its expected values were measured with is not judged by them.");
  }
  if (HasFewShotColumns(result)) {
    document->Text(
        "In few-shot columns the interval holds both errors, of the repetitions and of the episodes: equal repetitions "
        "on "
        "the same episodes are no certainty.");
  }
  const std::string not_comparable = Text(At(result, "protocol"), "not_comparable");
  if (!not_comparable.empty())
    document->Text(absl::StrCat("The paper's own numbers stand beside ours as NOT_COMPARABLE: ", not_comparable));
  std::vector<std::vector<TableCell>> margins;
  for (const Json& column : At(result, "columns")) {
    const bool relative = At(column, "margin_is_relative") == true;
    TableCell margin{"not judged"};
    if (At(column, "margin").is_number()) {
      margin.text = relative ? absl::StrFormat("± %g %%", 100 * At(column, "margin").get<double>())
                             : absl::StrFormat("± %g", At(column, "margin").get<double>());
    }
    margins.push_back({{Text(column, "title")},
                       margin,
                       {At(column, "margin").is_number() ? Text(column, "margin_reason") : Text(column, "not_judged")},
                       {Text(column, "note")}});
  }
  document->FoldBegin("Margins and their reasons");
  document->Table("", {"Column", "Margin", "Reason", "What it is"}, margins, /*cards=*/true);
  document->FoldEnd();
  std::vector<std::vector<TableCell>> verdicts;
  for (const Json& row : At(result, "rows")) {
    for (const Json& column : At(result, "columns")) {
      const Json& cell = At(At(row, "cells"), Text(column, "id"));
      if (!cell.is_object()) continue;
      TableCell verdict;
      verdict.badge = Text(cell, "verdict");
      TableCell expected{Fixed(At(cell, "expected"), column.value("decimals", 1))};
      expected.note = Text(cell, "expected_source");
      TableCell why{Text(cell, "why")};
      if (At(cell, "holm_p").is_number()) {
        why.note = absl::StrFormat("over the whole table (Holm) p = %.2g", At(cell, "holm_p").get<double>());
        if (At(cell, "survives_holm").is_boolean() && Text(cell, "verdict") != "INCONCLUSIVE")
          absl::StrAppend(&why.note,
                          At(cell, "survives_holm") == true ? ": the verdict stands" : ": it would not stand");
      }
      verdicts.push_back({RowName(row), {ColumnTitle(result, column)}, verdict, why, expected});
      verdicts.back()[0].note.clear();
    }
  }
  document->FoldBegin("Every verdict with its reason");
  document->Table("", {"Method", "Column", "Verdict", "Why", "Expected"}, verdicts, /*cards=*/true);
  document->FoldEnd();
  std::vector<std::vector<TableCell>> settings;
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("options")) continue;
    settings.push_back({RowName(row),
                        {Text(row, "method")},
                        {Text(row, "head") == "ZERO" ? "zero" : "prototypes"},
                        {At(row, "options").empty() ? "defaults" : OptionsText(At(row, "options"))},
                        {Text(row, "options_reason")}});
    settings.back()[0].note = Text(row, "note");
    std::vector<std::string> steps;
    if (At(row, "meta_steps").is_number()) steps.push_back(absl::StrCat(At(row, "meta_steps").dump(), " meta-steps"));
    if (At(row, "steps").is_number()) steps.push_back(absl::StrCat(At(row, "steps").dump(), " steps"));
    settings.back()[1].note = absl::StrJoin(steps, ", ");
    if (At(At(row, "selection"), "chosen").is_object()) {
      settings.back()[3].note = absl::StrCat("chosen: ", OptionsText(At(At(row, "selection"), "chosen")));
    } else if (!At(row, "grid").empty()) {
      settings.back()[3].note = absl::StrCat("grid: ", GridText(At(row, "grid")));
    }
  }
  if (settings.empty()) return;
  document->FoldBegin("Settings of every row");
  document->Table("", {"Method", "Learner", "Head starts from", "Options", "Why these"}, settings, /*cards=*/true);
  document->FoldEnd();
}

// What there is to run on: its split, its sizes, and what of it is missing.
void AddData(const Json& result, Document* document) {
  const TaskList list(result);
  if (At(result, "data").empty() && At(result, "split").empty()) return;
  document->Heading("Data");
  Json split = At(result, "split");
  if (!split.is_object()) {
    for (const ReportTask& task : list.all())
      split[task.development ? "development" : "meta_test"].push_back(task.name);
  }
  std::vector<std::pair<std::string, std::string>> parts;
  std::map<std::string, int> uses;
  const std::pair<const char*, const char*> kParts[] = {{"meta_train", "Meta-training"},
                                                        {"meta_test", "Meta-test"},
                                                        {"development", "Development"},
                                                        {"few_shot", "Few-shot episodes"}};
  for (const auto& [key, title] : kParts) {
    std::vector<std::string> names = Strings(At(split, key));
    for (std::string& name : names) {
      ++uses[name.substr(0, name.find('@'))];  // "glue/mrpc@development" is of glue/mrpc's examples
      if (list.IsSubset(name)) absl::StrAppend(&name, " (subset)");
    }
    if (!names.empty()) parts.emplace_back(title, absl::StrCat(names.size(), ": ", absl::StrJoin(names, ", ")));
  }
  std::vector<std::string> twice;
  for (const auto& [name, count] : uses) {
    if (count > 1) twice.push_back(name);
  }
  document->Text(absl::StrCat(
      "What is learned on, what is judged on and what settings are chosen on are kept apart. ",
      twice.empty()
          ? "No task is in two of these lists."
          : absl::StrCat("In two of these lists, with other examples in each: ", absl::StrJoin(twice, ", "), ".")));
  document->List(parts);
  std::vector<std::vector<TableCell>> rows;
  std::vector<std::pair<std::string, std::string>> missing;
  for (const ReportTask& task : list.all()) {
    TableCell name{list.Title(task.name)};
    if (name.text != task.name) name.note = task.name;
    TableCell metrics{absl::StrJoin(task.metrics, ", ")};
    if (!task.official_metrics.empty())
      metrics.note = absl::StrCat("official: ", absl::StrJoin(task.official_metrics, ", "));
    TableCell data{"complete"};
    if (!task.subset.empty()) data = {"subset", "", "", task.subset};
    if (!task.missing.empty()) {
      data = {"", "", "NOT_ATTEMPTED", "why: see below"};
      missing.emplace_back(task.name, task.missing);
    }
    rows.push_back({name,
                    {SuiteName(result, task.suite)},
                    {task.development ? "development" : "test"},
                    {task.num_test > 0 ? GroupedDigits(task.num_test) : "–"},
                    metrics,
                    data});
  }
  if (!rows.empty()) {
    document->Table("Tasks and what they are scored by; the first metric stands for the task in accuracy columns.",
                    {"Task", "Suite", "For", "Test examples", "Metrics", "Data"}, rows, /*cards=*/true);
  }
  if (missing.empty()) return;
  document->Text("What was not run and why, with the command that gets missing data:");
  document->List(missing);
}

std::string SettingText(const std::string& name, const Json& value);

// "5, 6 to 10", "shots 1, 5, 16; episodes 10"
std::string ValueText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const Json& one : value) parts.push_back(ValueText(one));
    return absl::StrJoin(parts, ", ");
  }
  if (!value.is_object()) return value.dump();
  for (const auto& [name, one] : value.items()) {
    const std::string text = SettingText(name, one);
    if (!text.empty()) parts.push_back(absl::StrCat(absl::StrReplaceAll(name, {{"_", " "}}), " ", text));
  }
  return absl::StrJoin(parts, "; ");
}

std::string SettingText(const std::string& name, const Json& value) {
  if (name == "batch_size" && value == 0) return "the whole support set";
  if (name == "shots" && value == 0) return "all of the training split";
  return ValueText(value);
}

std::string FromTo(int64_t first, int64_t count) {
  return count == 1 ? absl::StrCat("1 (number ", first, ")")
                    : absl::StrCat(count, " (numbers ", first, " to ", first + count - 1, ")");
}

// Every number of the profile, under its own name.
std::vector<std::pair<std::string, std::string>> ProtocolItems(const Json& result) {
  const Json& protocol = At(result, "protocol");
  std::vector<std::pair<std::string, std::string>> items;
  const std::map<std::string, std::string> kTitles = {{"data", "Tasks"},
                                                      {"backbone", "Encoder"},
                                                      {"subset_note", "Left out"},
                                                      {"meta_train_tasks", "Episodes of meta-training"},
                                                      {"shots", "Examples a class"},
                                                      {"batch_size", "Examples a step"},
                                                      {"marks", "Scored after steps"},
                                                      {"ratio_row", "Unit of wall times"}};
  const bool says_numbers = ValueText(At(protocol, "draws")) != "0" || ValueText(At(protocol, "steps")) != "0";
  for (const auto& [name, value] : protocol.items()) {
    if (name == "not_comparable" || name == "first_draw" || name == "first_meta_seed") continue;
    if (name == "subset_note" && IsMeasured(result)) continue;  // stands with the run
    if (value.is_number() && !says_numbers) continue;
    std::string text = SettingText(name, value);
    if (name == "draws")
      text = FromTo(At(protocol, "first_draw").is_number() ? At(protocol, "first_draw").get<int64_t>() : 0, value);
    if (name == "meta_seeds" && value != 0) {
      text = FromTo(At(protocol, "first_meta_seed").is_number() ? At(protocol, "first_meta_seed").get<int64_t>() : 0,
                    value);
    }
    if (text.empty()) continue;
    std::string title = absl::StrReplaceAll(name, {{"_", " "}});
    if (!title.empty()) title[0] = absl::ascii_toupper(title[0]);
    const auto known = kTitles.find(name);
    items.emplace_back(known != kTitles.end() ? known->second
                       : name == "draws"      ? "Draws of the support sets"
                       : name == "meta_seeds" ? "Meta-trainings of a row"
                                              : title,
                       text);
  }
  for (const Json& suite : At(result, "suites")) {
    const std::vector<std::string> tasks = Strings(At(suite, "tasks"));
    if (!tasks.empty()) items.emplace_back(absl::StrCat("Suite ", Text(suite, "title")), absl::StrJoin(tasks, ", "));
  }
  return items;
}

void AddProtocol(const Json& result, Document* document) {
  if (IsMeasured(result)) {
    document->FoldBegin("The profile's numbers");
    document->List(ProtocolItems(result));
    document->FoldEnd();
    return;
  }
  document->Heading("What this profile would run");
  document->List(ProtocolItems(result));
}

void AddRerun(const Json& result, Document* document) {
  document->Heading("How to run it again");
  std::vector<std::pair<std::string, std::string>> items;
  items.emplace_back("Command", absl::StrCat("`", Text(result, "command"), "`"));
  items.emplace_back(
      "Seeds",
      "Draws, meta-trainings and episodes are functions of their numbers, so that the same command gives "
      "the same numbers. `--seeds=N` for another number of draws, `--first_seed=N` for others.");
  if (IsOfFiles(result)) {
    items.emplace_back(
        "Data",
        "Task files are read below `--data_root=FOLDER`, else below the folder that the environment "
        "variable GBMOA_DATA names, else from the official archives, which Bazel fetches by their SHA-256 "
        "with `--config=glue_fetch`. Without any a task is NOT_ATTEMPTED.");
  }
  items.emplace_back("Interrupted", "The same command goes on where it stopped, and runs no finished cell twice.");
  items.emplace_back("This page", "`--report=FILE.json` makes it anew from the results file alone.");
  document->List(items);
  if (IsMeasured(result)) AddProtocol(result, document);
}

void AddRun(const Json& result, Document* document) {
  document->Heading("The run");
  std::vector<std::pair<std::string, std::string>> items;
  if (IsMeasured(result)) items.emplace_back("Took", DurationText(At(result, "seconds").get<double>()));
  if (HasSelections(result)) {
    const Json cost = SumOfCosts(result, "cost");
    items.emplace_back("Choosing settings",
                       absl::StrCat(At(cost, "adaptations").dump(), " adaptations, ",
                                    DurationText(At(cost, "seconds").get<double>()), " of one core"));
  }
  if (IsMeasured(result) && !Text(At(result, "protocol"), "subset_note").empty())
    items.emplace_back("Left out", Text(At(result, "protocol"), "subset_note"));
  std::set<std::string> not_attempted;
  for (const Json& row : At(result, "rows")) {
    if (row.contains("not_attempted")) not_attempted.insert(Text(row, "not_attempted"));
  }
  for (const std::string& why : not_attempted) items.emplace_back("Not attempted", why);
  for (const auto& [name, value] : At(result, "environment").items()) {
    items.emplace_back(name, name == "peak_rss_bytes" ? absl::StrFormat("%.2f GB", value.get<double>() / 1e9)
                             : value.is_string()      ? value.get<std::string>()
                                                      : value.dump());
  }
  for (const Json& input : At(result, "inputs")) {
    items.emplace_back("Input", absl::StrCat(Text(input, "name"), " `", Text(input, "sha256"), "`"));
  }
  document->List(items);
}

Document MakeDocument(const Json& result, Figures* figures) {
  Document document;
  AddHeader(result, &document);
  AddCells(result, /*in_paper=*/true,
           absl::StrCat(Text(result, "paper"), ". Ours: mean ± standard deviation over the draws",
                        HasFewShotColumns(result) ? ", in few-shot columns over the repetitions. " : ". "),
           &document);
  if (IsMeasured(result)) {
    document.Heading("Beyond the paper's columns");
    AddCells(result, /*in_paper=*/false,
             HasFewShotColumns(result)
                 ? "Parts of the paper's columns; not counted in the headline."
                 : "The same rows on other suites or by other means; not counted in the headline.",
             &document);
    AddCurves(result, figures, &document);
    AddSteps(result, &document);
    AddTasks(result, figures, &document);
    AddCosts(result, figures, &document);
    AddComparisons(result, figures, &document);
    AddAggregates(result, &document);
    AddFewShot(result, figures, &document);
    AddSelections(result, &document);
    AddParameters(result, &document);
    AddMetaTraining(result, &document);
  }
  if (!IsMeasured(result)) AddProtocol(result, &document);
  AddData(result, &document);
  AddReasons(result, &document);
  AddRerun(result, &document);
  AddRun(result, &document);
  return document;
}

}  // namespace

absl::Status WriteReport(const Json& result, const std::string& folder) {
  Figures figures;
  figures.folder = JoinPath(folder, "figures");
  std::error_code error;
  std::filesystem::create_directories(figures.folder, error);
  if (error)
    return absl::PermissionDeniedError(absl::StrCat(figures.folder, ": cannot make the folder: ", error.message()));
  const std::string name = JoinPath(folder, Text(result, "table"));
  // The numbers first: a report that fails must not cost them.
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(
      absl::StrCat(name, ".json"), absl::StrCat(result.dump(1, ' ', false, Json::error_handler_t::replace), "\n")));
  figures.available = HaveGnuplot();
  const Document document = MakeDocument(result, &figures);
  if (!figures.status.ok()) LOG(WARNING) << "no more figures: " << figures.status;
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(name, ".md"), ToMarkdown(document)));
  return WriteFileAtomically(absl::StrCat(name, ".html"), ToHtml(document));
}

std::string ReportText(const Json& result) {
  std::string text = absl::StrCat(Text(result, "title"), ", profile ", Text(result, "profile"), "\n\n");
  std::vector<std::vector<std::string>> rows(1, {"method"});
  for (const Json& column : At(result, "columns")) {
    if (At(column, "in_paper") == true) rows[0].push_back(ColumnTitle(result, column));
  }
  for (const Json& row : At(result, "rows")) {
    rows.push_back({Text(row, "title")});
    for (const Json& column : At(result, "columns")) {
      if (At(column, "in_paper") != true) continue;
      const Json& cell = At(At(row, "cells"), Text(column, "id"));
      rows.back().push_back(
          !cell.is_object() || At(cell, "n") == 0
              ? absl::StrCat(
                    cell.is_object() && cell.contains("part")
                        ? absl::StrCat("(", Fixed(At(At(cell, "part"), "mean"), column.value("decimals", 1)), ") ")
                        : "",
                    Text(cell, "verdict"))
              : absl::StrCat(Fixed(At(cell, "mean"), column.value("decimals", 1)), " ", Text(cell, "verdict")));
    }
  }
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  absl::StrAppend(&text, "\n", Text(result, "headline"), "\n");
  for (const Json& row : At(result, "rows")) {
    if (!row.contains("selection")) continue;
    const Json& chosen = At(At(row, "selection"), "chosen");
    absl::StrAppend(&text, "chosen on development tasks: ", Text(row, "title"), ", ",
                    chosen.is_object() ? OptionsText(chosen) : "nothing, every candidate failed", "\n");
  }
  const TaskList tasks(result);
  for (const ReportTask& task : tasks.all()) {
    if (!task.missing.empty()) absl::StrAppend(&text, task.name, ": not attempted. ", task.missing, "\n");
    if (task.missing.empty() && !task.subset.empty())
      absl::StrAppend(&text, task.name, ": a subset. ", task.subset, "\n");
  }
  if (result.contains("not_attempted")) absl::StrAppend(&text, Text(result, "not_attempted"), "\n");
  return text;
}

}  // namespace gbmoa
