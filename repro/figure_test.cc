#include "repro/figure.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>
#include <string>

#include "gbmoa/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Panel TwoCurves() {
  Panel panel;
  panel.name = "composite";
  panel.x_label = "adaptation steps";
  panel.y_label = "accuracy, %";
  panel.marks = {0, 5, 50};
  panel.series = {{"LoRA", "#009e73", false, {80, 82, 83}, {78, 81, 82}, {82, 83, 84}},
                  {"it's frozen", "#555555", true, {84, 84, 84}, {}, {}}};
  return panel;
}

TEST(DrawPanelTest, DrawsCurvesThatCanStandBesideOthers) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const absl::StatusOr<std::string> svg = DrawPanel(TwoCurves(), testing::TempDir());
  ASSERT_TRUE(svg.ok()) << svg.status();
  EXPECT_THAT(*svg, StartsWith("<svg"));
  EXPECT_THAT(*svg, HasSubstr("viewBox"));  // scales with its container
  EXPECT_THAT(*svg, HasSubstr("adaptation steps"));
  EXPECT_THAT(*svg, HasSubstr("it's frozen"));
  EXPECT_THAT(*svg, Not(HasSubstr("id=\"gnuplot")));
  EXPECT_THAT(*svg, HasSubstr("id=\"composite_gnuplot"));
}

TEST(DrawPanelTest, TheFolderMayBeRelative) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  ASSERT_EQ(chdir(testing::TempDir().c_str()), 0);
  mkdir("relative", 0777);
  EXPECT_TRUE(DrawPanel(TwoCurves(), "relative").ok());
}

TEST(DrawPanelTest, MissingValuesLeaveGaps) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  Panel panel = TwoCurves();
  panel.series[0].values[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(DrawPanel(panel, testing::TempDir()).ok());
}

TEST(DrawRangesTest, DrawsWhatIsThere) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const double kNone = std::numeric_limits<double>::quiet_NaN();
  RangePanel panel;
  panel.name = "difference";
  panel.x_label = "difference in points";
  panel.rows = {{"it's shorter", "#0072b2", -1, -2.5, 0.5, -3.7},
                {"one value", "#d55e00", 0.5, kNone, kNone, kNone},
                {"not run", "#555555", kNone, kNone, kNone, kNone}};
  absl::StatusOr<std::string> svg = DrawRanges(panel, testing::TempDir());
  ASSERT_TRUE(svg.ok()) << svg.status();
  EXPECT_THAT(*svg, StartsWith("<svg"));
  EXPECT_THAT(*svg, HasSubstr("it's shorter"));
  EXPECT_THAT(*svg, HasSubstr("not run"));
  panel.rows.resize(3);
  panel.rows.erase(panel.rows.begin(), panel.rows.begin() + 2);
  svg = DrawRanges(panel, testing::TempDir());  // nothing to draw
  EXPECT_TRUE(svg.ok()) << svg.status();
}

TEST(DrawBarsTest, DrawsGroupsOfBarsWithIntervals) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const double kNone = std::numeric_limits<double>::quiet_NaN();
  BarPanel panel;
  panel.name = "bars";
  panel.y_label = "accuracy, %";
  panel.groups = {{"mrpc", ""}, {"a_b<c>&{d}", "subset"}, {"cola", ""}};
  panel.series = {{"LoRA_{x}", "#009e73", false, {80, kNone, -12}, {70, kNone, -250}, {130, kNone, 3}},
                  {"Frozen", "#555555", true, {60, 40, 10}, {}, {}}};
  absl::StatusOr<std::string> svg = DrawBars(panel, testing::TempDir());
  ASSERT_TRUE(svg.ok()) << svg.status();
  EXPECT_THAT(*svg, StartsWith("<svg"));
  EXPECT_THAT(*svg, HasSubstr("mrpc"));
  EXPECT_THAT(*svg, HasSubstr("subset"));
  EXPECT_THAT(*svg, HasSubstr("a_b&lt;c>&amp;{d}"));  // neither markup of the page nor of gnuplot
  EXPECT_THAT(*svg, HasSubstr("<title>LoRA_{x}</title>"));
  EXPECT_THAT(*svg, HasSubstr("id=\"bars_gnuplot"));
  // Percentages end at 100, and an axis holds what is below 0.
  const absl::StatusOr<std::string> script = ReadFile(JoinPath(testing::TempDir(), "bars.gnuplot"), 1 << 20);
  ASSERT_TRUE(script.ok());
  EXPECT_THAT(*script, HasSubstr("set yrange [-100:100]"));
  panel.series.clear();
  svg = DrawBars(panel, testing::TempDir());  // nothing to draw
  EXPECT_TRUE(svg.ok()) << svg.status();
}

