// Learning curves and differences with their intervals as SVG, drawn by gnuplot.
#ifndef GBMOA_REPRO_FIGURE_H_
#define GBMOA_REPRO_FIGURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace gbmoa {

struct Series {
  std::string title;
  std::string color;  // "#rrggbb"
  bool dashed = false;
  std::vector<double> values;     // one a mark
  std::vector<double> low, high;  // a band around them; empty: none
};

// Curves over the marks of an adaptation. Marks are evenly spaced: most of what happens, happens in the first steps.
struct Panel {
  std::string name;  // of its files; letters, digits, '_'
  std::string x_label, y_label;
  std::vector<int> marks;
  std::vector<Series> series;
  int width = 440, height = 300;  // that its letters are made for; the page may scale it
};

// A difference with its interval, one line of a RangePanel. NaN: not there.
struct RangeRow {
  std::string title;
  std::string color;
  double value, low, high;
  double other;  // what somebody else found, as a hollow mark
};

// Point-ranges below each other around a line at zero.
struct RangePanel {
  std::string name;  // of its files; letters, digits, '_'
  std::string x_label;
  std::vector<RangeRow> rows;
  double low = -1, high = 1;  // of the axis; what reaches beyond is cut off
  int width = 430;            // that its letters are made for; the page may scale it
};

// Bars of several series beside each other, in groups, with intervals.
struct BarPanel {
  std::string name;  // of its files; letters, digits, '_'
  std::string y_label;
  std::vector<std::pair<std::string, std::string>>
      groups;                     // below the bars: a word, and one below it that may be empty
  std::vector<Series> series;     // a value a group; NaN: no bar. Hollow where dashed; low and high are the intervals
  int width = 440, height = 280;  // that its letters are made for; the page may scale it
};

// What something costs against how good it is: a mark each with its name beside it.
struct CostPoint {
  std::string title;
  std::string color;
  bool hollow = false;
  double x = 0, y = 0;  // drawn if x > 0 and both are finite
  double low, high;     // of y; NaN: none
};
struct CostPanel {
  std::string name;              // of its files; letters, digits, '_'
  std::string x_label, y_label;  // x is on a logarithmic axis
  std::vector<CostPoint> points;
  int width = 440, height = 320;  // that its letters are made for; the page may scale it
};

// The axis for panels that are to be compared: from the least to the greatest of all their numbers and 0, of intervals
// no more than `most` from 0.
void ShareAxis(std::vector<RangePanel>* panels, double most = 25);

// Whether a program `gnuplot` can be run.
bool HaveGnuplot();

// Writes FOLDER/NAME.gnuplot, from which gnuplot makes FOLDER/NAME.svg, and returns an <svg> element that fits its
// container and whose ids are unique to `panel.name`. Errors: Unimplemented without gnuplot; Internal if it fails, with
// what it says; and those of writing.
absl::StatusOr<std::string> DrawPanel(const Panel& panel, const std::string& folder);
absl::StatusOr<std::string> DrawRanges(const RangePanel& panel, const std::string& folder);
absl::StatusOr<std::string> DrawBars(const BarPanel& panel, const std::string& folder);
absl::StatusOr<std::string> DrawCosts(const CostPanel& panel, const std::string& folder);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_FIGURE_H_
