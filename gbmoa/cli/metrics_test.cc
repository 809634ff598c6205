// Runs `gbmoa metrics` as a user would.

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/cli/program_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class MetricsTest : public ProgramTest {
 protected:
  // The files, where they are not empty, lie where the program runs.
  Outcome Metrics(const std::string& arguments, const std::string& gold, const std::string& pred,
                  const std::string& groups = "", const std::string& answers = "") const {
    Make("work/gold", gold);
    Make("work/pred", pred);
    if (!groups.empty()) Make("work/groups", groups);
    if (!answers.empty()) Make("work/answers", answers);
    return Run(absl::StrCat("metrics --gold=gold --pred=pred ", groups.empty() ? "" : "--groups=groups ",
                            answers.empty() ? "" : "--answers=answers ", arguments));
  }
};

TEST_F(MetricsTest, Scores) {
  const struct {
    std::string name, arguments, gold, pred, groups, answers, out;
  } kCases[] = {
      {"values", "--task=glue/mrpc", "1\n0\n1\n0\n", "1\n1\n0\n0\n", "", "",
       R"("glue/mrpc", "n": 4, "accuracy": 0.5, "f1": 0.5, "macro_f1": 0.5, "degenerate": [])"},
      {"names, line ends, a mark", "--task=glue/mrpc",
       "\xef\xbb\xbf"
       "1\r\n0\r\n1\r\n0",
       "equivalent\nequivalent\ndifferent\n0\n", "", "",
       R"("glue/mrpc", "n": 4, "accuracy": 0.5, "f1": 0.5, "macro_f1": 0.5, "degenerate": [])"},
      // Class 0: 2 · 3 / (3 + 4).
      {"nothing predicted", "--task=glue/mrpc", "0\n0\n0\n1\n", "0\n0\n0\n0\n", "", "",
       R"("glue/mrpc", "n": 4, "accuracy": 0.75, "f1": 0.0, "macro_f1": 0.42857142857142855, )"
       R"("degenerate": ["f1", "macro_f1"])"},
      {"one class only", "--task=glue/cola", "1\n1\n", "1\n1\n", "", "",
       R"("glue/cola", "n": 2, "accuracy": 1.0, "matthews": 0.0, "macro_f1": 1.0, "degenerate": ["matthews"])"},
      // As a table's run leaves them: indices in the order of the textproto.
      {"names against indices", "--task=superglue/cb", "entailment\ncontradiction\nneutral\nneutral\n", "0\n1\n2\n2\n",
       "", "", R"("superglue/cb", "n": 4, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"indices that are names, too", "--task=fewshot/poem_sentiment --classes=indices", "0\n1\n", "0\n1\n", "", "",
       R"("n": 2, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"names that are indices, too", "--task=fewshot/poem_sentiment --classes=names", "0\n1\n",
       "no impact\npositive\n", "", "", R"("n": 2, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"the one reading that fits", "--task=fewshot/poem_sentiment", "0\n1\n-1\n", "1\n2\n0\n", "", "",
       R"("n": 3, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"a task on WordNet", "--task=desk/noun8", "food\nevent\n", "2\n5\n", "", "",
       R"("desk/noun8", "n": 2, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"no names", "--task=desk/glossmatch", "0\n1\n", "0\n1\n", "", "",
       R"("desk/glossmatch", "n": 2, "accuracy": 1.0, "macro_f1": 1.0, "degenerate": [])"},
      {"a regression's constant", "--task=glue/stsb", "1\n2.5\n5\n", "3\n3\n3.0\n", "", "",
       R"("glue/stsb", "n": 3, "pearson": 0.0, "spearman": 0.0, "degenerate": ["pearson", "spearman"])"},
      // Of two questions the first is answered right; the numbers are logits.
      {"scores", "--task=superglue/copa", "0\n1\n1\n0\n", "-3.5\n-1\n2\n1e3\n", "a\na\nb\nb\n", "",
       R"("superglue/copa", "n": 4, "questions": 2, "group_accuracy": 0.5, "degenerate": [])"},
      {"no preference", "--task=superglue/copa", "wrong\nright\n1\n0\n", "0\n0\n1\n1\n", "a\na\nb\nb\n", "",
       R"("superglue/copa", "n": 4, "questions": 2, "group_accuracy": 0.5, "degenerate": ["group_accuracy"])"},
      // A question's probabilities count as judgements of each answer, too.
      {"scores and counts", "--task=fewshot/arc_easy", "0\n1\n1\n0\n", "0.1\n0.4\n0.9\n0.8\n", "1\n1\n2\n2\n", "",
       R"("fewshot/arc_easy", "n": 4, "questions": 2, "group_accuracy": 1.0, "accuracy": 0.5, "degenerate": [])"},
      // Three of four and three of four; the first question's answers are all judged right. It has none that is right.
      {"MultiRC", "--task=superglue/multirc", "0\n1\n1\n1\n1\n0\n", "0\n1\n1\n1\n0\n1\n", "x\ny\ny\ny\ny\ny\n", "",
       R"("superglue/multirc", "n": 6, "questions": 2, "accuracy": 0.6666666666666666, "multirc_f1a": 0.75, )"
       R"("multirc_em": 0.5, "macro_f1": 0.625, "degenerate": [])"},
      // "the IBM" is "IBM"; "Big Blue" shares a word of two with "Blue Dot".
      {"ReCoRD", "--task=superglue/record", "0\n1\n1\n0\n", "0.9\n0.1\n0.2\n0.3\n", "1\n1\n2\n2\n",
       "the IBM\nIBM\nBlue Dot\nBig Blue\n",
       R"("superglue/record", "n": 4, "questions": 2, "record_em": 0.5, "record_f1": 0.75, "degenerate": [])"},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Metrics(c.arguments, c.gold, c.pred, c.groups, c.answers);
    EXPECT_EQ(outcome.exit_code, 0) << c.name << ": " << outcome.error;
    EXPECT_THAT(outcome.out, HasSubstr(absl::StrCat(c.out, "}\n"))) << c.name;
    EXPECT_EQ(outcome.error, "") << c.name;
    EXPECT_THAT(ParseJson(c.name, outcome.out), IsOk());
  }
  EXPECT_THAT(Metrics("--task=glue/mrpc", "1\n", "1\n").out, HasSubstr("{\"task\": \"glue/mrpc\", \"n\": 1, "));
}

