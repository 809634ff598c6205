// How much memory this process has in RAM.
#ifndef GBMOA_BASE_RESIDENT_MEMORY_H_
#define GBMOA_BASE_RESIDENT_MEMORY_H_

#include <cstdint>

namespace gbmoa {

// Now; 0 where the kernel does not say.
int64_t ResidentBytes();

// At most so far, or since ResetPeakResident.
int64_t PeakResidentBytes();

// Makes the peak what is resident now. False where the kernel does not offer it; the peak is then as it was.
bool ResetPeakResident();

}  // namespace gbmoa

#endif  // GBMOA_BASE_RESIDENT_MEMORY_H_
