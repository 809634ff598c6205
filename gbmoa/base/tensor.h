// Names at::Tensor and nothing else. For headers that only pass tensors on; sources include gbmoa/base/torch.h.

#ifndef GBMOA_BASE_TENSOR_H_
#define GBMOA_BASE_TENSOR_H_

#include <ATen/core/Tensor.h>
#include <glog/logging.h>

#endif  // GBMOA_BASE_TENSOR_H_
