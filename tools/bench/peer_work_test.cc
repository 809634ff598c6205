// Runs the program as a user would: its lines, exit codes and messages.
#include <stdlib.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int exit_code;
  std::string out, error;
};

class PeerWorkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto program = RunfilePath("gbmoa/tools/bench/peer_work");
    const auto episodes = RunfilePath("gbmoa/tools/bench/testdata/episodes.jsonl");
    const auto model = BundledBackboneFolder();
    ASSERT_THAT(program, IsOk());
    ASSERT_THAT(episodes, IsOk());
    ASSERT_THAT(model, IsOk());
    program_ = *program;
    episodes_ = *episodes;
    model_ = *model;
    std::string folder = absl::StrCat(::testing::TempDir(), "/peer_work_testXXXXXX");
    ASSERT_NE(mkdtemp(&folder[0]), nullptr);
    folder_ = folder;
  }

  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }
  std::string Make(const std::string& name, absl::string_view contents) const {
    EXPECT_THAT(WriteFileAtomically(Path(name), contents), IsOk());
    return Path(name);
  }

  // A folder that is the bundled encoder's but for one file: empty contents leave it out.
  std::string ModelWith(const std::string& name, const std::string& contents) const {
    const std::string folder = Path(absl::StrCat("model_with_", contents.empty() ? "out_" : "", name));
    EXPECT_EQ(system(absl::StrCat("mkdir ", folder, " && ln -s $(realpath ", model_, ")/* ", folder, " && rm ", folder,
                                  "/", name)
                         .c_str()),
              0);
    if (!contents.empty()) {
      EXPECT_THAT(WriteFileAtomically(JoinPath(folder, name), contents), IsOk());
    }
    return folder;
  }

  Outcome Run(const std::string& arguments) const {
    const int status = system(
        absl::StrCat("cd ", folder_, " && ", program_, " ", arguments, " >", Path("stdout"), " 2>", Path("stderr"))
            .c_str());
    const auto out = ReadFile(Path("stdout"), 1 << 20);
    const auto error = ReadFile(Path("stderr"), 1 << 20);
    EXPECT_THAT(out, IsOk());
    EXPECT_THAT(error, IsOk());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, *out, *error};
  }
  Outcome Measure(const std::string& arguments) const {
    return Run(absl::StrCat("--model=", model_, " --episodes=", episodes_, " --threads=1 --repeat=1 ", arguments));
  }

  std::string program_, episodes_, model_, folder_;
};

TEST_F(PeerWorkTest, PrintsALineForEachMeasurement) {
  const Outcome outcome = Measure("--only=adapter,fomaml:1,imaml:2");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.error;
  EXPECT_EQ(outcome.error, "");
  const std::vector<std::string> lines = absl::StrSplit(outcome.out, '\n');
  ASSERT_EQ(lines.size(), 4u) << outcome.out;
  EXPECT_EQ(lines[3], "");
  const nlohmann::json works[] = {"adapter", "fomaml", "imaml"}, ks[] = {nullptr, 1, 2};
  for (int i = 0; i < 3; ++i) {
    const auto line = ParseJson("line", lines[i]);
    ASSERT_THAT(line, IsOk());
    EXPECT_EQ((*line)["work"], works[i]);
    EXPECT_EQ((*line)["k"], ks[i]);
    EXPECT_EQ((*line)["precision"], "fp32");
    for (const char* field : {"ms", "min_ms", "peak_mib", "examples", "flops", "tokens"}) {
      ASSERT_TRUE((*line)[field].is_number()) << field << " in " << lines[i];
      EXPECT_GT((*line)[field].get<double>(), 0) << field;
    }
    EXPECT_LE((*line)["min_ms"].get<double>(), (*line)["ms"].get<double>());
    EXPECT_LE((*line)["maxrss_growth_mib"].get<double>(), (*line)["peak_mib"].get<double>());
    EXPECT_EQ((*line)["examples"], i == 0 ? 4 : 6);
    EXPECT_EQ(line->contains("iterations"), i == 2);
    EXPECT_EQ(line->contains("relative_residual"), i == 2);
    EXPECT_FALSE(line->contains("failed"));
  }
}

TEST_F(PeerWorkTest, Help) {
  const Outcome outcome = Run("--help");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\n  --only "));
}

