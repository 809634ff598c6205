// The exact Gauss-Newton solve and its parts, on MiniLM-L6's shapes with adapters and random weights, 25 short texts
// five ways. Each iteration also takes a gradient of the support loss; "gradients" is the ratio of their best times,
// which holds on a busy machine too.
#include <memory>

#include "benchmark/benchmark.h"
#include "gbmoa/adapter/minilm_benchmark.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/episode_problem.h"
#include "gbmoa/meta/woodbury.h"

namespace gbmoa {
namespace {

enum Part {
  kSolve,     // all of it
  kJacobian,  // forward pass and a backward pass for each of four directions
  kGram,      // the matrix of the small system
  kProducts   // one with S, one with its transpose
};

class Solve {
 public:
  Solve() {
    const std::shared_ptr<const AdaptedEncoder> model = RandomMiniLm();
    episode_ = {"texts", DefinitionLikeTexts(), DefinitionLikeTexts()};
    at::manual_seed(1);
    const at::Tensor body = 0.05 * at::randn({1, model->layout().size(ParameterGroup::kBody)});
    problem_ = *EpisodeProblem::Create(model, {&episode_}, [body](const at::Tensor& psi) { return psi * body; });
    phi_ = problem_->InitialParameters(at::ones({1}));
    root_ = model->layout().ByGroup(0.25, 0.15, at::kFloat).sqrt();
    b_ = at::randn_like(phi_);
    jacobian_ = *problem_->SupportJacobianAt(phi_);
  }

  void Run(Part part) const {
    switch (part) {
      case kSolve: {
        const auto jacobian = problem_->SupportJacobianAt(phi_);
        benchmark::DoNotOptimize(SolveWoodbury(**jacobian, root_, b_, {}));
        return;
      }
      case kJacobian:
        benchmark::DoNotOptimize(problem_->SupportJacobianAt(phi_));
        return;
      case kGram:
        benchmark::DoNotOptimize(jacobian_->Gram(root_ * root_));
        return;
      case kProducts:
        benchmark::DoNotOptimize(jacobian_->Transposed(jacobian_->Times(b_)));
        return;
    }
  }

  at::Tensor Gradient() const {
    const at::Tensor leaf = phi_.detach().requires_grad_();
    return torch::autograd::grad({problem_->SupportLoss(leaf).sum()}, {leaf})[0];
  }

 private:
  Episode episode_;
  std::unique_ptr<EpisodeProblem> problem_;
  at::Tensor phi_, root_, b_;
  std::unique_ptr<SupportJacobian> jacobian_;
};

void BM_ExactGaussNewton(benchmark::State& state, Part part) {
  static const Solve& solve = *new Solve;
  TimeAgainst(
      state, [&] { solve.Run(part); }, "gradients", [&] { benchmark::DoNotOptimize(solve.Gradient()); });
}

GBMOA_BENCHMARK_BY_THREADS(BM_ExactGaussNewton, kSolve);
GBMOA_BENCHMARK_BY_THREADS(BM_ExactGaussNewton, kJacobian);
GBMOA_BENCHMARK_BY_THREADS(BM_ExactGaussNewton, kGram);
GBMOA_BENCHMARK_BY_THREADS(BM_ExactGaussNewton, kProducts);

}  // namespace
}  // namespace gbmoa
