#include "gbmoa/adapter/bottleneck_adapter.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/grouped_linear.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

constexpr int kSlicesPerSlot = 4;  // down.weight, down.bias, up.weight, up.bias

class AdapterHooks : public EncoderHooks {
 public:
  explicit AdapterHooks(std::vector<at::Tensor> slices) : slices_(std::move(slices)) {}

  at::Tensor AfterSublayer(int layer, Sublayer sublayer, const at::Tensor& x, const PackedBatch& batch) const override {
    const at::Tensor* slot = &slices_[kSlicesPerSlot * (2 * layer + (sublayer == Sublayer::kFeedForward ? 1 : 0))];
    const at::Tensor z = at::relu(GroupedLinear(x, slot[0], slot[1], batch.task_tokens));  // [N, M]
    return x + GroupedLinear(z, slot[2], slot[3], batch.task_tokens);                      // [N, D]
  }

 private:
  std::vector<at::Tensor> slices_;
};

}  // namespace

void BottleneckAdapter::AddSlices(const BackboneConfig& config, ParameterLayout& layout) const {
  const int64_t d = config.hidden_size(), m = bottleneck_dim_;
  for (int i = 0; i < config.num_hidden_layers(); ++i) {
    for (const char* sublayer : {"attention", "feed_forward"}) {
      const std::string prefix = absl::StrCat("layer.", i, ".", sublayer, ".adapter.");
      layout.Add(prefix + "down.weight", {m, d});
      layout.Add(prefix + "down.bias", {m});
      layout.Add(prefix + "up.weight", {d, m});
      layout.Add(prefix + "up.bias", {d});
    }
  }
}

void BottleneckAdapter::Initialize(const Transformer&, const ParameterLayout& layout, const RandomStream& stream,
                                   at::Tensor& phi) const {
  for (size_t i = 0; i < layout.slices().size(); i += kSlicesPerSlot) {
    const ParameterLayout::Slice& down = layout.slices()[i];
    if (down.group == ParameterGroup::kHead) break;
    FillNormal(layout, static_cast<int>(i), 1 / std::sqrt(static_cast<double>(down.shape[1])), stream, phi);
  }
}

std::unique_ptr<EncoderHooks> BottleneckAdapter::Bind(std::vector<at::Tensor> slices) const {
  return std::make_unique<AdapterHooks>(std::move(slices));
}

}  // namespace gbmoa
