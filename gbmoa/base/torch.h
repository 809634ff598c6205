// The LibTorch headers we need, then glog: the one order that works, because both define LOG and CHECK.
//
// Gives at:: operators and Tensor methods, torch::autograd::grad, torch::autograd::Function, at::NoGradGuard,
// at::AutoGradMode, c10::InferenceMode and at::parallel_for. Never include <torch/torch.h>: it takes three times as long
// to parse.

#ifndef GBMOA_BASE_TORCH_H_
#define GBMOA_BASE_TORCH_H_

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <glog/logging.h>

#endif  // GBMOA_BASE_TORCH_H_
