// A pretrained, frozen encoder that everybody shares. No LibTorch in this header.
#ifndef GBMOA_BACKBONE_BACKBONE_H_
#define GBMOA_BACKBONE_BACKBONE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

class Transformer;
struct EncoderWeights;

// The type of the frozen products; all else is float32 (float64 with kFloat64, which tests use).
enum class Precision { kFloat32, kBFloat16, kFloat64 };
// "fp32", "bf16", "fp64". Errors: InvalidArgument.
absl::StatusOr<Precision> ParsePrecision(const std::string& name);
// bfloat16 where the processor multiplies it natively (AVX512-BF16), else float32.
Precision FastestPrecision();

class Backbone {
 public:
  // Reads config.json and model.safetensors, or its shards. Errors: NotFound, DataLoss (each names file and place).
  static absl::StatusOr<std::shared_ptr<const Backbone>> Load(const std::string& folder, Precision precision);
  static std::shared_ptr<const Backbone> FromWeights(const BackboneConfig& config, EncoderWeights weights,
                                                     Precision precision);
  // For counting parameters of any size: config() and num_parameters() answer, Encode is FailedPrecondition, and
  // whatever else needs numbers dies.
  static std::shared_ptr<const Backbone> WithoutWeights(const BackboneConfig& config);
  ~Backbone();

  const BackboneConfig& config() const { return config_; }
  const Transformer& transformer() const;  // CHECKs that there are weights
  Precision precision() const { return precision_; }
  int64_t num_parameters() const;
  // A hash of the bytes of every weight, as given and as multiplied with: equal before and after, or something that
  // should be frozen was not.
  uint64_t Fingerprint() const;

  // Last hidden states of the frozen encoder, [N, D] row-major. Errors: InvalidArgument for ids out of range;
  // FailedPrecondition without weights.
  absl::StatusOr<std::vector<float>> Encode(const PackedTokens& tokens) const;

 private:
  Backbone(const BackboneConfig& config, Precision precision);

  BackboneConfig config_;
  Precision precision_;
  std::unique_ptr<const Transformer> transformer_;  // null without weights
};

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_BACKBONE_H_
