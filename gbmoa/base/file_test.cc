#include "gbmoa/base/file.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/file_testXXXXXX");
    ASSERT_NE(mkdtemp(&name[0]), nullptr);
    folder_ = name;
  }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    DIR* dir = opendir(folder_.c_str());
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
    return names;
  }

  std::string folder_;
};

TEST_F(FileTest, WritesAndReads) {
  for (const size_t size : {0u, 1u, 4096u, 1'000'003u}) {
    std::string contents(size, '\0');
    for (size_t i = 0; i < size; ++i) contents[i] = static_cast<char>(i * 7919 >> 3);
    ASSERT_THAT(WriteFileAtomically(Path("x"), contents), IsOk());
    EXPECT_THAT(ReadFile(Path("x"), size), IsOkAndHolds(contents));
    const absl::StatusOr<MappedFile> mapped = MappedFile::Open(Path("x"));
    ASSERT_THAT(mapped, IsOk());
    EXPECT_EQ(mapped->data(), contents);
  }
  EXPECT_THAT(Names(), ElementsAre("x"));
}

TEST_F(FileTest, ReadsPipes) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const pid_t child = fork();
  if (child == 0) {
    FILE* pipe = fopen(Path("pipe").c_str(), "w");
    for (int i = 0; i < 100'000; ++i) fputs("ab", pipe);
    fclose(pipe);
    _exit(0);
  }
  const absl::StatusOr<std::string> contents = ReadFile(Path("pipe"), 1 << 20);
  ASSERT_THAT(contents, IsOk());
  EXPECT_EQ(contents->size(), 200'000u);
}

TEST_F(FileTest, ReadErrors) {
  EXPECT_THAT(ReadFile(Path("none"), 10),
              StatusIs(absl::StatusCode::kNotFound, Path("none") + ": cannot open: No such file or directory"));
  EXPECT_THAT(MappedFile::Open(Path("none")), StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path("none"))));
  EXPECT_THAT(ReadFile(folder_, 1 << 30), StatusIs(absl::StatusCode::kUnknown, HasSubstr("Is a directory")));
  EXPECT_THAT(MappedFile::Open(folder_), StatusIs(absl::StatusCode::kUnknown, HasSubstr("not a regular file")));
  ASSERT_THAT(WriteFileAtomically(Path("x"), "12345"), IsOk());
  EXPECT_THAT(ReadFile(Path("x"), 5), IsOk());
  EXPECT_THAT(ReadFile(Path("x"), 4),
              StatusIs(absl::StatusCode::kOutOfRange, Path("x") + ": longer than the limit of 4 bytes"));
  // No size to see beforehand.
  EXPECT_THAT(ReadFile("/dev/zero", 100), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("limit of 100 bytes")));
  EXPECT_THAT(ReadFile(Path("x") + "/y", 5), StatusIs(absl::StatusCode::kNotFound, HasSubstr("Not a directory")));
}

// A missing folder of an output must not look like a missing input.
TEST_F(FileTest, WriteErrors) {
  EXPECT_THAT(WriteFileAtomically(Path("none/x"), "a"),
              StatusIs(absl::StatusCode::kUnknown, Path("none/x") + ": cannot write: No such file or directory"));
  EXPECT_THAT(WriteFileAtomically(folder_, "a"), StatusIs(absl::StatusCode::kUnknown, HasSubstr("Is a directory")));
  EXPECT_THAT(WriteFileAtomically("/proc/x", "a"), StatusIs(absl::StatusCode::kUnknown, HasSubstr("/proc/x")));
  EXPECT_THAT(Names(), IsEmpty());
}

// The disk is full in the middle: the old file stays, the new one leaves no trace.
TEST_F(FileTest, NothingIsWrittenHalf) {
  ASSERT_THAT(WriteFileAtomically(Path("x"), "old"), IsOk());
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit low = {1000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &low);
  const absl::Status status = WriteFileAtomically(Path("x"), std::string(2000, 'n'));
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown, Path("x") + ": cannot write: File too large"));
  EXPECT_THAT(ReadFile(Path("x"), 10), IsOkAndHolds(std::string("old")));
  EXPECT_THAT(Names(), ElementsAre("x"));
}

TEST_F(FileTest, UncommittedFilesGo) {
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(Path("x"));
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Append("half"), IsOk());
    EXPECT_FALSE(FileExists(Path("x")));
    EXPECT_EQ(Names().size(), 1u);
    AtomicFile moved = *std::move(file);
    EXPECT_EQ(Names().size(), 1u);
  }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST(PathTest, Join) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("a", "/b"), "/b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
}

TEST(PathTest, UserPath) {
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(UserPath("a"), "a");
  setenv("BUILD_WORKING_DIRECTORY", "/somewhere", 1);
  EXPECT_EQ(UserPath("a"), "/somewhere/a");
  EXPECT_EQ(UserPath("/a"), "/a");
  EXPECT_EQ(UserPath("-"), "-");
  EXPECT_EQ(UserPath(""), "");
  unsetenv("BUILD_WORKING_DIRECTORY");
}

}  // namespace
}  // namespace gbmoa
