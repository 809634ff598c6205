#include "repro/selection.h"

#include <map>

#include "absl/strings/str_join.h"

namespace gbmoa {
namespace {

// Percentage points. Sums of the same accuracies in another order differ by less, test sets of any size by more.
constexpr double kEqual = 1e-9;

}  // namespace

void Cost::Add(const Cell& cell) {
  if (!cell.has_run()) return;
  ++adaptations;
  seconds += cell.run.report.seconds;
  flops += cell.run.report.flops;
}

void Cost::Add(const Cost& other) {
  adaptations += other.adaptations;
  seconds += other.seconds;
  flops += other.flops;
}

CandidateScore ScoreCandidate(const Candidate& candidate) {
  CandidateScore score;
  std::map<int, std::vector<double>> by_draw;
  for (const Cell& cell : candidate.cells) {
    score.cost.Add(cell);
    if (!cell.error.empty()) {
      if (score.failed++ == 0) score.first_error = cell.error;
      continue;
    }
    score.diverged += !cell.run.report.finite;
    by_draw[cell.draw].push_back(100 * cell.run.curve.back().accuracy);
  }
  if (score.failed > 0) return score;
  std::vector<double> means;
  for (const auto& [draw, accuracies] : by_draw) means.push_back(Summarize(accuracies).mean);
  score.accuracy = Summarize(means);
  return score;
}

int ChooseCandidate(const std::vector<Candidate>& candidates) {
  int best = -1;
  double best_accuracy = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Summary accuracy = ScoreCandidate(candidates[i]).accuracy;
    if (accuracy.n == 0 || (best >= 0 && accuracy.mean <= best_accuracy + kEqual)) continue;
    best = static_cast<int>(i);
    best_accuracy = accuracy.mean;
  }
  return best;
}

std::string OptionsText(const LearnerOptions& options) { return absl::StrJoin(options, ",", absl::PairFormatter("=")); }

}  // namespace gbmoa
