#include "repro/figure.h"

#include <cstdlib>
#include <limits>
#include <string>

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
