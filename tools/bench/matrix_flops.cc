#include "tools/bench/matrix_flops.h"

#include <atomic>
#include <memory>

#include "absl/strings/string_view.h"
#include "gbmoa/base/torch.h"
// After torch.h: it is LibTorch's, too.
#include <ATen/record_function.h>

namespace gbmoa {
namespace {

// The operations that all others, linear and matmul among them, end in; the names are those of the dispatcher.
struct Operation {
  const char* name;
  int left;  // which argument is the left matrix; the right one follows
};
constexpr Operation kProducts[] = {
    {"aten::mm", 0},     {"aten::bmm", 0},     {"aten::addmm", 1},    {"aten::addmm_", 1},
    {"aten::addbmm", 1}, {"aten::baddbmm", 1}, {"aten::baddbmm_", 1},
};

std::atomic<int64_t> multiplications{0};
std::atomic<bool> watching{false};

std::unique_ptr<at::ObserverContext> OnOperation(const at::RecordFunction& operation) {
  const absl::string_view name = operation.name();
  for (const Operation& product : kProducts) {
    if (name != product.name) continue;
    const at::Tensor& left = operation.inputs()[product.left].toTensor();
    const at::Tensor& right = operation.inputs()[product.left + 1].toTensor();
    multiplications += left.numel() * right.size(-1);
  }
  return nullptr;
}

}  // namespace

MatrixFlopCounter::MatrixFlopCounter() {
  CHECK(!watching.exchange(true)) << "a second MatrixFlopCounter";
  multiplications = 0;
  handle_ = at::addGlobalCallback(
      at::RecordFunctionCallback(&OnOperation).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

MatrixFlopCounter::~MatrixFlopCounter() {
  at::removeCallback(handle_);
  watching = false;
}

double MatrixFlopCounter::flops() const { return 2.0 * static_cast<double>(multiplications.load()); }

}  // namespace gbmoa
