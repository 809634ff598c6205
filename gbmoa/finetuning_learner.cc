#include "gbmoa/finetuning_learner.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

constexpr int64_t kPredictChunk = 64;  // examples at once: enough for full speed, and memory stays flat

// The examples of step `step`: epochs of the support set in random order, cut into batches; the last of an epoch may be
// smaller.
std::vector<int64_t> StepRows(int64_t num_examples, int64_t batch_size, int64_t step, const RandomStream& stream) {
  const int64_t batches = (num_examples + batch_size - 1) / batch_size;
  const std::vector<int64_t> order = stream.Substream(step / batches).Permutation(num_examples);
  const int64_t begin = (step % batches) * batch_size;
  return std::vector<int64_t>(order.begin() + begin, order.begin() + std::min(begin + batch_size, num_examples));
}

class AdaptedPredictor : public Predictor {
 public:
  // phi [1, P]; copied.
  AdaptedPredictor(std::shared_ptr<const AdaptedEncoder> model, bool regression, const at::Tensor& phi)
      : model_(std::move(model)), regression_(regression), phi_(phi.detach().clone()) {}

  absl::StatusOr<Prediction> Predict(const Batch& batch) const override {
    Prediction prediction;
    if (regression_) {
      GBMOA_ASSIGN_OR_RETURN(prediction.values, Logits(batch));
      return prediction;
    }
    prediction.num_classes = model_->max_classes();
    GBMOA_ASSIGN_OR_RETURN(prediction.probabilities,
                           Run(batch, [](const at::Tensor& logits) { return at::softmax(logits, -1); }));
    return prediction;
  }

  absl::StatusOr<std::vector<float>> Logits(const Batch& batch) const override {
    return Run(batch, [](const at::Tensor& logits) { return logits; });
  }

  std::map<std::string, std::vector<float>> Parameters() const override { return model_->layout().ToMap(phi_[0]); }

 private:
  // What `of` makes of the logits, [n, C], in chunks of examples.
  absl::StatusOr<std::vector<float>> Run(const Batch& batch,
                                         const std::function<at::Tensor(const at::Tensor& logits)>& of) const {
    if (batch.regression != regression_) {
      return absl::InvalidArgumentError(regression_ ? "the model is of a regression, the batch of a classification"
                                                    : "the model is of a classification, the batch of a regression");
    }
    std::vector<float> outputs;
    for (int64_t begin = 0; begin < batch.size(); begin += kPredictChunk) {
      Batch chunk = SelectRange(batch, begin, std::min(begin + kPredictChunk, batch.size()));
      if (chunk.num_classes == 0) chunk.num_classes = model_->max_classes();
      const absl::StatusOr<PackedBatch> packed = model_->Pack({&chunk});
      if (!packed.ok()) {
        chunk = batch;
        if (chunk.num_classes == 0) chunk.num_classes = model_->max_classes();
        return model_->Pack({&chunk}).status();  // which counts from the batch's own beginning
      }
      GBMOA_RETURN_IF_ERROR(CatchTorch([&] {
        const at::NoGradGuard no_grad;
        const at::Tensor chunk_outputs = of(model_->Logits(phi_, *packed)).to(at::kFloat).contiguous();
        const float* data = chunk_outputs.const_data_ptr<float>();
        outputs.insert(outputs.end(), data, data + chunk_outputs.numel());
        return absl::OkStatus();
      }));
    }
    return outputs;
  }

  std::shared_ptr<const AdaptedEncoder> model_;
  bool regression_;
  at::Tensor phi_;
};

absl::Status CheckSupportSet(const Batch& support_set) {
  const auto size = static_cast<size_t>(support_set.size());
  if (size == 0) return absl::InvalidArgumentError("the support set is empty");
  const size_t answers = support_set.regression ? support_set.targets.size() : support_set.labels.size();
  const char* name = support_set.regression ? "targets" : "labels";
  if (answers == 0) return absl::InvalidArgumentError(absl::StrCat("the support set has no ", name));
  if (answers != size) {
    return absl::InvalidArgumentError(absl::StrCat("the support set has ", size, " examples and ", answers, " ", name));
  }
  if (support_set.num_classes < 1) return absl::InvalidArgumentError("the support set has no classes");
  return absl::OkStatus();
}

