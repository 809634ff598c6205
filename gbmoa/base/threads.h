// Threads inside one LibTorch operation, apart from the threads that run whole jobs.
#ifndef GBMOA_BASE_THREADS_H_
#define GBMOA_BASE_THREADS_H_

namespace gbmoa {

// Sets how many threads an operation that is called from this thread may use. A worker of a job pool calls it with 1.
void SetIntraOpThreads(int threads);

}  // namespace gbmoa

#endif  // GBMOA_BASE_THREADS_H_
