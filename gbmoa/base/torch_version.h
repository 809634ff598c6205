// Which LibTorch the program was compiled against.
#ifndef GBMOA_BASE_TORCH_VERSION_H_
#define GBMOA_BASE_TORCH_VERSION_H_

namespace gbmoa {

// "2.11.0"
const char* TorchVersion();

}  // namespace gbmoa

#endif  // GBMOA_BASE_TORCH_VERSION_H_
