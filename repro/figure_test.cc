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
