// CHECK_SHAPE(x, {B, T, D}): dies with both shapes when a tensor has not the shape that the code relies on.
#ifndef GBMOA_BASE_SHAPE_H_
#define GBMOA_BASE_SHAPE_H_

#include <initializer_list>

#include "gbmoa/base/torch.h"

#define CHECK_SHAPE(tensor, ...)                                                         \
  CHECK((tensor).sizes() == at::IntArrayRef(std::initializer_list<int64_t> __VA_ARGS__)) \
      << #tensor " has shape " << (tensor).sizes() << ", wanted " #__VA_ARGS__ " = "     \
      << at::IntArrayRef(std::initializer_list<int64_t> __VA_ARGS__)

#endif  // GBMOA_BASE_SHAPE_H_
