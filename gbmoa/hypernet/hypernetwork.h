// ψ: from a task's support features to the start of its adapters (paper §3.2).
#ifndef GBMOA_HYPERNET_HYPERNETWORK_H_
#define GBMOA_HYPERNET_HYPERNETWORK_H_

#include <vector>

#include "gbmoa/base/parameter_layout.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/tensor.h"

namespace gbmoa {

struct HypernetworkOptions {
  // How the generator serves all adapters: kShared applies one small generator to each slot, kFull has a last layer as
  // long as all adapters together (paper §3.2 read literally; docs/reading_the_paper.md, "size of H"). With D = 384 and
  // 12 slots that is 77 M numbers instead of 6.6 M, and a meta-step of two tasks peaks at 2.2 GB instead of 0.64.
  enum class Kind { kShared, kFull };
  Kind kind = Kind::kShared;
  int64_t feature_dim = 384;         // D, of the frozen features that the task encoder reads
  int64_t task_embedding_dim = 128;  // E
  int64_t task_encoder_heads = 4;
  int64_t task_encoder_hidden = 256;  // of its feed-forward sublayer
  bool use_task_embedding = true;     // false: e is one learned constant (Table 2, "w/o Task Embedding")
  int64_t slots = 12;                 // adapters, 2 L
  int64_t slot_embedding_dim = 64;    // Z; of kShared
  int64_t hidden_dim = 128;           // h, between the generator's two linear layers
  int64_t bottleneck_dim = 64;        // M
  // The last layer's weight is this share of the usual uniform(-1/√h, 1/√h): the generated adapters begin near the
  // identity, yet differ by task enough to have a gradient.
  double near_identity_scale = 0.01;
};

// The task encoder E and the generator H, as pure functions of the flat vector ψ [Q].
//
//   e = E(S): each support example's frozen feature, projected to E dimensions, one transformer layer over the set
//       (post-norm, no positions, no labels), mean over the set
//   φ₀,slot = H([e, z_slot]): two linear layers with ReLU between, shared by all slots; z_slot is learned (kShared)
//   φ₀ = H(e): the same two layers once, the last one to the numbers of all slots (kFull)
//
// φ₀ of all slots in a row is the body of φ in BottleneckAdapter's layout. An object is options and a layout: it costs
// nothing to make one of any size and ask how many numbers ψ would have.
class Hypernetwork {
 public:
  explicit Hypernetwork(const HypernetworkOptions& options);

  const ParameterLayout& layout() const { return layout_; }  // of ψ
  int64_t slot_size() const { return slot_size_; }           // 2 M D + M + D

  // The last layer's bias is the standard adapter start (down-projection at full scale, up-projection 0); with kFull
  // each slot has random numbers of its own. [Q], float32.
  at::Tensor Initialize(const RandomStream& stream) const;

  // features [n, D]: unit-scale frozen features of B tasks' support examples; offsets [B + 1]. Returns e, [B, E].
  at::Tensor EmbedTasks(const at::Tensor& psi, const at::Tensor& features, const std::vector<int64_t>& offsets) const;
  // Returns φ₀, [B, slots · slot_size].
  at::Tensor Generate(const at::Tensor& psi, const at::Tensor& features, const std::vector<int64_t>& offsets) const;

 private:
  // ψ is split once for both parts: each split's backward writes a gradient of ψ's size.
  at::Tensor EmbedTasksOf(const std::vector<at::Tensor>& parts, const at::Tensor& features,
                          const std::vector<int64_t>& offsets) const;

  HypernetworkOptions options_;
  int64_t slot_size_;
  ParameterLayout layout_;
};

}  // namespace gbmoa

#endif  // GBMOA_HYPERNET_HYPERNETWORK_H_
