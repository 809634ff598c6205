#include "gbmoa/meta/bilevel_problem.h"

#include <numeric>

#include "gbmoa/base/torch.h"

namespace gbmoa {

std::vector<int64_t> BilevelProblem::support_examples() const {
  std::vector<int64_t> examples(num_tasks() + 1);
  std::iota(examples.begin(), examples.end(), 0);
  return examples;
}

absl::StatusOr<std::unique_ptr<SupportJacobian>> BilevelProblem::SupportJacobianAt(const at::Tensor& phi) {
  const at::Tensor leaf = phi.detach().requires_grad_();
  const at::Tensor outputs = SupportOutputs(leaf);
  const std::vector<int64_t> examples = support_examples();
  return MakeDenseSupportJacobian(
      leaf, outputs, examples,
      FactorOutputCurvature([this](const at::Tensor& o) { return SupportLossOfOutputs(o); }, outputs, examples));
}

}  // namespace gbmoa
