#include "eval/metric.h"

#include <cmath>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gbmoa {
namespace {

absl::Status CheckSizes(const MetricInput& input, absl::string_view what) {
  if (input.gold.empty()) return absl::InvalidArgumentError("no examples to score");
  if (input.gold.size() == input.predicted.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(input.gold.size(), " gold ", what, " but ", input.predicted.size(), " predictions"));
}

absl::Status CheckLabels(absl::string_view side, absl::Span<const double> labels, int num_classes) {
  for (size_t i = 0; i < labels.size(); ++i) {
    // Written so that NaN fails too.
    if (!(labels[i] >= 0 && labels[i] < num_classes && labels[i] == std::floor(labels[i]))) {
      return absl::InvalidArgumentError(
          absl::StrCat(side, " label ", i, " is ", labels[i], ", not a class of 0 to ", num_classes - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(absl::string_view what, absl::Span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return absl::InvalidArgumentError(absl::StrCat(what, " ", i, " is ", values[i]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckClasses(const MetricInput& input) {
  GBMOA_RETURN_IF_ERROR(CheckSizes(input, "labels"));
  if (input.num_classes < 1) return absl::InvalidArgumentError("wanted labels, got the values of a regression");
  GBMOA_RETURN_IF_ERROR(CheckLabels("gold", input.gold, input.num_classes));
  return CheckLabels("predicted", input.predicted, input.num_classes);
}

absl::Status CheckValues(const MetricInput& input) {
  GBMOA_RETURN_IF_ERROR(CheckSizes(input, "values"));
  GBMOA_RETURN_IF_ERROR(CheckFinite("gold value", input.gold));
  return CheckFinite("predicted value", input.predicted);
}

absl::StatusOr<std::vector<Question>> FindQuestions(const MetricInput& input) {
  const size_t n = input.gold.size();
  if (n == 0) return absl::InvalidArgumentError("no examples to score");
  if (input.num_classes != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("answers are wrong or right, two classes; got num_classes = ", input.num_classes));
  }
  GBMOA_RETURN_IF_ERROR(CheckLabels("gold", input.gold, 2));
  if (input.groups.size() != n) {
    return absl::InvalidArgumentError(absl::StrCat(input.groups.size(), " groups for ", n, " examples"));
  }
  std::vector<Question> questions;
  absl::flat_hash_set<int64_t> seen;
  for (size_t i = 0; i < n; ++i) {
    if (i == 0 || input.groups[i] != input.groups[i - 1]) {
      if (!seen.insert(input.groups[i]).second) {
        return absl::InvalidArgumentError(absl::StrCat("example ", i, " belongs to question ", input.groups[i],
                                                       ", whose other answers are further up, not its neighbours"));
      }
      questions.push_back({i, i});
    }
    questions.back().end = i + 1;
  }
  return questions;
}

absl::StatusOr<Choices> ChooseAnswers(const MetricInput& input) {
  Choices choices;
  GBMOA_ASSIGN_OR_RETURN(choices.questions, FindQuestions(input));
  if (input.scores.size() != input.gold.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(input.scores.size(), " scores for ", input.gold.size(), " examples"));
  }
  GBMOA_RETURN_IF_ERROR(CheckFinite("score", input.scores));
  choices.degenerate = true;
  for (const Question& question : choices.questions) {
    size_t chosen = question.begin;
    bool some_right = false;
    for (size_t i = question.begin; i < question.end; ++i) {
      if (input.scores[i] > input.scores[chosen]) chosen = i;
      some_right |= input.gold[i] == 1;
      if (input.scores[i] != input.scores[question.begin]) choices.degenerate = false;
    }
    if (!some_right) {
      return absl::InvalidArgumentError(absl::StrCat("question ", input.groups[question.begin], ", examples ",
                                                     question.begin, " to ", question.end - 1,
                                                     ", has no answer that is right"));
    }
    choices.chosen.push_back(chosen);
  }
  return choices;
}

}  // namespace gbmoa
