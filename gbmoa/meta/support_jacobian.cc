#include "gbmoa/meta/support_jacobian.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/shape.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

double Epsilon(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon()
                                        : std::numeric_limits<float>::epsilon();
}

class DenseSupportJacobian : public SupportJacobian {
 public:
  DenseSupportJacobian(const at::Tensor& phi, const at::Tensor& outputs, const std::vector<int64_t>& examples,
                       const OutputCurvature& curvature)
      : examples_(examples) {
    const int64_t num_tasks = phi.size(0), num_examples = outputs.size(0), rank = curvature.factor.size(2);
    int64_t longest = 0;
    for (int64_t b = 0; b < num_tasks; ++b) longest = std::max(longest, examples[b + 1] - examples[b]);
    const auto pull_back = [&](const at::Tensor& cotangent) {  // [n, C] -> [B, P]
      ++passes_;
      if (!outputs.requires_grad()) return at::zeros_like(phi);
      const at::Tensor gradient =
          torch::autograd::grad({outputs}, {phi}, {cotangent}, /*retain_graph=*/true, false, /*allow_unused=*/true)[0];
      return gradient.defined() ? gradient : at::zeros_like(phi);
    };
    rows_ = at::zeros({num_examples, rank, phi.size(1)}, phi.options().requires_grad(false));
    for (int64_t e = 0; e < longest; ++e) {
      for (int64_t a = 0; a < rank; ++a) {
        at::Tensor cotangent = at::zeros_like(outputs);
        for (int64_t b = 0; b < num_tasks; ++b) {
          const int64_t i = examples[b] + e;
          if (i < examples[b + 1]) cotangent[i].copy_(curvature.factor[i].select(1, a));
        }
        const at::Tensor gradient = pull_back(cotangent);
        for (int64_t b = 0; b < num_tasks; ++b) {
          if (examples[b] + e < examples[b + 1]) rows_[examples[b] + e][a].copy_(gradient[b]);
        }
      }
    }
    support_gradient_ = Transposed(curvature.coefficients);
    if (curvature.remainder.defined()) support_gradient_ += pull_back(curvature.remainder);
  }

  int64_t rank() const override { return rows_.size(1); }
  const std::vector<int64_t>& examples() const override { return examples_; }

  at::Tensor Times(const at::Tensor& v) const override {
    std::vector<at::Tensor> parts;
    for (int64_t b = 0; b < v.size(0); ++b) parts.push_back(at::mv(TaskRows(b), v[b]));
    return at::cat(parts).view({rows_.size(0), rows_.size(1)}).to(at::kDouble);
  }

  at::Tensor Transposed(const at::Tensor& y) const override {
    CHECK_SHAPE(y, {rows_.size(0), rows_.size(1)});
    std::vector<at::Tensor> parts;
    for (int64_t b = 0; b < static_cast<int64_t>(examples_.size()) - 1; ++b) {
      const at::Tensor of_task = y.narrow(0, examples_[b], examples_[b + 1] - examples_[b]).reshape({-1});
      parts.push_back(at::mv(TaskRows(b).t(), of_task.to(rows_.scalar_type())));
    }
    return at::stack(parts);
  }

  std::vector<at::Tensor> Gram(const at::Tensor& d) const override {
    std::vector<at::Tensor> grams;
    for (int64_t b = 0; b < static_cast<int64_t>(examples_.size()) - 1; ++b) {
      const at::Tensor scaled = TaskRows(b) * d.sqrt();
      grams.push_back(at::mm(scaled, scaled.t()).to(at::kDouble));
    }
    return grams;
  }

  at::Tensor support_gradient() const override { return support_gradient_; }
  double gradient_evaluations() const override { return 1.0 / 3 + 0.5 * passes_; }

 private:
  at::Tensor TaskRows(int64_t b) const {  // [n_b r, P]
    return rows_.narrow(0, examples_[b], examples_[b + 1] - examples_[b]).flatten(0, 1);
  }

  std::vector<int64_t> examples_;
  at::Tensor rows_;  // S, [n, r, P]
  at::Tensor support_gradient_;
  int passes_ = 0;
};

}  // namespace

