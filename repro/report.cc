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

std::string Fixed(const Json& value, int decimals) {
  return value.is_number() ? absl::StrFormat("%.*f", decimals, value.get<double>()) : "–";
}

std::string Signed(const Json& value, int decimals) {
  return value.is_number() ? absl::StrFormat("%+.*f", decimals, value.get<double>()) : "–";
}

// "6,343,680"
std::string Grouped(int64_t value) {
  std::string digits = absl::StrCat(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ",");
  return digits;
}

// "learning_rate = 3e-5, lora_rank = 8"
std::string OptionsText(const Json& options) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : options.items())
    texts.push_back(absl::StrCat(name, " = ", value.is_string() ? value.get<std::string>() : value.dump()));
  return absl::StrJoin(texts, ", ");
}

std::string SuiteTitle(std::string suite) {
  std::replace(suite.begin(), suite.end(), '_', ' ');
  return suite;
}

TableCell RowName(const Json& row) {
  TableCell cell;
  cell.text = Text(row, "title");
  cell.color = Text(row, "color");
  cell.dashed = row.value("dashed", false);
  if (row["kind"] == "REFERENCE") cell.note = "reference, not in the paper";
  if (row["kind"] == "EXTRA") cell.note = "not in the paper";
  return cell;
}

bool IsFewShot(const Json& column) { return column["measure"] == "FEW_SHOT_ACCURACY_PERCENT"; }

bool HasFewShotColumns(const Json& result) {
  return std::any_of(result["columns"].begin(), result["columns"].end(), IsFewShot);
}

bool IsMeasured(const Json& result) { return !result.contains("not_attempted"); }

TableCell VerdictCell(const Json& cell, const Json& column) {
  const int decimals = column.value("decimals", 1);
  TableCell shown;
  shown.text = Fixed(cell["mean"], decimals);
  std::vector<std::string> notes;
  // What comes out the same on every draw has no spread to show.
  if (cell["sd"].is_number() && cell["sd"] != 0)
    shown.small = absl::StrCat("± ", Fixed(cell["sd"], decimals), " (n ", cell["n"].dump(), ")");
  if (!cell["sd"].is_number() && cell["n"] == 1) shown.small = "(n 1)";
  if (cell.contains("sd_episodes") && cell["sd_episodes"].is_number()) {
    const double episodes = cell["episodes"];
    notes.push_back(absl::StrFormat("± %.*f over %d episodes", decimals,
                                    cell["sd_episodes"].get<double>() / std::sqrt(episodes),
                                    cell["episodes"].get<int>()));
  }
  // A part of another column has no verdict to show.
  if (Text(column, "group").empty() || cell["n"] == 0) shown.badge = Text(cell, "verdict");
  shown.why = Text(cell, "why");
  if (cell["expected"].is_number()) {
    notes.push_back(absl::StrCat("expected ", Fixed(cell["expected"], decimals)));
    if (cell.contains("expected_options"))
      absl::StrAppend(&notes.back(), " with ", OptionsText(cell["expected_options"]));
  }
  if (cell["paper"].is_number()) notes.push_back(absl::StrFormat("paper %.4g", cell["paper"].get<double>()));
  shown.note = absl::StrJoin(notes, " · ");
  return shown;
}

void AddCells(const Json& result, bool in_paper, const std::string& caption, Document* document) {
  std::vector<std::string> header = {"Method"};
  std::vector<const Json*> columns;
  for (const Json& column : result["columns"]) {
    if (column["in_paper"] != in_paper) continue;
    columns.push_back(&column);
    header.push_back(Text(column, "title"));
  }
  if (columns.empty()) return;
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : result["rows"]) {
    rows.push_back({RowName(row)});
    for (const Json* column : columns) {
      rows.back().push_back(VerdictCell(row["cells"][Text(*column, "id")], *column));
    }
  }
  document->Table(caption, header, rows, /*cards=*/true);
}

