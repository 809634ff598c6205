#include "gbmoa/base/parameter_layout.h"

#include "gbmoa/base/torch.h"

namespace gbmoa {

int ParameterLayout::Add(const std::string& name, const std::vector<int64_t>& shape, ParameterGroup group) {
  int64_t size = 1;
  for (const int64_t extent : shape) {
    CHECK_GT(extent, 0) << name;
    size *= extent;
  }
  const int index = static_cast<int>(slices_.size());
  CHECK(index_.emplace(name, index).second) << "two slices named " << name;
  slices_.push_back({name, shape, size_, size, group});
  size_ += size;
  return index;
}

int64_t ParameterLayout::size(ParameterGroup group) const {
  int64_t size = 0;
  for (const Slice& slice : slices_) size += slice.group == group ? slice.size : 0;
  return size;
}

int ParameterLayout::IndexOf(const std::string& name) const {
  const auto found = index_.find(name);
  CHECK(found != index_.end()) << "no slice named " << name;
  return found->second;
}

std::vector<at::Tensor> ParameterLayout::Split(const at::Tensor& flat) const {
  CHECK(flat.dim() == 1 || flat.dim() == 2) << flat.dim();
  CHECK_EQ(flat.size(-1), size_);
  std::vector<int64_t> sizes;
  for (const Slice& slice : slices_) sizes.push_back(slice.size);
  std::vector<at::Tensor> parts = flat.split_with_sizes(sizes, -1);
  for (size_t i = 0; i < parts.size(); ++i) {
    std::vector<int64_t> shape = slices_[i].shape;
    if (flat.dim() == 2) shape.insert(shape.begin(), flat.size(0));
    parts[i] = parts[i].reshape(shape);  // [shape...] or [B, shape...]
  }
  return parts;
}

at::Tensor ParameterLayout::ByGroup(double body, double head, at::ScalarType dtype) const {
  at::Tensor values = at::empty({size_}, dtype);
  for (const Slice& slice : slices_) {
    values.narrow(0, slice.offset, slice.size).fill_(slice.group == ParameterGroup::kHead ? head : body);
  }
  return values;
}

std::map<std::string, std::vector<float>> ParameterLayout::ToMap(const at::Tensor& flat) const {
  CHECK_EQ(flat.dim(), 1);
  CHECK_EQ(flat.size(0), size_);
  const at::Tensor values = flat.detach().to(at::kFloat).contiguous();
  const float* data = values.const_data_ptr<float>();
  std::map<std::string, std::vector<float>> map;
  for (const Slice& slice : slices_) {
    map[slice.name] = std::vector<float>(data + slice.offset, data + slice.offset + slice.size);
  }
  return map;
}

}  // namespace gbmoa
