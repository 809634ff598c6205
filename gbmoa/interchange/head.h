// What the formats share: task heads, and the README.md of a folder that we write.
#ifndef GBMOA_INTERCHANGE_HEAD_H_
#define GBMOA_INTERCHANGE_HEAD_H_

#include <string>

#include "absl/status/status.h"
#include "gbmoa/interchange/format.h"
#include "gbmoa/interchange/tensors.h"

namespace gbmoa {

// Names of the libraries' modules: "bert" or "roberta", and as a prefix "bert." or "roberta.".
std::string FamilyName(const BackboneConfig& config);
std::string FamilyPrefix(const BackboneConfig& config);

// "encoder.layer.I."
std::string LayerPrefix(int layer);

// A parameter of the task. CHECKs that it is there.
const std::vector<float>& ParameterOf(const SavedTask& task, const std::string& name);

// Labels "0", "1", ... for `num_classes` classes.
void NumberLabels(int64_t num_classes, SavedTask& task);

// Takes W, b and, with a name, U, u of a tanh head from a library's file into the task's parameters, whose labels
// become numbers. Without `dense` the dense layer is the backbone's own pooler. Names are without ".weight" and
// ".bias". Errors: those of the pooler: FailedPrecondition if the backbone has none.
absl::Status TakeTanhHead(const std::string& dense, const std::string& output, const InterchangeBackbone& backbone,
                          TensorReader& reader, SavedTask& task);
// The other way round.
void AddTanhHead(const SavedTask& task, const std::string& dense, const std::string& output, TensorWriter& writer);

// head.json: {"head": "unit_mean" | "tanh", "labels": [...], "formula"}, and head.safetensors for a head unit_mean. The
// libraries do not look at either.
absl::Status WriteOwnHead(const SavedTask& task, int64_t width, const std::string& folder);
bool HasOwnHead(const std::string& folder);
// Reads what WriteOwnHead wrote: the labels, and for unit_mean the head, which is then in the parameters;
// `is_unit_mean` tells. Errors: DataLoss.
absl::Status ReadOwnHead(const std::string& folder, int64_t width, SavedTask& task, bool* is_unit_mean);

// README.md: what the folder is, and `load`, the lines of Python that make `model` from `backbone` and `folder`. They
// are followed by those that make `logits` from `texts`; `forward` are the ones of them that run the model: they give
// `logits` for a head tanh, `hidden` [n, T, D] without a prompt's positions for unit_mean.
absl::Status WriteReadme(const SavedTask& task, const std::string& library, const std::string& load,
                         const std::string& forward, const std::string& folder);

}  // namespace gbmoa

#endif  // GBMOA_INTERCHANGE_HEAD_H_
