// Runs the gbmoa program as a user would: exit codes, messages, and what is left on disk.

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/cli/program_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class GbmoaTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    const absl::StatusOr<std::string> backbone = BundledBackboneFolder();
    ASSERT_THAT(backbone, IsOk());
    backbone_ = *backbone;
  }

  // A copy of the bundled backbone's folder by links, with one file replaced.
  std::string BackboneWith(const std::string& name, const std::string& contents) const {
    const std::string folder = Path("backbone_with_" + name);
    EXPECT_EQ(system(absl::StrCat("rm -rf ", folder, " && mkdir ", folder, " && ln -s $(realpath ", backbone_, ")/* ",
                                  folder, " && rm ", folder, "/", name)
                         .c_str()),
              0);
    EXPECT_THAT(WriteFileAtomically(JoinPath(folder, name), contents), IsOk());
    return folder;
  }

  std::string backbone_;
};

TEST_F(GbmoaTest, Help) {
  for (const std::string arguments : {"help", "--help", "-h"}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("usage: gbmoa COMMAND"));
    EXPECT_THAT(outcome.out, HasSubstr("\n  encode "));
    EXPECT_THAT(outcome.out, HasSubstr("\n  tokenize "));
  }
  for (const std::string arguments : {"help encode", "encode --help", "encode --input=x --help"}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, StartsWith("gbmoa encode: "));
    EXPECT_THAT(outcome.out, HasSubstr("\n  --out "));
  }
}

TEST_F(GbmoaTest, Tokenize) {
  const std::string input = Make("in", "Hello, world!\r\na\tb\n\ncaf\u00e9");
  const std::string want =
      "{\"ids\": [101, 7592, 1010, 2088, 999, 102], \"type_ids\": [0, 0, 0, 0, 0, 0]}\n"
      "{\"ids\": [101, 1037, 102, 1038, 102], \"type_ids\": [0, 0, 0, 1, 1]}\n"
      "{\"ids\": [101, 102], \"type_ids\": [0, 0]}\n"
      "{\"ids\": [101, 7668, 102], \"type_ids\": [0, 0, 0]}\n";
  for (const std::string& arguments :
       {absl::StrCat("tokenize --input=", input), absl::StrCat("tokenize --input=- < ", input),
        absl::StrCat("tokenize --input ../in --backbone=", backbone_)}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_EQ(outcome.out, want) << arguments;
    EXPECT_EQ(outcome.error, "") << arguments;
  }
  EXPECT_EQ(Run(absl::StrCat("tokenize --max_tokens=3 --input=", input)).out,
            "{\"ids\": [101, 7592, 102], \"type_ids\": [0, 0, 0]}\n"
            "{\"ids\": [101, 102, 102], \"type_ids\": [0, 0, 1]}\n"
            "{\"ids\": [101, 102], \"type_ids\": [0, 0]}\n"
            "{\"ids\": [101, 7668, 102], \"type_ids\": [0, 0, 0]}\n");
  EXPECT_EQ(Run(absl::StrCat("tokenize --input=", Make("empty", ""))).out, "");
  // As much as the encoder takes.
  const Outcome outcome = Run(absl::StrCat("tokenize --input=", Make("long", std::string(5000, '.'))));
  const absl::StatusOr<nlohmann::json> row = ParseJson("row", outcome.out);
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ((*row)["ids"].size(), 512u);
}