OutputCurvature FactorOutputCurvature(const std::function<at::Tensor(const at::Tensor& outputs)>& loss,
                                      const at::Tensor& outputs, const std::vector<int64_t>& examples) {
  CHECK_EQ(outputs.dim(), 2);
  CHECK_EQ(examples.back(), outputs.size(0));
  const int64_t classes = outputs.size(1);
  const at::Tensor leaf = outputs.detach().requires_grad_();
  const at::Tensor on_graph =
      torch::autograd::grad({loss(leaf).sum()}, {leaf}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  std::vector<at::Tensor> columns;
  for (int64_t c = 0; c < classes; ++c) {
    at::Tensor column;
    if (on_graph.requires_grad()) {
      column = torch::autograd::grad({on_graph.select(1, c).sum()}, {leaf}, {}, /*retain_graph=*/true, false,
                                     /*allow_unused=*/true)[0];
    }
    columns.push_back(column.defined() ? column : at::zeros_like(outputs));
  }

  const at::NoGradGuard no_grad;
  const at::Tensor gradient = on_graph.detach().to(at::kDouble);  // [n, C]
  at::Tensor hessian = at::stack(columns, 2).to(at::kDouble);     // [n, C, C]
  const at::Tensor finite = hessian.isfinite().all(2).all(1).logical_and(gradient.isfinite().all(1)).unsqueeze(1);
  hessian = at::where(finite.unsqueeze(2), hessian, at::zeros_like(hessian));                 // LAPACK refuses NaN
  const auto [values, vectors] = at::linalg_eigh(0.5 * (hessian + hessian.transpose(1, 2)));  // [n, C], [n, C, C]

  std::vector<at::Tensor> thresholds;
  for (size_t b = 0; b + 1 < examples.size(); ++b) {
    const int64_t count = examples[b + 1] - examples[b];
    const at::Tensor largest = values.narrow(0, examples[b], count).max().clamp_min(0);
    thresholds.push_back((static_cast<double>(classes) * Epsilon(outputs) * largest).expand({count, 1}));
  }
  const at::Tensor kept = values > at::cat(thresholds);  // [n, C]
  const int64_t rank = std::max<int64_t>(1, kept.sum(1).max().item<int64_t>());
  const auto last = [&](const at::Tensor& x) { return x.narrow(-1, classes - rank, rank); };          // values ascend
  const at::Tensor roots = at::where(last(kept), last(values), at::zeros_like(last(values))).sqrt();  // [n, r]
  const at::Tensor along = at::matmul(gradient.unsqueeze(1), last(vectors)).squeeze(1);               // [n, r]
  const at::Tensor nan = at::full({}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);

  OutputCurvature curvature;
  const at::Tensor factor = last(vectors) * roots.unsqueeze(1);  // [n, C, r]
  const at::Tensor coefficients = at::where(roots > 0, along / roots, at::zeros_like(along));
  const at::Tensor remainder = gradient - at::matmul(factor, coefficients.unsqueeze(2)).squeeze(2);
  // 1000 eps: well above rounding, well below what anybody reads a gradient of the support loss for.
  const at::Tensor of_finite = at::where(finite, remainder, at::zeros_like(remainder));
  for (size_t b = 0; b + 1 < examples.size(); ++b) {
    const int64_t begin = examples[b], count = examples[b + 1] - begin;
    if (of_finite.narrow(0, begin, count).norm().item<double>() >
        1e3 * Epsilon(outputs) * gradient.narrow(0, begin, count).norm().item<double>()) {
      curvature.remainder = of_finite.to(outputs.scalar_type());
    }
  }
  curvature.factor = at::where(finite.unsqueeze(2), factor, nan).to(outputs.scalar_type());
  curvature.coefficients = at::where(finite, coefficients, nan);
  return curvature;
}

absl::StatusOr<std::unique_ptr<SupportJacobian>> MakeDenseSupportJacobian(const at::Tensor& phi,
                                                                          const at::Tensor& outputs,
                                                                          const std::vector<int64_t>& examples,
                                                                          const OutputCurvature& curvature) {
  CHECK_SHAPE(curvature.factor, {outputs.size(0), outputs.size(1), curvature.factor.size(2)});
  const int64_t rows = curvature.factor.size(0) * curvature.factor.size(2);
  const int64_t bytes = rows * phi.size(1) * static_cast<int64_t>(phi.element_size());
  if (bytes > kMaxDenseJacobianBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the support Jacobian of ", rows, " rows and ", phi.size(1),
                                                     " parameters would take ", bytes >> 20, " MiB, the limit is ",
                                                     kMaxDenseJacobianBytes >> 20));
  }
  return std::make_unique<DenseSupportJacobian>(phi, outputs, examples, curvature);
}

}  // namespace gbmoa
