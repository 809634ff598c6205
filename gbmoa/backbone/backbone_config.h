// The shape of a pretrained encoder, from its Hugging Face config.json.
#ifndef GBMOA_BACKBONE_BACKBONE_CONFIG_H_
#define GBMOA_BACKBONE_BACKBONE_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gbmoa/backbone/backbone_config.pb.h"

namespace gbmoa {

// Reads FOLDER/config.json of a BERT or RoBERTa encoder. The configuration's name is the folder's. A field that is
// absent has the default of Hugging Face's BertConfig or RobertaConfig; model_type must be there.
// Errors: NotFound; DataLoss "PATH: FIELD: what" for a field that has another type or does not fit; Unimplemented for
// another kind of model, activation or position embedding, or for a decoder.
absl::StatusOr<BackboneConfig> ReadBackboneConfig(const std::string& folder);

// The same from the text of a config.json that errors call `path`.
absl::StatusOr<BackboneConfig> ParseBackboneConfig(absl::string_view path, absl::string_view text);

// Whether the numbers make an encoder: all positive and below generous limits, the width divisible by the heads, the
// positions more than their offset, the padding inside the vocabulary. For configurations from any source.
// Errors: InvalidArgument "FIELD: what".
absl::Status ValidateBackboneConfig(const BackboneConfig& config);

// Tokens that fit into one sequence, special ones included.
inline int MaxSequenceTokens(const BackboneConfig& config) {
  return config.max_position_embeddings() - config.position_offset();
}

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_BACKBONE_CONFIG_H_
