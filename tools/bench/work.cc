#include "tools/bench/work.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/adapter/adapted_encoder.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/adapter/frozen.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/finetuning_learner.h"
#include "gbmoa/finetuning_steps.h"
#include "gbmoa/hypernet/hypernetwork.h"
#include "gbmoa/meta/outer_loop.h"
#include "gbmoa/task/learner.h"

namespace gbmoa {
namespace {

constexpr int kMaxInnerSteps = 10000;
constexpr int64_t kBottleneckDim = 64;

struct KnownWork {
  const char* name;
  const char* step_learner;   // of LearnerRegistry, for a step
  const char* meta_gradient;  // of MetaGradientRegistry, for a meta-step
};
constexpr KnownWork kKnownWork[] = {
    {"full", "full_finetuning", nullptr}, {"adapter", "adapter_tuning", nullptr},  {"lora", "lora", nullptr},
    {"prompt", "prompt_tuning", nullptr}, {"fomaml", nullptr, "first_order"},      {"imaml", nullptr, "implicit_cg"},
    {"ggn", nullptr, "implicit_gn_cg"},   {"exact", nullptr, "implicit_gn_exact"}, {"unrolled", nullptr, "unrolled"},
};

const KnownWork* FindWork(absl::string_view name) {
  for (const KnownWork& work : kKnownWork) {
    if (name == work.name) return &work;
  }
  return nullptr;
}

// The same for all episodes, so that the state has one size.
int MaxClasses(const std::vector<Episode>& episodes) {
  int classes = 0;
  for (const Episode& episode : episodes) classes = std::max(classes, episode.support_set.num_classes);
  return classes;
}

// A step of FinetuningLearner::Adapt on the whole support set: forward, loss, gradient, AdamW, and its guards against
// numbers that are not finite. φ and AdamW's state go from episode to episode.
class Step : public Work {
 public:
  static absl::StatusOr<std::unique_ptr<Work>> Create(const char* learner_name,
                                                      std::shared_ptr<const Backbone> backbone,
                                                      const std::vector<Episode>& episodes) {
    LearnerOptions options;
    if (learner_name == absl::string_view("adapter_tuning")) options["bottleneck_dim"] = absl::StrCat(kBottleneckDim);
    if (learner_name == absl::string_view("lora")) options["lora_rank"] = "8";
    if (learner_name == absl::string_view("prompt_tuning")) options["prompt_tokens"] = "20";
    GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<Learner> learner,
                           LearnerRegistry::Global().Create(learner_name, backbone, options));
    const auto* finetuning = dynamic_cast<const FinetuningLearner*>(learner.get());
    CHECK(finetuning != nullptr) << learner_name << " is not fine-tuned";
    auto work = std::make_unique<Step>(backbone, finetuning->method(), MaxClasses(episodes));
    for (const Episode& episode : episodes) {
      GBMOA_ASSIGN_OR_RETURN(PackedBatch packed, work->model_->Pack({&episode.support_set}));
      work->support_.push_back(std::move(packed));
      work->tokens_.push_back(episode.support_set.tokens.num_tokens());
    }
    return work;
  }

  Step(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method, int max_classes)
      : model_(std::make_shared<const AdaptedEncoder>(std::move(backbone), std::move(method), max_classes)) {}

  absl::Status Start() override {
    FinetuningOptions options;
    options.learning_rate = options.head_learning_rate = 1e-4;
    steps_ = std::make_unique<FinetuningSteps>(model_, options,
                                               model_->StandardStart(RandomStream(0, "start")).unsqueeze(0));
    return absl::OkStatus();
  }

  absl::StatusOr<WorkRun> Run(int64_t index) override {
    const PackedBatch& batch = support_[index];
    const FinetuningSteps::Outcome outcome = steps_->Step(batch);
    if (!outcome.finite) return absl::AbortedError("loss, gradient or a parameter is not finite");
    WorkRun run;
    run.loss = outcome.loss;
    run.examples = batch.num_examples();
    run.tokens = tokens_[index];
    return run;
  }

 private:
  std::shared_ptr<const AdaptedEncoder> model_;
  std::vector<PackedBatch> support_;
  std::vector<int64_t> tokens_;
  std::unique_ptr<FinetuningSteps> steps_;
};

// OuterLoop::Step with one task: φ₀ from the hypernetwork and the head from the support set's prototypes, k inner
// steps, query, meta-gradient, AdamW on ψ. The frozen features that the task encoder reads are there beforehand.
class MetaStep : public Work {
 public:
  static absl::StatusOr<std::unique_ptr<Work>> Create(const char* meta_gradient, int k,
                                                      std::shared_ptr<const Backbone> backbone,
                                                      const std::vector<Episode>& episodes) {
    GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<MetaGradientMethod> method,
                           MetaGradientRegistry::Global().Create(meta_gradient));
    auto work = std::make_unique<MetaStep>(backbone, MaxClasses(episodes), k, std::move(method));
    for (size_t i = 0; i < episodes.size(); ++i) {
      GBMOA_ASSIGN_OR_RETURN(PackedBatch support, work->frozen_.Pack({&episodes[i].support_set}));
      work->support_.push_back(std::move(support));
      GBMOA_ASSIGN_OR_RETURN(
          std::unique_ptr<EpisodeProblem> problem,
          EpisodeProblem::Create(work->model_, {&episodes[i]}, [w = work.get(), i](const at::Tensor& psi) {
            return w->hypernetwork_.Generate(psi, w->features_[i], {0, w->features_[i].size(0)});
          }));
      work->problems_.push_back(std::move(problem));
      WorkRun size;
      for (const Batch* batch : {&episodes[i].support_set, &episodes[i].query_set}) {
        size.examples += batch->size();
        size.tokens += batch->tokens.num_tokens();
      }
      work->sizes_.push_back(size);
    }
    return work;
  }

