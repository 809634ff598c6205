#include "gbmoa/meta_learner.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gbmoa/adapter/frozen.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"
#include "gbmoa/meta/curriculum.h"

namespace gbmoa {
namespace {

constexpr char kMetaParameters[] = "meta_parameters";

// A task as seen by the frozen encoder: what the task encoder reads, and how hard it looks.
struct TaskView {
  at::Tensor features;    // [n, D]
  double difficulty = 0;  // 0 of a regression, whose outputs have no entropy
};

absl::StatusOr<TaskView> ViewTask(const std::shared_ptr<const Backbone>& backbone, const Batch& support_set) {
  const at::NoGradGuard no_grad;
  const AdaptedEncoder frozen(backbone, std::make_shared<const Frozen>(), support_set.num_classes);
  GBMOA_ASSIGN_OR_RETURN(const PackedBatch packed, frozen.Pack({&support_set}));
  const at::Tensor nothing = at::zeros({1, frozen.layout().size()}, frozen.dtype());
  TaskView view;
  GBMOA_ASSIGN_OR_RETURN(view.features, frozen.FeaturesInChunks(nothing, support_set));
  if (support_set.regression) return view;
  const at::Tensor head = AdaptedEncoder::PrototypeHeadOf(view.features, packed, support_set.num_classes);
  const at::Tensor logits = frozen.LogitsOf(view.features, frozen.WithHead(nothing, head), packed);
  const at::Tensor probabilities = at::softmax(logits, 1).to(at::kFloat).contiguous();  // [n, C]
  for (int64_t i = 0; i < probabilities.size(0); ++i) {
    view.difficulty += NormalizedEntropy(probabilities.const_data_ptr<float>() + i * support_set.num_classes,
                                         support_set.num_classes) /
                       static_cast<double>(probabilities.size(0));
  }
  return view;
}

absl::StatusOr<Episode> ReadEpisode(const EpisodeSource& tasks, int64_t position) {
  Episode episode = tasks.At(position);
  if (episode.support_set.regression || episode.query_set.regression) {
    return absl::InvalidArgumentError(absl::StrCat("task ", episode.task, " at position ", position,
                                                   " is a regression: meta-training takes classifications"));
  }
  return episode;
}

absl::Status CheckReplayOrder(const std::vector<int64_t>& positions, int64_t steps, int64_t per_step) {
  if (static_cast<int64_t>(positions.size()) != steps * per_step) {
    return absl::InvalidArgumentError(absl::StrCat("the order to replay has ", positions.size(), " positions, ", steps,
                                                   " steps of ", per_step, " tasks need ", steps * per_step));
  }
  for (size_t j = 0; j < positions.size(); ++j) {
    if (positions[j] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the order to replay has position ", positions[j], " at ", j, ": wanted 0 or more"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

MetaLearnerOptions ReadMetaLearnerOptions(OptionReader& reader, const MetaLearnerOptions& defaults) {
  MetaLearnerOptions options = defaults;
  OuterLoopOptions& outer = options.outer_loop;
  MetaGradientOptions& gradient = options.gradient;
  outer.steps = reader.Integer("meta_steps", defaults.outer_loop.steps, 0, 1000000);
  outer.rate = reader.Number("outer_rate", defaults.outer_loop.rate, 0, 1);
  outer.warm_up = reader.Integer("warm_up", defaults.outer_loop.warm_up, 0, 1000000);
  outer.final_rate = reader.Number("final_rate", defaults.outer_loop.final_rate, 0, 1);
  outer.clip_norm = reader.Number("clip_norm", defaults.outer_loop.clip_norm, 0, 1e9);
  gradient.inner_loop.steps =
      static_cast<int>(reader.Integer("inner_steps", defaults.gradient.inner_loop.steps, 1, 10000));
  gradient.lambda = reader.Number("lambda", defaults.gradient.lambda, 0, 1e9);
  gradient.solver.max_iterations =
      static_cast<int>(reader.Integer("solver_iterations", defaults.gradient.solver.max_iterations, 1, 10000));
  gradient.solver.tolerance = reader.Number("solver_tolerance", defaults.gradient.solver.tolerance, 0, 1);
  gradient.solver.recompute_residual = reader.Bool("recompute_residual", defaults.gradient.solver.recompute_residual);
  options.inner_rate = reader.Number("inner_rate", defaults.inner_rate, 1e-12, 100);
  options.inner_head_rate = reader.Number("inner_head_rate", defaults.inner_head_rate, 1e-12, 100);
  options.meta_gradient =
      reader.Choice("meta_gradient", defaults.meta_gradient, MetaGradientRegistry::Global().Names());
  options.tasks_per_step = reader.Integer("tasks_per_step", defaults.tasks_per_step, 1, 1024);
  options.curriculum = reader.Bool("curriculum", defaults.curriculum);
  options.curriculum_initial_share =
      reader.Number("curriculum_initial_share", defaults.curriculum_initial_share, 1e-6, 1);
  return options;
}

MetaLearner::MetaLearner(std::shared_ptr<const Backbone> backbone, std::shared_ptr<const AdaptationMethod> method,
                         const FinetuningOptions& finetuning, const MetaLearnerOptions& meta)
    : FinetuningLearner(std::move(backbone), std::move(method), finetuning), meta_(meta) {
  CHECK(finetuning.head == TaskHead::kUnitMean) << "ψ is trained with that head";
}

absl::Status MetaLearner::MetaTrain(const EpisodeSource& tasks, const MetaTrainOptions& options) {
  OuterLoopOptions outer = meta_.outer_loop;
  if (options.steps >= 0) outer.steps = options.steps;
  const int64_t per_step = meta_.tasks_per_step, num_tasks = outer.steps * per_step;
  const bool replays = !options.replay_order.empty(), measures = !replays && meta_.curriculum;
  if (replays) GBMOA_RETURN_IF_ERROR(CheckReplayOrder(options.replay_order, outer.steps, per_step));
  return CatchTorch([&]() -> absl::Status {
    at::Tensor psi = InitialMetaParameters(options.seed);

    TaskOrder order;
    order.positions = options.replay_order;
    std::vector<at::Tensor> measured(num_tasks);  // features by position, for those who read them
    if (!replays) {
      order.positions.resize(num_tasks);
      std::iota(order.positions.begin(), order.positions.end(), 0);
    }
    if (measures) {
      std::vector<double> difficulty;
      for (int64_t i = 0; i < num_tasks; ++i) {
        GBMOA_ASSIGN_OR_RETURN(const Episode episode, ReadEpisode(tasks, i));
        GBMOA_ASSIGN_OR_RETURN(const TaskView view, ViewTask(backbone(), episode.support_set));
        difficulty.push_back(view.difficulty);
        if (reads_features()) measured[i] = view.features;
      }
      CurriculumOptions curriculum;
      curriculum.initial_share = meta_.curriculum_initial_share;
      order.positions = CurriculumOrder(difficulty, curriculum, RandomStream(options.seed, "curriculum"));
      for (const int64_t position : order.positions) order.difficulties.push_back(difficulty[position]);
    }
    if (options.on_order) GBMOA_RETURN_IF_ERROR(options.on_order(order));

    std::unique_ptr<OuterLoop> loop;
    int64_t skipped = 0;
    for (int64_t step = 0; step < outer.steps; ++step) {
      std::vector<Episode> episodes;
      std::vector<const Episode*> pointers;
      std::vector<at::Tensor> features;
      std::vector<int64_t> offsets = {0};
      int max_classes = 0;
      for (int64_t b = 0; b < per_step; ++b) {
        const int64_t position = order.positions[step * per_step + b];
        GBMOA_ASSIGN_OR_RETURN(Episode episode, ReadEpisode(tasks, position));
        episodes.push_back(std::move(episode));
        if (measures) {
          features.push_back(std::move(measured[position]));
        } else if (reads_features()) {
          GBMOA_ASSIGN_OR_RETURN(const TaskView view, ViewTask(backbone(), episodes.back().support_set));
          features.push_back(view.features);
        }
        offsets.push_back(offsets.back() + episodes.back().support_set.size());
        max_classes = std::max(max_classes, episodes.back().support_set.num_classes);
      }
      for (const Episode& episode : episodes) pointers.push_back(&episode);
      const at::Tensor joined = reads_features() ? at::cat(features) : at::Tensor();
      const auto model = std::make_shared<const AdaptedEncoder>(backbone(), method(), max_classes);
      GBMOA_ASSIGN_OR_RETURN(const std::unique_ptr<EpisodeProblem> problem,
                             EpisodeProblem::Create(model, pointers, [&](const at::Tensor& psi_leaf) {
                               return Start(psi_leaf, joined, offsets);
                             }));
      // The head's size varies with the tasks' classes, and so does the vector of rates.
      MetaGradientOptions gradient_options = meta_.gradient;
      gradient_options.inner_loop.rates =
          model->layout().ByGroup(meta_.inner_rate, meta_.inner_head_rate, model->dtype());
      if (loop == nullptr) {
        GBMOA_ASSIGN_OR_RETURN(std::unique_ptr<MetaGradientMethod> gradient,
                               MetaGradientRegistry::Global().Create(meta_.meta_gradient));
        loop = std::make_unique<OuterLoop>(outer, std::move(gradient));
      }
      GBMOA_ASSIGN_OR_RETURN(const OuterStep done, loop->Step(*problem, gradient_options, psi));
      skipped += done.applied ? 0 : 1;
      if (options.on_step) {
        MetaTrainProgress progress;
        progress.skipped = skipped;
        progress.step = step + 1;
        progress.steps = outer.steps;
        const MetaGradient& gradient = done.meta_gradient;
        for (const double loss : gradient.query_loss) progress.query_loss += loss / static_cast<double>(per_step);
        for (const SolveSummary& solve : gradient.solves) {
          absl::StrAppendFormat(&progress.detail, "%s%s%s after %d, residual %.1e, least curvature %.2g",
                                progress.detail.empty() ? "" : "; ", TerminationName(solve.termination),
                                solve.fallback ? " (first-order instead)" : "", solve.iterations,
                                solve.relative_residual, solve.smallest_curvature);
        }
        if (!done.applied) progress.detail += " (not finite: step skipped)";
        GBMOA_RETURN_IF_ERROR(options.on_step(progress));
      }
    }
    if (2 * skipped > outer.steps) {
      return absl::AbortedError(
          absl::StrCat("meta-training diverged: ", skipped, " of ", outer.steps, " steps were not finite"));
    }
    psi_ = psi;
    return absl::OkStatus();
  });
}

absl::StatusOr<at::Tensor> MetaLearner::StartingPoint(const AdaptedEncoder& model, const Batch& support_set,
                                                      const RandomStream&) const {
  if (!psi_.defined()) return absl::FailedPreconditionError("not meta-trained: call MetaTrain or Load first");
  const at::NoGradGuard no_grad;
  at::Tensor features;
  if (reads_features()) {
    GBMOA_ASSIGN_OR_RETURN(const TaskView view, ViewTask(backbone(), support_set));
    features = view.features;
  }
  const at::Tensor body = Start(psi_, features, {0, support_set.size()});  // [1, body]
  const int64_t head = model.layout().size(ParameterGroup::kHead);
  return at::cat({body, at::zeros({1, head}, body.options())}, 1);
}

ParameterCounts MetaLearner::CountParameters(int num_classes) const {
  ParameterCounts counts = FinetuningLearner::CountParameters(num_classes);
  counts.meta = num_meta_parameters();
  return counts;
}

absl::Status MetaLearner::Save(const std::string& path) const {
  if (!psi_.defined()) return absl::FailedPreconditionError("not meta-trained: there is nothing to save");
  const at::Tensor values = psi_.to(at::kFloat).contiguous();
  SafetensorsEntry entry;
  entry.name = kMetaParameters;
  entry.dtype = SafetensorsDtype::kFloat32;
  entry.shape = {values.numel()};
  entry.data = absl::MakeConstSpan(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
  return WriteSafetensors(path, {entry}, {});
}

absl::Status MetaLearner::Load(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const SafetensorsView* found = file.Find(kMetaParameters);
  if (found == nullptr || found->dtype != SafetensorsDtype::kFloat32 ||
      found->shape != absl::MakeConstSpan({num_meta_parameters()})) {
    return absl::DataLossError(
        absl::StrCat(path, ": wanted a float32 tensor ", kMetaParameters, " of ", num_meta_parameters(), " numbers"));
  }
  at::Tensor psi = at::empty({num_meta_parameters()}, at::kFloat);
  std::copy_n(found->data.data(), found->data.size(), static_cast<char*>(psi.mutable_data_ptr()));
  psi_ = psi.to(backbone()->transformer().dtype());
  return absl::OkStatus();
}

}  // namespace gbmoa