TEST_F(GbmoaTest, Encode) {
  const std::string input = Make("in", "Hello, world!\na\tb\n\n");
  // Under `bazel run` paths are relative to where the user stands.
  ASSERT_EQ(setenv("BUILD_WORKING_DIRECTORY", folder_.c_str(), 1), 0);
  const Outcome outcome = Run("encode --input=in --out=work/out.safetensors");
  ASSERT_EQ(unsetenv("BUILD_WORKING_DIRECTORY"), 0);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(Names("work"), ElementsAre("out.safetensors"));
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(Path("work/out.safetensors"));
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ(file->tensors().size(), 2u);
  ASSERT_NE(file->Find("offsets"), nullptr);
  EXPECT_EQ(file->Find("offsets")->dtype, SafetensorsDtype::kInt64);
  EXPECT_THAT(file->Find("offsets")->shape, ElementsAre(4));
  std::vector<int64_t> offsets(4);
  std::memcpy(offsets.data(), file->Find("offsets")->data.data(), 32);
  EXPECT_THAT(offsets, ElementsAre(0, 6, 11, 13));
  ASSERT_NE(file->Find("hidden"), nullptr);
  EXPECT_EQ(file->Find("hidden")->dtype, SafetensorsDtype::kFloat32);
  EXPECT_THAT(file->Find("hidden")->shape, ElementsAre(13, 384));

  // No texts, no states: still a file.
  EXPECT_EQ(Run(absl::StrCat("encode --out=none --input=", Make("empty", ""))).exit_code, 0);
  const absl::StatusOr<SafetensorsFile> none = SafetensorsFile::Open(Path("work/none"));
  ASSERT_THAT(none, IsOk());
  EXPECT_THAT(none->Find("hidden")->shape, ElementsAre(0, 384));
}

TEST_F(GbmoaTest, ErrorsNameTheirCauseAndLeaveNothing) {
  const std::string good = Make("good", "a text\n");
  const absl::StatusOr<std::string> config = ReadFile(JoinPath(backbone_, "config.json"), 1 << 20);
  const absl::StatusOr<std::string> vocabulary = ReadFile(JoinPath(backbone_, "vocab.txt"), 1 << 20);
  ASSERT_THAT(config, IsOk());
  ASSERT_THAT(vocabulary, IsOk());
  const auto config_with = [&](const std::string& from, const std::string& to) {
    return BackboneWith("config.json", absl::StrReplaceAll(*config, {{from, to}}));
  };
  struct Case {
    std::string arguments;
    int exit_code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"", 64, "usage: gbmoa COMMAND"},
      {"fly", 64, "gbmoa: unknown command 'fly'; known: "},
      {"help fly", 64, "gbmoa: unknown command 'fly'; known: "},
      {"tokenize", 64, "gbmoa tokenize: --input: is missing"},
      {"tokenize --inptu=x", 64, "gbmoa tokenize: unknown flag --inptu; known: --backbone, --input, --max_tokens"},
      {"tokenize --out=x --input=x", 64, "gbmoa tokenize: unknown flag --out"},
      {"tokenize --input", 64, "--input: needs a value"},
      {"tokenize " + good, 64, "unexpected argument '" + good + "'"},
      {"tokenize --max_tokens=x --input=" + good, 64, "--max_tokens: Illegal value 'x'"},
      {"tokenize --max_tokens=2 --input=" + good, 64, "--max_tokens: 2 is not in 3 to 512"},
      {"tokenize --max_tokens=513 --input=" + good, 64, "--max_tokens: 513 is not in 3 to 512"},
      {"tokenize --input=none", 66, "gbmoa tokenize: none: cannot open: No such file or directory"},
      {"tokenize --input=.", 74, "gbmoa tokenize: .: cannot read: Is a directory"},
      {"tokenize --input=" + good + " --backbone=none", 66, "gbmoa tokenize: none/config.json: cannot open"},
      {"tokenize --input=" + Make("latin1", "a text\nna\xefve\n"), 65, Path("latin1") + ":2:3: not UTF-8"},
      {"tokenize --input=- < " + Path("latin1"), 65, "gbmoa tokenize: standard input:2:3: not UTF-8"},
      {"tokenize --input=" + Make("tabs", "a\tb\na\tb\tc\n"), 65, Path("tabs") + ":2:4: a second tab"},
      {"tokenize --input=" + good + " --backbone=" + config_with("bert", "gpt2"), 64,
       "config.json: model_type: unknown 'gpt2'"},
      {"encode --input=" + good, 64, "gbmoa encode: --out: is missing"},
      {"encode --out=x", 64, "gbmoa encode: --input: is missing"},
      {"encode --out=x --precision=fp8 --input=" + good, 64, "--precision: unknown precision 'fp8'"},
      {"encode --out=x --input=none", 66, "gbmoa encode: none: cannot open"},
      {"encode --out=x --input=" + Path("latin1"), 65, Path("latin1") + ":2:3: not UTF-8"},
      {"encode --out=none/x --input=" + good, 74, "gbmoa encode: none/x: cannot write: No such file or directory"},
      {"encode --out=. --input=" + good, 74, "gbmoa encode: .: cannot write: Is a directory"},
      {"encode --out=/proc/x --input=" + good, 74, "gbmoa encode: /proc/x: cannot write"},
      {"encode --out=x --input=" + good + " --backbone=" + BackboneWith("vocab.txt", *vocabulary + "one_more\n"), 65,
       "model.vocab has 30522 tokens, vocab.txt 30523"},
      {"encode --out=x --input=" + good + " --backbone=" + BackboneWith("model.safetensors", "1234567890"), 65,
       "backbone_with_model.safetensors/model.safetensors: "},
  };
  for (const Case& c : cases) {
    const Outcome outcome = Run(c.arguments);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.arguments << "\n" << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
    EXPECT_THAT(Names("work"), IsEmpty()) << c.arguments;
  }
  // These change the same file; one after the other.
  const std::vector<std::pair<std::string, std::string>> kConfigs = {
      {"\"num_hidden_layers\": 6", "encoder.layer.6.attention.self.query.weight is missing"},
      {"\"hidden_size\": 384",
       "embeddings.word_embeddings.weight is [30522, 384], the configuration wants [30522, 768]"},
      {"\"vocab_size\": 30522", "the vocabulary has 30522 tokens, config.json says 30523"},
  };
  for (const auto& [field, message] : kConfigs) {
    const std::string changed = absl::StrReplaceAll(field, {{" 6", " 7"}, {"384", "768"}, {"30522", "30523"}});
    const Outcome outcome = Run("encode --out=x --input=" + good + " --backbone=" + config_with(field, changed));
    EXPECT_EQ(outcome.exit_code, 65) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(message));
    EXPECT_THAT(Names("work"), IsEmpty()) << field;
  }
}

