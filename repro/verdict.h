// The verdict of a cell: was the value that was written down before the run found again? What each verdict claims and
// how often it errs: docs/verdicts.md.
#ifndef GBMOA_REPRO_VERDICT_H_
#define GBMOA_REPRO_VERDICT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eval/statistics.h"

namespace gbmoa {

enum class Verdict {
  kReproduced,     // the difference to the expected value is within the margin
  kInconclusive,   // too few runs to say
  kNotReproduced,  // the difference exceeds the margin, in either direction
  kNotAttempted,
  kRunFailed,      // at least one run of the cell ended in an error
  kNotComparable,  // there is nothing to judge it by, and never will be
};
// "REPRODUCED", ...
absl::string_view VerdictName(Verdict verdict);

struct ExpectedValue {
  Summary summary;
  bool exact = false;  // arithmetic, not a sample
};

struct Judgement {
  Verdict verdict = Verdict::kNotAttempted;
  std::string why;
  DifferenceInterval interval;  // ours minus expected, 90 %
  int64_t runs_to_decide = 0;   // of INCONCLUSIVE, where a number of runs would decide
  // Where a test was made, its two p-values (MarginTest): of REPRODUCED and of NOT_REPRODUCED.
  std::optional<double> p_within, p_outside;
};

constexpr double kVerdictConfidence = 0.90;  // of the interval: each side of the margin is then tested at 5 %

// The 90 % interval of ours minus expected: inside ±margin REPRODUCED, wholly outside NOT_REPRODUCED (better than
// expected counts too), straddling INCONCLUSIVE with the number of runs that would decide. It is Welch's interval, made
// as much wider as it takes (SafeWelchInterval: a hundredth of itself for five runs on each side) for this to hold of
// normal values whatever their variances: a cell whose true difference is at the margin or beyond is called REPRODUCED
// in at most 5 % of all runs; one whose true difference is at the margin or below is called NOT_REPRODUCED in at most
// 5 % of all runs by the bound that is nearer (and, where the margin is narrower than the standard error, in up to 5 %
// by the other). One run is never REPRODUCED. An infinite or NaN value is a run that failed. `n_counts_runs` is false
// where the summaries are crossed: then nothing is said of how many runs would decide. CHECKs margin > 0.
Judgement JudgeCell(const Summary& ours, int64_t failed_runs, const std::optional<ExpectedValue>& expected,
                    double margin, bool n_counts_runs = true);

// The probability that JudgeCell says REPRODUCED, of normal values with these numbers of runs, standard deviations and
// true difference; 0 where one side has one run.
double PowerToReproduce(int64_t n_ours, int64_t n_theirs, double sd_ours, double sd_theirs, double margin,
                        double difference = 0);

// A mean over R repetitions of the same E episodes, as a summary with the error that it has when both repetitions and
// episodes could have been others: squared standard error a + b with a = repetitions.sd^2 / R over the repetitions'
// means and b = episodes.sd^2 / E over the episodes' means, Satterthwaite's degrees of freedom
// (a + b)^2 / (a^2 / (R - 1) + b^2 / (E - 1)). Its n is those and one more, rounded down, and counts nothing that could
// be run. What repetition and episode do together is in both terms: the error is then too large rather than too small.
// With fewer than two of either it is the repetitions' own with n = 1, which decides nothing.
Summary CrossedSummary(const Summary& repetitions, const Summary& episodes);

struct VerdictCounts {
  int reproduced = 0, inconclusive = 0, not_reproduced = 0, not_attempted = 0, failed = 0;
  int total() const { return reproduced + inconclusive + not_reproduced + not_attempted + failed; }
  // Values that are NOT_COMPARABLE are not counted.
  void Add(Verdict verdict);
};

// "12 reproduced, 3 inconclusive, 1 not reproduced, 0 not attempted", and failed runs if there are any.
std::string Headline(const VerdictCounts& counts);

// 10: a cell was not reproduced; 11: else, one is inconclusive or failed; 12: else, one was not attempted; 0: all
// reproduced.
int VerdictExitCode(const VerdictCounts& counts);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_VERDICT_H_
