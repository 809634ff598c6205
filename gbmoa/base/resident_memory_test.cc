#include "gbmoa/base/resident_memory.h"

#include <cstring>
#include <memory>

#include "gtest/gtest.h"

namespace gbmoa {
namespace {

// The kernel brings its counts up to date every 64 pages, those of files and others apart.
constexpr int64_t kSlack = 1 << 20;

TEST(ResidentMemoryTest, PeakRemembersWhatIsGoneUntilItIsReset) {
  constexpr int64_t kSize = 64 << 20;
  const int64_t before = ResidentBytes();
  ASSERT_GT(before, 0);
  {
    const std::unique_ptr<char[]> block(new char[kSize]);
    std::memset(block.get(), 1, kSize);
    EXPECT_GT(ResidentBytes(), before + kSize - kSlack);
  }
  EXPECT_LT(ResidentBytes(), before + kSize / 2);  // so large a block goes back at once
  EXPECT_GT(PeakResidentBytes(), before + kSize - kSlack);
  if (!ResetPeakResident()) GTEST_SKIP() << "the kernel does not reset peaks here";
  EXPECT_LT(PeakResidentBytes(), before + kSize / 2);
}

}  // namespace
}  // namespace gbmoa
