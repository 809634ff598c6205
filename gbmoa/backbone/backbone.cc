#include "gbmoa/backbone/backbone.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/checkpoint.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/backbone/packed_batch.h"
#include "gbmoa/backbone/transformer.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/torch.h"
#include "gbmoa/base/torch_status.h"

namespace gbmoa {
namespace {

at::ScalarType ProductType(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return at::kFloat;
    case Precision::kBFloat16:
      return at::kBFloat16;
    case Precision::kFloat64:
      return at::kDouble;
  }
  return at::kFloat;
}

}  // namespace

absl::StatusOr<Precision> ParsePrecision(const std::string& name) {
  if (name == "fp32") return Precision::kFloat32;
  if (name == "bf16") return Precision::kBFloat16;
  if (name == "fp64") return Precision::kFloat64;
  return absl::InvalidArgumentError(absl::StrCat("unknown precision '", name, "'; known: fp32, bf16, fp64"));
}

Precision FastestPrecision() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16")) return Precision::kBFloat16;
#endif
  return Precision::kFloat32;
}

Backbone::Backbone(const BackboneConfig& config, Precision precision) : config_(config), precision_(precision) {}

Backbone::~Backbone() = default;

absl::StatusOr<std::shared_ptr<const Backbone>> Backbone::Load(const std::string& folder, Precision precision) {
  GBMOA_ASSIGN_OR_RETURN(const BackboneConfig config, ReadBackboneConfig(folder));
  GBMOA_ASSIGN_OR_RETURN(EncoderWeights weights, LoadEncoderWeights(folder, config));
  return FromWeights(config, std::move(weights), precision);
}

std::shared_ptr<const Backbone> Backbone::FromWeights(const BackboneConfig& config, EncoderWeights weights,
                                                      Precision precision) {
  if (precision == Precision::kFloat64) {
    ForEachTensor(weights, [](const std::string&, at::Tensor& tensor) { tensor = tensor.to(at::kDouble); });
  }
  std::shared_ptr<Backbone> backbone(new Backbone(config, precision));
  backbone->transformer_ = std::make_unique<const Transformer>(config, std::move(weights), ProductType(precision));
  return backbone;
}

std::shared_ptr<const Backbone> Backbone::WithoutWeights(const BackboneConfig& config) {
  return std::shared_ptr<const Backbone>(new Backbone(config, Precision::kFloat32));
}

const Transformer& Backbone::transformer() const {
  CHECK(transformer_ != nullptr) << config_.name() << " was made without weights";
  return *transformer_;
}

int64_t Backbone::num_parameters() const { return CountParameters(config_); }

uint64_t Backbone::Fingerprint() const {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a over 2-byte words, the smallest type here
  const auto add = [&](const at::Tensor& tensor) {
    const at::Tensor bytes = tensor.contiguous();
    const auto* words = static_cast<const uint16_t*>(bytes.const_data_ptr());
    for (size_t i = 0; i < bytes.nbytes() / 2; ++i) hash = (hash ^ words[i]) * 0x100000001b3ULL;
  };
  EncoderWeights weights = transformer().weights();
  ForEachTensor(weights, [&](const std::string&, at::Tensor& tensor) { add(tensor); });
  transformer().ForEachProductWeight(add);
  return hash;
}

absl::StatusOr<std::vector<float>> Backbone::Encode(const PackedTokens& tokens) const {
  if (transformer_ == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(config_.name(), " was made without weights"));
  }
  Batch batch;
  batch.tokens = tokens;
  GBMOA_ASSIGN_OR_RETURN(const PackedBatch packed,
                         PackBatch({&batch}, config_, /*max_classes=*/1, /*prompt_tokens=*/0, transformer_->dtype()));
  std::vector<float> hidden;
  GBMOA_RETURN_IF_ERROR(CatchTorch([&] {
    const c10::InferenceMode inference;
    const at::Tensor states = transformer_->Forward(packed, EncoderHooks()).to(at::kFloat).contiguous();  // [N, D]
    hidden.assign(states.const_data_ptr<float>(), states.const_data_ptr<float>() + states.numel());
    return absl::OkStatus();
  }));
  return hidden;
}

}  // namespace gbmoa
