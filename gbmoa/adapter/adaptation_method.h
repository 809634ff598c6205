// What distinguishes one way of adapting a frozen encoder from another: which numbers are trained, how they start, and
// where the encoder reads them. A baseline is one of these and a registration.
#ifndef GBMOA_ADAPTER_ADAPTATION_METHOD_H_
#define GBMOA_ADAPTER_ADAPTATION_METHOD_H_

#include <memory>
#include <utility>
#include <vector>

#include "gbmoa/backbone/transformer.h"
#include "gbmoa/base/parameter_layout.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

class AdaptationMethod {
 public:
  virtual ~AdaptationMethod() = default;

  // Appends the method's slices to φ's layout; the task head follows them.
  virtual void AddSlices(const BackboneConfig& config, ParameterLayout& layout) const = 0;

  // Writes the method's usual start into phi, [P] float32 or float64, zero on entry.
  virtual void Initialize(const Transformer& transformer, const ParameterLayout& layout, const RandomStream& stream,
                          at::Tensor& phi) const = 0;

  // The encoder's hooks for φ: `slices` are the method's own, [B, shape...] each, in AddSlices's order.
  virtual std::unique_ptr<EncoderHooks> Bind(std::vector<at::Tensor> slices) const = 0;
  // The same for a training step. Whatever is random in it (dropout) is a function of `stream`, the step's own.
  virtual std::unique_ptr<EncoderHooks> BindTraining(std::vector<at::Tensor> slices, const RandomStream& stream) const {
    return Bind(std::move(slices));
  }

  // Soft prompt tokens before each sequence.
  virtual int64_t prompt_tokens() const { return 0; }
  // Gradients of weights cost as much again as those of activations; true if the backbone's weights are trained.
  virtual bool trains_backbone() const { return false; }
};

// Writes normal(0, sd) numbers of the stream into one slice of phi [P].
void FillNormal(const ParameterLayout& layout, int slice, double sd, const RandomStream& stream, at::Tensor& phi);

}  // namespace gbmoa

#endif  // GBMOA_ADAPTER_ADAPTATION_METHOD_H_
