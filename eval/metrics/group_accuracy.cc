// Accuracy of questions with several answers: the share of them whose answer of the highest score is right; the first
// one of equals. Degenerate where the scores tell no two answers of a question apart, so that the order chose.
#include "eval/metric.h"

namespace gbmoa {
namespace {

class GroupAccuracy : public Metric {
 public:
  bool reads_scores() const override { return true; }
  bool reads_groups() const override { return true; }

  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_ASSIGN_OR_RETURN(const Choices choices, ChooseAnswers(input));
    double right = 0;
    for (const size_t chosen : choices.chosen) right += input.gold[chosen];
    return MetricValue{right / static_cast<double>(choices.chosen.size()), choices.degenerate};
  }
};

GBMOA_REGISTER_METRIC("group_accuracy", GroupAccuracy);

}  // namespace
}  // namespace gbmoa
