// Metric: a number that says how well predictions agree with the truth. One file in eval/metrics per metric, registered
// by name; classification metrics read class indices, the others real values.
#ifndef GBMOA_EVAL_METRIC_H_
#define GBMOA_EVAL_METRIC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {

struct MetricInput {
  absl::Span<const double> gold;       // [n] class indices, or real values
  absl::Span<const double> predicted;  // [n]
  int num_classes = 0;                 // 0: real values
  // Of metrics of questions with several answers, each of which is an example of classes 0 (wrong) and 1 (right):
  absl::Span<const int64_t> groups;  // [n] the question that an example answers; a question's examples are neighbours
  absl::Span<const double> scores;   // [n] how right an answer looks: where one is chosen, it is the first highest
  absl::Span<const std::string> answers;  // [n] the answers as text
};

// Never NaN: a share of 0 to 1, or a correlation of -1 to 1.
struct MetricValue {
  double value = 0;
  // The formula has no value here, or one that says little, e.g. because one class was predicted for everything.
  // `value` is then what the metric's own comment says.
  bool degenerate = false;
};

class Metric {
 public:
  virtual ~Metric() = default;
  // What it reads beside `gold`: the scores, or else `predicted`; and of questions the groups and answers.
  virtual bool reads_scores() const { return false; }
  virtual bool reads_groups() const { return false; }
  virtual bool reads_answers() const { return false; }
  // Errors: InvalidArgument for no examples, sides of different length, a class outside {0, ..., num_classes - 1}, a
  // value or score that is not finite; for questions that ChooseAnswers and FindQuestions refuse.
  virtual absl::StatusOr<MetricValue> Compute(const MetricInput& input) const = 0;
};

// What every classification metric asks of its input, and every metric of real values. Errors: as Metric::Compute.
absl::Status CheckClasses(const MetricInput& input);
absl::Status CheckValues(const MetricInput& input);

// Examples [begin, end) are the answers to one question.
struct Question {
  size_t begin, end;
};

// Errors: InvalidArgument unless the gold labels are of two classes, there is a group for each example, and a group's
// examples are neighbours.
absl::StatusOr<std::vector<Question>> FindQuestions(const MetricInput& input);

// The answer that the scores choose for each question.
struct Choices {
  std::vector<Question> questions;
  std::vector<size_t> chosen;  // the example, one a question
  bool degenerate = false;     // no question has two answers of different score
};

// Errors: those of FindQuestions; InvalidArgument unless there is a finite score for each example, and an answer that
// is right for each question.
absl::StatusOr<Choices> ChooseAnswers(const MetricInput& input);

using MetricRegistry = Registry<Metric>;

// At the end of a metric's file: GBMOA_REGISTER_METRIC("accuracy", Accuracy);
#define GBMOA_REGISTER_METRIC(name, type)                                         \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::MetricRegistry::Global().Register(                                 \
          name, []() -> absl::StatusOr<std::unique_ptr<::gbmoa::Metric>> { return std::make_unique<type>(); })

}  // namespace gbmoa

#endif  // GBMOA_EVAL_METRIC_H_
