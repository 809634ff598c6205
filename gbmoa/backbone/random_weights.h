// Encoders with random weights, for tests, benchmarks and counting.
#ifndef GBMOA_BACKBONE_RANDOM_WEIGHTS_H_
#define GBMOA_BACKBONE_RANDOM_WEIGHTS_H_

#include <cstdint>

#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

// Normal with standard deviation 0.02, as BERT starts, around 1 for layer norm's weights and 0 for all else; biases
// too, so that no test can pass by leaving them out. A function of (config, seed): both types get the same numbers,
// rounded. dtype is kFloat or kDouble.
EncoderWeights RandomEncoderWeights(const BackboneConfig& config, uint64_t seed, at::ScalarType dtype = at::kFloat);

// The same with everything but layer norms ten times as large: with 0.02 a random encoder of width 8 or 16 hardly
// depends on its input.
EncoderWeights LivelyEncoderWeights(const BackboneConfig& config, uint64_t seed, at::ScalarType dtype = at::kFloat);

struct EncoderSizes {
  int vocabulary, width, layers, heads, feed_forward, positions;
};

// A BERT of these sizes: exact GELU, two token types, layer norm's eps 1e-12.
BackboneConfig BertOfSizes(const EncoderSizes& sizes);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_RANDOM_WEIGHTS_H_
