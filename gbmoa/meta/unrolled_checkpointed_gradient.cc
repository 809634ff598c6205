// "unrolled" bit for bit, in the memory of one step: only φ₀ ... φₖ₋₁ are kept, and each step's graph is built anew on
// the way back (Chen et al. 2016, "Training deep nets with sublinear memory cost", with a step as the unit).
#include <utility>
#include <vector>

#include "gbmoa/base/to_doubles.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/meta/meta_gradient.h"

namespace gbmoa {
namespace {

using torch::autograd::grad;

// Cost: k gradients forward, as many again on the way back and about 1.5 each through them, 1 for the query.
// Memory: k B P numbers and one step's graph.
class UnrolledCheckpointed : public MetaGradientMethod {
 public:
  absl::StatusOr<MetaGradient> Compute(BilevelProblem& problem, const at::Tensor& phi0,
                                       const MetaGradientOptions& options) const override {
    GBMOA_RETURN_IF_ERROR(CheckMetaGradientOptions(options));
    const InnerLoopOptions& inner = options.inner_loop;
    const bool proximal = inner.proximal > 0;
    MetaGradient result;
    std::vector<at::Tensor> points;  // leaves φ₀ ... φₖ
    points.push_back(phi0.detach().requires_grad_());
    for (int i = 0; i < inner.steps; ++i) {
      // With create_graph, for the sake of the very same arithmetic; the graph goes at once.
      const InnerStep step = TakeInnerStep(problem, points[i], points[0], inner, /*create_graph=*/true);
      if (i == 0) result.first_support_loss = ToDoubles(step.loss);
      if (i == inner.steps - 1) result.last_support_loss = ToDoubles(step.loss);
      points.push_back(step.next.detach().requires_grad_());
    }

    result.adapted_parameters = points.back().detach();
    at::Tensor v;  // dL_Q/dφᵢ₊₁, [B, P]
    {
      const at::Tensor loss = problem.QueryLoss(points.back());  // [B]
      v = grad({loss.sum()}, {points.back()})[0];
      result.query_loss = ToDoubles(loss);
    }
    at::Tensor through_start;  // what reached φ₀ through the proximal terms of later steps
    for (int i = inner.steps - 1; i >= 0; --i) {
      const at::Tensor next = TakeInnerStep(problem, points[i], points[0], inner, /*create_graph=*/true).next;
      if (i > 0) {
        std::vector<at::Tensor> inputs = {points[i]};
        if (proximal) inputs.push_back(points[0]);
        const std::vector<at::Tensor> gradients = grad({next}, inputs, {v});
        v = gradients[0];
        if (proximal) through_start = through_start.defined() ? through_start + gradients[1] : gradients[1];
      } else if (through_start.defined()) {
        // φ₀ as an output of its own: its sum begins with what is there already, as it does on the full graph.
        v = grad({points[0], next}, {points[0]}, {through_start, v})[0];
      } else {
        v = grad({next}, {points[0]}, {v})[0];
      }
      points.pop_back();
    }
    result.initial_gradient = v;
    result.gradient_evaluations = 3.5 * inner.steps + 1;
    return result;
  }
};

}  // namespace

GBMOA_REGISTER_META_GRADIENT("unrolled_checkpointed", UnrolledCheckpointed);

}  // namespace gbmoa