// Everything that keeps `parameters` from being the slices of `layout`.
absl::Status CheckSlices(const ParameterLayout& layout, const std::map<std::string, std::vector<float>>& parameters) {
  std::vector<std::string> problems;
  std::set<std::string> known;
  for (const ParameterLayout::Slice& slice : layout.slices()) {
    known.insert(slice.name);
    const auto found = parameters.find(slice.name);
    if (found == parameters.end()) {
      problems.push_back(absl::StrCat(slice.name, " is missing"));
    } else if (static_cast<int64_t>(found->second.size()) != slice.size) {
      problems.push_back(absl::StrCat(slice.name, " has ", found->second.size(), " numbers, wanted ", slice.size));
    } else if (!std::all_of(found->second.begin(), found->second.end(), [](float x) { return std::isfinite(x); })) {
      problems.push_back(absl::StrCat(slice.name, " is not finite"));
    }
  }
  for (const auto& [name, values] : parameters) {
    if (known.count(name) == 0) problems.push_back(absl::StrCat(name, " is unknown"));
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("parameters do not fit: ", absl::StrJoin(problems, "; ")));
}

}  // namespace

FinetuningOptions ReadFinetuningOptions(OptionReader& reader, const FinetuningOptions& defaults, bool meta_learns) {
  using Schedule = FinetuningOptions::Schedule;
  using Decay = FinetuningOptions::Decay;
  const std::string prefix = meta_learns ? "finetuning_" : "";
  FinetuningOptions options = defaults;
  options.learning_rate = reader.Number("learning_rate", defaults.learning_rate, 0, 10);
  options.head_learning_rate =
      reader.Number("head_learning_rate", std::max(defaults.head_learning_rate, options.learning_rate), 0, 10);
  options.weight_decay = reader.Number("weight_decay", defaults.weight_decay, 0, 1);
  options.sgd = reader.Choice("optimizer", defaults.sgd ? "sgd" : "adamw", {"adamw", "sgd"}) == "sgd";
  options.schedule = reader.Choice("schedule", defaults.schedule == Schedule::kLinear ? "linear" : "constant",
                                   {"constant", "linear"}) == "linear"
                         ? Schedule::kLinear
                         : Schedule::kConstant;
  options.warm_up = reader.Share(prefix + "warm_up", defaults.warm_up);
  options.clip_norm = reader.Number(prefix + "clip_norm", defaults.clip_norm, 0, 1e9);
  options.decay =
      reader.Choice("decay", defaults.decay == Decay::kMatrices ? "matrices" : "all", {"all", "matrices"}) == "matrices"
          ? Decay::kMatrices
          : Decay::kAll;
  const std::vector<std::string> heads =
      meta_learns ? std::vector<std::string>{"unit_mean"} : std::vector<std::string>{"unit_mean", "tanh"};
  options.head = reader.Choice("head", defaults.head == TaskHead::kTanh ? "tanh" : "unit_mean", heads) == "tanh"
                     ? TaskHead::kTanh
                     : TaskHead::kUnitMean;
  return options;
}

FinetuningLearner::FinetuningLearner(std::shared_ptr<const Backbone> backbone,
                                     std::shared_ptr<const AdaptationMethod> method, const FinetuningOptions& options)
    : backbone_(std::move(backbone)), method_(std::move(method)), options_(options) {}

std::shared_ptr<const AdaptedEncoder> FinetuningLearner::MakeModel(int num_classes) const {
  return std::make_shared<const AdaptedEncoder>(backbone_, method_, num_classes, options_.head);
}

absl::StatusOr<at::Tensor> FinetuningLearner::StartingPoint(const AdaptedEncoder& model, const Batch&,
                                                            const RandomStream& stream) const {
  return model.StandardStart(stream).unsqueeze(0);
}

absl::StatusOr<Adaptation> FinetuningLearner::Adapt(const Batch& support_set, const AdaptOptions& options) const {
  return Run(support_set, options, options.steps);
}

