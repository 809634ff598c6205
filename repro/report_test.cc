#include "repro/report.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <vector>

#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/figure.h"
#include "repro/result.h"
#include "repro/table.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two rows on three tasks and two draws: one a subset, one missing, one of correlations.
constexpr char kResult[] = R"json({
  "table": "small", "title": "Small <table>", "paper": "Table 0", "profile": "glue", "profile_title": "GLUE & others",
  "quick": false, "git": "0123abc", "started": "2030-01-02T03:04:05Z", "seconds": 75,
  "command": "bazel run --config=glue //repro:small -- --data_root=DIR", "headline": "1 reproduced",
  "counts": {"paper": {"reproduced": 1, "not_attempted": 0}},
  "environment": {"cpu": "a CPU", "threads": 2, "peak_rss_bytes": 1500000000},
  "inputs": [{"name": "repro/tables/small.textproto", "sha256": "00ff"}],
  "protocol": {"data": "Files.", "backbone": "An encoder.", "suites": ["glue_1"], "draws": 2, "first_draw": 3,
    "meta_seeds": 1, "first_meta_seed": 3, "shots": 16, "steps": 10, "batch_size": 0, "marks": [0, 10],
    "ratio_row": "lora", "world": "files"},
  "suites": [{"name": "glue_1", "title": "GLUE", "tasks": ["glue/qnli", "glue/cola", "superglue/record"]}],
  "data": [
    {"task": "glue/qnli", "suite": "glue_1", "n_test": 5463, "metrics": ["accuracy", "macro_f1"],
     "official_metrics": ["accuracy"], "subset": "train: 8,999 of 104,743 rows", "missing": ""},
    {"task": "glue/cola", "suite": "glue_1", "n_test": 1043, "metrics": ["matthews", "accuracy"],
     "official_metrics": ["matthews"], "subset": "", "missing": ""},
    {"task": "superglue/record", "suite": "glue_1", "n_test": 0, "metrics": ["record_em", "record_f1"],
     "official_metrics": ["record_f1", "record_em"], "subset": "",
     "missing": "MISSING_DATA: superglue/ReCoRD/val.jsonl; `bazel run --config=glue_fetch //repro:small` gets it"},
    {"task": "glue/mrpc@development", "suite": "development", "development": true, "n_test": 200,
     "metrics": ["accuracy"], "official_metrics": ["accuracy"], "subset": "", "missing": ""}],
  "split": {"meta_train": ["sup.n", "sup.v"], "meta_test": ["glue/qnli", "glue/cola", "superglue/record"],
            "development": ["glue/mrpc@development"]},
  "columns": [{"id": "accuracy", "title": "Accuracy, %", "measure": "ACCURACY_PERCENT", "suite": "glue_1",
    "in_paper": true, "margin": 1, "margin_is_relative": false, "margin_reason": "a reason", "not_judged": "",
    "decimals": 1, "note": ""},
    {"id": "mean6", "title": "Mean6", "measure": "PUBLISHED_MEAN_PERCENT", "suite": "glue_1",
    "tasks": ["glue/cola"], "in_paper": false, "margin": null, "margin_is_relative": false, "margin_reason": "",
    "not_judged": "why", "decimals": 1, "note": ""}],
  "rows": [
    {"id": "lora", "method": "lora", "title": "LoRA & \"co\"", "kind": "METHOD", "color": "#009e73", "dashed": false,
     "head": "ZERO", "options": {}, "options_reason": "", "note": "",
     "cells": {"accuracy": {"mean": 70.5, "sd": 1.5, "n": 2, "expected": 70, "paper": 84.3, "verdict": "REPRODUCED",
       "why": "inside", "holm_p": 0.004, "survives_holm": true, "expected_source": "a run"},
       "mean6": {"mean": 40, "sd": 2, "n": 2, "expected": null, "paper": null, "verdict": "NOT_ATTEMPTED", "why": ""}},
     "curves": {"glue_1": {"marks": [0, 10], "mean": [50, 70.5], "sd": [1, 1.5], "low": [41, 57], "high": [59, 84],
       "n": 2}},
     "tasks": [
       {"task": "glue/qnli", "suite": "glue_1", "draw": 3, "value": 0.7, "metrics": {"accuracy": 0.7, "macro_f1": 0.6},
        "n_test": 5463, "steps": 10, "tokens": 123456, "seconds": 1.5, "flops": 2e12, "peak_rss_bytes": 900000000,
        "finite": true, "degenerate": false},
       {"task": "glue/qnli", "suite": "glue_1", "draw": 4, "value": 0.8, "metrics": {"accuracy": 0.8, "macro_f1": 0.8},
        "n_test": 5463, "steps": 10, "tokens": 123456, "seconds": 2.5, "flops": 4e12, "peak_rss_bytes": 1000000000,
        "finite": true, "degenerate": true},
       {"task": "glue/cola", "suite": "glue_1", "draw": 3, "value": 0.1, "metrics": {"matthews": 0.1, "accuracy": 0.6},
        "n_test": 1043, "steps": 10, "seconds": 1, "flops": 1e12, "peak_rss_bytes": 1000000000, "finite": true},
       {"task": "glue/cola", "suite": "glue_1", "draw": 4, "error": "INTERNAL: no luck"},
       {"task": "superglue/record", "suite": "glue_1", "draw": 3, "not_attempted": "MISSING_DATA: no file"}]},
    {"id": "frozen", "method": "frozen", "title": "Frozen", "kind": "REFERENCE", "color": "", "dashed": true,
     "cells": {}}],
  "comparisons": [],
  "holm": {"level": 0.05, "cells": 1, "text": "of 1 cell with a test, 1 stands"},
  "aggregates": [{"suite": "glue_1", "tasks": 2, "draws": 2,
    "rows": [{"row": "lora", "mean": {"value": 55.25, "low": 50.1, "high": 60.2},
              "iqm": {"value": 58.04, "low": null, "high": null}},
             {"row": "frozen", "failed": 2}],
    "pairs": [{"row": "lora", "to": "frozen", "mean_difference": {"value": 5.25, "low": -1, "high": 6},
               "iqm_difference": {"value": -0.5, "low": -1.04, "high": 0.06},
               "probability_of_improvement": {"value": 0.625, "low": 0.5, "high": 0.75}}]}]
})json";

