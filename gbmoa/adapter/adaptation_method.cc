#include "gbmoa/adapter/adaptation_method.h"

#include "gbmoa/base/torch.h"

namespace gbmoa {

void FillNormal(const ParameterLayout& layout, int slice, double sd, const RandomStream& stream, at::Tensor& phi) {
  const ParameterLayout::Slice& range = layout.slices()[slice];
  const RandomStream own = stream.Substream(slice);
  at::Tensor values = at::empty({range.size}, at::kDouble);
  double* data = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < range.size; ++i) data[i] = sd * own.Normal(i);
  phi.narrow(0, range.offset, range.size).copy_(values);
}

}  // namespace gbmoa
