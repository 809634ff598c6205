#include "eval/metric.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<MetricValue> Score(const std::string& name, const std::vector<double>& gold,
                                  const std::vector<double>& predicted, int num_classes) {
  absl::StatusOr<std::unique_ptr<Metric>> metric = MetricRegistry::Global().Create(name);
  if (!metric.ok()) return metric.status();
  return (*metric)->Compute({gold, predicted, num_classes});
}

TEST(MetricTest, Values) {
  // Worked by hand; macro-F1 also agrees with scikit-learn's f1_score(average="macro", zero_division=0).
  const struct {
    std::string name, metric;
    std::vector<double> gold, predicted;
    int num_classes;
    double value;
    bool degenerate;
  } kCases[] = {
      {"all right", "accuracy", {0, 1, 2}, {0, 1, 2}, 3, 1, false},
      {"one of four", "accuracy", {0, 1, 2, 2}, {1, 1, 0, 0}, 3, 0.25, false},
      {"all right", "macro_f1", {0, 1, 2}, {0, 1, 2}, 3, 1, false},
      // F1 = 2/3 (tp 1, fp 0, fn 1), 2/3 (tp 1, fp 1, fn 0).
      {"two classes", "macro_f1", {0, 0, 1}, {0, 1, 1}, 2, 2. / 3, false},
      // F1 = 2*2/(2+4) and 0: the majority answer is worth a third, not its accuracy of a half.
      {"one class for everything", "macro_f1", {0, 0, 1, 1}, {0, 0, 0, 0}, 2, 1. / 3, true},
      {"nothing right", "macro_f1", {0, 1}, {1, 0}, 2, 0, false},
      {"a class that does not occur is left out", "macro_f1", {0, 1}, {0, 1}, 5, 1, false},
      {"a class that is only predicted counts", "macro_f1", {0, 1}, {0, 2}, 3, 1. / 3, true},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<MetricValue> got = Score(c.metric, c.gold, c.predicted, c.num_classes);
    ASSERT_TRUE(got.ok()) << c.name << ": " << got.status();
    EXPECT_DOUBLE_EQ(got->value, c.value) << c.metric << ": " << c.name;
    EXPECT_EQ(got->degenerate, c.degenerate) << c.metric << ": " << c.name;
  }
}

TEST(MetricTest, RefusesBadInput) {
  const struct {
    std::vector<double> gold, predicted;
    std::string message;
  } kCases[] = {
      {{}, {}, "no examples to score"},
      {{0, 1}, {0}, "2 gold labels but 1 predictions"},
      {{0, 3}, {0, 1}, "gold label 1 is 3, not a class of 0 to 2"},
      {{0, 1}, {-1, 1}, "predicted label 0 is -1"},
      {{0, 1}, {0, 0.5}, "predicted label 1 is 0.5"},
      {{0, 1}, {0, std::nan("")}, "predicted label 1 is nan"},
  };
  for (const std::string metric : {"accuracy", "macro_f1"}) {
    for (const auto& c : kCases) {
      const absl::StatusOr<MetricValue> got = Score(metric, c.gold, c.predicted, 3);
      EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << metric << ": " << c.message;
      EXPECT_THAT(std::string(got.status().message()), HasSubstr(c.message));
    }
  }
  const absl::Status unknown = Score("bleu", {0}, {0}, 1).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("unknown name 'bleu'; known: accuracy, macro_f1"));
}

}  // namespace
}  // namespace gbmoa