class ReportTest : public testing::Test {
 protected:
  ReportTest() : result_(Json::parse(kResult)) {
    std::string pattern = JoinPath(testing::TempDir(), "report_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  void Write() {
    ASSERT_THAT(WriteReport(result_, folder_), IsOk());
    markdown_ = Read("small.md");
    html_ = Read("small.html");
  }
  std::string Read(const std::string& name) {
    const absl::StatusOr<std::string> text = ReadFile(JoinPath(folder_, name), 1 << 24);
    EXPECT_THAT(text, IsOk());
    return text.ok() ? *text : "";
  }

  Json result_;
  std::string folder_, markdown_, html_;
};

// The first tag that closes another one than the last that is open, or what is left open; empty if there is none.
std::string Unbalanced(const std::string& html) {
  const std::vector<std::string> kVoid = {"!doctype", "meta", "br"};
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html.compare(at, 4, "<!--") == 0) continue;
    const bool closes = html[at + 1] == '/';
    size_t end = at + (closes ? 2 : 1);
    std::string name;
    while (std::isalnum(static_cast<unsigned char>(html[end])) || html[end] == '!') name.push_back(html[end++]);
    const size_t bracket = html.find('>', end);
    if (bracket == std::string::npos) return html.substr(at, 40);
    if (closes) {
      if (open.empty() || open.back() != name) return html.substr(at, 40);
      open.pop_back();
    } else if (html[bracket - 1] != '/' && std::find(kVoid.begin(), kVoid.end(), name) == kVoid.end()) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : open.back();
}

