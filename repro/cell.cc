#include "repro/cell.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

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
    curve.push_back({point.step, point.accuracy, point.macro_f1, point.degenerate});
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
               {"curve", std::move(curve)},  // [step, accuracy, macro-F1, some class never predicted]
               {"n_test", cell.run.num_test},
               {"steps", report.steps},
               {"seconds", report.seconds},
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
    for (const Json& point : json.at("curve")) {
      cell.run.curve.push_back({point.at(0), Number(point.at(1)), Number(point.at(2)), point.at(3)});
    }
    cell.run.num_test = json.at("n_test");
    AdaptReport& report = cell.run.report;
    report.steps = json.at("steps");
    report.seconds = Number(json.at("seconds"));
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
