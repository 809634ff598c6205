#include "gbmoa/base/atomic_folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AtomicFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/atomic_folder_testXXXXXX");
    ASSERT_NE(mkdtemp(&name[0]), nullptr);
    folder_ = name;
  }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }

  std::set<std::string> Names(const std::string& name = "") const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Path(name)))
      names.insert(entry.path().filename().string());
    return names;
  }

  std::string folder_;
};

TEST_F(AtomicFolderTest, AppearsWhole) {
  ASSERT_EQ(mkdir(Path("empty").c_str(), 0700), 0);
  for (const std::string name : {"new", "slash/", "empty"}) {
    absl::StatusOr<AtomicFolder> folder = AtomicFolder::Create(Path(name));
    ASSERT_THAT(folder, IsOk()) << name;
    ASSERT_THAT(WriteFileAtomically(JoinPath(folder->path(), "file"), "text"), IsOk());
    EXPECT_EQ(FileExists(Path(name)), name == "empty");
    EXPECT_THAT(folder->Commit(), IsOk()) << name;
    EXPECT_THAT(Names(name), ElementsAre("file")) << name;
  }
  EXPECT_THAT(Names(), ElementsAre("empty", "new", "slash"));
}

TEST_F(AtomicFolderTest, LeavesNothingUnlessCommitted) {
  {
    absl::StatusOr<AtomicFolder> folder = AtomicFolder::Create(Path("new"));
    ASSERT_THAT(folder, IsOk());
    const AtomicFolder moved = *std::move(folder);
    ASSERT_THAT(WriteFileAtomically(JoinPath(moved.path(), "file"), "text"), IsOk());
    ASSERT_EQ(mkdir(JoinPath(moved.path(), "inner").c_str(), 0700), 0);
  }
  EXPECT_THAT(Names(), IsEmpty());
}

// After a kill the next process may have the same number, as in a container.
TEST_F(AtomicFolderTest, GoesAroundWhatAKilledRunLeft) {
  absl::StatusOr<AtomicFolder> first = AtomicFolder::Create(Path("first"));
  ASSERT_THAT(first, IsOk());
  const std::string left = first->path();
  const int number = std::stoi(left.substr(left.rfind('.') + 1));
  for (const int next : {1, 2}) {
    ASSERT_EQ(mkdir(Path(absl::StrCat("new.tmp.", getpid(), ".", number + next)).c_str(), 0700), 0);
  }
  absl::StatusOr<AtomicFolder> folder = AtomicFolder::Create(Path("new"));
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->path(), Path(absl::StrCat("new.tmp.", getpid(), ".", number + 3)));
  EXPECT_THAT(folder->Commit(), IsOk());
}

TEST_F(AtomicFolderTest, TakesNobodysPlace) {
  ASSERT_EQ(mkdir(Path("full").c_str(), 0700), 0);
  ASSERT_THAT(WriteFileAtomically(Path("full/file"), "old"), IsOk());
  for (const std::string name : {"full", "full/", "full/file"}) {
    EXPECT_THAT(AtomicFolder::Create(Path(name)),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Path(name) + ": exists already")));
  }
  EXPECT_THAT(AtomicFolder::Create(Path("none/new")),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("none/new: cannot write: No such file or directory")));
  // Somebody fills the place while we write.
  absl::StatusOr<AtomicFolder> late = AtomicFolder::Create(Path("late"));
  ASSERT_THAT(late, IsOk());
  ASSERT_EQ(mkdir(Path("late").c_str(), 0700), 0);
  ASSERT_THAT(WriteFileAtomically(Path("late/theirs"), "theirs"), IsOk());
  EXPECT_THAT(late->Commit(), StatusIs(absl::StatusCode::kUnknown, HasSubstr("late: cannot rename")));
  EXPECT_THAT(Names("late"), ElementsAre("theirs"));
}

}  // namespace
}  // namespace gbmoa
