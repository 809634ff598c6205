#include "gbmoa/base/runfiles.h"

#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

TEST(RunfilesTest, FindsTheBundledBackbone) {
  const absl::StatusOr<std::string> folder = BundledBackboneFolder();
  ASSERT_THAT(folder, IsOk());
  for (const std::string name : {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"}) {
    EXPECT_TRUE(FileExists(JoinPath(*folder, name))) << name;
  }
}

TEST(RunfilesTest, NamesWhatIsMissing) {
  EXPECT_THAT(RunfilePath("gbmoa/no/such/file"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gbmoa/no/such/file: no such runfile")));
}

}  // namespace
}  // namespace gbmoa
