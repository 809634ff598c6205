// Nothing added: the frozen encoder with its task head.
#ifndef GBMOA_ADAPTER_FROZEN_H_
#define GBMOA_ADAPTER_FROZEN_H_

#include "gbmoa/adapter/adaptation_method.h"

namespace gbmoa {

class Frozen : public AdaptationMethod {
 public:
  void AddSlices(const BackboneConfig&, ParameterLayout&) const override {}
  void Initialize(const Transformer&, const ParameterLayout&, const RandomStream&, at::Tensor&) const override {}
  std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor>) const override {
    return std::make_unique<EncoderHooks>();
  }
};

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_FROZEN_H_
