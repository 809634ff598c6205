#include "gbmoa/meta/adamw.h"

#include <cmath>

#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

struct Coefficients {
  double beta1, beta2, correction1, correction2, epsilon, gradient_scale;
};

template <typename T>
inline __attribute__((always_inline)) T Root(T x) {
  if constexpr (sizeof(T) == sizeof(float)) return __builtin_sqrtf(x);
  return __builtin_sqrt(x);
}

// One pass over memory for all of a step: with an operator for each term, full fine-tuning would spend more time here
// than in its products. The attribute makes GCC vectorize; nobody looks at sqrt's errno.
template <typename T>
__attribute__((optimize("O3", "no-math-errno", "no-trapping-math"))) void Update(const Coefficients& c, int64_t count,
                                                                                 const T* __restrict gradient, T rate,
                                                                                 T decay, T* __restrict m,
                                                                                 T* __restrict s,
                                                                                 T* __restrict parameters) {
  const T keep1 = static_cast<T>(c.beta1), take1 = static_cast<T>(1 - c.beta1);
  const T keep2 = static_cast<T>(c.beta2), take2 = static_cast<T>(1 - c.beta2);
  const T scale1 = static_cast<T>(1 / c.correction1), scale2 = static_cast<T>(1 / std::sqrt(c.correction2));
  const T epsilon = static_cast<T>(c.epsilon), scale = static_cast<T>(c.gradient_scale);
  for (int64_t i = 0; i < count; ++i) {
    const T g = scale * gradient[i];
    m[i] = keep1 * m[i] + take1 * g;
    s[i] = keep2 * s[i] + take2 * g * g;
    parameters[i] -= rate * (decay * parameters[i] + scale1 * m[i] / (scale2 * Root(s[i]) + epsilon));
  }
}

}  // namespace

void AdamW::Step(at::Tensor& parameters, const std::vector<at::Tensor>& gradients, const std::vector<double>& rates) {
  Step(parameters, gradients, rates, std::vector<double>(rates.size(), options_.weight_decay));
}

void AdamW::Step(at::Tensor& parameters, const std::vector<at::Tensor>& gradients, const std::vector<double>& rates,
                 const std::vector<double>& decays, double gradient_scale) {
  const at::NoGradGuard no_grad;
  const at::ScalarType dtype = parameters.scalar_type();
  CHECK(dtype == at::kFloat || dtype == at::kDouble) << dtype;
  CHECK(parameters.is_contiguous());
  CHECK_EQ(gradients.size(), rates.size());
  CHECK_EQ(gradients.size(), decays.size());
  if (!m_.defined()) {
    m_ = at::zeros_like(parameters);
    s_ = at::zeros_like(parameters);
  }
  ++steps_;
  const Coefficients coefficients = {
      options_.beta1,   options_.beta2, 1 - std::pow(options_.beta1, steps_), 1 - std::pow(options_.beta2, steps_),
      options_.epsilon, gradient_scale};
  int64_t offset = 0;
  const auto update = [&](const at::Tensor& gradient, auto rate, double decay) {
    using T = decltype(rate);
    const at::Tensor g = gradient.contiguous();
    at::parallel_for(0, g.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
      Update<T>(coefficients, end - begin, g.const_data_ptr<T>() + begin, rate, static_cast<T>(decay),
                m_.mutable_data_ptr<T>() + offset + begin, s_.mutable_data_ptr<T>() + offset + begin,
                parameters.mutable_data_ptr<T>() + offset + begin);
    });
  };
  for (size_t i = 0; i < gradients.size(); ++i) {
    CHECK(gradients[i].scalar_type() == dtype) << gradients[i].scalar_type();
    CHECK_LE(offset + gradients[i].numel(), parameters.numel());
    if (dtype == at::kDouble) {
      update(gradients[i], rates[i], decays[i]);
    } else {
      update(gradients[i], static_cast<float>(rates[i]), decays[i]);
    }
    offset += gradients[i].numel();
  }
  CHECK_EQ(offset, parameters.numel());
}

}  // namespace gbmoa
