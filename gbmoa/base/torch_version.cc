#include "gbmoa/base/torch_version.h"

#include <torch/headeronly/version.h>

namespace gbmoa {

const char* TorchVersion() { return TORCH_VERSION; }

}  // namespace gbmoa