TEST_F(PeerWorkTest, ErrorsNameTheirCause) {
  const std::string no_weights = ModelWith("model.safetensors", "");
  struct Case {
    std::string arguments;
    int exit_code;
    std::string message;
  };
  const std::string model = absl::StrCat("--model=", model_, " "),
                    episodes = absl::StrCat("--episodes=", episodes_, " ");
  const std::vector<Case> cases = {
      {"", 64, "peer_work: --model: is missing"},
      {model, 64, "peer_work: --episodes: is missing"},
      {model + episodes + "more", 64, "unexpected argument 'more'"},
      {model + episodes + "--onyl=full", 64, "unknown flag --onyl; known: --model, --episodes"},
      {model + episodes + "--precision=fp64", 64, "--precision: unknown precision 'fp64'; known: fp32, bf16"},
      {model + episodes + "--threads=0", 64, "--threads: 0 is not in 1 to 1024"},
      {model + episodes + "--repeat=0", 64, "--repeat: 0 is not in 1 to 1000000"},
      {model + episodes + "--repeat=many", 64, "--repeat: Illegal value 'many'"},
      {model + episodes + "--only=", 64, "--only: is empty"},
      {model + episodes + "--only=adapter,mamba", 64, "--only: unknown work 'mamba'; known: full, "},
      {model + episodes + "--only=fomaml:0", 64, "--only: 'fomaml:0': wanted fomaml:K with K in 1 to 10000"},
      {"--model=none " + episodes, 66, "none/config.json: cannot open"},
      {"--model=" + no_weights + " " + episodes, 66, no_weights + "/model.safetensors: cannot open"},
      {model + "--episodes=none.jsonl", 66, "none.jsonl: cannot open"},
      {model + "--episodes=" + Make("bad.jsonl", "\n{\"classes\": ["), 65, Path("bad.jsonl") + ":2:14: "},
      {model + "--episodes=" + Make("empty.jsonl", ""), 65, Path("empty.jsonl") + ": no episodes"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = Run(c.arguments);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.arguments << "\n" << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

// What only the process that measures finds out is in its line, on standard error and in the exit code.
TEST_F(PeerWorkTest, AMeasurementThatFails) {
  const std::string model = ModelWith("model.safetensors", "1234567890");
  const Outcome outcome =
      Run(absl::StrCat("--model=", model, " --episodes=", episodes_, " --repeat=1 --only=lora,fomaml:1"));
  EXPECT_EQ(outcome.exit_code, 65) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr(absl::StrCat("peer_work: lora: ", model, "/model.safetensors: ")));
  EXPECT_THAT(outcome.error, HasSubstr("peer_work: fomaml:1: "));
  const std::vector<std::string> lines = absl::StrSplit(outcome.out, '\n');
  ASSERT_EQ(lines.size(), 3u) << outcome.out;
  for (int i = 0; i < 2; ++i) {
    const auto line = ParseJson("line", lines[i]);
    ASSERT_THAT(line, IsOk());
    EXPECT_EQ((*line)["work"], i == 0 ? "lora" : "fomaml");
    EXPECT_EQ((*line)["failed"], true);
    EXPECT_THAT((*line)["why"].get<std::string>(), HasSubstr("model.safetensors"));
    EXPECT_FALSE(line->contains("ms"));
  }
}

// A measurement that outlived the program would slow down whatever is timed next.
TEST_F(PeerWorkTest, AKilledProgramLeavesNoMeasurementBehind) {
  const std::string script =
      absl::StrCat("child=; ", program_, " --model=", model_, " --episodes=", episodes_,
                   " --threads=1 --repeat=1000000 --only=adapter & parent=$!; "
                   "for i in $(seq 200); do child=$(cat /proc/$parent/task/$parent/children); "
                   "[ -n \"$child\" ] && break; sleep 0.1; done; [ -n \"$child\" ] || exit 2; "
                   // Until it has loaded LibTorch and asked to die with its parent.
                   "sleep 2; kill -0 $child || exit 3; kill -9 $parent; "
                   "for i in $(seq 100); do kill -0 $child 2>/dev/null || exit 0; sleep 0.1; done; "
                   "kill -9 $child; exit 4");
  const std::string path = Make("script.sh", script);
  const int status = system(absl::StrCat("bash ", path, " 2>", Path("stderr")).c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(PeerWorkTest, StandardOutputFull) {
  const int status = system(absl::StrCat(program_, " --model=", model_, " --episodes=", episodes_,
                                         " --repeat=1 --only=lora >/dev/full 2>", Path("stderr"))
                                .c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_THAT(ReadFile(Path("stderr"), 1 << 20), IsOkAndHolds(HasSubstr("standard output: cannot write")));
}

}  // namespace
}  // namespace gbmoa
