#include "repro/aggregate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eval/statistics.h"
#include "gbmoa/base/rng.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

constexpr double kFamilyLevel = 0.05;

bool IsVerdict(const Json& cell, Verdict verdict) { return cell.value("verdict", "") == VerdictName(verdict); }

// Whether the headline counts it: a judged column of the paper, of one of the paper's rows.
bool InHeadline(const Json& row, const Json& column) {
  return row.value("kind", "") == "METHOD" && column.value("in_paper", false) && column.value("not_judged", "").empty();
}

using Scores = std::vector<std::vector<double>>;  // [task][draw]

double MeanOverTasks(const Scores& scores) {
  double sum = 0;
  for (const std::vector<double>& draws : scores) sum += Summarize(draws).mean;
  return sum / static_cast<double>(scores.size());
}

double InterquartileMeanOverAll(const Scores& scores) {
  std::vector<double> all;
  for (const std::vector<double>& draws : scores) all.insert(all.end(), draws.begin(), draws.end());
  return InterquartileMean(all);
}

// Mean over tasks of the share of pairs of one of a's and one of b's runs in which a's is better.
double ProbabilityOfImprovement(const Scores& a, const Scores& b) {
  double sum = 0;
  for (size_t t = 0; t < a.size(); ++t) {
    double better = 0;
    for (const double x : a[t]) {
      for (const double y : b[t]) better += x > y ? 1 : x == y ? 0.5 : 0;
    }
    sum += better / static_cast<double>(a[t].size() * b[t].size());
  }
  return sum / static_cast<double>(a.size());
}

int64_t CountFailed(const ScoreRow& row) {
  int64_t failed = 0;
  for (const std::vector<double>& draws : row.scores) {
    failed += std::count_if(draws.begin(), draws.end(), [](double score) { return !std::isfinite(score); });
  }
  return failed;
}

int64_t FewestDraws(const ScoreRow& row) {
  size_t fewest = row.scores[0].size();
  for (const std::vector<double>& draws : row.scores) fewest = std::min(fewest, draws.size());
  return static_cast<int64_t>(fewest);
}

bool SameDraws(const Scores& a, const Scores& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& draws_a, const auto& draws_b) { return draws_a.size() == draws_b.size(); });
}

class Bootstrap {
 public:
  explicit Bootstrap(const AggregateOptions& options)
      : options_(options), stream_(options.seed, "stratified bootstrap") {}

  // The scores of one replication: each task's draws drawn again from themselves. Which ones depends on replication,
  // task and number of draws only, so that rows with the same draws stay paired.
  Scores Resample(const Scores& scores, int replication) const {
    const RandomStream replicate = stream_.Substream(replication);
    Scores resampled(scores.size());
    for (size_t t = 0; t < scores.size(); ++t) {
      const RandomStream task = replicate.Substream(t);
      for (size_t i = 0; i < scores[t].size(); ++i) resampled[t].push_back(scores[t][task.Below(scores[t].size(), i)]);
    }
    return resampled;
  }

  // {"value", "low", "high"} of a statistic from its replications; `known` is false where they hold no chance.
  Json Interval(double value, std::vector<double> replications, bool known) const {
    Json json = {{"value", value}, {"low", Json()}, {"high", Json()}};
    if (!known) return json;
    std::sort(replications.begin(), replications.end());
    const double tail = (1 - options_.confidence) / 2;
    json["low"] = Quantile(replications, tail);
    json["high"] = Quantile(replications, 1 - tail);
    return json;
  }

  Json Row(const ScoreRow& row) const {
    std::vector<double> means, iqms;
    for (int i = 0; i < options_.replications; ++i) {
      const Scores scores = Resample(row.scores, i);
      means.push_back(MeanOverTasks(scores));
      iqms.push_back(InterquartileMeanOverAll(scores));
    }
    const bool known = FewestDraws(row) >= 2;
    return {{"row", row.id},
            {"mean", Interval(MeanOverTasks(row.scores), std::move(means), known)},
            {"iqm", Interval(InterquartileMeanOverAll(row.scores), std::move(iqms), known)}};
  }

  Json Pair(const ScoreRow& row, const ScoreRow& to) const {
    std::vector<double> means, iqms, improvements;
    for (int i = 0; i < options_.replications; ++i) {
      const Scores a = Resample(row.scores, i), b = Resample(to.scores, i);
      means.push_back(MeanOverTasks(a) - MeanOverTasks(b));
      iqms.push_back(InterquartileMeanOverAll(a) - InterquartileMeanOverAll(b));
      improvements.push_back(ProbabilityOfImprovement(a, b));
    }
    const bool known = FewestDraws(row) >= 2;
    return {
        {"row", row.id},
        {"to", to.id},
        {"mean_difference", Interval(MeanOverTasks(row.scores) - MeanOverTasks(to.scores), std::move(means), known)},
        {"iqm_difference",
         Interval(InterquartileMeanOverAll(row.scores) - InterquartileMeanOverAll(to.scores), std::move(iqms), known)},
        {"probability_of_improvement",
         Interval(ProbabilityOfImprovement(row.scores, to.scores), std::move(improvements), known)}};
  }

