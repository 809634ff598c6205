#include "repro/aggregate.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eval/statistics.h"
#include "gbmoa/base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

#include "repro/testdata/aggregate.inc"

using ::testing::HasSubstr;

void ExpectChecked(const Json& got, const Checked& want, const char* what) {
  EXPECT_NEAR(got["value"].get<double>(), want.value, 1e-12) << what;
  // Ends may lie on a grid of means: those are rounded in another order.
  EXPECT_GE(got["low"].get<double>(), want.low_from - 1e-9) << what;
  EXPECT_LE(got["low"].get<double>(), want.low_to + 1e-9) << what;
  EXPECT_GE(got["high"].get<double>(), want.high_from - 1e-9) << what;
  EXPECT_LE(got["high"].get<double>(), want.high_to + 1e-9) << what;
}

TEST(AggregateJsonTest, AgreesWithSciPy) {
  for (const AggregateCase& c : kAggregates) {
    SCOPED_TRACE(testing::Message() << c.row.size() << " tasks of " << c.row[0].size() << " draws and others");
    const Json json = AggregateJson({{"ours", c.row}, {"base", c.to}}, {{"base"}});
    ASSERT_EQ(json["rows"].size(), 2);
    ASSERT_EQ(json["pairs"].size(), 1);
    const Json &row = json["rows"][0], &pair = json["pairs"][0];
    EXPECT_EQ(row["row"], "ours");
    EXPECT_EQ(pair["row"], "ours");
    EXPECT_EQ(pair["to"], "base");
    ExpectChecked(row["mean"], c.mean, "mean");
    ExpectChecked(row["iqm"], c.iqm, "iqm");
    ExpectChecked(pair["mean_difference"], c.mean_difference, "mean difference");
    ExpectChecked(pair["iqm_difference"], c.iqm_difference, "iqm difference");
    ExpectChecked(pair["probability_of_improvement"], c.improvement, "probability of improvement");
  }
}

TEST(AggregateJsonTest, IntervalOfManyNormalScoresIsTheNormalOne) {
  // The mean over 4 tasks of 200 resampled draws is normal with the summed variances.
  const RandomStream random(3, "aggregate_test");
  ScoreRow row{"row"};
  double variance = 0, mean = 0;
  for (int t = 0; t < 4; ++t) {
    std::vector<double> draws;
    for (int i = 0; i < 200; ++i) draws.push_back(20 * t + (1 + t) * random.Substream(t).Normal(i));
    const Summary summary = Summarize(draws);
    mean += summary.mean / 4;
    variance += summary.sd * summary.sd * 199 / 200 / 200 / 16;
    row.scores.push_back(draws);
  }
  AggregateOptions options;
  options.replications = 20000;
  const Json json = AggregateJson({row}, options)["rows"][0]["mean"];
  // A quantile of 20,000 has the error sqrt(0.025 * 0.975 / 20000) / density(1.96) = 0.019 standard deviations; four.
  const double sd = std::sqrt(variance);
  EXPECT_NEAR(json["value"].get<double>(), mean, 1e-12);
  EXPECT_NEAR(json["low"].get<double>(), mean - 1.95996 * sd, 0.076 * sd);
  EXPECT_NEAR(json["high"].get<double>(), mean + 1.95996 * sd, 0.076 * sd);
}

TEST(AggregateJsonTest, PairsShareTheirDraws) {
  // Rows that differ by the same on every draw have no chance in their difference, however much the draws vary.
  const ScoreRow base{"base", {{50, 70, 90}, {10, 60, 30}}}, better{"better", {{51, 71, 91}, {11, 61, 31}}};
  const Json json = AggregateJson({base, better}, {{"base"}})["pairs"][0];
  for (const char* end : {"value", "low", "high"}) EXPECT_NEAR(json["mean_difference"][end].get<double>(), 1, 1e-12);
  // Better on each draw, but a run on another draw may be worse: of 9 pairs of a task 6 are better, 3 on the same draw.
  EXPECT_NEAR(json["probability_of_improvement"]["value"].get<double>(), 6. / 9, 1e-12);
}

TEST(AggregateJsonTest, DoesNotDependOnOtherRows) {
  const ScoreRow a{"a", {{50, 70, 90}, {10, 60, 30}}}, b{"b", {{40, 90, 90}, {10, 0, 30}}};
  const Json alone = AggregateJson({a}, {}), together = AggregateJson({b, a}, {{"b", "nobody"}});
  EXPECT_EQ(alone["rows"][0], together["rows"][1]);
  EXPECT_EQ(together["pairs"].size(), 1);
  AggregateOptions other_seed;
  other_seed.seed = 2;
  EXPECT_NE(AggregateJson({b}, other_seed)["rows"][0]["mean"]["low"], together["rows"][0]["mean"]["low"]);
  EXPECT_EQ(AggregateJson({b}, other_seed)["rows"][0]["mean"]["value"], together["rows"][0]["mean"]["value"]);
}

