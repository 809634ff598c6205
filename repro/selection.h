// How a row's grid is decided: what each candidate reached on development tasks, at what cost, and which one is run.
#ifndef GBMOA_REPRO_SELECTION_H_
#define GBMOA_REPRO_SELECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "eval/statistics.h"
#include "gbmoa/task/learner.h"
#include "repro/cell.h"

namespace gbmoa {

struct Candidate {
  LearnerOptions options;   // of the grid only
  std::vector<Cell> cells;  // one a development task and draw
};

struct Selection {
  std::string row;
  std::vector<Candidate> candidates;
  int chosen = -1;  // of the candidates; -1: none, since all of them failed
};

// Of the adaptations that came to an end.
struct Cost {
  int64_t adaptations = 0;
  double seconds = 0;  // without scoring
  double flops = 0;

  void Add(const Cell& cell);
  void Add(const Cost& other);
};

struct CandidateScore {
  // In percent, after the last step: a value a draw, the mean over the tasks. Empty if an adaptation failed.
  Summary accuracy;
  int64_t failed = 0;
  std::string first_error;
  int64_t diverged = 0;  // adaptations that count with their last finite model
  Cost cost;
};
CandidateScore ScoreCandidate(const Candidate& candidate);

// The index of the highest mean accuracy, of equal ones the first; -1 if every candidate has a failed adaptation.
int ChooseCandidate(const std::vector<Candidate>& candidates);

// "learning_rate=3e-5,lora_rank=8"
std::string OptionsText(const LearnerOptions& options);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_SELECTION_H_
