#include "gbmoa/base/grouped_digits.h"

#include "gtest/gtest.h"

namespace gbmoa {
namespace {

TEST(GroupedDigitsTest, ThreesFromTheRight) {
  EXPECT_EQ(GroupedDigits(0), "0");
  EXPECT_EQ(GroupedDigits(999), "999");
  EXPECT_EQ(GroupedDigits(1000), "1,000");
  EXPECT_EQ(GroupedDigits(123456), "123,456");
  EXPECT_EQ(GroupedDigits(6343680), "6,343,680");
}

}  // namespace
}  // namespace gbmoa
