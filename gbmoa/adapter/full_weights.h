// Every weight of the encoder as φ: full fine-tuning and MAML-FT.
#ifndef GBMOA_ADAPTER_FULL_WEIGHTS_H_
#define GBMOA_ADAPTER_FULL_WEIGHTS_H_

#include "gbmoa/adapter/adaptation_method.h"

namespace gbmoa {

// The slices are the backbone's tensors under their checkpoint names; they start at the pretrained values. One task at
// a time (B = 1): tasks with different weights share no product.
class FullWeights : public AdaptationMethod {
 public:
  void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const override;
  void Initialize(const Transformer& transformer, const ParameterLayout& layout, const RandomStream& stream,
                  at::Tensor& phi) const override;
  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const override;
  bool trains_backbone() const override { return true; }
};

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_FULL_WEIGHTS_H_
