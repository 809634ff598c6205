// Tiny BERT and RoBERTa encoders against another implementation, the Hugging Face one
// (tools/golden/random_encoders.py): its config.json and checkpoint are loaded; hidden states, the gradient of every
// weight, and second derivatives.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/backbone/packed_batch.h"
#include "gbmoa/backbone/transformer.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/torch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using torch::autograd::grad;

at::Tensor Read(const SafetensorsView& view) {
  const std::map<SafetensorsDtype, at::ScalarType> kTypes = {{SafetensorsDtype::kFloat64, at::kDouble},
                                                             {SafetensorsDtype::kFloat32, at::kFloat},
                                                             {SafetensorsDtype::kInt64, at::kLong},
                                                             {SafetensorsDtype::kUint8, at::kByte}};
  at::Tensor tensor = at::empty(at::IntArrayRef(view.shape.data(), view.shape.size()), kTypes.at(view.dtype));
  std::memcpy(tensor.mutable_data_ptr(), view.data.data(), view.data.size());
  return tensor;
}

template <typename T>
std::vector<T> ToVector(const at::Tensor& tensor, at::ScalarType type) {
  const at::Tensor values = tensor.to(type).contiguous();
  return std::vector<T>(values.const_data_ptr<T>(), values.const_data_ptr<T>() + values.numel());
}

struct Golden {
  Batch batch;
  at::Tensor hidden, direction;                // [N, D] float64
  std::map<std::string, at::Tensor> gradient;  // by the weight's name, float64
};

// The test's parameter is the folder's name.
class RandomEncoderTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    // Bazel's manifest knows files only.
    const absl::StatusOr<std::string> config =
        RunfilePath(std::string("gbmoa/gbmoa/backbone/testdata/random_encoders/") + GetParam() + "/config.json");
    ASSERT_THAT(config, IsOk());
    folder_ = config->substr(0, config->rfind('/'));
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(JoinPath(folder_, "golden.safetensors"));
    ASSERT_THAT(file, IsOk());
    std::map<std::string, at::Tensor> tensors;
    for (const SafetensorsView& view : file->tensors()) tensors[std::string(view.name)] = Read(view);
    golden_.batch.tokens.ids = ToVector<int32_t>(tensors.at("ids"), at::kInt);
    golden_.batch.tokens.type_ids = ToVector<int32_t>(tensors.at("type_ids"), at::kInt);
    golden_.batch.tokens.offsets = ToVector<int64_t>(tensors.at("offsets"), at::kLong);
    ASSERT_EQ(golden_.batch.tokens.num_sequences(), 5);
    golden_.hidden = tensors.at("hidden");
    golden_.direction = tensors.at("direction").to(at::kDouble);
    const std::string prefix = "gradient.";
    for (const auto& [name, tensor] : tensors) {
      if (name.rfind(prefix, 0) == 0) golden_.gradient[name.substr(prefix.size())] = tensor.to(at::kDouble);
    }
  }

  std::shared_ptr<const Backbone> Load(Precision precision) const {
    absl::StatusOr<std::shared_ptr<const Backbone>> backbone = Backbone::Load(folder_, precision);
    EXPECT_THAT(backbone, IsOk());
    return backbone.ok() ? *std::move(backbone) : nullptr;
  }

  // The sum of hidden states times direction.
  at::Tensor Loss(const Backbone& backbone, const EncoderHooks& hooks, at::Tensor* hidden = nullptr) const {
    const at::ScalarType type = backbone.transformer().dtype();
    const absl::StatusOr<PackedBatch> packed = PackBatch({&golden_.batch}, backbone.config(), 1, 0, type);
    CHECK(packed.ok()) << packed.status();
    const at::Tensor states = backbone.transformer().Forward(*packed, hooks);  // [N, D]
    if (hidden != nullptr) *hidden = states.detach();
    return (states * golden_.direction.to(type)).sum();
  }

  std::string folder_;
  Golden golden_;
};

// The errors allowed are norms of differences over norms.
struct Tolerances {
  Precision precision;
  double hidden, gradient;
};
constexpr Tolerances kTolerances[] = {
    // Three layers of sums in another order, each a few units of 6e-8: measured are 4.3e-7 and 1.8e-6.
    {Precision::kFloat32, 2e-6, 1e-5},
    // "gelu_fast" has a constant that is 4e-12 off; gradients are stored in float32, so rounded by up to 6e-8. Measured
    // are 5.5e-13 (without "gelu_fast" 1e-15) and 3.6e-8.
    {Precision::kFloat64, 4e-12, 1e-7},
};

TEST_P(RandomEncoderTest, HiddenStates) {
  for (const Tolerances& tolerances : kTolerances) {
    const std::shared_ptr<const Backbone> backbone = Load(tolerances.precision);
    ASSERT_NE(backbone, nullptr);
    const at::NoGradGuard no_grad;
    at::Tensor hidden;
    Loss(*backbone, EncoderHooks(), &hidden);
    const double error = RelativeError(hidden, golden_.hidden);
    EXPECT_LE(error, tolerances.hidden);
    std::printf("%s: hidden states %.1e\n", at::toString(hidden.scalar_type()), error);
  }
}