TEST_F(GbmoaTest, InvalidUtf8) {
  const std::string bad = Make("bad", "a text\nna\xefve \xed\xa0\x80\tsecond\xe4\xb8\n");
  const std::string mended = Make("mended", "a text\nna\ufffdve \ufffd\ufffd\ufffd\tsecond\ufffd\n");
  const Outcome outcome = Run("tokenize --invalid_utf8=replace --input=" + bad);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr(bad + ":2:3: not UTF-8; 5 in the file became U+FFFD"));
  const Outcome want = Run("tokenize --invalid_utf8=replace --input=" + mended);
  EXPECT_EQ(outcome.out, want.out);
  EXPECT_EQ(want.error, "");
  EXPECT_EQ(Run("encode --invalid_utf8=replace --out=x --input=" + bad).exit_code, 0);
  for (const std::string flag : {"", "--invalid_utf8=error "}) {
    const Outcome refused = Run("tokenize " + flag + "--input=" + bad);
    EXPECT_EQ(refused.exit_code, 65);
    EXPECT_EQ(refused.out, "");
    EXPECT_EQ(refused.error, "gbmoa tokenize: " + bad + ":2:3: not UTF-8\n");
  }
  const Outcome unknown = Run("tokenize --invalid_utf8=drop --input=" + bad);
  EXPECT_EQ(unknown.exit_code, 64);
  EXPECT_THAT(unknown.error, HasSubstr("--invalid_utf8: 'drop' is neither error nor replace"));
}

