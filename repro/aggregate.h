// What a results file says beside its cells: which verdicts hold for all cells at once, and how rows compare over the
// same tasks and draws. Pure functions of the numbers; what they claim and what they do not: docs/verdicts.md.
#ifndef GBMOA_REPRO_AGGREGATE_H_
#define GBMOA_REPRO_AGGREGATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "nlohmann/json.hpp"
#include "repro/verdict.h"

namespace gbmoa {

using Json = nlohmann::ordered_json;

// Adds what Holm's adjustment needs to a cell of a results file: "p_within" and "p_outside". Nothing where no test was
// made (exact values, one run, failed runs).
void AddPValues(const Judgement& judgement, Json* cell);

// Adjusts the p-values of a whole results file by Holm (1979); to be called when cells have their verdicts and
// AddPValues, and the headline is there. Every cell of result["rows"][]["cells"] that has p-values belongs to the
// family, INCONCLUSIVE ones too, and there is one family for REPRODUCED and one for NOT_REPRODUCED. Adds to each cell
// "holm_p" (of the claim that its verdict makes; of REPRODUCED where it makes none) and "survives_holm": true where it
// is REPRODUCED or NOT_REPRODUCED and that may be said of the whole table at once, with any false claim of that kind in
// at most 5 % of all runs. Exact cells survive without a p-value. Adds result["holm"] = {"level": 0.05, "cells": 24,
// "reproduced": 7, "reproduced_survive": 5, "not_reproduced": 1, "not_reproduced_survive": 1, "text": "Of 24 cells with
// a test, ..."}, which counts cells with a test, of all columns and rows, and to the headline how many of the cells
// that it counts as reproduced survive. Without a cell with p-values nothing is changed.
void ApplyHolm(Json* result);

// The scores of one row. All rows that are aggregated together have the same tasks in the same order, and each task has
// a draw (both CHECKed).
struct ScoreRow {
  std::string id;
  std::vector<std::vector<double>> scores;  // [task][draw], percent; NaN: the run failed
};

struct AggregateOptions {
  std::vector<std::string> compare_to;  // ids of rows: every other row is compared with each
  int replications = 2000;
  double confidence = 0.95;
  uint64_t seed = 1;
};

// {"tasks": 8, "draws": 5, "replications": 2000, "confidence": 0.95,
//  "rows": [{"row": "lora", "mean": V, "iqm": V}, ...],
//  "pairs": [{"row": "lora", "to": "gbmoa", "mean_difference": V, "iqm_difference": V,
//             "probability_of_improvement": V}, ...]}
// where V = {"value": 81.2, "low": 80.9, "high": 81.6}; low and high are null where a task has fewer than two draws.
//
// Rows: mean over tasks of their mean over draws, and interquartile mean over all scores of all tasks. Pairs: row minus
// `to`, and the probability that a run of `row` beats a run of `to` on a task of these (ties count half; Agarwal et al.
// 2021), 0 to 1. Intervals: stratified bootstrap, percentile: draws are resampled within each task, the same ones for
// both rows of a pair, so that they are of paired differences; tasks are not resampled, so they speak of these tasks
// only. "draws" is the smallest number of any task. f(seed), whatever the order of rows.
//
// A row with a failed run has "failed": 2 (runs) instead of "mean" and "iqm", and so has a pair with such a row: a mean
// over what did not fail would be of other tasks. A pair whose rows have other numbers of draws in some task is left
// out, as is one whose `compare_to` is no row. No rows or no tasks: null.
Json AggregateJson(absl::Span<const ScoreRow> rows, const AggregateOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_AGGREGATE_H_