// The encoder's weights as leaves.
class LeafHooks : public EncoderHooks {
 public:
  explicit LeafHooks(EncoderWeights weights) : weights_(std::move(weights)) {
    ForEachTensor(weights_, [&](const std::string& name, at::Tensor& tensor) {
      tensor = tensor.detach().clone().set_requires_grad(true);
      names.push_back(name);
      leaves.push_back(tensor);
    });
  }
  const EncoderWeights* weights() const override { return &weights_; }

  std::vector<std::string> names;
  std::vector<at::Tensor> leaves;

 private:
  EncoderWeights weights_;
};

TEST_P(RandomEncoderTest, GradientOfEveryWeight) {
  for (const Tolerances& tolerances : kTolerances) {
    const std::shared_ptr<const Backbone> backbone = Load(tolerances.precision);
    ASSERT_NE(backbone, nullptr);
    const LeafHooks hooks(backbone->transformer().weights());
    at::Tensor hidden;
    const std::vector<at::Tensor> gradients = grad({Loss(*backbone, hooks, &hidden)}, hooks.leaves);
    EXPECT_LE(RelativeError(hidden, golden_.hidden), tolerances.hidden);
    ASSERT_EQ(gradients.size(), golden_.gradient.size());
    double worst = 0;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const std::string& name = hooks.names[i];
      ASSERT_EQ(golden_.gradient.count(name), 1u) << name;
      const at::Tensor& expected = golden_.gradient.at(name);
      ASSERT_EQ(gradients[i].sizes(), expected.sizes()) << name;
      // Attention does not see the keys' bias: its gradient is 0, and what rounding leaves is measured against the
      // queries'.
      std::string measure = name;
      const size_t key = name.find("key.bias");
      if (key != std::string::npos) measure.replace(key, 8, "query.bias");
      const double scale = golden_.gradient.at(measure).norm().item<double>();
      ASSERT_GT(scale, 0) << name;
      const double error = (gradients[i] - expected).norm().item<double>() / scale;
      EXPECT_LE(error, tolerances.gradient) << name;
      worst = std::max(worst, error);
    }
    std::printf("%s: worst gradient %.1e\n", at::toString(hidden.scalar_type()), worst);
  }
}

// A vector that is added to each sublayer's output, as a method with few parameters does.
class ShiftHooks : public EncoderHooks {
 public:
  explicit ShiftHooks(at::Tensor shifts) : shifts_(std::move(shifts)) {}
  at::Tensor AfterSublayer(int layer, Sublayer sublayer, const at::Tensor& x, const PackedBatch&) const override {
    return x + shifts_[2 * layer + (sublayer == Sublayer::kFeedForward ? 1 : 0)];
  }

 private:
  at::Tensor shifts_;  // [2 L, D]
};

// The product of the Hessian by those shifts with a vector, through the frozen weights' own kernels.
TEST_P(RandomEncoderTest, HessianVectorProductAgreesWithCentralDifference) {
  const std::shared_ptr<const Backbone> exact = Load(Precision::kFloat64), rounded = Load(Precision::kFloat32);
  ASSERT_NE(exact, nullptr);
  ASSERT_NE(rounded, nullptr);
  const int64_t slots = 2 * exact->config().num_hidden_layers(), width = exact->config().hidden_size();
  const at::Tensor at_point = 0.1 * RandomNormal({slots, width}, 1), direction = RandomNormal({slots, width}, 2);
  const auto gradient = [&](const Backbone& backbone, const at::Tensor& shifts, bool create_graph) {
    return grad({Loss(backbone, ShiftHooks(shifts))}, {shifts}, {}, create_graph, create_graph)[0];
  };
  const auto product = [&](const Backbone& backbone) {
    const at::ScalarType type = backbone.transformer().dtype();
    const at::Tensor shifts = at_point.to(type, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(true);
    return grad({gradient(backbone, shifts, true)}, {shifts}, {direction.to(type)})[0];
  };
  const at::Tensor exact_product = product(*exact);
  ASSERT_GT(exact_product.norm().item<double>(), 1e-3);
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const auto at_step = [&](double step) {
    return gradient(*exact, (at_point + step * direction).set_requires_grad(true), false);
  };
  // h = 6e-6: the error is h² = 4e-11 times third derivatives over first ones, and eps / h = 4e-11 times them.
  EXPECT_LE(RelativeError((at_step(h) - at_step(-h)) / (2 * h), exact_product), 1e-7);
  // float32 through both passes.
  EXPECT_LE(RelativeError(product(*rounded), exact_product), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, RandomEncoderTest,
                         ::testing::Values("bert_gelu", "bert_gelu_new", "bert_relu", "roberta_gelu",
                                           "roberta_gelu_fast"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace gbmoa