// A RoBERTa's folder: byte-level BPE, and two positions less than the configuration says.
TEST_F(GbmoaTest, TokenizeForRoberta) {
  const absl::StatusOr<std::string> testdata = RunfilePath("gbmoa/eval/tokenizers/testdata/byte_level_bpe");
  ASSERT_THAT(testdata, IsOk());
  const absl::StatusOr<nlohmann::json> vocabulary = LoadJson(JoinPath(*testdata, "vocab.json"));
  ASSERT_THAT(vocabulary, IsOk());
  const auto folder = [&](int vocab_size) {
    const std::string path = Path(absl::StrCat("roberta", vocab_size));
    EXPECT_EQ(system(absl::StrCat("mkdir ", path, " && ln -s $(realpath ", *testdata, ")/vocab.json $(realpath ",
                                  *testdata, ")/merges.txt ", path)
                         .c_str()),
              0);
    EXPECT_THAT(WriteFileAtomically(
                    JoinPath(path, "config.json"),
                    absl::StrCat(R"({"model_type": "roberta", "max_position_embeddings": 514, )",
                                 R"("type_vocab_size": 1, "pad_token_id": 1, "vocab_size": )", vocab_size, "}")),
                IsOk());
    return path;
  };
  const int size = static_cast<int>(vocabulary->size());
  const std::string input = Make("in", absl::StrCat("a\tb\n\n", std::string(600, '.'), "\n"));
  const std::string command = "tokenize --input=" + input + " --backbone=";
  const Outcome outcome = Run(command + folder(size));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  const int a = (*vocabulary)["a"], b = (*vocabulary)["b"];
  EXPECT_THAT(outcome.out, StartsWith(absl::StrCat("{\"ids\": [0, ", a, ", 2, 2, ", b, ", 2], \"type_ids\": ",
                                                   "[0, 0, 0, 0, 0, 0]}\n{\"ids\": [0, 2], \"type_ids\": [0, 0]}\n")));

  // 513 tokens and more become 512; ids that the encoder has no rows for are refused before there are any.
  std::string words;
  for (int i = 0; i < 511; ++i) words += " b";
  const absl::StatusOr<nlohmann::json> row = ParseJson(
      "row", Run("tokenize --input=" + Make("long", words) + " --backbone=" + Path(absl::StrCat("roberta", size))).out);
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ((*row)["ids"].size(), 512u);
  EXPECT_EQ((*row)["ids"].back(), 2);
  const Outcome too_many = Run(command + Path(absl::StrCat("roberta", size)) + " --max_tokens=513");
  EXPECT_EQ(too_many.exit_code, 64);
  EXPECT_THAT(too_many.error, HasSubstr("--max_tokens: 513 is not in 3 to 512"));
  const Outcome refused = Run(command + folder(size - 1));
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.error,
              HasSubstr(absl::StrCat("the vocabulary has ", size, " tokens, config.json says ", size - 1)));
}

// The disk is full in the middle of the output.
TEST_F(GbmoaTest, DiskFull) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "some words that make a few tokens\n";
  const std::string input = Make("in", text);
  const int status = system(absl::StrCat("cd ", Path("work"), " && (ulimit -f 64; ", program_,
                                         " encode --input=", input, " --out=x 2>", Path("stderr"), ")")
                                .c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_THAT(ReadFile(Path("stderr"), 1 << 20),
              IsOkAndHolds(HasSubstr("gbmoa encode: x: cannot write: File too large")));
  EXPECT_THAT(Names("work"), IsEmpty());
}

TEST_F(GbmoaTest, StandardOutputFull) {
  const int status = system(
      absl::StrCat(program_, " tokenize --input=", Make("in", "a text\n"), " >/dev/full 2>", Path("stderr")).c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_THAT(ReadFile(Path("stderr"), 1 << 20),
              IsOkAndHolds(std::string("gbmoa tokenize: standard output: cannot write\n")));
}

}  // namespace
}  // namespace gbmoa
