#include "repro/cell.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gbmoa {
namespace {

std::string FileNamePart(const std::string& name) {
  std::string part = name;
  for (char& c : part) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '.') c = '-';
  }
  return part;
}

double Number(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

}  // namespace

std::string CellName(const Cell& cell) {
  const std::string seed = cell.meta_seed >= 0  ? absl::StrCat("--seed", cell.meta_seed)
                           : cell.replicate > 0 ? absl::StrCat("--replicate", cell.replicate)
                                                : "";
  if (cell.suite == "few_shot") {
    // Not by the task, which is known only once the episode is drawn.
    return absl::StrCat("few_shot--", FileNamePart(cell.row), "--", cell.shots, "shot--episode", cell.draw, seed);
  }
  const std::string grid = cell.candidate.empty() ? "" : "grid--";
  const std::string candidate = cell.candidate.empty() ? "" : absl::StrCat("--", FileNamePart(cell.candidate));
  return absl::StrCat(grid, FileNamePart(cell.row), candidate, "--", FileNamePart(cell.task), "--draw", cell.draw,
                      seed);
}

Json CellToJson(const Cell& cell) {
  Json curve = Json::array();
  for (const CurvePoint& point : cell.run.curve) {
    Json values = Json::object();
    for (size_t i = 0; i < point.values.size(); ++i) {
      values[cell.run.metrics.at(i)] = std::isfinite(point.values[i]) ? Json(point.values[i]) : Json();
    }
    curve.push_back({{"step", point.step}, {"degenerate", point.degenerate}, {"values", std::move(values)}});
  }
  const AdaptReport& report = cell.run.report;
  const ParameterCounts& parameters = cell.run.parameters;
  Json json = {{"row", cell.row},
               {"suite", cell.suite},
               {"task", cell.task},
               {"draw", cell.draw},
               {"meta_seed", cell.meta_seed},
               {"shots", cell.shots},
               {"replicate", cell.replicate},
               {"metrics", cell.run.metrics},  // the first one stands for the task
               {"curve", std::move(curve)},
               {"n_test", cell.run.num_test},
               {"steps", report.steps},
               {"seconds", report.seconds},
               {"tokens", report.tokens},
               {"flops", report.flops},
               {"first_loss", report.first_loss},
               {"last_loss", report.last_loss},
               {"finite", report.finite},
               {"parameters",
                {{"per_task", parameters.per_task},
                 {"head", parameters.head},
                 {"meta", parameters.meta},
                 {"backbone", parameters.backbone}}},
               {"peak_rss_bytes", cell.peak_rss_bytes}};
  if (!cell.candidate.empty()) json["candidate"] = cell.candidate;
  if (!cell.error.empty()) json["error"] = cell.error;
  return json;
}

absl::StatusOr<Cell> CellFromJson(const Json& json) {
  // The library reports a missing field or a wrong type by an exception; this is the only place that meets one.
  try {
    Cell cell;
    cell.row = json.at("row");
    cell.suite = json.at("suite");
    cell.task = json.at("task");
    cell.draw = json.at("draw");
    cell.meta_seed = json.at("meta_seed");
    cell.shots = json.at("shots");
    cell.replicate = json.at("replicate");
    cell.run.metrics = json.at("metrics").get<std::vector<std::string>>();
    for (const Json& json_point : json.at("curve")) {
      CurvePoint point;
      point.step = json_point.at("step");
      point.degenerate = json_point.at("degenerate");
      point.macro_f1 = std::numeric_limits<double>::quiet_NaN();
      for (const std::string& metric : cell.run.metrics) {
        point.values.push_back(Number(json_point.at("values").at(metric)));
        if (metric == "macro_f1") point.macro_f1 = point.values.back();
      }
      if (point.values.empty()) return absl::DataLossError("a curve without metrics");
      point.accuracy = point.values[0];
      cell.run.curve.push_back(std::move(point));
    }
    cell.run.num_test = json.at("n_test");
    AdaptReport& report = cell.run.report;
    report.steps = json.at("steps");
    report.seconds = Number(json.at("seconds"));
    report.tokens = json.at("tokens");
    report.flops = Number(json.at("flops"));
    report.first_loss = Number(json.at("first_loss"));
    report.last_loss = Number(json.at("last_loss"));
    report.finite = json.at("finite");
    const Json& parameters = json.at("parameters");
    cell.run.parameters = {parameters.at("per_task"), parameters.at("head"), parameters.at("meta"),
                           parameters.at("backbone")};
    cell.peak_rss_bytes = json.at("peak_rss_bytes");
    cell.candidate = json.value("candidate", "");
    cell.error = json.value("error", "");
    if (cell.run.curve.empty() && cell.error.empty()) return absl::DataLossError("a cell without a curve");
    return cell;
  } catch (const Json::exception& error) {
    return absl::DataLossError(error.what());
  }
}

std::string PredictionsText(const TaskRun& run) {
  std::string text;
  for (size_t i = 0; i < run.predictions.size(); ++i) {
    absl::StrAppendFormat(&text, "%.9g", run.predictions[i]);
    if (!run.scores.empty()) absl::StrAppendFormat(&text, "\t%.17g", run.scores[i]);
    text += '\n';
  }
  return text;
}

void RemoveTimes(Json* json) {
  if (json->is_object()) {
    for (auto it = json->begin(); it != json->end();) {
      const std::string& key = it.key();
      const bool time = key == "started" || key == "peak_rss_bytes" || key == "reused" ||
                        absl::StrContains(key, "seconds") || absl::StrContains(key, "wall_");
      if (time) {
        it = json->erase(it);
      } else {
        RemoveTimes(&*it);
        ++it;
      }
    }
  } else if (json->is_array()) {
    for (Json& item : *json) RemoveTimes(&item);
  }
}

}  // namespace gbmoa
