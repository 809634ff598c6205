// Parameters as one flat vector with a layout that knows each tensor's slice. The inner loop, the solvers and
// checkpoints see the vector; the model sees the slices. Both φ (a task's parameters) and ψ (the meta-parameters) are
// such vectors.
#ifndef GBMOA_BASE_PARAMETER_LAYOUT_H_
#define GBMOA_BASE_PARAMETER_LAYOUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gbmoa/base/tensor.h"

namespace gbmoa {

// Learning rates differ by group, and parameter counts are reported by group.
enum class ParameterGroup { kBody, kHead };

class ParameterLayout {
 public:
  struct Slice {
    std::string name;
    std::vector<int64_t> shape;
    int64_t offset = 0;
    int64_t size = 0;
    ParameterGroup group = ParameterGroup::kBody;
  };

  // Appends a slice and returns its index. CHECKs that the name is new and the shape positive.
  int Add(const std::string& name, const std::vector<int64_t>& shape, ParameterGroup group = ParameterGroup::kBody);

  const std::vector<Slice>& slices() const { return slices_; }
  int64_t size() const { return size_; }
  int64_t size(ParameterGroup group) const;
  // CHECKs that the name exists.
  int IndexOf(const std::string& name) const;

  // The slices of `flat` as views: [P] -> [shape...] each, or [B, P] -> [B, shape...] each. One split, so the gradient
  // of all slices together is one concatenation.
  std::vector<at::Tensor> Split(const at::Tensor& flat) const;

  // The vector [P] that holds `body` and `head` in the places of their groups.
  at::Tensor ByGroup(double body, double head, at::ScalarType dtype) const;

  // A flat vector's slices by name, as float32.
  std::map<std::string, std::vector<float>> ToMap(const at::Tensor& flat) const;

 private:
  std::vector<Slice> slices_;
  std::map<std::string, int> index_;
  int64_t size_ = 0;
};

}  // namespace gbmoa

#endif  // GBMOA_BASE_PARAMETER_LAYOUT_H_