TEST_F(MetricsTest, Regression) {
  // Predictions may lie outside the range of the truth.
  const Outcome outcome = Metrics("--task=glue/stsb", "1\n2\n3\n", "-7\n9e0\n8.0\n");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const absl::StatusOr<json> scores = ParseJson("stdout", outcome.out);
  ASSERT_THAT(scores, IsOk());
  // Deviations (-1, 0, 1) and (-31, 17, 14) / 3; ranks 1, 3, 2.
  EXPECT_NEAR(scores->at("pearson").get<double>(), 45 / std::sqrt(2. * (31 * 31 + 17 * 17 + 14 * 14)), 1e-12);
  EXPECT_NEAR(scores->at("spearman").get<double>(), 0.5, 1e-12);
}

TEST_F(MetricsTest, Errors) {
  const std::string two = "0\n1\n";
  const struct {
    std::string arguments, gold, pred, groups, answers;
    int exit_code;
    std::string message;
  } kCases[] = {
      {"--task=glue/mrpc2", two, two, "", "", 64, "gbmoa metrics: --task: unknown task 'glue/mrpc2'; known: desk/"},
      {"--task=../tasks/glue/mrpc", two, two, "", "", 64, "unknown task '../tasks/glue/mrpc'"},
      {"", two, two, "", "", 64, "--task: is missing"},
      {"--task=glue/mrpc --gold=", two, two, "", "", 64, "--gold: is missing"},
      {"--task=glue/mrpc --gold=none", two, two, "", "", 66, "none: cannot open: No such file"},
      {"--task=glue/mrpc --pred=none", two, two, "", "", 66, "none: cannot open: No such file"},
      {"--task=glue/mrpc", "", two, "", "", 65, "gold: is empty"},
      {"--task=glue/mrpc", two, "0\n1\n1\n", "", "", 65, "pred: has 3 lines, but gold has 2"},
      {"--task=glue/mrpc", two, "0\n\xff\n", "", "", 65, "pred:2:1: not UTF-8"},
      {"--task=glue/mrpc", two, "0\n-1\n", "", "", 65,
       "pred:2: expected one of 0 (different), 1 (equivalent), or throughout the file an index of 0 to 1; found '-1'"},
      {"--task=glue/mrpc", "0\n\n", two, "", "", 65, "gold:2: expected one of 0 (different), "},
      {"--task=glue/mrpc", two, "0\n0.5\n", "", "", 65, "; found '0.5'"},
      {"--task=superglue/cb", two, "entailment\n0\n", "", "", 65,
       "pred:2: expected one of entailment, contradiction, "},
      {"--task=superglue/cb --classes=indices", "neutral\n0\n", two, "", "", 65,
       "gold:1: expected throughout the file an index of 0 to 2; found 'neutral'"},
      {"--task=superglue/cb --classes=names", two, two, "", "", 65,
       "gold:1: expected one of entailment, contradiction, neutral; found '0'"},
      {"--task=superglue/cb --classes=x", two, two, "", "", 64, "--classes: 'x' is neither names nor indices"},
      {"--task=desk/glossmatch --classes=names", two, two, "", "", 64, "--classes: the task's have no names"},
      {"--task=desk/glossmatch", two, "0\n2\n", "", "", 65, "pred:2: expected throughout the file an index of 0 to 1;"},
      {"--task=fewshot/poem_sentiment", "-1\n0\n", two, "", "", 64,
       "pred:1: '0' is the name of class 1 and the index of another one, and all other lines fit either, too; give "},
      {"--task=glue/stsb", "0\n5.1\n", two, "", "", 65, "gold:2: expected a number of 0 to 5; found '5.1'"},
      {"--task=glue/stsb", two, "nan\n1\n", "", "", 65, "pred:1: expected a number; found 'nan'"},
      {"--task=glue/stsb", two, "1\n-inf\n", "", "", 65, "pred:2: expected a number; found '-inf'"},
      {"--task=glue/stsb", two, "1\n1e999\n", "", "", 65, "pred:2: expected a number; found '1e999'"},
      {"--task=glue/stsb", two, "1\n1 2\n", "", "", 65, "pred:2: expected a number; found '1 2'"},
      {"--task=superglue/copa", two, two, "", "", 64, "--groups: is missing"},
      {"--task=superglue/copa", two, two, "a\n", "", 65, "groups: has 1 lines, but gold has 2"},
      {"--task=superglue/copa", two, "right\n0\n", "a\na\n", "", 65, "pred:1: expected a number; found 'right'"},
      {"--task=superglue/copa", "1\n1\n0\n", "1\n1\n0\n", "a\nb\na\n", "", 65,
       "groups:3: question 'a' stands in line 1 already; its answers must be neighbours"},
      {"--task=superglue/copa", "1\n0\n0\n", "1\n1\n0\n", "a\nb\nb\n", "", 65,
       "groups:2: question 'b' has no answer that is right"},
      {"--task=fewshot/arc_easy", two, "-1\n1\n", "a\na\n", "", 65, "pred:1: expected a number of 0 to 1; found '-1'"},
      {"--task=superglue/record", two, two, "a\na\n", "", 64, "--answers: is missing"},
      {"--task=superglue/record", two, two, "a\na\n", "b\n", 65, "answers: has 1 lines, but gold has 2"},
      {"--task=glue/mrpc", two, two, "a\na\n", "", 64, "--groups: no metric of glue/mrpc reads it"},
      {"--task=superglue/copa", two, two, "a\na\n", "b\nc\n", 64, "--answers: no metric of superglue/copa reads it"},
      {"--task=glue/mrpc --input=x", two, two, "", "", 64, "unknown flag --input"},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Metrics(c.arguments, c.gold, c.pred, c.groups, c.answers);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.arguments << " " << c.message << "\n" << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

TEST_F(MetricsTest, AnUnknownTaskIsAnsweredWithAllThereAre) {
  std::vector<std::string> tasks = absl::StrSplit(Metrics("--task=?", "1\n", "1\n").error, absl::ByAnyChar(" ,\n"));
  EXPECT_THAT(tasks, IsSupersetOf({"desk/noun8", "fewshot/ag_news", "glue/cola", "superglue/cb", "superglue/record"}));
}

}  // namespace
}  // namespace gbmoa