  MetaStep(std::shared_ptr<const Backbone> backbone, int max_classes, int k, std::unique_ptr<MetaGradientMethod> method)
      : backbone_(backbone),
        frozen_(backbone, std::make_shared<const Frozen>(), max_classes),
        model_(std::make_shared<const AdaptedEncoder>(
            backbone, std::make_shared<const BottleneckAdapter>(kBottleneckDim), max_classes)),
        hypernetwork_(MakeHypernetworkOptions(*backbone)),
        outer_loop_(MakeOuterLoopOptions(), std::move(method)) {
    options_.inner_loop.steps = k;
    options_.inner_loop.rates = model_->layout().ByGroup(0.01, 0.01, model_->dtype());
    // λ = 1 / (k α). At λ = 1 the Hessian's curvature is so large beside it that conjugate gradient ends with residuals
    // around 1, and one that diverges does a sixth product.
    options_.lambda = 0;
    options_.solver.max_iterations = 5;  // all five: no tolerance is met
    options_.solver.tolerance = 0;
    options_.solver.recompute_residual = false;
  }

  absl::Status Start() override {
    const at::NoGradGuard no_grad;
    const at::Tensor nothing = at::zeros({1, frozen_.layout().size()}, frozen_.dtype());
    for (const PackedBatch& support : support_) features_.push_back(frozen_.Features(nothing, support));  // [n, D]
    psi_ = hypernetwork_.Initialize(RandomStream(0, "hypernetwork")).to(model_->dtype());
    return absl::OkStatus();
  }

  absl::StatusOr<WorkRun> Run(int64_t index) override {
    GBMOA_ASSIGN_OR_RETURN(const OuterStep step, outer_loop_.Step(*problems_[index], options_, psi_));
    if (!step.applied) return absl::AbortedError("query loss or meta-gradient is not finite");
    WorkRun run = sizes_[index];
    run.loss = step.meta_gradient.query_loss[0];
    run.gradient_evaluations = step.meta_gradient.gradient_evaluations;
    if (!step.meta_gradient.solves.empty()) {
      run.termination = TerminationName(step.meta_gradient.solves[0].termination);
      run.iterations = step.meta_gradient.solves[0].iterations;
      run.relative_residual = step.meta_gradient.solves[0].relative_residual;
    }
    return run;
  }

 private:
  static HypernetworkOptions MakeHypernetworkOptions(const Backbone& backbone) {
    HypernetworkOptions options;
    options.feature_dim = backbone.config().hidden_size();
    options.slots = 2 * backbone.config().num_hidden_layers();
    options.bottleneck_dim = kBottleneckDim;
    return options;
  }

  // A constant rate, nothing clipped.
  static OuterLoopOptions MakeOuterLoopOptions() {
    OuterLoopOptions options;
    options.rate = 5e-5;
    options.warm_up = 0;
    options.final_rate = 1;
    options.clip_norm = 0;
    return options;
  }

  std::shared_ptr<const Backbone> backbone_;
  AdaptedEncoder frozen_;
  std::shared_ptr<const AdaptedEncoder> model_;
  Hypernetwork hypernetwork_;
  OuterLoop outer_loop_;
  MetaGradientOptions options_;
  std::vector<PackedBatch> support_;  // without adapters
  std::vector<at::Tensor> features_;
  std::vector<std::unique_ptr<EpisodeProblem>> problems_;
  std::vector<WorkRun> sizes_;
  at::Tensor psi_;  // [Q]
};

}  // namespace

std::string WorkSpec::text() const { return k == 0 ? name : absl::StrCat(name, ":", k); }

absl::StatusOr<WorkSpec> ParseWorkSpec(absl::string_view text) {
  const size_t colon = text.find(':');
  WorkSpec spec;
  spec.name = std::string(text.substr(0, colon));
  const KnownWork* const known = FindWork(spec.name);
  if (known == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown work '", spec.name,
                     "'; known: ", absl::StrJoin(kKnownWork, ", ", [](std::string* out, const KnownWork& work) {
                       absl::StrAppend(out, work.name, work.meta_gradient == nullptr ? "" : ":K");
                     })));
  }
  if (known->meta_gradient == nullptr) {
    if (colon != absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "': a step has no inner steps, wanted '", spec.name, "'"));
    }
    return spec;
  }
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &spec.k) || spec.k < 1 ||
      spec.k > kMaxInnerSteps) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "': wanted ", spec.name, ":K with K in 1 to ", kMaxInnerSteps));
  }
  return spec;
}

absl::StatusOr<Precision> ParseWorkPrecision(const std::string& name, Precision fastest) {
  if (name == "fp32") return Precision::kFloat32;
  if (name != "bf16") {
    return absl::InvalidArgumentError(absl::StrCat("unknown precision '", name, "'; known: fp32, bf16"));
  }
  if (fastest != Precision::kBFloat16) {
    return absl::UnimplementedError("bf16: this processor has no bfloat16 products (AVX512-BF16)");
  }
  return Precision::kBFloat16;
}

absl::StatusOr<std::unique_ptr<Work>> MakeWork(const WorkSpec& spec, std::shared_ptr<const Backbone> backbone,
                                               const std::vector<Episode>& episodes) {
  const KnownWork* const known = FindWork(spec.name);
  CHECK(known != nullptr) << spec.name;
  if (known->meta_gradient != nullptr) {
    return MetaStep::Create(known->meta_gradient, spec.k, std::move(backbone), episodes);
  }
  return Step::Create(known->step_learner, std::move(backbone), episodes);
}

}  // namespace gbmoa
