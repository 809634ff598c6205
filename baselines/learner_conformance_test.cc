// Every learner that is linked, the baselines and GB-MOA, through the conformance suite on a tiny random encoder.
#include "gbmoa/task/learner_conformance.h"

#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {

const ConformanceBackbone& GetConformanceBackbone() {
  static const ConformanceBackbone* made = [] {
    const BackboneConfig config = BertOfSizes({50, 16, 2, 2, 32, 64});
    auto* result = new ConformanceBackbone;
    result->backbone = Backbone::FromWeights(config, LivelyEncoderWeights(config, 1), Precision::kFloat32);
    result->fingerprint = [backbone = result->backbone] { return backbone->Fingerprint(); };
    result->num_parameters = result->backbone->num_parameters();
    result->vocab_size = config.vocab_size();
    result->max_tokens = config.max_position_embeddings();
    return result;
  }();
  return *made;
}

}  // namespace gbmoa
