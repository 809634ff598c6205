// Test-only: a Learner whose accuracy is written down beforehand, so that everything that runs, averages and reports
// learners can be tested against numbers known by hand. It needs no backbone.
#ifndef GBMOA_EVAL_FAKE_LEARNER_H_
#define GBMOA_EVAL_FAKE_LEARNER_H_

#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/task/learner.h"

namespace gbmoa {

struct FakeLearnerScript {
  // How many of the test examples are answered rightly after `step` steps; the support set and seed are what Adapt got.
  std::function<int64_t(int step, const Batch& support_set, uint64_t seed)> right;
  double seconds = 1;
  ParameterCounts parameters;
  int diverges_at = -1;  // breaks off after that many steps, as after a non-finite loss
  absl::Status error;    // what Adapt returns, unless OK
  bool meta_learns = false;
  absl::Status meta_error;
  std::atomic<int>* adaptations = nullptr;  // counts calls of Adapt
  std::atomic<int>* meta_trainings = nullptr;
  std::function<void()> on_adapt;
};

class FakeLearner : public Learner {
 public:
  explicit FakeLearner(FakeLearnerScript script) : script_(std::move(script)) {}

  absl::Status MetaTrain(const EpisodeSource&, const MetaTrainOptions& options) override {
    if (script_.meta_trainings != nullptr) ++*script_.meta_trainings;
    for (int64_t step = 1; step <= options.steps && options.on_step; ++step) {
      const absl::Status status = options.on_step({step, options.steps, 1.0 / static_cast<double>(step), ""});
      if (!status.ok()) return status;
    }
    if (script_.meta_error.ok()) state_ = absl::StrCat("seed ", options.seed);
    return script_.meta_error;
  }
  bool meta_learns() const override { return script_.meta_learns; }

  absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const override {
    if (script_.adaptations != nullptr) ++*script_.adaptations;
    if (script_.on_adapt) script_.on_adapt();
    if (!script_.error.ok()) return script_.error;
    if (script_.meta_learns && state_.empty()) return absl::FailedPreconditionError("not meta-trained");
    const bool diverges = script_.diverges_at >= 0 && script_.diverges_at < options.steps;
    const int last = diverges ? script_.diverges_at : options.steps;
    for (const int mark : options.marks) {
      if (mark > last) break;
      const Answers answers{script_.right(mark, support_set, options.seed)};
      if (absl::Status status = options.observer(mark, answers); !status.ok()) return status;
    }
    Adaptation adaptation;
    adaptation.predictor = std::make_unique<Answers>(script_.right(last, support_set, options.seed));
    adaptation.report = {last, script_.seconds, 1e9 * last, 2.0, 0.5, !diverges};
    adaptation.report.tokens = 10 * last;
    return adaptation;
  }

  ParameterCounts CountParameters(int) const override { return script_.parameters; }

  absl::Status Save(const std::string& path) const override {
    if (script_.meta_learns) std::ofstream(path) << state_;
    return absl::OkStatus();
  }
  absl::Status Load(const std::string& path) override {
    std::getline(std::ifstream(path), state_);
    return state_.empty() ? absl::DataLossError(absl::StrCat(path, ": empty")) : absl::OkStatus();
  }

 private:
  // Right on the first `right` examples, one class off on the others; of a regression off by 1.
  class Answers : public Predictor {
   public:
    explicit Answers(int64_t right) : right_(right) {}
    absl::StatusOr<Prediction> Predict(const Batch& batch) const override {
      Prediction prediction;
      if (batch.regression) {
        prediction.values = batch.targets;
        for (int64_t i = right_; i < batch.size(); ++i) prediction.values[i] += 1;
        return prediction;
      }
      prediction.num_classes = batch.num_classes;
      prediction.probabilities.assign(batch.size() * batch.num_classes, 0);
      for (int64_t i = 0; i < batch.size(); ++i) {
        const int64_t label = (batch.labels[i] + (i < right_ ? 0 : 1)) % batch.num_classes;
        prediction.probabilities[i * batch.num_classes + label] = 1;
      }
      return prediction;
    }
    std::map<std::string, std::vector<float>> Parameters() const override { return {}; }

   private:
    int64_t right_;
  };

  FakeLearnerScript script_;
  std::string state_;
};

// `size` one-token examples whose labels go round; the first token of the batch is `mark`, for scripts to read.
inline Batch FakeBatch(int size, int num_classes, int mark = 0) {
  Batch batch;
  batch.num_classes = num_classes;
  for (int i = 0; i < size; ++i) {
    batch.tokens.ids.push_back(mark);
    batch.tokens.type_ids.push_back(0);
    batch.tokens.offsets.push_back(i + 1);
    batch.labels.push_back(i % num_classes);
  }
  return batch;
}

}  // namespace gbmoa

#endif  // GBMOA_EVAL_FAKE_LEARNER_H_
