// MultiRC's exact match: the share of questions all of whose answers are judged as they should be. Never degenerate.
#include <algorithm>
#include <vector>

#include "eval/metric.h"

namespace gbmoa {
namespace {

class MultircEm : public Metric {
 public:
  bool reads_groups() const override { return true; }

  absl::StatusOr<MetricValue> Compute(const MetricInput& input) const override {
    GBMOA_RETURN_IF_ERROR(CheckClasses(input));
    GBMOA_ASSIGN_OR_RETURN(const std::vector<Question> questions, FindQuestions(input));
    double right = 0;
    for (const Question& question : questions) {
      right += std::equal(input.gold.begin() + question.begin, input.gold.begin() + question.end,
                          input.predicted.begin() + question.begin);
    }
    return MetricValue{right / static_cast<double>(questions.size()), false};
  }
};

GBMOA_REGISTER_METRIC("multirc_em", MultircEm);

}  // namespace
}  // namespace gbmoa
