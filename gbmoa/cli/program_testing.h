// For tests that run the gbmoa program as a user would.
#ifndef GBMOA_CLI_PROGRAM_TESTING_H_
#define GBMOA_CLI_PROGRAM_TESTING_H_

#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gtest/gtest.h"

namespace gbmoa {

struct Outcome {
  int exit_code;
  std::string out, error;
};

// Has a folder of its own, and in it an empty one, "work", where the program runs.
class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<std::string> program = RunfilePath("gbmoa/gbmoa/cli/gbmoa");
    ASSERT_THAT(program, IsOk());
    program_ = *program;
    std::string folder = absl::StrCat(::testing::TempDir(), "/gbmoaXXXXXX");
    ASSERT_NE(mkdtemp(&folder[0]), nullptr);
    folder_ = folder;
    std::filesystem::create_directory(Path("work"));
  }

  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }
  std::string Make(const std::string& name, absl::string_view contents) const {
    EXPECT_THAT(WriteFileAtomically(Path(name), contents), IsOk());
    return Path(name);
  }
  std::set<std::string> Names(const std::string& name) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Path(name))) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  // `before` ("ulimit -f 1; ") and `arguments` go through the shell.
  Outcome Run(const std::string& arguments, const std::string& before = "") const {
    const int status = system(absl::StrCat("cd ", Path("work"), " && ", before, program_, " ", arguments, " >",
                                           Path("stdout"), " 2>", Path("stderr"))
                                  .c_str());
    const absl::StatusOr<std::string> out = ReadFile(Path("stdout"), 1 << 30);
    const absl::StatusOr<std::string> error = ReadFile(Path("stderr"), 1 << 30);
    EXPECT_THAT(out, IsOk());
    EXPECT_THAT(error, IsOk());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, *out, *error};
  }

  std::string program_, folder_;
};

}  // namespace gbmoa

#endif  // GBMOA_CLI_PROGRAM_TESTING_H_