TEST(AggregateJsonTest, FailedAndSingleRuns) {
  const double kNan = std::numeric_limits<double>::quiet_NaN();
  const ScoreRow good{"good", {{50, 70}, {10, 60}}}, bad{"bad", {{50, kNan}, {kNan, 60}}},
      longer{"longer", {{50, 70, 60}, {10, 60, 20}}}, single{"single", {{50}, {10, 60}}};
  const Json json = AggregateJson({good, bad, longer, single}, {{"good"}});
  EXPECT_EQ(json["rows"][1], (Json{{"row", "bad"}, {"failed", 2}}));
  EXPECT_EQ(json["draws"], 1);
  ASSERT_EQ(json["pairs"].size(), 1);  // the others have other draws
  EXPECT_EQ(json["pairs"][0], (Json{{"row", "bad"}, {"to", "good"}, {"failed", 2}}));
  EXPECT_TRUE(json["rows"][3]["mean"]["value"].is_number());
  EXPECT_TRUE(json["rows"][3]["mean"]["low"].is_null());
  EXPECT_TRUE(AggregateJson({}, {}).is_null());
}

Json TestedCell(const std::string& verdict, double within, double outside) {
  return {{"verdict", verdict}, {"p_within", within}, {"p_outside", outside}};
}

TEST(ApplyHolmTest, AdjustsEachClaimOverAllCells) {
  Json result = {{"headline", "3 reproduced"},
                 {"columns",
                  {{{"id", "a"}, {"in_paper", true}, {"not_judged", ""}},
                   {{"id", "b"}, {"in_paper", true}, {"not_judged", ""}},
                   {{"id", "c"}, {"in_paper", false}, {"not_judged", ""}}}},
                 {"rows",
                  {{{"kind", "METHOD"},
                    {"cells",
                     {{"a", TestedCell("REPRODUCED", 0.004, 0.996)},
                      {"b", TestedCell("REPRODUCED", 0.03, 0.97)},
                      {"c", TestedCell("NOT_REPRODUCED", 0.999, 0.001)}}}},
                   {{"kind", "REFERENCE"},
                    {"cells",
                     {{"a", TestedCell("INCONCLUSIVE", 0.2, 0.8)},
                      {"b", {{"verdict", "RUN_FAILED"}}},
                      {"c", TestedCell("REPRODUCED", 0.001, 0.999)}}}},
                   {{"kind", "METHOD"},
                    {"cells",
                     {{"a", {{"verdict", "REPRODUCED"}}},  // exact
                      {"b", {{"verdict", "NOT_ATTEMPTED"}}},
                      {"c", {{"verdict", "NOT_COMPARABLE"}}}}}}}}};
  ApplyHolm(&result);
  const struct {
    int row;
    const char* column;
    double p;  // five p-values "within": 5 * 0.001, 4 * 0.004, 3 * 0.03, 2 * 0.2, 0.999; "outside": 5 * 0.001, ...
    bool survives;
  } kCases[] = {
      {0, "a", 0.016, true}, {0, "b", 0.09, false}, {0, "c", 0.005, true}, {1, "a", 0.4, false}, {1, "c", 0.005, true}};
  for (const auto& c : kCases) {
    const Json& cell = result["rows"][c.row]["cells"][c.column];
    EXPECT_NEAR(cell["holm_p"].get<double>(), c.p, 1e-12) << c.row << c.column;
    EXPECT_EQ(cell["survives_holm"], c.survives) << c.row << c.column;
  }
  EXPECT_FALSE(result["rows"][1]["cells"]["b"].contains("holm_p"));
  EXPECT_FALSE(result["rows"][2]["cells"]["b"].contains("survives_holm"));
  EXPECT_FALSE(result["rows"][2]["cells"]["a"].contains("holm_p"));
  EXPECT_EQ(result["rows"][2]["cells"]["a"]["survives_holm"], true);
  const Json& holm = result["holm"];
  EXPECT_EQ(holm["cells"], 5);
  EXPECT_EQ(holm["reproduced"], 3);
  EXPECT_EQ(holm["reproduced_survive"], 2);
  EXPECT_EQ(holm["not_reproduced"], 1);
  EXPECT_EQ(holm["not_reproduced_survive"], 1);
  EXPECT_THAT(holm["text"].get<std::string>(), HasSubstr("2 of 3 REPRODUCED"));
  // Of the paper's cells: a and the exact one hold, b does not.
  EXPECT_EQ(result["headline"], "3 reproduced; 2 of the 3 reproduced for the whole table at once");
}

TEST(ApplyHolmTest, WithoutATestNothingChanges) {
  Json result = {{"headline", "1 reproduced"}, {"rows", {{{"cells", {{"a", {{"verdict", "REPRODUCED"}}}}}}}}};
  const Json before = result;
  ApplyHolm(&result);
  EXPECT_EQ(result, before);
}

TEST(AddPValuesTest, OnlyWhereATestWasMade) {
  Json cell, exact;
  AddPValues(JudgeCell({5, 80, 1}, 0, ExpectedValue{{5, 80.5, 1}}, 2), &cell);
  EXPECT_LT(cell["p_within"].get<double>(), 0.05);
  EXPECT_GT(cell["p_outside"].get<double>(), 0.5);
  AddPValues(JudgeCell({5, 80, 1}, 0, ExpectedValue{{1, 80.5, 0}, true}, 2), &exact);
  AddPValues(JudgeCell({1, 80, 0}, 0, ExpectedValue{{5, 80.5, 1}}, 2), &exact);
  AddPValues(JudgeCell({4, 80, 1}, 1, ExpectedValue{{5, 80.5, 1}}, 2), &exact);
  EXPECT_TRUE(exact.is_null());
}

}  // namespace
}  // namespace gbmoa
