#include "repro/verdict.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

std::string IntervalText(const DifferenceInterval& interval, double margin) {
  return absl::StrFormat("difference %+.4g, 90 %% interval %+.4g to %+.4g, margin %.4g", interval.difference,
                         interval.low, interval.high, margin);
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      return "REPRODUCED";
    case Verdict::kInconclusive:
      return "INCONCLUSIVE";
    case Verdict::kNotReproduced:
      return "NOT_REPRODUCED";
    case Verdict::kNotAttempted:
      return "NOT_ATTEMPTED";
    case Verdict::kRunFailed:
      return "RUN_FAILED";
    case Verdict::kNotComparable:
      return "NOT_COMPARABLE";
  }
  LOG(FATAL) << "no such verdict: " << static_cast<int>(verdict);
}

Judgement JudgeCell(const Summary& ours, int64_t failed_runs, const std::optional<ExpectedValue>& expected,
                    double margin, bool n_counts_runs) {
  CHECK_GT(margin, 0);
  if (failed_runs > 0 || !std::isfinite(ours.mean)) {
    return {Verdict::kRunFailed, failed_runs > 0
                                     ? absl::StrCat(failed_runs, " of ", failed_runs + ours.n, " runs failed")
                                     : "a value is not finite"};
  }
  if (ours.n == 0) return {Verdict::kNotAttempted, "no runs"};
  if (!expected.has_value()) {
    return {Verdict::kNotAttempted, "UNDERSPECIFIED: no expected value was written down before the run"};
  }
  const Summary& theirs = expected->summary;
  const DifferenceInterval interval = SafeWelchInterval(ours, theirs, kVerdictConfidence);
  if (ours.n < 2) return {Verdict::kInconclusive, "one run is never enough", interval};
  if (expected->exact) {
    const double difference = ours.mean - theirs.mean;
    const bool same = std::abs(difference) <= margin;
    return {same ? Verdict::kReproduced : Verdict::kNotReproduced,
            absl::StrFormat("difference %+.4g to an exact value, margin %.4g", difference, margin),
            {difference, difference, difference, 0}};
  }
  if (theirs.n < 2) return {Verdict::kInconclusive, "the expected value comes from one run", interval};
  Judgement judgement{Verdict::kInconclusive, IntervalText(interval, margin), interval};
  const MarginTest test = TestMargin(ours, theirs, margin);
  judgement.p_within = test.within;
  judgement.p_outside = test.outside;
  if (interval.low >= -margin && interval.high <= margin) {
    judgement.verdict = Verdict::kReproduced;
    return judgement;
  }
  if (interval.low > margin || interval.high < -margin) {
    judgement.verdict = Verdict::kNotReproduced;
    judgement.why = absl::StrCat(interval.difference > 0 ? "higher" : "lower", " than expected: ", judgement.why);
    return judgement;
  }
  if (!n_counts_runs) return judgement;
  const auto runs = [&](bool both) { return SamplesToDecide(ours, theirs, margin, kVerdictConfidence, both); };
  if ((judgement.runs_to_decide = runs(/*both=*/false)) > 0) {
    absl::StrAppend(&judgement.why, "; ", judgement.runs_to_decide,
                    " runs would decide if mean and spread stayed as they are");
  } else if ((judgement.runs_to_decide = runs(/*both=*/true)) > 0) {
    absl::StrAppend(&judgement.why, "; ", judgement.runs_to_decide,
                    " runs would decide, with as many behind the expected value, which has ", theirs.n);
  } else {
    absl::StrAppend(&judgement.why, "; no number of runs below 10000 would decide if the difference stayed as it is");
  }
  return judgement;
}

double PowerToReproduce(int64_t n_ours, int64_t n_theirs, double sd_ours, double sd_theirs, double margin,
                        double difference) {
  if (n_ours < 2 || n_theirs < 2) return 0;
  return PowerWithinMargin(n_ours, n_theirs, sd_ours, sd_theirs, margin, difference, kVerdictConfidence);
}

Summary CrossedSummary(const Summary& repetitions, const Summary& episodes) {
  if (repetitions.n < 2 || episodes.n < 2) return {std::min<int64_t>(repetitions.n, 1), repetitions.mean, 0};
  const auto r = static_cast<double>(repetitions.n), e = static_cast<double>(episodes.n);
  const double a = repetitions.sd * repetitions.sd / r, b = episodes.sd * episodes.sd / e;
  if (a + b == 0) return {repetitions.n, repetitions.mean, 0};
  const double df = (a + b) * (a + b) / (a * a / (r - 1) + b * b / (e - 1));
  // Welch's interval squares sd over n again.
  const double n = std::floor(df + 1e-9) + 1;
  return {static_cast<int64_t>(n), repetitions.mean, std::sqrt((a + b) * n)};
}

void VerdictCounts::Add(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      ++reproduced;
      break;
    case Verdict::kInconclusive:
      ++inconclusive;
      break;
    case Verdict::kNotReproduced:
      ++not_reproduced;
      break;
    case Verdict::kNotAttempted:
      ++not_attempted;
      break;
    case Verdict::kRunFailed:
      ++failed;
      break;
    case Verdict::kNotComparable:
      break;
  }
}

std::string Headline(const VerdictCounts& counts) {
  std::string text = absl::StrCat(counts.reproduced, " reproduced, ", counts.inconclusive, " inconclusive, ",
                                  counts.not_reproduced, " not reproduced, ", counts.not_attempted, " not attempted");
  if (counts.failed > 0) absl::StrAppend(&text, ", ", counts.failed, " with failed runs");
  return text;
}

int VerdictExitCode(const VerdictCounts& counts) {
  if (counts.not_reproduced > 0) return 10;
  if (counts.inconclusive > 0 || counts.failed > 0) return 11;
  if (counts.not_attempted > 0) return 12;
  return 0;
}

}  // namespace gbmoa
