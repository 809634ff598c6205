// The weights of a pretrained encoder, from its Hugging Face checkpoint.
#ifndef GBMOA_BACKBONE_CHECKPOINT_H_
#define GBMOA_BACKBONE_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/backbone/encoder_weights.h"

namespace gbmoa {

// Reads FOLDER/model.safetensors as float32 or, where there is none, the files of the same folder that the weight_map
// of FOLDER/model.safetensors.index.json names. Tensors may be float32, float16, bfloat16 or float64, and have the
// names of BertModel or RobertaModel, with or without the prefix "bert." or "roberta." of the configuration's family;
// LayerNorm.gamma and .beta are LayerNorm.weight and .bias. Tensors that the encoder does not have (pooler, heads, tied
// or not, buffers such as position_ids) are left alone; `unused`, if given, gets their names, ascending, and a log line
// says how many there are.
//
// Tensors are converted one after the other, and the file's pages are given back: the peak is the encoder in float32
// and one tensor more.
//
// Errors: NotFound; DataLoss for a damaged file, or one that names every tensor that is missing, has another shape or
// type than `config` wants, or holds NaN or infinity; for a checkpoint of the other family; for an index that is
// malformed, names a shard that is no plain file name, or puts tensors where they are not, all of them at once; for a
// tensor in two shards.
absl::StatusOr<EncoderWeights> LoadEncoderWeights(const std::string& folder, const BackboneConfig& config,
                                                  std::vector<std::string>* unused = nullptr);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_CHECKPOINT_H_
