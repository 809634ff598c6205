// One adaptation of one row of a table, and the file in which its outcome waits for the rest.
#ifndef GBMOA_REPRO_CELL_H_
#define GBMOA_REPRO_CELL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eval/harness.h"
#include "nlohmann/json.hpp"

namespace gbmoa {

using Json = nlohmann::ordered_json;

struct Cell {
  std::string row;     // a row's id; in the few-shot part a start's
  std::string suite;   // of the task; "few_shot" for an episode
  std::string task;    // "noun8"; of an episode what it says of itself, "sup.n/5-way-5-shot"
  int draw = 0;        // of the support set; the position of an episode
  int meta_seed = -1;  // -1: the row's method does not meta-learn
  int shots = 0;
  int replicate = 0;      // of an episode: which repetition, 0 to meta_seeds - 1
  std::string candidate;  // of a row's grid: its options, "learning_rate=3e-5"; empty: this is no choice but a result
  TaskRun run;
  int64_t peak_rss_bytes = 0;  // of the whole process so far
  std::string error;           // empty, or why there is no run
  std::string not_attempted;   // empty, or why there could be none, "MISSING_DATA: ..."; it has no file then

  bool has_run() const { return error.empty() && not_attempted.empty(); }
};

// The name of a cell's file: unique within a table, of letters, digits, '_', '-' and '.'.
std::string CellName(const Cell& cell);

// All but predictions and scores. Numbers that are not finite become null, and NaN again.
Json CellToJson(const Cell& cell);
// Errors: DataLoss naming the field.
absl::StatusOr<Cell> CellFromJson(const Json& json);

// What a file of predictions holds: a line an example, the class index or the value, and of answers to questions a tab
// and the score. Nine digits, which tell all float32 apart.
std::string PredictionsText(const TaskRun& run);

// For predicates and tests: what a run measured may differ from another run's only here. Removes seconds, memory, start
// times and what follows from them, at any depth.
void RemoveTimes(Json* json);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_CELL_H_