TEST_F(ReportTest, SubsetsAreCalledSubsetsWhereverTheirNumbersStand) {
  Write();
  EXPECT_THAT(markdown_, HasSubstr("Run on a subset of the official data"));
  EXPECT_THAT(markdown_, HasSubstr("| Method | Accuracy, % (subsets) |"));
  EXPECT_THAT(markdown_, HasSubstr("| Method | Mean6 |"));  // none of its tasks is one
  EXPECT_THAT(markdown_, HasSubstr("| Method | qnli (subset) | cola, matthews | record, record_em |"));
  EXPECT_THAT(markdown_, HasSubstr("`glue/qnli` (subset), 5,463 test examples; official: accuracy"));
  EXPECT_THAT(markdown_, HasSubstr("| GLUE | test | 5,463 | accuracy, macro_f1<br>official: accuracy | "
                                   "subset<br>train: 8,999 of 104,743 rows |"));
  EXPECT_THAT(markdown_, HasSubstr("- Meta-test: 3: glue/qnli (subset), glue/cola, superglue/record"));
  EXPECT_THAT(ReportText(result_), HasSubstr("Accuracy, % (subsets)"));
  EXPECT_THAT(ReportText(result_), HasSubstr("glue/qnli: a subset. train: 8,999 of 104,743 rows\n"));
  // Few-shot tasks stand in no suite: what is missing to them stands in the environment.
  Json few_shot = result_;
  few_shot["columns"][0]["measure"] = "FEW_SHOT_ACCURACY_PERCENT";
  EXPECT_THAT(ReportText(few_shot), Not(HasSubstr("Accuracy, % (subsets)")));
  few_shot["environment"]["few-shot subsets"] = "fewshot/ag_news: test: 1,000 of 7,600 rows";
  EXPECT_THAT(ReportText(few_shot), HasSubstr("Accuracy, % (subsets)"));
  // Without subsets the word is nowhere.
  result_["data"][0]["subset"] = "";
  Write();
  EXPECT_THAT(markdown_, Not(HasSubstr("subset")));
}

TEST_F(ReportTest, WhatIsMissingIsSaidWithTheCommandThatGetsIt) {
  Write();
  EXPECT_THAT(markdown_, HasSubstr("Not run: record. A mean that needs one of them is NOT_ATTEMPTED"));
  EXPECT_THAT(markdown_, HasSubstr("- superglue/record: MISSING_DATA: superglue/ReCoRD/val.jsonl; `bazel run "
                                   "--config=glue_fetch //repro:small` gets it"));
  EXPECT_THAT(html_, HasSubstr("<code>bazel run --config=glue_fetch //repro:small</code>"));
  EXPECT_THAT(ReportText(result_), HasSubstr("superglue/record: not attempted. MISSING_DATA: superglue/ReCoRD"));
}

