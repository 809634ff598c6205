#include "repro/submission.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/table.h"

namespace gbmoa {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TaskConfig Config(const std::string& source) {
  TaskConfig config;
  CHECK(ParseTextproto("task", absl::StrCat("name: 'glue/toy' files { layout: 'tsv' ", source, " }"), &config).ok());
  return config;
}

Dataset TestSplit(const std::vector<std::string>& ids) {
  Dataset test;
  test.labelled = false;
  for (const std::string& id : ids) {
    test.examples.emplace_back();
    test.examples.back().id = id;
  }
  return test;
}

TEST(SubmissionTextTest, WritesClassesAsTheFilesDo) {
  const TaskConfig config = Config("classes { value: 'entailment' } classes { value: 'not_entailment' name: 'no' }");
  const Prediction prediction{2, {0.9f, 0.1f, 0.4f, 0.6f, 0.5f, 0.5f}};
  const char* const kWanted = "index\tprediction\n7\tentailment\n9\tnot_entailment\n8\tentailment\n";
  EXPECT_THAT(SubmissionText(config, TestSplit({"7", "9", "8"}), prediction), IsOkAndHolds(kWanted));
  EXPECT_THAT(SubmissionText(config, TestSplit({"", "", ""}), prediction),
              IsOkAndHolds(HasSubstr("\n1\tnot_entailment\n")));
  EXPECT_THAT(SubmissionText(config, TestSplit({"7", "9"}), prediction),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 predictions of 2 classes for 2 examples")));
  EXPECT_THAT(SubmissionText(config, TestSplit({"7"}), Prediction{3, {1, 0, 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of 3 classes")));
}

TEST(SubmissionTextTest, ClipsValues) {
  const TaskConfig config = Config("range { low: 0 high: 5 }");
  Dataset test = TestSplit({"", "", ""});
  test.regression = true;
  Prediction prediction;
  prediction.values = {-0.25f, 3.14159f, 5.5f};
  EXPECT_THAT(SubmissionText(config, test, prediction),
              IsOkAndHolds("index\tprediction\n0\t0.000\n1\t3.142\n2\t5.000\n"));
}

// One token a letter.
class LetterTokenizer : public Tokenizer {
 public:
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const override {
    TokenIds tokens;
    for (const char c : text.substr(0, max_tokens)) tokens.ids.push_back(static_cast<unsigned char>(c));
    tokens.type_ids.resize(tokens.ids.size());
    return tokens;
  }
  absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second,
                                      int max_tokens) const override {
    return Encode(absl::StrCat(first, second), max_tokens);
  }
  int vocabulary_size() const override { return 256; }
  std::string fingerprint() const override { return std::string(64, '0'); }
};

// Predicts class (first token + shift) mod classes, or the first token's value, whatever it was adapted to.
class FirstToken : public Predictor {
 public:
  FirstToken(bool regression, int classes, int shift) : regression_(regression), classes_(classes), shift_(shift) {}
  absl::StatusOr<Prediction> Predict(const Batch& batch) const override {
    Prediction prediction;
    if (!regression_) prediction.num_classes = classes_;
    for (int64_t i = 0; i < batch.size(); ++i) {
      const int32_t token = batch.tokens.ids[batch.tokens.offsets[i]] + shift_;
      if (regression_) prediction.values.push_back(static_cast<float>(token - 'a'));
      for (int c = 0; c < classes_ && !regression_; ++c) prediction.probabilities.push_back(token % classes_ == c);
    }
    return prediction;
  }
  std::map<std::string, std::vector<float>> Parameters() const override { return {}; }

 private:
  bool regression_;
  int classes_, shift_;
};

class ToyLearner : public Learner {
 public:
  ToyLearner(int shift, int* adaptations) : shift_(shift), adaptations_(adaptations) {}
  absl::StatusOr<Adaptation> Adapt(const Batch& support_set, const AdaptOptions& options) const override {
    ++*adaptations_;
    EXPECT_EQ(options.steps, 7);
    EXPECT_EQ(options.seed, 3);
    Adaptation adaptation;
    adaptation.predictor = std::make_unique<FirstToken>(support_set.regression, support_set.num_classes, shift_);
    return adaptation;
  }
  ParameterCounts CountParameters(int) const override { return {}; }

 private:
  int shift_;
  int* adaptations_;
};

class WriteSubmissionTest : public testing::Test {
 protected:
  WriteSubmissionTest() {
    std::string pattern = JoinPath(testing::TempDir(), "submission_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    options_.folder = JoinPath(pattern, "submission");
    options_.files.data_root = JoinPath(pattern, "data");
    for (const auto& [file, text] : std::map<std::string, std::string>{
             {"CoLA/test.tsv", "index\tsentence\n0\ta\n1\tb\n2\tc\n"},
             {"STS-B/test.tsv", "index\tgenre\tsentence1\tsentence2\n0\tx\td\ty\n1\tx\tz\ty\n"},
             {"MNLI/test_matched.tsv", "index\tsentence1\tsentence2\n0\ta\tx\n"},
             {"QNLI/test.tsv", "index\tquestion\tsentence\n0\ta\tx\n"},
             {"WNLI/test.tsv", "index\tsentence1\tsentence2\n0\ta\n"},
             {"AX/AX.tsv", "index\tsentence1\tsentence2\n0\tb\tx\n1\tc\tx\n"}}) {
      const std::string path = JoinPath(options_.files.data_root, absl::StrCat("glue/", file));
      std::filesystem::create_directories(std::filesystem::path(path).parent_path());
      std::ofstream(path) << text;
    }
    // GLUE's tasks, but with test splits as small as these. QNLI's has a row less than it should.
    options_.files.tasks_folder = JoinPath(pattern, "tasks");
    std::filesystem::create_directories(JoinPath(options_.files.tasks_folder, "glue"));
    for (const auto& [name, rows] : std::map<std::string, int>{{"glue/cola", 3},
                                                               {"glue/stsb", 2},
                                                               {"glue/mnli", 1},
                                                               {"glue/qnli", 2},
                                                               {"glue/wnli", 1},
                                                               {"glue/ax", 2}}) {
      absl::StatusOr<TaskConfig> config = LoadFileTaskConfig(name, {});
      CHECK(config.ok()) << config.status();
      for (FileTask::Split& split : *config->mutable_files()->mutable_splits()) split.set_official_rows(rows);
      std::ofstream(JoinPath(options_.files.tasks_folder, absl::StrCat(name, ".textproto"))) << config->DebugString();
    }
    options_.files.max_bad_rows = 5;  // of no use here
    CHECK(ParseTextproto("table", R"pb(
                           rows { id: "lora" method: "lora" kind: METHOD }
                           rows { id: "prompt" method: "prompt" kind: METHOD }
                           rows { id: "frozen" method: "frozen" kind: REFERENCE }
                         )pb",
                         &table_)
              .ok());
    CHECK(ParseTextproto("profile", R"pb(
                           name: "glue"
                           world: "files"
                           first_draw: 3
                           draws: 2
                           shots: 4
                           steps: 9
                           rows {
                             row: "lora"
                             grid { option: "shift" values: "0" values: "1" }
                             steps: 7
                           }
                         )pb",
                         &profile_)
              .ok());
    for (const auto& [name, classes] : std::map<std::string, int>{
             {"glue/cola", 2}, {"glue/stsb", 1}, {"glue/mnli", 3}, {"glue/qnli", 2}, {"glue/wnli", 2}}) {
      EvalTask task;
      task.name = name;
      task.support_set = [classes = classes](int draw, int shots) -> absl::StatusOr<Batch> {
        EXPECT_EQ(draw, 3);
        EXPECT_EQ(shots, 4);
        Batch batch;
        batch.num_classes = classes;
        batch.regression = classes == 1;
        return batch;
      };
      world_.tasks.push_back(task);
    }
    EvalTask missing;
    missing.name = "glue/rte";
    missing.missing = "MISSING_DATA: glue/RTE/train.tsv is not there";
    world_.tasks.push_back(missing);
    world_.make_learner = [this](const std::string&,
                                 const LearnerOptions& options) -> absl::StatusOr<std::unique_ptr<Learner>> {
      return std::make_unique<ToyLearner>(options.at("shift") == "1" ? 1 : 0, &adaptations_);
    };
    Selection selection;
    selection.row = "lora";
    selection.candidates.resize(2);
    selection.candidates[0].options = {{"shift", "0"}};
    selection.candidates[1].options = {{"shift", "1"}};
    selection.chosen = 1;
    run_.selections.push_back(selection);
  }
  std::string Read(const std::string& file) {
    const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(options_.folder, "/lora/", file), 1 << 20);
    EXPECT_THAT(text, IsOk());
    return text.ok() ? *text : "";
  }

  Table table_;
  Profile profile_;
  TableWorld world_;
  TableRun run_;
  SubmissionOptions options_;
  int adaptations_ = 0;
};

TEST_F(WriteSubmissionTest, WritesGluesFiles) {
  const auto written = WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_);
  ASSERT_THAT(written, IsOk());
  ASSERT_EQ(written->size(), 11);  // the other method has no settings, the reference is no method
  std::map<std::string, SubmissionFile> files;
  for (const SubmissionFile& file : *written) files[file.file] = file;
  EXPECT_EQ(adaptations_, 3);  // once for MNLI and AX
  // 'a' + 1 is 98. What the grid chose is what predicts.
  EXPECT_EQ(Read("CoLA.tsv"), "index\tprediction\n0\t0\n1\t1\n2\t0\n");
  EXPECT_EQ(Read("STS-B.tsv"), "index\tprediction\n0\t4.000\n1\t5.000\n");
  EXPECT_EQ(Read("MNLI-m.tsv"), "index\tprediction\n0\tcontradiction\n");
  EXPECT_EQ(Read("AX.tsv"), "index\tprediction\n0\tentailment\n1\tneutral\n");
  EXPECT_EQ(files["AX.tsv"].predictions, 2);
  EXPECT_THAT(files["MNLI-mm.tsv"].not_attempted,
              StartsWith("MISSING_DATA: glue/MNLI/test_mismatched.tsv is not below "));
  EXPECT_EQ(files["RTE.tsv"].not_attempted, "MISSING_DATA: glue/RTE/train.tsv is not there");
  EXPECT_THAT(files["QQP.tsv"].not_attempted, StartsWith("BUDGET: glue/qqp is not among the tasks of this run"));
  EXPECT_EQ(files["QNLI.tsv"].not_attempted,
            "MISSING_DATA: glue/qnli has not the leaderboard's rows, test: 1 of 2 rows");
  EXPECT_THAT(files["WNLI.tsv"].not_attempted, AllOf(StartsWith("MISSING_DATA: "), HasSubstr("WNLI/test.tsv:2")));
  EXPECT_FALSE(FileExists(JoinPath(options_.folder, "lora/QQP.tsv")));
}

// Never with the learner's default in place of what was to be chosen.
TEST_F(WriteSubmissionTest, DoesNotAttemptRowsWhoseGridChoseNothing) {
  const auto why = [this] {
    const auto written = WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_);
    EXPECT_THAT(written, IsOk());
    for (const SubmissionFile& file : *written) {
      EXPECT_NE(file.not_attempted, "") << file.file;
      if (file.file == "CoLA.tsv") return file.not_attempted;
    }
    return std::string();
  };
  run_.selections[0].chosen = -1;
  EXPECT_EQ(why(), "row lora: failed: no candidate of its grid could be run");
  run_.selections.clear();
  EXPECT_EQ(why(), "BUDGET: the grid of row lora was not searched");
  world_.tasks.emplace_back();
  world_.tasks.back().name = "glue/mrpc@development";
  world_.tasks.back().development = true;
  world_.tasks.back().missing = "MISSING_DATA: glue/MRPC/train.tsv is not there";
  EXPECT_EQ(why(), world_.tasks.back().missing);
  EXPECT_EQ(adaptations_, 0);
}

TEST_F(WriteSubmissionTest, OneFailureLeavesTheOtherFiles) {
  world_.tasks[0].support_set = [](int, int) -> absl::StatusOr<Batch> { return absl::InternalError("no memory"); };
  ASSERT_EQ(world_.tasks[0].name, "glue/cola");
  const auto written = WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_);
  ASSERT_THAT(written, IsOk());
  for (const SubmissionFile& file : *written) {
    EXPECT_EQ(file.not_attempted == "row lora: failed: no memory", file.file == "CoLA.tsv") << file.file;
    EXPECT_EQ(file.predictions == 2, file.file == "STS-B.tsv" || file.file == "AX.tsv") << file.file;
  }
  EXPECT_FALSE(FileExists(JoinPath(options_.folder, "lora/CoLA.tsv")));
  world_.make_learner = [](const std::string&, const LearnerOptions&) -> absl::StatusOr<std::unique_ptr<Learner>> {
    return absl::NotFoundError("no state");
  };
  const auto nothing = WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_EQ(nothing->size(), 11);
  EXPECT_EQ((*nothing)[3].not_attempted, "row lora: failed: no state");
}

TEST_F(WriteSubmissionTest, RefusesRowsThatAreNotRun) {
  EXPECT_THAT(CheckSubmission(table_, profile_, {"lora", "lora"}), IsOk());
  Profile desk = profile_;
  desk.clear_world();
  EXPECT_THAT(CheckSubmission(table_, desk, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no GLUE tasks")));
  options_.rows = {"prompt"};
  EXPECT_THAT(WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row 'prompt' is not run: UNDERSPECIFIED")));
  options_.rows = {"laura"};
  EXPECT_THAT(WriteSubmission(table_, profile_, world_, run_, LetterTokenizer(), options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no row 'laura'")));
}

}  // namespace
}  // namespace gbmoa
