// Test-only: a bilevel problem that is not quadratic: a small network with softmax cross-entropy.
#ifndef GBMOA_META_NETWORK_PROBLEM_H_
#define GBMOA_META_NETWORK_PROBLEM_H_

#include <vector>

#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/bilevel_problem.h"

namespace gbmoa {

// logits = tanh(X W) V for each of B tasks, φ = (W, V): 4 inputs, 5 hidden units, 3 classes, 7 support examples.
class NetworkProblem : public BilevelProblem {
 public:
  static constexpr int64_t kInputs = 4, kHidden = 5, kClasses = 3, kExamples = 7;
  static constexpr int64_t kSize = kInputs * kHidden + kHidden * kClasses;  // P

  explicit NetworkProblem(int64_t num_tasks, at::ScalarType dtype = at::kDouble)
      : support_(RandomNormal({num_tasks, kExamples, kInputs}, 1).to(dtype)),
        query_(RandomNormal({num_tasks, kExamples, kInputs}, 2).to(dtype)),
        labels_(at::arange(num_tasks * kExamples).remainder(kClasses)) {}

  int64_t num_tasks() const override { return support_.size(0); }
  at::Tensor InitialParameters(const at::Tensor& psi) override { return psi.view({num_tasks(), kSize}); }
  at::Tensor SupportOutputs(const at::Tensor& phi) override { return Logits(support_, phi); }
  at::Tensor SupportLossOfOutputs(const at::Tensor& outputs) override {
    const at::Tensor of_label = at::log_softmax(outputs, 1).gather(1, labels_.unsqueeze(1));  // [n, 1]
    return -of_label.view({num_tasks(), kExamples}).mean(1);                                  // [B]
  }
  std::vector<int64_t> support_examples() const override {
    std::vector<int64_t> offsets;
    for (int64_t b = 0; b <= num_tasks(); ++b) offsets.push_back(b * kExamples);
    return offsets;
  }
  at::Tensor QueryLoss(const at::Tensor& phi) override { return SupportLossOfOutputs(Logits(query_, phi)); }

 private:
  at::Tensor Logits(const at::Tensor& x, const at::Tensor& phi) const {
    const at::Tensor w = phi.narrow(1, 0, kInputs * kHidden).reshape({-1, kInputs, kHidden});
    const at::Tensor v = phi.narrow(1, kInputs * kHidden, kHidden * kClasses).reshape({-1, kHidden, kClasses});
    return at::matmul(at::tanh(at::matmul(x, w)), v).reshape({-1, kClasses});  // [n, C]
  }

  at::Tensor support_, query_;  // [B, examples, inputs]
  at::Tensor labels_;           // [n], n = B examples
};

}  // namespace gbmoa

#endif  // GBMOA_META_NETWORK_PROBLEM_H_
