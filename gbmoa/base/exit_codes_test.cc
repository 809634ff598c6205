#include "gbmoa/base/exit_codes.h"

#include "gtest/gtest.h"

namespace gbmoa {
namespace {

// The codes that the documentation promises, so that a change of the table cannot pass unseen.
TEST(ExitCodesTest, AreStable) {
  const struct {
    absl::StatusCode code;
    int exit_code;
  } kCases[] = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInvalidArgument, 64},
      {absl::StatusCode::kFailedPrecondition, 64},
      {absl::StatusCode::kAlreadyExists, 64},
      {absl::StatusCode::kUnimplemented, 64},
      {absl::StatusCode::kDataLoss, 65},
      {absl::StatusCode::kOutOfRange, 65},
      {absl::StatusCode::kNotFound, 66},
      {absl::StatusCode::kInternal, 70},
      {absl::StatusCode::kResourceExhausted, 71},
      {absl::StatusCode::kUnknown, 74},
      {absl::StatusCode::kPermissionDenied, 74},
      {absl::StatusCode::kUnauthenticated, 74},
      {absl::StatusCode::kCancelled, 75},
      {absl::StatusCode::kUnavailable, 76},
      {absl::StatusCode::kDeadlineExceeded, 76},
      {absl::StatusCode::kAborted, 77},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ExitCode(absl::Status(c.code, "why")), c.exit_code) << absl::StatusCodeToString(c.code);
  }
}

}  // namespace
}  // namespace gbmoa