 private:
  const AggregateOptions& options_;
  const RandomStream stream_;
};

}  // namespace

void AddPValues(const Judgement& judgement, Json* cell) {
  if (judgement.p_within.has_value()) (*cell)["p_within"] = *judgement.p_within;
  if (judgement.p_outside.has_value()) (*cell)["p_outside"] = *judgement.p_outside;
}

void ApplyHolm(Json* result) {
  std::vector<Json*> tested;
  std::vector<double> within, outside;
  for (Json& row : (*result)["rows"]) {
    for (Json& cell : row["cells"]) {
      if (!cell.contains("p_within") || !cell.contains("p_outside")) continue;
      tested.push_back(&cell);
      within.push_back(cell["p_within"].get<double>());
      outside.push_back(cell["p_outside"].get<double>());
    }
  }
  if (tested.empty()) return;
  within = HolmAdjust(within);
  outside = HolmAdjust(outside);
  int reproduced = 0, not_reproduced = 0, reproduced_survive = 0, not_reproduced_survive = 0;
  for (size_t i = 0; i < tested.size(); ++i) {
    Json& cell = *tested[i];
    const bool is_reproduced = IsVerdict(cell, Verdict::kReproduced), is_not = IsVerdict(cell, Verdict::kNotReproduced);
    const double p = is_not ? outside[i] : within[i];
    const bool survives = (is_reproduced || is_not) && p <= kFamilyLevel;
    cell["holm_p"] = p;
    cell["survives_holm"] = survives;
    reproduced += is_reproduced;
    not_reproduced += is_not;
    reproduced_survive += is_reproduced && survives;
    not_reproduced_survive += is_not && survives;
  }
  // What is exact has no chance to be adjusted for.
  int headline_reproduced = 0, headline_survive = 0;
  for (Json& row : (*result)["rows"]) {
    for (const Json& column : (*result)["columns"]) {
      const auto found = row["cells"].find(column.value("id", ""));
      if (found == row["cells"].end()) continue;
      Json& cell = *found;
      const bool is_reproduced = IsVerdict(cell, Verdict::kReproduced);
      if (!cell.contains("holm_p") && (is_reproduced || IsVerdict(cell, Verdict::kNotReproduced)))
        cell["survives_holm"] = true;
      if (!is_reproduced || !InHeadline(row, column)) continue;
      ++headline_reproduced;
      headline_survive += cell["survives_holm"] == true;
    }
  }
  (*result)["holm"] = {
      {"level", kFamilyLevel},
      {"cells", tested.size()},
      {"reproduced", reproduced},
      {"reproduced_survive", reproduced_survive},
      {"not_reproduced", not_reproduced},
      {"not_reproduced_survive", not_reproduced_survive},
      {"text", absl::StrCat("Of ", tested.size(), " cells with a test, ", reproduced_survive, " of ", reproduced,
                            " REPRODUCED and ", not_reproduced_survive, " of ", not_reproduced,
                            " NOT_REPRODUCED hold for the whole table at once (Holm, 5 %).")}};
  if (headline_reproduced > 0 && result->contains("headline")) {
    (*result)["headline"] = absl::StrCat((*result)["headline"].get<std::string>(), "; ", headline_survive, " of the ",
                                         headline_reproduced, " reproduced for the whole table at once");
  }
}

Json AggregateJson(absl::Span<const ScoreRow> rows, const AggregateOptions& options) {
  if (rows.empty() || rows[0].scores.empty()) return Json();
  CHECK_GT(options.replications, 0);
  CHECK(options.confidence > 0 && options.confidence < 1) << options.confidence;
  int64_t draws = FewestDraws(rows[0]);
  for (const ScoreRow& row : rows) {
    CHECK_EQ(row.scores.size(), rows[0].scores.size()) << row.id;
    CHECK_GT(FewestDraws(row), 0) << row.id;
    draws = std::min(draws, FewestDraws(row));
  }
  Json json = {{"tasks", rows[0].scores.size()},   {"draws", draws},        {"replications", options.replications},
               {"confidence", options.confidence}, {"rows", Json::array()}, {"pairs", Json::array()}};
  const Bootstrap bootstrap(options);
  for (const ScoreRow& row : rows) {
    const int64_t failed = CountFailed(row);
    json["rows"].push_back(failed > 0 ? Json{{"row", row.id}, {"failed", failed}} : bootstrap.Row(row));
  }
  for (const std::string& id : options.compare_to) {
    const auto to = std::find_if(rows.begin(), rows.end(), [&](const ScoreRow& row) { return row.id == id; });
    if (to == rows.end()) continue;
    for (const ScoreRow& row : rows) {
      if (row.id == id || !SameDraws(row.scores, to->scores)) continue;
      const int64_t failed = CountFailed(row) + CountFailed(*to);
      json["pairs"].push_back(failed > 0 ? Json{{"row", row.id}, {"to", id}, {"failed", failed}}
                                         : bootstrap.Pair(row, *to));
    }
  }
  return json;
}

}  // namespace gbmoa
