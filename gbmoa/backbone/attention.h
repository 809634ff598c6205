// Multi-head self-attention over packed sequences, differentiable twice.
#ifndef GBMOA_BACKBONE_ATTENTION_H_
#define GBMOA_BACKBONE_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// [S + 1], ascending from 0 to N: sequence s is rows offsets[s] ... offsets[s + 1] - 1 of a packed tensor. Shared and
// immutable, because a backward pass needs it after its caller is gone.
using SequenceOffsets = std::shared_ptr<const std::vector<int64_t>>;

// CHECKs that `offsets` starts at 0 and does not descend.
SequenceOffsets MakeSequenceOffsets(std::vector<int64_t> offsets);

// softmax(Q Kᵀ / sqrt(dim)) V of every head within every sequence; no row sees another sequence's.
//
// q, k, v    [N, D] on the CPU, all float32 or all float64. Rows may be apart, as in slices of one [N, 3 D] product.
// num_heads  head h is columns h dim ... (h + 1) dim - 1, dim = D / num_heads.
// Returns [N, D].
//
// First and second derivatives are exact (formulas in attention.cc), including second derivatives with respect to the
// incoming gradient, so that a Jacobian-vector product can be taken as the gradient of a gradient; asked for alone, it
// takes about half of the time. Differentiating a third time throws c10::Error. Forward-mode differentiation is not
// supported. Probabilities are computed again in each backward pass: memory is O(N D).
//
// The result does not depend on the number of threads. A NaN or infinity spoils its own sequence only.
// CHECKs shapes and types.
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const SequenceOffsets& offsets, int64_t num_heads);

}  // namespace gbmoa

#endif  // GBMOA_BACKBONE_ATTENTION_H_
