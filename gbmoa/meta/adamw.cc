#include "gbmoa/meta/adamw.h"

#include <cmath>

#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

struct Coefficients {
  double beta1, beta2, correction1, correction2, epsilon, weight_decay;
};

template <typename T>
inline __attribute__((always_inline)) T Root(T x) {
  if constexpr (sizeof(T) == sizeof(float)) return __builtin_sqrtf(x);
  return __builtin_sqrt(x);
}

// One pass over memory for all of a step: with an operator for each term, full fine-tuning would spend more time here
// than in its products. The attribute makes GCC vectorize; nobody looks at sqrt's errno. kOneRate: rates has one
// number.
template <typename T, bool kOneRate>
__attribute__((optimize("O3", "no-math-errno", "no-trapping-math"))) void Update(const Coefficients& c, int64_t count,
                                                                                 const T* __restrict gradient,
                                                                                 const T* __restrict rates,
                                                                                 T* __restrict m, T* __restrict s,
                                                                                 T* __restrict parameters) {
  const T keep1 = static_cast<T>(c.beta1), take1 = static_cast<T>(1 - c.beta1);
  const T keep2 = static_cast<T>(c.beta2), take2 = static_cast<T>(1 - c.beta2);
  const T scale1 = static_cast<T>(1 / c.correction1), scale2 = static_cast<T>(1 / std::sqrt(c.correction2));
  const T epsilon = static_cast<T>(c.epsilon), decay = static_cast<T>(c.weight_decay), one_rate = rates[0];
  for (int64_t i = 0; i < count; ++i) {
    const T g = gradient[i], rate = kOneRate ? one_rate : rates[i];
    m[i] = keep1 * m[i] + take1 * g;
    s[i] = keep2 * s[i] + take2 * g * g;
    parameters[i] -= rate * (decay * parameters[i] + scale1 * m[i] / (scale2 * Root(s[i]) + epsilon));
  }
}

}  // namespace

void AdamW::StartStep(const at::Tensor& parameters) {
  CHECK(parameters.is_contiguous());
  CHECK(parameters.scalar_type() == at::kFloat || parameters.scalar_type() == at::kDouble) << parameters.scalar_type();
  if (!m_.defined()) {
    m_ = at::zeros_like(parameters);
    s_ = at::zeros_like(parameters);
  }
  ++steps_;
}

void AdamW::UpdateStretch(at::Tensor& parameters, int64_t offset, const at::Tensor& gradient, const at::Tensor& rates) {
  const at::ScalarType dtype = parameters.scalar_type();
  CHECK(gradient.scalar_type() == dtype && rates.scalar_type() == dtype);
  CHECK(rates.numel() == 1 || rates.numel() == gradient.numel()) << rates.sizes();
  CHECK_LE(offset + gradient.numel(), parameters.numel());
  const Coefficients coefficients = {options_.beta1,
                                     options_.beta2,
                                     1 - std::pow(options_.beta1, steps_),
                                     1 - std::pow(options_.beta2, steps_),
                                     options_.epsilon,
                                     options_.weight_decay};
  const at::Tensor g = gradient.contiguous(), r = rates.contiguous();
  const bool one_rate = r.numel() == 1;
  const auto update = [&](auto zero) {
    using T = decltype(zero);
    const auto run = one_rate ? Update<T, true> : Update<T, false>;
    at::parallel_for(0, gradient.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
      run(coefficients, end - begin, g.const_data_ptr<T>() + begin, r.const_data_ptr<T>() + (one_rate ? 0 : begin),
          m_.mutable_data_ptr<T>() + offset + begin, s_.mutable_data_ptr<T>() + offset + begin,
          parameters.mutable_data_ptr<T>() + offset + begin);
    });
  };
  if (dtype == at::kDouble) {
    update(double{});
  } else {
    update(float{});
  }
}

void AdamW::Step(at::Tensor& parameters, const at::Tensor& gradient, const at::Tensor& rates) {
  const at::NoGradGuard no_grad;
  CHECK(parameters.sizes() == gradient.sizes()) << parameters.sizes() << " against " << gradient.sizes();
  StartStep(parameters);
  UpdateStretch(parameters, 0, gradient, rates);
}

void AdamW::Step(at::Tensor& parameters, const std::vector<at::Tensor>& gradients, const std::vector<double>& rates) {
  const at::NoGradGuard no_grad;
  CHECK_EQ(gradients.size(), rates.size());
  StartStep(parameters);
  int64_t offset = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    UpdateStretch(parameters, offset, gradients[i], at::scalar_tensor(rates[i], parameters.scalar_type()));
    offset += gradients[i].numel();
  }
  CHECK_EQ(offset, parameters.numel());
}

}  // namespace gbmoa
