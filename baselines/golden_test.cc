// The baselines against the libraries that people use for them (tools/golden/methods.py): transformers, peft and
// AdapterHub, with the same numbers in the same places.
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

constexpr int kClasses = 3;
constexpr int64_t kScheduledSteps = 4;

class Golden {
 public:
  explicit Golden(const std::string& family) {
    const absl::StatusOr<std::string> path =
        RunfilePath(absl::StrCat("gbmoa/baselines/testdata/", family, "_methods.safetensors"));
    CHECK(path.ok()) << path.status();
    absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(*path);
    CHECK(file.ok()) << file.status();
    file_ = std::make_unique<SafetensorsFile>(*std::move(file));
    const absl::StatusOr<BackboneConfig> config = ParseBackboneConfig(family, file_->metadata().at("config"));
    CHECK(config.ok()) << config.status();
    EncoderWeights weights;
    weights.layers.resize(config->num_hidden_layers());
    ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) { tensor = Get("parameter/" + name); });
    backbone_ = Backbone::FromWeights(*config, std::move(weights), Precision::kFloat32);

    batch_.num_classes = kClasses;
    for (const int64_t id : Integers("ids")) batch_.tokens.ids.push_back(static_cast<int32_t>(id));
    for (const int64_t type : Integers("type_ids")) batch_.tokens.type_ids.push_back(static_cast<int32_t>(type));
    batch_.tokens.offsets = Integers("offsets");
    batch_.labels = Integers("labels");
  }

  // float32, float64 or int64, as stored.
  at::Tensor Get(const std::string& name) const {
    const SafetensorsView* view = file_->Find(name);
    CHECK(view != nullptr) << name;
    at::ScalarType type = at::kLong;
    if (view->dtype == SafetensorsDtype::kFloat32) type = at::kFloat;
    if (view->dtype == SafetensorsDtype::kFloat64) type = at::kDouble;
    at::Tensor tensor = at::empty(at::IntArrayRef(view->shape.data(), view->shape.size()), type);
    CHECK_EQ(tensor.nbytes(), view->data.size()) << name;
    std::memcpy(tensor.mutable_data_ptr(), view->data.data(), view->data.size());
    return tensor;
  }

  std::vector<std::string> NamesUnder(const std::string& prefix) const {
    std::vector<std::string> names;
    for (const SafetensorsView& view : file_->tensors()) {
      if (absl::StartsWith(view.name, prefix)) names.push_back(std::string(view.name.substr(prefix.size())));
    }
    return names;
  }

  const std::shared_ptr<const Backbone>& backbone() const { return backbone_; }
  const Batch& batch() const { return batch_; }

 private:
  std::vector<int64_t> Integers(const std::string& name) const {
    const at::Tensor values = Get(name);
    return std::vector<int64_t>(values.const_data_ptr<int64_t>(), values.const_data_ptr<int64_t>() + values.numel());
  }

  std::unique_ptr<SafetensorsFile> file_;
  std::shared_ptr<const Backbone> backbone_;
  Batch batch_;
};

struct Method {
  const char *name, *learner;
  LearnerOptions options;
};

const std::vector<Method>& Methods() {
  static const std::vector<Method>* methods = new std::vector<Method>{
      {"full", "full_finetuning", {}},
      {"adapters_relu", "adapter_tuning", {{"bottleneck_dim", "4"}}},
      {"adapters_swish_norms",
       "adapter_tuning",
       {{"bottleneck_dim", "4"}, {"activation", "swish"}, {"train_layer_norms", "true"}}},
      {"lora", "lora", {{"lora_rank", "2"}, {"lora_alpha", "3"}}},
      {"lora_all",
       "lora",
       {{"lora_rank", "2"},
        {"lora_alpha", "3"},
        {"lora_targets", "query,key,value,attention_output,intermediate,output"}}},
      {"prompt", "prompt_tuning", {{"prompt_tokens", "3"}}},
  };
  return *methods;
}