TEST(DrawCostsTest, NamesStandBesideTheirMarks) {
  if (!HaveGnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const double kNone = std::numeric_limits<double>::quiet_NaN();
  CostPanel panel;
  panel.name = "cost";
  panel.x_label = "seconds a task";
  panel.y_label = "accuracy, %";
  panel.points = {{"cheap & good's", "#0072b2", false, 0.5, 80, 78, 82},
                  {"same place", "#d55e00", true, 0.5, 80, kNone, kNone},
                  {"far and uncertain", "#009e73", false, 400, 75, -40, 200},
                  {"free", "#555555", false, 0, 60, 58, 62},
                  {"not run", "#555555", false, 1, kNone, kNone, kNone}};
  absl::StatusOr<std::string> svg = DrawCosts(panel, testing::TempDir());
  ASSERT_TRUE(svg.ok()) << svg.status();
  EXPECT_THAT(*svg, StartsWith("<svg"));
  EXPECT_THAT(*svg, HasSubstr("cheap &amp; good's"));
  EXPECT_THAT(*svg, HasSubstr("same place"));
  EXPECT_THAT(*svg, Not(HasSubstr("not run")));
  EXPECT_THAT(*svg, Not(HasSubstr("free")));  // nothing costs 0 on a logarithmic axis
  const absl::StatusOr<std::string> script = ReadFile(JoinPath(testing::TempDir(), "cost.gnuplot"), 1 << 20);
  ASSERT_TRUE(script.ok());
  EXPECT_THAT(*script, HasSubstr("set yrange [60:90]"));  // an interval counts for no more than 15 points
  EXPECT_THAT(*script, HasSubstr("'1' 1, '10' 10, '100' 100"));
  // Two marks at one place: the second name is drawn elsewhere.
  const auto line = [&](const std::string& title) {
    const size_t at = script->find("set label '" + title);
    return at == std::string::npos ? "" : script->substr(script->find(" at screen", at), 30);
  };
  EXPECT_NE(line("cheap"), line("same place"));
  panel.points.clear();
  svg = DrawCosts(panel, testing::TempDir());  // nothing to draw
  EXPECT_TRUE(svg.ok()) << svg.status();
}

TEST(ShareAxisTest, HoldsAllNumbersButTheEndsOfWideIntervals) {
  const double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<RangePanel> panels(2);
  panels[0].rows = {{"a", "#000000", 1, -2, 4, -6}};
  panels[1].rows = {{"b", "#000000", 1, -80, 4, 1}, {"c", "#000000", 1, -kInfinity, kInfinity, 1}};
  ShareAxis(&panels, 10);
  for (const RangePanel& panel : panels) {
    EXPECT_NEAR(panel.low, -10 - 0.04 * 14, 1e-12);
    EXPECT_NEAR(panel.high, 4 + 0.04 * 14, 1e-12);
  }
}

TEST(DrawPanelTest, Errors) {
  const absl::StatusOr<std::string> nowhere = DrawPanel(TwoCurves(), "/proc/none");
  EXPECT_FALSE(nowhere.ok());
  setenv("PATH", "/nonexistent", 1);
  EXPECT_FALSE(HaveGnuplot());
  const absl::StatusOr<std::string> without = DrawPanel(TwoCurves(), testing::TempDir());
  EXPECT_EQ(without.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(without.status().message()), HasSubstr("gnuplot"));
}

}  // namespace
}  // namespace gbmoa