absl::StatusOr<Adaptation> FinetuningLearner::Run(const Batch& support_set, const AdaptOptions& options,
                                                  int64_t num_steps) const {
  GBMOA_RETURN_IF_ERROR(CheckSupportSet(support_set));
  const absl::Time started = absl::Now();
  absl::Duration observing;

  const std::shared_ptr<const AdaptedEncoder> model = MakeModel(support_set.num_classes);
  const auto make_predictor = [&](const at::Tensor& phi) {
    return std::make_unique<AdaptedPredictor>(model, support_set.regression, phi);
  };
  GBMOA_ASSIGN_OR_RETURN(const PackedBatch support, model->Pack({&support_set}));
  Adaptation adaptation;
  AdaptReport& report = adaptation.report;
  size_t next_mark = 0;
  const auto observe = [&](int step, const at::Tensor& phi) -> absl::Status {
    if (next_mark == options.marks.size() || options.marks[next_mark] != step) return absl::OkStatus();
    ++next_mark;
    if (!options.observer) return absl::OkStatus();
    const absl::Time before = absl::Now();
    absl::Status status = options.observer(step, *make_predictor(phi));
    observing += absl::Now() - before;
    return status;
  };

  GBMOA_RETURN_IF_ERROR(CatchTorch([&]() -> absl::Status {
    GBMOA_ASSIGN_OR_RETURN(at::Tensor phi, StartingPoint(*model, support_set, RandomStream(options.seed, "start")));
    if (options.head_start == HeadStart::kPrototypes && model->head() == TaskHead::kUnitMean) {
      GBMOA_ASSIGN_OR_RETURN(const at::Tensor features, model->FeaturesInChunks(phi, support_set));
      phi = model->WithHead(phi, AdaptedEncoder::PrototypeHeadOf(features, support, model->max_classes()));
    }
    FinetuningSteps steps(model, options_, phi, num_steps, options.seed);
    phi = at::Tensor();
    const int64_t batch_size = options.batch_size > 0 ? options.batch_size : support_set.size();
    const RandomStream order(options.seed, "support order");

    GBMOA_RETURN_IF_ERROR(observe(0, steps.phi()));
    for (int step = 0; step < options.steps; ++step) {
      const PackedBatch* batch = &support;
      PackedBatch minibatch;
      if (batch_size < support_set.size()) {
        const Batch rows = SelectExamples(support_set, StepRows(support_set.size(), batch_size, step, order));
        GBMOA_ASSIGN_OR_RETURN(minibatch, model->Pack({&rows}));
        batch = &minibatch;
      }
      const FinetuningSteps::Outcome outcome = steps.Step(*batch);
      if (step == 0) report.first_loss = outcome.loss;
      report.finite = outcome.finite;
      if (outcome.moved) {
        report.last_loss = outcome.loss;
        report.flops += model->GradientFlops(batch->num_tokens());
        report.tokens += batch->num_tokens();
        report.steps = step + 1;
      }
      if (!outcome.finite) break;
      GBMOA_RETURN_IF_ERROR(observe(step + 1, steps.phi()));
    }
    if (report.finite || report.steps == 0) adaptation.predictor = make_predictor(steps.phi());
    return absl::OkStatus();
  }));
  if (adaptation.predictor == nullptr) {
    // The last step led to a φ that predicts nothing but NaN; the one before had a finite loss. It is found again by
    // going there again, so that runs that go well need not keep every φ for one more step.
    AdaptOptions shorter = options;
    shorter.steps = report.steps - 1;
    shorter.marks.clear();
    GBMOA_ASSIGN_OR_RETURN(Adaptation again, Run(support_set, shorter, num_steps));
    adaptation.predictor = std::move(again.predictor);
    --report.steps;
  }
  report.seconds = absl::ToDoubleSeconds(absl::Now() - started - observing);
  return adaptation;
}

absl::StatusOr<std::unique_ptr<Predictor>> FinetuningLearner::Restore(
    int num_classes, const std::map<std::string, std::vector<float>>& parameters) const {
  if (num_classes < 1) return absl::InvalidArgumentError(absl::StrCat(num_classes, " classes: wanted 1 or more"));
  const std::shared_ptr<const AdaptedEncoder> model = MakeModel(num_classes);
  GBMOA_RETURN_IF_ERROR(CheckSlices(model->layout(), parameters));
  std::unique_ptr<Predictor> predictor;
  GBMOA_RETURN_IF_ERROR(CatchTorch([&] {
    at::Tensor phi = at::empty({1, model->layout().size()}, at::kFloat);
    for (const ParameterLayout::Slice& slice : model->layout().slices()) {
      const std::vector<float>& values = parameters.at(slice.name);
      std::copy(values.begin(), values.end(), phi.mutable_data_ptr<float>() + slice.offset);
    }
    predictor = std::make_unique<AdaptedPredictor>(model, /*regression=*/false, phi.to(model->dtype()));
    return absl::OkStatus();
  }));
  return predictor;
}

ParameterCounts FinetuningLearner::CountParameters(int num_classes) const {
  const std::shared_ptr<const AdaptedEncoder> model = MakeModel(num_classes);
  ParameterCounts counts;
  counts.per_task = model->layout().size(ParameterGroup::kBody);
  counts.head = model->layout().size(ParameterGroup::kHead);
  counts.backbone = backbone_->num_parameters();
  return counts;
}

}  // namespace gbmoa