void ExpectEqualsTheLibrary(const Golden& golden, const Method& method, const std::string& head) {
  const std::string prefix = absl::StrCat(method.name, ".", head, "/");
  LearnerOptions options = method.options;
  options.insert({{"head", head},
                  {"learning_rate", "0.01"},
                  {"head_learning_rate", "0.01"},
                  {"weight_decay", "0.01"},
                  {"decay", "matrices"},
                  {"schedule", "linear"},
                  {"warm_up", "0.25"},
                  {"clip_norm", "1"}});
  const auto learner = LearnerRegistry::Global().Create(method.learner, golden.backbone(), options);
  ASSERT_THAT(learner, IsOk());
  const auto& finetuning = dynamic_cast<const FinetuningLearner&>(**learner);
  const auto model = std::make_shared<const AdaptedEncoder>(golden.backbone(), finetuning.method(), kClasses,
                                                            finetuning.options().head);
  const absl::StatusOr<PackedBatch> packed = model->Pack({&golden.batch()});
  ASSERT_THAT(packed, IsOk());

  std::vector<at::Tensor> leaves, flat;
  for (const ParameterLayout::Slice& slice : model->layout().slices()) {
    const at::Tensor values = golden.Get("parameter/" + slice.name);
    ASSERT_EQ(values.sizes(), at::IntArrayRef(slice.shape)) << slice.name;
    leaves.push_back(values.unsqueeze(0).clone().requires_grad_());
    flat.push_back(values.reshape({-1}));
  }
  const at::Tensor phi = at::cat(flat).unsqueeze(0);  // [1, P]

  const at::Tensor logits = model->Logits(leaves, *packed);
  const at::Tensor loss = AdaptedEncoder::Losses(logits, *packed).sum();
  // float32 through two layers of sums in another order: measured below 2e-6.
  EXPECT_LT(RelativeError(logits, golden.Get(prefix + "logits")), 1e-5);
  const at::Tensor losses = golden.Get(prefix + "losses");
  EXPECT_NEAR(loss.item<double>() / losses[0].item<double>(), 1, 1e-5);

  // What was trained there is what is trained here, and every gradient is the same: measured below 6e-6, where terms of
  // both signs cancel.
  const std::vector<at::Tensor> gradients = torch::autograd::grad({loss}, leaves);
  const std::vector<std::string> trained = golden.NamesUnder(prefix + "gradient/");
  EXPECT_EQ(trained.size(), gradients.size());
  double squares = 0;
  for (const std::string& name : trained) {
    squares += golden.Get(prefix + "gradient/" + name).square().sum().item<double>();
  }
  EXPECT_GT(squares, 1) << "nothing is clipped";
  for (size_t i = 0; i < gradients.size(); ++i) {
    const std::string& name = model->layout().slices()[i].name;
    const at::Tensor expected = golden.Get(prefix + "gradient/" + name).unsqueeze(0);
    if (absl::EndsWith(name, "attention.self.key.bias")) {
      // A bias of the keys adds the same number to all scores of a query: its gradient is zero but for rounding.
      EXPECT_LT(MaxAbsError(gradients[i], expected), 1e-6) << name;
    } else {
      EXPECT_LT(RelativeError(gradients[i], expected), 3e-5) << name;
    }
  }

  // Warm-up, clipping, decay, AdamW. A gradient that is zero but for rounding moves its parameter by a whole rate, up
  // or down, and has no effect on the loss.
  FinetuningSteps steps(model, finetuning.options(), phi, kScheduledSteps);
  for (int64_t step = 0; step < losses.size(0); ++step) {
    const FinetuningSteps::Outcome outcome = steps.Step(*packed);
    ASSERT_TRUE(outcome.finite);
    EXPECT_NEAR(outcome.loss / losses[step].item<double>(), 1, 1e-5) << "step " << step;
  }
  EXPECT_GT(std::abs(losses[0].item<double>() / losses[losses.size(0) - 1].item<double>() - 1), 1e-3) << "no step";

  const auto restored = (*learner)->Restore(kClasses, model->layout().ToMap(phi[0]));
  ASSERT_THAT(restored, IsOk());
  const absl::StatusOr<std::vector<float>> restored_logits = (*restored)->Logits(golden.batch());
  ASSERT_THAT(restored_logits, IsOk());
  EXPECT_LT(RelativeError(at::tensor(*restored_logits).view({-1, kClasses}), golden.Get(prefix + "logits")), 1e-5);
}

TEST(Golden, EveryMethodEqualsTheLibrariesOnBertAndRoberta) {
  for (const char* family : {"bert", "roberta"}) {
    const Golden golden(family);
    int cases = 0;
    for (const Method& method : Methods()) {
      for (const char* head : {"tanh", "unit_mean"}) {
        if (golden.NamesUnder(absl::StrCat(method.name, ".", head, "/")).empty()) continue;
        SCOPED_TRACE(absl::StrCat(family, " ", method.name, " ", head));
        ExpectEqualsTheLibrary(golden, method, head);
        ++cases;
      }
    }
    EXPECT_EQ(cases, family == std::string("bert") ? 12 : 11);
  }
}

TEST(Golden, SchedulesEqualTheLibrarys) {
  const Golden golden("bert");
  using Schedule = FinetuningOptions::Schedule;
  for (const auto& [kind, schedule] :
       {std::make_pair("linear/", Schedule::kLinear), std::make_pair("constant/", Schedule::kConstant)}) {
    const std::vector<std::string> names = golden.NamesUnder(kind);
    EXPECT_EQ(names.size(), 5u);
    for (const std::string& name : names) {  // STEPS/SHARE
      const std::vector<std::string> parts = absl::StrSplit(name, '/');
      FinetuningOptions options;
      options.schedule = schedule;
      ASSERT_TRUE(absl::SimpleAtod(parts[1], &options.warm_up));
      const at::Tensor expected = golden.Get(kind + name);
      for (int64_t step = 0; step < expected.size(0); ++step) {
        // The same float64 arithmetic.
        EXPECT_DOUBLE_EQ(RateFactor(options, step, expected.size(0)), expected[step].item<double>())
            << kind << name << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace gbmoa
