#include "gbmoa/base/sha256.h"

#include <string>

#include "gbmoa/base/file.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

TEST(Sha256Test, AgreesWithFipsExamplesAndCoreutils) {
  const struct {
    std::string bytes, hash;
  } kCases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",  // 56 bytes: the length no longer fits the block
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(64, 'a'), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},  // sha256sum
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Sha256Hex(c.bytes), c.hash) << c.bytes.size() << " bytes";
    Sha256 pieces;
    for (size_t i = 0; i < c.bytes.size(); i += 37) pieces.Update(absl::string_view(c.bytes).substr(i, 37));
    EXPECT_EQ(pieces.Finish(), c.hash) << c.bytes.size() << " bytes in pieces of 37";
  }
}

TEST(Sha256Test, HashesFiles) {
  const std::string path = testing::TempDir() + "/sha256_test.txt";
  ASSERT_TRUE(WriteFileAtomically(path, "abc").ok());
  EXPECT_EQ(*Sha256HexOfFile(path), Sha256Hex("abc"));
  EXPECT_EQ(Sha256HexOfFile(path + ".missing").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace gbmoa
