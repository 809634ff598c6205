#include "gbmoa/base/threads.h"

#include "gbmoa/base/torch.h"

namespace gbmoa {

void SetIntraOpThreads(int threads) {
  CHECK_GT(threads, 0);
  at::set_num_threads(threads);
}

}  // namespace gbmoa