TEST_F(ReportTest, NumbersOfTasks) {
  Write();
  // 70 and 80, 10 and a failure, nothing.
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 75.0 ± 7.1 | 10.0 | –<br>NOT_ATTEMPTED |"));
  EXPECT_THAT(markdown_, HasSubstr("| Method | accuracy | macro_f1 | Official score |"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\"<br>1 degenerate: some metric is a convention | 75.0 ± 7.1 | 70.0 ± "
                                   "14.1 | 75.0 ± 7.1 |"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 10.0 | 60.0 | 10.0 |"));
  EXPECT_THAT(markdown_, HasSubstr("| Method | Steps | Tokens | TFLOP | Seconds | Peak memory |"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 10 | 123,456 | 3 | 2.00 ± 0.71 | 1.00 GB |"));
  // Accuracy of the only draw without a failure, (70 + 10) / 2; cost: the means of 2 s and 1 s, of 3 TFLOP and 1.
  EXPECT_THAT(markdown_, HasSubstr("\nGLUE (subsets) without record\n"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 40.0 | 1.5 | 2 |"));
  EXPECT_THAT(markdown_, HasSubstr("- LoRA & \"co\", glue/cola, draw 4: INTERNAL: no luck"));
  // Of two draws, 40 and 55: Student's t of one degree of freedom at 97.5 % is 12.706, so 47.5 ± 12.706 · 7.5.
  result_["rows"][0]["tasks"][3].erase("error");
  result_["rows"][0]["tasks"][3].update({{"value", 0.3}, {"seconds", 1}, {"flops", 1e12}});
  Write();
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 47.5 [-47.8, 142.8] | 1.5 | 2 |"));
}

TEST_F(ReportTest, RowsMayHaveMarksOfTheirOwn) {
  result_["rows"][1]["curves"]["glue_1"] = {{"marks", {0, 5}}, {"mean", {60, 61}}, {"sd", {1, 2}},
                                            {"low", {50, 51}}, {"high", {70, 71}}, {"n", 2}};
  result_["protocol"]["marks"] = {0, 5, 10};
  Write();
  EXPECT_THAT(markdown_, HasSubstr("| Method | step 0 | step 5 | step 10 |"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 50.0 ± 1.0 | – | 70.5 ± 1.5 |"));
  EXPECT_THAT(markdown_, HasSubstr("| 60.0 ± 1.0 | 61.0 ± 2.0 | – |"));
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  EXPECT_THAT(Read("figures/curve_glue_1.gnuplot"), HasSubstr("'0' 0, '5' 1, '10' 2"));
}

TEST_F(ReportTest, Aggregates) {
  Write();
  EXPECT_THAT(markdown_, HasSubstr("GLUE (subsets) without record, 2 tasks, 2 draws"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | 58.0 | 55.2 [50.1, 60.2] |"));
  EXPECT_THAT(markdown_, HasSubstr("| Frozen<br>2 runs failed: no mean | – | – |"));
  EXPECT_THAT(markdown_, HasSubstr("| LoRA & \"co\" | Frozen | -0.5 [-1.0, +0.1] | +5.2 [-1.0, +6.0] | 62 [50, 75] |"));
  EXPECT_THAT(markdown_, HasSubstr("of 1 cell with a test, 1 stands"));
  EXPECT_THAT(markdown_, HasSubstr("inside<br>over the whole table (Holm) p = 0.004: the verdict stands"));
}

TEST_F(ReportTest, SplitAndHowToRunItAgain) {
  Write();
  EXPECT_THAT(markdown_, HasSubstr("- Meta-training: 2: sup.n, sup.v"));
  EXPECT_THAT(markdown_, HasSubstr("- Development: 1: glue/mrpc@development"));
  EXPECT_THAT(markdown_, HasSubstr("No task is in two of these lists."));
  EXPECT_THAT(markdown_, HasSubstr("- Command: `bazel run --config=glue //repro:small -- --data_root=DIR`"));
  EXPECT_THAT(markdown_, HasSubstr("GBMOA_DATA"));
  EXPECT_THAT(markdown_, HasSubstr("- Draws of the support sets: 2 (numbers 3 to 4)"));
  EXPECT_THAT(markdown_, HasSubstr("- Meta-trainings of a row: 1 (number 3)"));
  EXPECT_THAT(markdown_, HasSubstr("- Examples a step: the whole support set"));
  result_["split"]["meta_test"].push_back("glue/mrpc");
  Write();
  EXPECT_THAT(markdown_, HasSubstr("In two of these lists, with other examples in each: glue/mrpc."));
}

TEST_F(ReportTest, ThePageNeedsNothingAndIsWellFormed) {
  Write();
  for (const char* loaded :
       {"<script", "<link", "<img", "<iframe", "src=", "@import", "href=\"http", "href='http", "url(http"}) {
    EXPECT_THAT(html_, Not(HasSubstr(loaded)));
  }
  EXPECT_EQ(Unbalanced(html_), "");
  EXPECT_THAT(html_, HasSubstr("<title>Small &lt;table&gt;</title>"));
  EXPECT_THAT(html_, HasSubstr("LoRA &amp; &quot;co&quot;"));
  EXPECT_THAT(html_, Not(HasSubstr("LoRA & ")));
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  EXPECT_THAT(html_, HasSubstr("bars_glue_1_0_"));
  EXPECT_THAT(html_, HasSubstr("cost_seconds_glue_1_"));
  EXPECT_THAT(Read("figures/bars_glue_1_0.gnuplot"), HasSubstr("set label '(subset)'"));
}

// The paper's numbers, the profile's, the reason and the command, and nothing that would need a run.
TEST_F(ReportTest, APageOfWhatWasNotAttemptedIsComplete) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/table1.textproto");
  ASSERT_THAT(path, IsOk());
  const absl::StatusOr<TableDefinition> definition = LoadTable(*path);
  ASSERT_THAT(definition, IsOk());
  absl::StatusOr<Profile> profile = ResolveProfile(definition->table, "4xa100", {});
  ASSERT_THAT(profile, IsOk());
  profile->mutable_not_attempted()->add_reasons(HARDWARE);
  profile->mutable_not_attempted()->set_why("needs four GPUs; none was found");
  for (RowSettings& settings : *profile->mutable_rows()) {
    if (settings.row() == "gbmoa") settings.set_meta_steps(1000);
  }
  RunContext context;
  context.command = "bazel run --config=4xa100 //repro:table1";
  result_ = BuildResult(*definition, *profile, context, nullptr);
  result_["table"] = "small";
  Write();
  EXPECT_THAT(markdown_, HasSubstr("Nothing was run. HARDWARE: needs four GPUs; none was found"));
  EXPECT_THAT(markdown_, HasSubstr("| GB-MOA | –<br>NOT_ATTEMPTED<br>paper 91.8 |"));
  EXPECT_THAT(markdown_, HasSubstr("## What this profile would run"));
  EXPECT_THAT(markdown_, HasSubstr("- Encoder: RoBERTa-large"));
  EXPECT_THAT(markdown_, HasSubstr("- Steps: 1000"));
  EXPECT_THAT(markdown_, HasSubstr("- Examples a class: all of the training split"));
  EXPECT_THAT(markdown_, HasSubstr("- Grid: suite development; tasks glue/mrpc@development, "));
  EXPECT_THAT(markdown_, HasSubstr("- Few shot: shots 1, 5, 16; episodes 90; first episode 0; steps 80; batch size 32; "
                                   "marks 0, 5, 80"));
  EXPECT_THAT(markdown_, HasSubstr("- File world: max tokens 256; development examples 1000; "));
  EXPECT_THAT(markdown_, HasSubstr("few shot tasks fewshot/ag_news, "));
  EXPECT_THAT(markdown_, HasSubstr("few shot seeds 13, 21, 42, 87, 100"));
  EXPECT_THAT(markdown_, HasSubstr("- Needs: encoder roberta-large; gpus 4; gpu A100"));
  EXPECT_THAT(markdown_, HasSubstr("- Suite GLUE: glue/cola, glue/sst2"));
  EXPECT_THAT(markdown_, HasSubstr("| gbmoa<br>1000 meta-steps, 80 steps | prototypes |"));
  EXPECT_THAT(markdown_, HasSubstr("lora_rank = 8<br>grid: learning_rate: 1e-5, 5e-5, 1e-4 |"));
  EXPECT_THAT(markdown_, HasSubstr("- Command: `bazel run --config=4xa100 //repro:table1`"));
  EXPECT_THAT(markdown_, Not(HasSubstr("Cost against accuracy")));
  EXPECT_EQ(Unbalanced(html_), "");
}

// A results file of an earlier version, or one that somebody has cut down.
TEST_F(ReportTest, WhatIsAbsentIsLeftOut) {
  for (const char* key : {"suites", "data", "split", "holm", "aggregates", "comparisons"}) result_.erase(key);
  Write();
  EXPECT_THAT(markdown_, Not(HasSubstr("## Data")));
  EXPECT_THAT(markdown_, Not(HasSubstr("## Over all tasks")));
  EXPECT_THAT(markdown_, HasSubstr("## Cost against accuracy"));
  EXPECT_EQ(Unbalanced(html_), "");
}

}  // namespace
}  // namespace gbmoa