void AddHeader(const Json& result, Document* document) {
  document->title = Text(result, "title");
  const Json& protocol = result["protocol"];
  document->subtitle =
      absl::StrCat(Text(result, "profile_title"), " · profile `", Text(result, "profile"), "` · ",
                   Text(result, "started").substr(0, 16), " · commit `", Text(result, "git").substr(0, 18), "`");
  document->Text(absl::StrCat("Of the cells that the paper has: ", Text(result, "headline"), "."));
  Block badges{Block::kBadges};
  for (const auto& [key, count] : result["counts"]["paper"].items()) {
    if (count != 0) badges.items.emplace_back(absl::AsciiStrToUpper(key), count.dump());
  }
  document->blocks.push_back(badges);
  if (!IsMeasured(result)) {
    document->Text(absl::StrCat("Nothing was run. ", Text(result, "not_attempted")));
    return;
  }
  if (result["quick"] == true) {
    document->Text(
        "This is a quick run: few tasks, draws and steps, to see that everything works. Its numbers mean nothing and "
        "are not judged.");
  }
  document->Text(absl::StrCat(
      Text(protocol, "data"), " Encoder: ", Text(protocol, "backbone"),
      " Every method adapts to the same tasks from the same ", protocol["draws"].dump(), " draws of ",
      protocol["shots"].dump(), " examples a class, ", protocol["steps"].dump(), " steps of ",
      protocol["batch_size"] == 0 ? std::string("the whole support set")
                                  : absl::StrCat(protocol["batch_size"].dump(), " examples"),
      ", and is scored on the same test sets. Meta-learning methods have ", protocol["meta_seeds"].dump(),
      protocol["meta_seeds"] == 1 ? " meta-training, so their spread over draws says nothing about its chance."
                                  : " meta-trainings; a draw uses one of them."));
  if (!HasFewShotColumns(result) || !result.contains("few_shot")) return;
  const Json& few_shot = result["few_shot"];
  document->Text(absl::StrCat(
      "Few-shot columns are means over ", few_shot["episodes"].dump(), " episodes, the same for every row, after ",
      few_shot["steps"].dump(), " steps on ",
      few_shot["batch_size"] == 0 ? std::string("the whole support set")
                                  : absl::StrCat(few_shot["batch_size"].dump(), " examples"),
      ". Every row runs them ", protocol["meta_seeds"].dump(),
      protocol["meta_seeds"] == 1
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
  void Add(absl::StatusOr<std::string> svg, const std::string& caption, Block* block) {
    if (!svg.ok()) {
      status = svg.status();
      return;
    }
    block->figures.emplace_back(*std::move(svg), caption);
  }
};

std::vector<double> Doubles(const Json& array) {
  std::vector<double> values;
  for (const Json& value : array) {
    values.push_back(value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

Series MakeSeries(const Json& style, const Json& curve) {
  Series series{Text(style, "title"), Text(style, "color"), style.value("dashed", false), Doubles(curve["mean"])};
  if (series.color.empty()) series.color = "#555555";
  if (!curve["low"].empty() && curve["low"][0].is_number()) {
    series.low = Doubles(curve["low"]);
    series.high = Doubles(curve["high"]);
  }
  return series;
}

void AddCurves(const Json& result, Figures* figures, Document* document) {
  // Two points are no curve; the next section has them as numbers.
  if (result["protocol"]["marks"].size() < 3) return;
  document->Heading("Accuracy against adaptation steps");
  Block legend{Block::kLegend}, block{Block::kFigures};
  legend.rows.emplace_back();
  for (const Json& row : result["rows"]) {
    if (row.contains("curves")) legend.rows[0].push_back(RowName(row));
  }
  for (const Json& suite_json : result["protocol"]["suites"]) {
    const std::string suite = suite_json;
    Panel panel{absl::StrCat("curve_", suite), "adaptation steps", "accuracy, %"};
    for (const Json& row : result["rows"]) {
      if (!row.contains("curves") || !row["curves"].contains(suite) || row["curves"][suite].is_null()) continue;
      const Json& curve = row["curves"][suite];
      panel.marks = curve["marks"].get<std::vector<int>>();
      panel.series.push_back(MakeSeries(row, curve));
    }
    if (!panel.series.empty()) figures->Draw(panel, absl::StrCat("Suite ", SuiteTitle(suite)), &block);
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
  for (const Json& suite_json : result["protocol"]["suites"]) {
    const std::string suite = suite_json;
    std::vector<std::string> header = {"Method"};
    std::vector<std::vector<TableCell>> rows;
    for (const Json& row : result["rows"]) {
      if (!row.contains("curves") || !row["curves"].contains(suite) || row["curves"][suite].is_null()) continue;
      const Json& curve = row["curves"][suite];
      if (rows.empty()) {
        for (const Json& mark : curve["marks"]) header.push_back(absl::StrCat("step ", mark.dump()));
      }
      rows.push_back({RowName(row)});
      for (size_t i = 0; i < curve["mean"].size(); ++i) {
        TableCell cell{Fixed(curve["mean"][i], 1)};
        if (curve["sd"][i].is_number()) cell.small = absl::StrCat("± ", Fixed(curve["sd"][i], 1));
        rows.back().push_back(cell);
      }
    }
    if (rows.empty()) continue;
    document->FoldBegin(absl::StrCat("Accuracy at every mark, suite ", SuiteTitle(suite)));
    document->Table("Mean and standard deviation over the draws, in %.", header, rows);
    document->FoldEnd();
  }
}

void AddTasks(const Json& result, Document* document) {
  std::vector<std::string> tasks;
  std::map<std::pair<std::string, std::string>, std::vector<double>> values;  // row, task
  std::vector<std::pair<std::string, std::string>> failures;
  int diverged = 0;
  for (const Json& row : result["rows"]) {
    if (!row.contains("tasks")) continue;
    for (const Json& task : row["tasks"]) {
      const std::string name = task["task"];
      if (std::find(tasks.begin(), tasks.end(), name) == tasks.end()) tasks.push_back(name);
      if (task.contains("error")) {
        failures.emplace_back(absl::StrCat(Text(row, "title"), ", ", name, ", draw ", task["draw"].dump()),
                              Text(task, "error"));
        continue;
      }
      diverged += task["finite"] == false;
      values[{row["id"], name}].push_back(100 * task["value"].get<double>());
    }
  }
  std::vector<std::string> header = {"Method"};
  for (const std::string& task : tasks) header.push_back(task.substr(task.rfind('/') + 1));
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : result["rows"]) {
    if (!row.contains("tasks")) continue;
    rows.push_back({RowName(row)});
    for (const std::string& task : tasks) {
      const std::vector<double>& v = values[{row["id"], task}];
      const Summary summary = Summarize(v);
      TableCell cell{v.empty() ? "–" : absl::StrFormat("%.1f", summary.mean)};
      if (v.size() > 1) cell.small = absl::StrFormat("± %.1f", summary.sd);
      rows.back().push_back(cell);
    }
  }
  document->FoldBegin("Accuracy by task, after the last step");
  document->Table("Mean and standard deviation over the draws, in %.", header, rows);
  document->FoldEnd();
  if (diverged > 0) {
    document->Text(absl::StrCat(
        diverged, " runs met a loss or gradient that was not finite; they count with the last model before it."));
  }
  if (result.contains("few_shot")) {
    for (const Json& one : result["few_shot"]["results"]) {
      if (one["group"] != "all" || !one.contains("first_error")) continue;
      failures.emplace_back(
          absl::StrCat(Text(one, "start"), ", ", one["shots"].dump(), "-shot, ", one["failed"].dump(), " episodes"),
          Text(one, "first_error"));
    }
  }
  if (!failures.empty()) {
    document->Heading("Failed runs");
    document->List(failures);
  }
}

// A row's difference to another row in one column; nullptr if there is none.
const Json* FindComparison(const Json& result, const Json& row, const std::string& to, const std::string& column) {
  for (const Json& c : result["comparisons"]) {
    if (c["row"] == row["id"] && c["to"] == to && Text(c, "column") == column) return &c;
  }
  return nullptr;
}

void AddDifferenceTable(const Json& result, const std::string& to, const std::vector<const Json*>& columns,
                        const std::string& caption, Document* document) {
  std::vector<std::string> header = {"Method"};
  for (const Json* column : columns) header.push_back(Text(*column, "title"));
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : result["rows"]) {
    std::vector<TableCell> cells = {RowName(row)};
    cells[0].note.clear();
    bool any = false;
    for (const Json* column : columns) {
      TableCell cell{"–"};
      if (const Json* c = FindComparison(result, row, to, Text(*column, "id")); c != nullptr) {
        any = true;
        cell.text = Signed((*c)["difference"], 1);
        if ((*c)["low"].is_number())
          cell.small = absl::StrCat("[", Signed((*c)["low"], 1), ", ", Signed((*c)["high"], 1), "]");
        std::vector<std::string> notes;
        if (c->contains("sd_replicates") && (*c)["sd_replicates"].is_number()) {
          notes.push_back(
              absl::StrCat("sd of ", (*c)["replicates"].dump(), " repetitions ", Fixed((*c)["sd_replicates"], 1)));
        }
        if (c->contains("paper_difference"))
          notes.push_back(absl::StrCat("paper ", Signed((*c)["paper_difference"], 1)));
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
    return c.contains(key) && c[key].is_number() ? c[key].get<double>() : kNone;
  };
  std::vector<RangePanel> panels;
  std::vector<std::string> captions;
  for (const Json* column : columns) {
    RangePanel panel;
    panel.name = absl::StrCat("difference_", Text(*column, "id"));
    panel.x_label = "difference in points";
    panel.width = width;
    for (const Json& row : result["rows"]) {
      const Json* const c = FindComparison(result, row, to, Text(*column, "id"));
      if (c == nullptr) continue;
      panel.rows.push_back({Text(row, "title"), Text(row, "color").empty() ? "#555555" : Text(row, "color"),
                            number(*c, "difference"), number(*c, "low"), number(*c, "high"),
                            number(*c, "paper_difference")});
    }
    if (panel.rows.empty()) continue;
    panels.push_back(std::move(panel));
    captions.push_back(Text(*column, "title"));
  }
  ShareAxis(&panels);
  for (size_t i = 0; i < panels.size(); ++i) figures->Draw(panels[i], captions[i], block);
}

void AddComparisons(const Json& result, Figures* figures, Document* document) {
  if (!result.contains("comparisons") || result["comparisons"].empty()) return;
  std::map<std::string, std::string> titles;
  for (const Json& row : result["rows"]) titles[row["id"]] = Text(row, "title");
  std::vector<std::string> tos;
  for (const Json& c : result["comparisons"]) {
    if (std::find(tos.begin(), tos.end(), c["to"]) == tos.end()) tos.push_back(c["to"]);
  }
  // Accuracies; the other columns' differences are in the results file.
  std::vector<const Json*> shown, parts;
  for (const Json& column : result["columns"]) {
    if (column["measure"] != "ACCURACY_PERCENT" && !IsFewShot(column)) continue;
    (IsFewShot(column) && column["group"] != "" ? parts : shown).push_back(&column);
  }
  const bool few_shot = HasFewShotColumns(result);
  document->Heading(few_shot ? "Differences on the same draws and episodes" : "Differences on the same draws");
  document->Text(
      "Accuracy after the last step, in points: a row's minus the compared row's, draw by draw, with the 95 % "
      "interval of the mean difference. An interval that holds 0 shows no difference. There are many of them: of "
      "twenty true zeros one looks different.");
  if (few_shot) {
    const Json& meta_seeds = result["protocol"]["meta_seeds"];
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
    const bool paper = std::any_of(result["comparisons"].begin(), result["comparisons"].end(),
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
  const Json& few_shot = result["few_shot"];
  const bool of_rows = HasFewShotColumns(result);
  document->Heading(of_rows ? "Few-shot episodes by group and step" : "How good the start is: few examples, few steps");
  document->Text(
      absl::StrCat("Accuracy in % on ", few_shot["episodes"].dump(),
                   " few-shot episodes a setting, the same for every ", of_rows ? "row" : "start", ", after 0 to ",
                   few_shot["steps"].dump(), " steps. Intervals (95 %) are over episodes. Differences are to the ",
                   of_rows ? "compared row" : "compared start", " on the same episodes. ", Text(few_shot, "note")));
  Block legend{Block::kLegend}, block{Block::kFigures};
  legend.rows.emplace_back();
  std::map<std::string, const Json*> starts;
  for (const Json& start : few_shot["starts"]) {
    starts[start["id"]] = &start;
    TableCell cell{Text(start, "title")};
    cell.color = Text(start, "color");
    cell.dashed = start.value("dashed", false);
    legend.rows[0].push_back(cell);
  }
  const std::string compare_to = few_shot["compare_to"];
  for (const Json& shots : few_shot["shots"]) {
    if (of_rows && few_shot["marks"].size() < 3) break;  // the differences have been shown, and two points are no curve
    for (const Json& group : few_shot["groups"]) {
      if (group["id"] == "all") continue;
      Panel panel{absl::StrCat("few_shot_", shots.dump(), "_", Text(group, "id")), "adaptation steps", "accuracy, %"};
      panel.width = 380;
      panel.height = 270;
      for (const Json& one : few_shot["results"]) {
        if (one["shots"] != shots || one["group"] != group["id"] || one["marks"].empty()) continue;
        panel.marks = one["marks"].get<std::vector<int>>();
        panel.series.push_back(MakeSeries(*starts[one["start"]], one));
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
  for (const Json& shots : few_shot["shots"]) {
    document->FoldBegin(
        absl::StrCat(shots.dump(), shots == 1 ? " example" : " examples", " a class, by group and step"));
    for (const Json& group : few_shot["groups"]) {
      std::vector<std::string> header = {of_rows ? "Method" : "Start"};
      std::vector<std::vector<TableCell>> rows;
      int64_t n = 0;
      for (const Json& one : few_shot["results"]) {
        if (one["shots"] != shots || one["group"] != group["id"] || one["marks"].empty()) continue;
        if (rows.empty()) {
          for (const Json& mark : one["marks"]) header.push_back(absl::StrCat("step ", mark.dump()));
        }
        n = one["n"];
        TableCell name{Text(*starts[one["start"]], "title")};
        name.color = Text(*starts[one["start"]], "color");
        name.dashed = starts[one["start"]]->value("dashed", false);
        if (one["seeds"] > 1) {
          name.note =
              absl::StrCat(one["seeds"].dump(),
                           starts[one["start"]]->value("meta_learns", true) ? " meta-trainings" : " adaptation seeds");
        }
        if (one.contains("failed")) name.note = absl::StrCat(one["failed"].dump(), " episodes failed");
        rows.push_back({name});
        for (size_t i = 0; i < one["marks"].size(); ++i) {
          TableCell cell{Fixed(one["mean"][i], 1)};
          if (one["sd"][i].is_number()) cell.small = absl::StrCat("± ", Fixed(one["sd"][i], 1));
          if (one["start"] != compare_to && one["difference_low"][i].is_number()) {
            cell.note = absl::StrCat(Signed(one["difference"][i], 1), " [", Signed(one["difference_low"][i], 1), ", ",
                                     Signed(one["difference_high"][i], 1), "]");
          }
          if (one["sd_seeds"][i].is_number()) {
            cell.note +=
                absl::StrCat(cell.note.empty() ? "" : " · ", "sd over repetitions ", Fixed(one["sd_seeds"][i], 1));
          }
          rows.back().push_back(cell);
        }
      }
      if (rows.empty()) continue;
      std::string families;
      if (group.contains("families"))
        families = absl::StrCat(" (", absl::StrJoin(group["families"].get<std::vector<std::string>>(), ", "), ")");
      document->Table(absl::StrCat(Text(group, "title"), families, ", ", n,
                                   " episodes: mean and standard deviation over episodes; below it the difference to ",
                                   Text(*starts[compare_to], "title"), " with its 95 % interval"),
                      header, rows, /*cards=*/true);
    }
    document->FoldEnd();
  }
}

bool HasSelections(const Json& result) {
  return std::any_of(result["rows"].begin(), result["rows"].end(),
                     [](const Json& row) { return row.contains("selection"); });
}

// Adaptations, seconds and TFLOP, and what share of the judged runs' that is.
std::vector<TableCell> CostCells(const Json& cost, const Json& judged) {
  const double seconds = cost["seconds"], flops = cost["flops"];
  const double judged_seconds = judged["seconds"], judged_flops = judged["flops"];
  TableCell time{absl::StrFormat("%.1f", seconds)}, work{absl::StrFormat("%.2f", flops / 1e12)};
  if (judged_seconds > 0) time.note = absl::StrFormat("%.2f of the judged runs'", seconds / judged_seconds);
  if (judged_flops > 0) work.note = absl::StrFormat("%.2f of the judged runs'", flops / judged_flops);
  return {{cost["adaptations"].dump()}, time, work};
}

Json SumOfCosts(const Json& result, const char* name) {
  Json sum = {{"adaptations", 0}, {"seconds", 0.0}, {"flops", 0.0}};
  for (const Json& row : result["rows"]) {
    if (!row.contains("selection")) continue;
    const Json& cost = row["selection"][name];
    sum["adaptations"] = sum["adaptations"].get<int64_t>() + cost["adaptations"].get<int64_t>();
    for (const char* key : {"seconds", "flops"}) sum[key] = sum[key].get<double>() + cost[key].get<double>();
  }
  return sum;
}

// One row's candidates.
void AddCandidates(const Json& row, Document* document) {
  const Json& selection = row["selection"];
  std::vector<std::vector<TableCell>> rows;
  for (const Json& candidate : selection["candidates"]) {
    const Json& accuracy = candidate["accuracy"];
    TableCell shown{Fixed(accuracy["mean"], 2)};
    if (accuracy["sd"].is_number())
      shown.small = absl::StrCat("± ", Fixed(accuracy["sd"], 2), " (n ", accuracy["n"].dump(), ")");
    if (candidate.contains("failed")) {
      shown.note = absl::StrCat(candidate["failed"].dump(), " failed: ", Text(candidate, "first_error"));
    } else if (candidate["diverged"] > 0) {
      shown.note = absl::StrCat(candidate["diverged"].dump(), " count with their last finite model");
    }
    rows.push_back({{OptionsText(candidate["options"])},
                    shown,
                    {candidate["options"] == selection["chosen"] ? "yes" : ""},
                    {Fixed(candidate["seconds"], 1)},
                    {absl::StrFormat("%.2f", candidate["flops"].get<double>() / 1e12)}});
  }
  const std::string seed = selection.contains("meta_seed")
                               ? absl::StrCat(", on meta-training ", selection["meta_seed"].dump(), " alone")
                               : "";
  document->Table(absl::StrCat(Text(row, "title"), seed),
                  {"Candidate", "Development accuracy, %", "Chosen", "Seconds", "TFLOP"}, rows, /*cards=*/true);
}

void AddSelections(const Json& result, Document* document) {
  if (!HasSelections(result)) return;
  document->Heading("How the settings were chosen");
  std::vector<std::vector<TableCell>> rows;
  const Json* any = nullptr;
  for (const Json& row : result["rows"]) {
    if (!row.contains("selection")) continue;
    const Json& selection = row["selection"];
    any = &selection;
    std::vector<std::string> grid;
    for (const auto& [option, values] : selection["grid"].items()) {
      grid.push_back(absl::StrCat(option, ": ", absl::StrJoin(values.get<std::vector<std::string>>(), ", ")));
    }
    TableCell chosen{"none", "", "", "every candidate failed"};
    if (selection["chosen"].is_object()) chosen = {OptionsText(selection["chosen"])};
    rows.push_back({RowName(row), {absl::StrJoin(grid, "; ")}, chosen});
    for (TableCell& cell : CostCells(selection["cost"], selection["judged_cost"])) rows.back().push_back(cell);
  }
  rows.push_back({TableCell{"All"}, TableCell{}, TableCell{}});
  for (TableCell& cell : CostCells(SumOfCosts(result, "cost"), SumOfCosts(result, "judged_cost")))
    rows.back().push_back(cell);
  document->Text(absl::StrCat(
      "Before its test tasks, each of these rows was run on development tasks (",
      absl::StrJoin((*any)["tasks"].get<std::vector<std::string>>(), ", "), " of suite ", Text(*any, "suite"),
      "), which share no class and no text with the test tasks, once with every combination of its grid: ",
      (*any)["draws"].dump(), (*any)["draws"] == 1 ? " draw of " : " draws of ", (*any)["shots"].dump(),
      " examples a class, ", (*any)["steps"].dump(),
      " steps. The combination with the highest mean accuracy after the last step is the row's from there on; of equal "
      "ones the earlier."));
  if (result["quick"] == true)
    document->Text(
        "This quick run searches the grids on their first task and one draw only: the choice means nothing.");
  document->Table(
      "Cost of the choice: adaptations, their seconds on one core without scoring and their products with weight "
      "matrices, and what share that is of the runs that are judged. Meta-training is in neither.",
      {"Method", "Grid", "Chosen", "Adaptations", "Seconds", "TFLOP"}, rows, /*cards=*/true);
  document->FoldBegin("Every candidate");
  for (const Json& row : result["rows"]) {
    if (row.contains("selection")) AddCandidates(row, document);
  }
  document->FoldEnd();
}

void AddParameters(const Json& result, Document* document) {
  std::vector<std::vector<TableCell>> rows;
  for (const Json& row : result["rows"]) {
    if (!row.contains("parameters") || row["parameters"].is_null()) continue;
    const Json& counts = row["parameters"];
    const double backbone = std::max(1.0, counts["backbone"].get<double>());
    rows.push_back({RowName(row)});
    for (const char* name : {"per_task", "head", "meta"}) {
      TableCell cell{Grouped(counts[name].get<int64_t>())};
      cell.small = absl::StrFormat("%.3f %%", 100 * counts[name].get<double>() / backbone);
      rows.back().push_back(cell);
    }
    rows.back().push_back({Grouped(counts["backbone"].get<int64_t>())});
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
  bool orders = false;
  for (const Json& row : result["rows"]) {
    if (!row.contains("meta_training")) continue;
    std::vector<double> first, last;
    Json tasks;
    int64_t failed = 0;
    for (const Json& one : row["meta_training"]) {
      each.push_back({RowName(row),
                      {one["seed"].dump()},
                      {one["steps"].dump()},
                      {DurationText(one["seconds"].get<double>())},
                      {Fixed(one["first_loss"], 3)},
                      {Fixed(one["last_loss"], 3)}});
      if (one.contains("order")) {
        each.back()[1].note = Text(one, "order");
        orders = true;
      }
      if (one.contains("error")) {
        each.back()[1].note = Text(one, "error");
        ++failed;
        continue;
      }
      if (one.contains("tasks") && one["tasks"].is_number()) tasks = one["tasks"];
      if (one["first_loss"].is_number()) first.push_back(one["first_loss"]);
      if (one["last_loss"].is_number()) last.push_back(one["last_loss"]);
    }
    TableCell seconds{"–"};
    if (row.contains("meta_training_median_seconds")) {
      const double median = row["meta_training_median_seconds"];
      seconds.text = DurationText(median);
      if (tasks.is_number() && tasks > 0)
        seconds.small = absl::StrFormat("%.2f s a task", median / tasks.get<double>());
    }
    TableCell count{absl::StrCat(row["meta_training"].size())};
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
  const std::string shapes = Text(result["protocol"], "meta_train_tasks");
  if (!shapes.empty()) document->Text(absl::StrCat("Episodes of meta-training: ", shapes, "."));
  document->Table(
      "Times are medians over the meta-trainings, of a whole one on one core. Query losses are means over the first "
      "and "
      "the last tenth of the steps, on tasks as they came.",
      {"Method", "Meta-trainings", "Tasks each", "Time of one", "Query loss, first tenth", "last tenth"}, rows,
      /*cards=*/true);
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
      "when the 90 % interval of ours minus expected (Welch) lies within the margin, NOT_REPRODUCED when it lies "
      "wholly outside, on either side, "
      "INCONCLUSIVE when it straddles the margin or there is only one run, and NOT_ATTEMPTED with a reason otherwise. "
      "A failed run "
      "makes its cell RUN_FAILED.");
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
  const std::string not_comparable = Text(result["protocol"], "not_comparable");
  if (!not_comparable.empty())
    document->Text(absl::StrCat("The paper's own numbers stand beside ours as NOT_COMPARABLE: ", not_comparable));
  std::vector<std::vector<TableCell>> margins;
  for (const Json& column : result["columns"]) {
    const bool relative = column["margin_is_relative"] == true;
    TableCell margin{"not judged"};
    if (column["margin"].is_number()) {
      margin.text = relative ? absl::StrFormat("± %g %%", 100 * column["margin"].get<double>())
                             : absl::StrFormat("± %g", column["margin"].get<double>());
    }
    margins.push_back({{Text(column, "title")},
                       margin,
                       {column["margin"].is_number() ? Text(column, "margin_reason") : Text(column, "not_judged")},
                       {Text(column, "note")}});
  }
  document->FoldBegin("Margins and their reasons");
  document->Table("", {"Column", "Margin", "Reason", "What it is"}, margins, /*cards=*/true);
  document->FoldEnd();
  std::vector<std::vector<TableCell>> verdicts;
  for (const Json& row : result["rows"]) {
    for (const Json& column : result["columns"]) {
      const Json& cell = row["cells"][Text(column, "id")];
      TableCell verdict;
      verdict.badge = Text(cell, "verdict");
      TableCell expected{Fixed(cell["expected"], column.value("decimals", 1))};
      expected.note = Text(cell, "expected_source");
      verdicts.push_back({RowName(row), {Text(column, "title")}, verdict, {Text(cell, "why")}, expected});
      verdicts.back()[0].note.clear();
    }
  }
  document->FoldBegin("Every verdict with its reason");
  document->Table("", {"Method", "Column", "Verdict", "Why", "Expected"}, verdicts, /*cards=*/true);
  document->FoldEnd();
  std::vector<std::vector<TableCell>> settings;
  for (const Json& row : result["rows"]) {
    if (!row.contains("options")) continue;
    settings.push_back({RowName(row),
                        {Text(row, "method")},
                        {Text(row, "head") == "ZERO" ? "zero" : "prototypes"},
                        {row["options"].empty() ? "defaults" : OptionsText(row["options"])},
                        {Text(row, "options_reason")}});
    settings.back()[0].note = Text(row, "note");
    if (row.contains("selection") && row["selection"]["chosen"].is_object())
      settings.back()[3].note = absl::StrCat("chosen: ", OptionsText(row["selection"]["chosen"]));
  }
  if (settings.empty()) return;
  document->FoldBegin("Settings of every row");
  document->Table("", {"Method", "Learner", "Head starts from", "Options", "Why these"}, settings, /*cards=*/true);
  document->FoldEnd();
}

void AddRun(const Json& result, Document* document) {
  document->Heading("The run");
  std::vector<std::pair<std::string, std::string>> items;
  items.emplace_back("Run again", absl::StrCat("`", Text(result, "command"), "`"));
  if (IsMeasured(result)) items.emplace_back("Took", DurationText(result["seconds"].get<double>()));
  if (HasSelections(result)) {
    const Json cost = SumOfCosts(result, "cost");
    items.emplace_back("Choosing settings", absl::StrCat(cost["adaptations"].dump(), " adaptations, ",
                                                         DurationText(cost["seconds"].get<double>()), " of one core"));
  }
  if (!Text(result["protocol"], "subset_note").empty())
    items.emplace_back("Left out", Text(result["protocol"], "subset_note"));
  std::set<std::string> not_attempted;
  for (const Json& row : result["rows"]) {
    if (row.contains("not_attempted")) not_attempted.insert(Text(row, "not_attempted"));
  }
  for (const std::string& why : not_attempted) items.emplace_back("Not attempted", why);
  for (const auto& [name, value] : result["environment"].items()) {
    items.emplace_back(name, name == "peak_rss_bytes" ? absl::StrFormat("%.2f GB", value.get<double>() / 1e9)
                             : value.is_string()      ? value.get<std::string>()
                                                      : value.dump());
  }
  for (const Json& input : result["inputs"]) {
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
             HasFewShotColumns(result) ? "Parts of the paper's columns; not counted in the headline."
                                       : "The same rows on our other suites; not counted in the headline.",
             &document);
    AddCurves(result, figures, &document);
    AddSteps(result, &document);
    AddTasks(result, &document);
    AddComparisons(result, figures, &document);
    AddFewShot(result, figures, &document);
    AddSelections(result, &document);
    AddParameters(result, &document);
    AddMetaTraining(result, &document);
  }
  AddReasons(result, &document);
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
  for (const Json& column : result["columns"]) {
    if (column["in_paper"] == true) rows[0].push_back(Text(column, "title"));
  }
  for (const Json& row : result["rows"]) {
    rows.push_back({Text(row, "title")});
    for (const Json& column : result["columns"]) {
      if (column["in_paper"] != true) continue;
      const Json& cell = row["cells"][Text(column, "id")];
      rows.back().push_back(
          cell["n"] == 0 ? Text(cell, "verdict")
                         : absl::StrCat(Fixed(cell["mean"], column.value("decimals", 1)), " ", Text(cell, "verdict")));
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
  for (const Json& row : result["rows"]) {
    if (!row.contains("selection")) continue;
    const Json& chosen = row["selection"]["chosen"];
    absl::StrAppend(&text, "chosen on development tasks: ", Text(row, "title"), ", ",
                    chosen.is_object() ? OptionsText(chosen) : "nothing, every candidate failed", "\n");
  }
  if (result.contains("not_attempted")) absl::StrAppend(&text, Text(result, "not_attempted"), "\n");
  return text;
}

}  // namespace gbmoa
