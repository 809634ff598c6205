// The LibTorch headers we need, and glog; all of our code includes this one instead of its parts, so that LOG and CHECK
// mean glog's everywhere.
//
// Gives at:: operators and Tensor methods, torch::autograd::grad, torch::autograd::Function, at::NoGradGuard,
// at::AutoGradMode, c10::InferenceMode and at::parallel_for. Never include <torch/torch.h>: it takes twice as long to
// parse (12 s).

#ifndef GBMOA_BASE_TORCH_H_
#define GBMOA_BASE_TORCH_H_

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <glog/logging.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#endif  // GBMOA_BASE_TORCH_H_
