#include "repro/figure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "repro/subprocess.h"

namespace gbmoa {
namespace {

// A string in gnuplot's single quotes, where only the quote itself is special, and the end of a line.
std::string Quote(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}, {"\n", " "}, {"\r", " "}}), "'");
}

// Words to show: without it '_', '^', '&' and others are markup.
std::string Words(const std::string& text) { return absl::StrCat(Quote(text), " noenhanced"); }

// What bands and intervals widen an axis by, at most, in points: those of two draws reach from far below 0 to far above
// 100, and would leave the values no room. They are cut off at the axis' ends.
constexpr double kMost = 15;

// The range of all values and bands, widened to whole steps of an axis with few labels. Never less than ten points, so
// that noise does not look like news.
struct Range {
  double low = 0, high = 1, step = 1;
};
Range YRange(const Panel& panel) {
  double low = 1e300, high = -1e300;
  const auto include = [&](const std::vector<double>& values, double at_least, double at_most) {
    for (const double value : values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, std::max(value, at_least));
      high = std::max(high, std::min(value, at_most));
    }
  };
  for (const Series& series : panel.series) include(series.values, -1e300, 1e300);
  if (low > high) return {};
  const double at_least = low - kMost, at_most = high + kMost;
  for (const Series& series : panel.series) {
    include(series.low, at_least, at_most);
    include(series.high, at_least, at_most);
  }
  const double missing = 10 - (high - low);
  if (missing > 0) {
    low -= missing / 2;
    high += missing / 2;
  }
  const double step = high - low > 45 ? 20 : high - low > 22 ? 10 : high - low > 11 ? 5 : 2;
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step};
}

// The head of every script.
std::string Terminal(const std::string& name, int width, int height) {
  return absl::StrCat(
      "set terminal svg size ", width, ",", height,
      " dynamic font 'Helvetica,13' linewidth 1 background '#ffffff' name ", Quote(name), "\nset output ",
      Quote(absl::StrCat(name, ".svg")),
      "\nset encoding utf8\nunset key\nset tics nomirror out scale 0.5 noenhanced textcolor '#3c434d'\n");
}

std::string Script(const Panel& panel) {
  const Range y = YRange(panel);
  std::string script =
      absl::StrCat(Terminal(panel.name, panel.width, panel.height),
                   "set border 3 linecolor '#8a8f98'\n"
                   "set grid ytics linetype 1 linecolor '#e6e8eb' linewidth 1\n"
                   "set lmargin 7\nset rmargin 1.5\nset tmargin 0.8\nset bmargin 3.4\n"
                   "set style fill transparent solid 0.13 noborder\n",
                   "set xlabel ", Words(panel.x_label), " textcolor '#3c434d' offset 0,0.3\n", "set ylabel ",
                   Words(panel.y_label), " textcolor '#3c434d' offset 1.2,0\n",
                   absl::StrFormat("set xrange [-0.25:%g]\nset yrange [%g:%g]\nset ytics %g\nset xtics (",
                                   panel.marks.size() - 0.75, y.low, y.high, y.step));
  for (size_t i = 0; i < panel.marks.size(); ++i) {
    absl::StrAppend(&script, i == 0 ? "" : ", ", "'", panel.marks[i], "' ", i);
  }
  absl::StrAppend(&script, ")\n");
  std::string plots;
  for (size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    absl::StrAppend(&script, "$s", s, " << EOD\n");
    const bool band = !series.low.empty();
    for (size_t i = 0; i < series.values.size(); ++i) {
      if (!std::isfinite(series.values[i])) continue;
      const auto at = [&](const std::vector<double>& v) {
        return band && std::isfinite(v[i]) ? v[i] : series.values[i];
      };
      // A band may be wider than what accuracies can be.
      absl::StrAppend(&script, absl::StrFormat("%d %.4f %.4f %.4f\n", i, series.values[i],
                                               std::max(at(series.low), y.low), std::min(at(series.high), y.high)));
    }
    absl::StrAppend(&script, "EOD\n");
    const std::string color = absl::StrCat("linecolor rgb '", series.color, "'");
    if (band)
      absl::StrAppend(&plots, plots.empty() ? "" : ", ", "$s", s, " using 1:3:4 with filledcurves ", color, " notitle");
  }
  // Lines after all bands, so that no band hides one.
  for (size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    absl::StrAppend(&plots, plots.empty() ? "" : ", ", "$s", s, " using 1:2 with ",
                    series.dashed ? "lines dashtype 2" : "linespoints pointtype 7 pointsize 0.4",
                    " linewidth 2 linecolor rgb '", series.color, "' title ", Words(series.title));
  }
  absl::StrAppend(&script, "plot ", plots, "\n");
  return script;
}

std::string Script(const RangePanel& panel) {
  const size_t n = panel.rows.size();
  size_t longest = 0;
  for (const RangeRow& row : panel.rows) longest = std::max(longest, row.title.size());
  const double span = panel.high - panel.low;
  const int step = span > 60 ? 20 : span > 30 ? 10 : span > 14 ? 5 : span > 5 ? 2 : 1;
  std::string tics;
  for (int tic = static_cast<int>(std::ceil(panel.low / step)); tic * step <= panel.high; ++tic) {
    const int at = tic * step;
    absl::StrAppend(&tics, tics.empty() ? "" : ", ",
                    at == 0 ? "'0'" : absl::StrCat("'", at < 0 ? "−" : "+", std::abs(at), "'"), " ", at);
  }
  std::string script = absl::StrCat(
      Terminal(panel.name, panel.width, static_cast<int>(56 + 26 * n)),
      "set border 1 linecolor '#8a8f98'\nset grid xtics linetype 1 linecolor '#e6e8eb' linewidth 1\n",
      // A letter of the font is narrower than the unit of margins.
      absl::StrFormat("set lmargin %.1f\nset rmargin 1.5\nset tmargin 0.5\nset bmargin 3.2\nset bars 0\n",
                      0.82 * static_cast<double>(longest) + 1.5),
      "set xlabel ", Words(panel.x_label), " textcolor '#3c434d' offset 0,0.3\n",
      absl::StrFormat("set xrange [%g:%g]\nset yrange [%g:%g]\n", panel.low, panel.high, -0.6,
                      static_cast<double>(n) - 0.4),
      "set xtics (", tics, ")\n",
      "set arrow from 0, graph 0 to 0, graph 1 nohead linecolor '#8a8f98' linewidth 1.2 back\nset ytics scale 0 (");
  std::string plots, data;
  for (size_t i = 0; i < n; ++i) {
    const RangeRow& row = panel.rows[i];
    const size_t y = n - 1 - i;
    absl::StrAppend(&script, i == 0 ? "" : ", ", Quote(row.title), " ", y);
    const auto cut = [&](double value) { return std::min(std::max(value, panel.low), panel.high); };
    if (std::isfinite(row.value)) {
      const bool interval = std::isfinite(row.low) && std::isfinite(row.high);
      absl::StrAppend(&data,
                      absl::StrFormat("$r%d << EOD\n%.4f %d %.4f %.4f\nEOD\n", i, cut(row.value), y,
                                      cut(interval ? row.low : row.value), cut(interval ? row.high : row.value)));
      absl::StrAppend(&plots, plots.empty() ? "" : ", ", "$r", i,
                      " using 1:2:3:4 with xerrorbars pointtype 7 pointsize 0.65 linewidth 2.2 linecolor rgb ",
                      Quote(row.color));
    }
    if (std::isfinite(row.other)) {
      absl::StrAppend(&data, absl::StrFormat("$o%d << EOD\n%.4f %d\nEOD\n", i, cut(row.other), y));
      absl::StrAppend(&plots, plots.empty() ? "" : ", ", "$o", i,
                      " using 1:2 with points pointtype 12 pointsize 0.9 linewidth 1.2 linecolor rgb '#5a616b'");
    }
  }
  return absl::StrCat(script, ")\n", data, "plot ", plots.empty() ? "1/0" : plots, "\n");
}

std::string Script(const BarPanel& panel) {
  constexpr double kGroupWidth = 0.86;  // of the distance from one group to the next
  double least = 0;
  for (const Series& series : panel.series) {
    for (const double value : series.values) {
      if (std::isfinite(value)) least = std::min(least, std::max(value, -100.0));  // a correlation may be negative
    }
  }
  const double low = 20 * std::floor(least / 20), high = 100;  // so that panels can be compared
  const double width = kGroupWidth / static_cast<double>(std::max<size_t>(1, panel.series.size()));
  std::string script = absl::StrCat(
      Terminal(panel.name, panel.width, panel.height),
      "set border 2 linecolor '#8a8f98'\n"
      "set grid ytics linetype 1 linecolor '#e6e8eb' linewidth 1\n"
      "set lmargin 7\nset rmargin 1\nset tmargin 0.8\nset bmargin 3\n"
      "set ylabel ",
      Words(panel.y_label), " textcolor '#3c434d' offset 1.2,0\n",
      absl::StrFormat("set xrange [-0.5:%g]\nset yrange [%g:%g]\nset ytics 20\nset boxwidth %.4f absolute\n",
                      static_cast<double>(panel.groups.size()) - 0.5, low, high, 0.9 * width),
      "set xzeroaxis linetype 1 linecolor '#8a8f98' linewidth 1\nset xtics scale 0 (");
  for (size_t g = 0; g < panel.groups.size(); ++g)
    absl::StrAppend(&script, g == 0 ? "" : ", ", Quote(panel.groups[g].first), " ", g);
  absl::StrAppend(&script, ")\n");
  for (size_t g = 0; g < panel.groups.size(); ++g) {
    if (panel.groups[g].second.empty()) continue;
    absl::StrAppend(&script, "set label ", Words(panel.groups[g].second), " at first ", g,
                    ", graph 0 center offset 0,-2.1 textcolor '#5a616b'\n");
  }
  std::string bars, intervals;
  for (size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    std::string values, ranges;
    for (size_t g = 0; g < series.values.size(); ++g) {
      if (!std::isfinite(series.values[g])) continue;
      const double x = static_cast<double>(g) + (static_cast<double>(s) + 0.5) * width - kGroupWidth / 2;
      absl::StrAppend(&values, absl::StrFormat("%.4f %.4f\n", x, series.values[g]));
      if (g >= series.low.size() || g >= series.high.size()) continue;
      if (!std::isfinite(series.low[g]) || !std::isfinite(series.high[g])) continue;
      const double from = std::max(series.low[g], low);
      absl::StrAppend(&ranges, absl::StrFormat("%.4f %.4f %.4f\n", x, from, std::min(series.high[g], high) - from));
    }
    const std::string fill = series.dashed ? "empty" : "solid 0.85 noborder";
    if (!values.empty()) {
      absl::StrAppend(&script, "$s", s, " << EOD\n", values, "EOD\n");
      absl::StrAppend(&bars, bars.empty() ? "" : ", ", "$s", s, " using 1:2 with boxes fillstyle ", fill,
                      " linewidth 1.2 linecolor rgb ", Quote(series.color), " title ", Words(series.title));
    }
    if (!ranges.empty()) {
      absl::StrAppend(&script, "$r", s, " << EOD\n", ranges, "EOD\n");
      absl::StrAppend(&intervals, ", $r", s,
                      " using 1:2:(0):3 with vectors nohead linewidth 1.3 linecolor rgb '#1d232b' notitle");
    }
  }
  return absl::StrCat(script, "plot ", bars.empty() ? "1/0" : bars, intervals, "\n");
}

// In pixels of the drawing, from its lower left corner.
struct Box {
  double left, bottom, right, top;
  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && bottom < other.top && other.bottom < top;
  }
};

// "'0.5' 0.5, '1' 1, ..." from low to high.
std::string LogTics(double low, double high) {
  const double decades = std::log10(high / low);
  const std::vector<int> digits = decades > 3     ? std::vector<int>{1}
                                  : decades > 1.3 ? std::vector<int>{1, 3}
                                                  : std::vector<int>{1, 2, 5};
  std::string tics;
  for (int power = static_cast<int>(std::floor(std::log10(low))); std::pow(10, power) <= high; ++power) {
    for (const int digit : digits) {
      const double at = digit * std::pow(10, power);
      if (at < low || at > high) continue;
      absl::StrAppend(&tics, tics.empty() ? "" : ", ", absl::StrFormat("'%g' %g", at, at));
    }
  }
  return tics;
}

std::string Script(const CostPanel& panel) {
  // Of the drawing; names are placed by hand, so that the axes must be where we think they are.
  constexpr double kLeft = 0.135, kRight = 0.98, kBottom = 0.185, kTop = 0.975;
  constexpr double kLetter = 7.1, kLine = 15;  // pixels of the font
  std::vector<const CostPoint*> points;
  Panel values;
  values.series.resize(1);
  double least = 1e300, most = 0;
  for (const CostPoint& point : panel.points) {
    if (!(point.x > 0) || !std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    points.push_back(&point);
    least = std::min(least, point.x);
    most = std::max(most, point.x);
    values.series[0].values.push_back(point.y);
    if (std::isfinite(point.low)) values.series[0].low.push_back(point.low);
    if (std::isfinite(point.high)) values.series[0].high.push_back(point.high);
  }
  if (points.empty()) least = most = 1;
  const Range y = YRange(values);
  const double widen = std::max(1.5, std::sqrt(4 * least / most));  // never less than a factor of 4
  const double low = least / widen, high = most * widen;
  std::string script = absl::StrCat(
      Terminal(panel.name, panel.width, panel.height),
      "set border 3 linecolor '#8a8f98'\n"
      "set grid ytics linetype 1 linecolor '#e6e8eb' linewidth 1\n",
      absl::StrFormat("set lmargin at screen %g\nset rmargin at screen %g\nset bmargin at screen %g\nset tmargin at "
                      "screen %g\n",
                      kLeft, kRight, kBottom, kTop),
      "set xlabel ", Words(panel.x_label), " textcolor '#3c434d' offset 0,0.3\n", "set ylabel ", Words(panel.y_label),
      " textcolor '#3c434d' offset 1.2,0\nset logscale x\nset bars 0\n",
      absl::StrFormat("set xrange [%g:%g]\nset yrange [%g:%g]\nset ytics %g\nset xtics (", low, high, y.low, y.high,
                      y.step),
      LogTics(low, high), ")\n");
  const auto across = [&](double x) {
    return panel.width * (kLeft + (kRight - kLeft) * std::log(x / low) / std::log(high / low));
  };
  const auto up = [&](double value) {
    return panel.height * (kBottom + (kTop - kBottom) * (value - y.low) / (y.high - y.low));
  };
  const auto cut = [&](double value) { return std::min(std::max(value, y.low), y.high); };
  std::vector<Box> marks, intervals, names;
  std::string plots;
  for (size_t i = 0; i < points.size(); ++i) {
    const CostPoint& point = *points[i];
    const double x = across(point.x), at = up(point.y);
    const bool interval = std::isfinite(point.low) && std::isfinite(point.high);
    const double from = cut(interval ? point.low : point.y), to = cut(interval ? point.high : point.y);
    marks.push_back({x - 5, at - 5, x + 5, at + 5});
    intervals.push_back({x - 2, up(from), x + 2, up(to)});
    absl::StrAppend(&script, absl::StrFormat("$p%d << EOD\n%.6g %.4f %.4f %.4f\nEOD\n", i, point.x, point.y, from, to));
    absl::StrAppend(&plots, plots.empty() ? "" : ", ", "$p", i, " using 1:2:3:4 with yerrorbars pointtype ",
                    point.hollow ? 6 : 7, " pointsize 0.75 linewidth 1.8 linecolor rgb ", Quote(point.color), " title ",
                    Words(point.title));
  }
  // A name goes where it covers nothing: beside its mark, else above or below with a line to it; of two such places the
  // nearer. Where all are taken it may cross an interval, and in the end anything.
  for (size_t i = 0; i < points.size(); ++i) {
    const double x = across(points[i]->x), at = up(points[i]->y);
    const auto letters = std::count_if(points[i]->title.begin(), points[i]->title.end(),
                                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
    const double length = kLetter * static_cast<double>(letters);
    const auto place = [&](int side, double rise) -> Box {
      const double left = side > 0 ? x + 9 : x - 9 - length;
      return {left, at + rise - kLine / 2, left + length, at + rise + kLine / 2};
    };
    const auto free = [&](const Box& box, bool strict) {
      if (box.left < panel.width * kLeft + 2 || box.right > panel.width - 2) return false;
      if (box.bottom < panel.height * kBottom + 1 || box.top > panel.height) return false;
      const auto meets = [&](const Box& other) { return box.Meets(other); };
      return std::none_of(marks.begin(), marks.end(), meets) && std::none_of(names.begin(), names.end(), meets) &&
             !(strict && std::any_of(intervals.begin(), intervals.end(), meets));
    };
    int side = 1;
    double rise = 0;
    bool found = false;
    for (const bool strict : {true, false}) {
      for (int step = 0; step <= 16 && !found; ++step) {
        const double candidate = (step % 2 == 0 ? -1 : 1) * (step + 1) / 2 * 7.0;
        for (const int s : {1, -1}) {
          if (found || !free(place(s, candidate), strict)) continue;
          found = true;
          side = s;
          rise = candidate;
        }
      }
    }
    const Box box = place(side, rise);
    names.push_back(box);
    const double line = (at + rise) / panel.height;
    absl::StrAppend(
        &script, "set label ", Words(points[i]->title),
        absl::StrFormat(" at screen %.4f, screen %.4f %s textcolor '#1d232b' front\n",
                        (side > 0 ? box.left : box.right) / panel.width, line, side > 0 ? "left" : "right"));
    if (std::abs(rise) > 10) {
      absl::StrAppend(&script,
                      absl::StrFormat("set arrow from screen %.4f, screen %.4f to screen %.4f, screen %.4f nohead "
                                      "linecolor '#8a8f98' linewidth 0.8\n",
                                      x / panel.width, at / panel.height,
                                      ((side > 0 ? box.left : box.right) - side * 2) / panel.width, line));
    }
  }
  return absl::StrCat(script, "plot ", plots.empty() ? "1/0" : plots, "\n");
}

// Runs the script and reads what it draws.
absl::StatusOr<std::string> Draw(const std::string& name, const std::string& commands, const std::string& folder) {
  const std::string script = JoinPath(folder, absl::StrCat(name, ".gnuplot"));
  const std::string svg = JoinPath(folder, absl::StrCat(name, ".svg"));
  // Relative to the folder, so that the script works wherever the folder is moved to.
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(script, commands));
  GBMOA_RETURN_IF_ERROR(
      RunProgram({"gnuplot", "-e", absl::StrCat("cd ", Quote(folder)), absl::StrCat(name, ".gnuplot")}).status());
  GBMOA_ASSIGN_OR_RETURN(std::string text, ReadFile(svg, 16 << 20));
  const size_t begin = text.find("<svg");
  if (begin == std::string::npos) return absl::InternalError(absl::StrCat(svg, ": gnuplot wrote no <svg>"));
  text.erase(0, begin);
  // Several of them go into one page, where an id may exist once.
  return absl::StrReplaceAll(text, {{"id='", absl::StrCat("id='", name, "_")},
                                    {"id=\"", absl::StrCat("id=\"", name, "_")},
                                    {"href='#", absl::StrCat("href='#", name, "_")},
                                    {"url(#", absl::StrCat("url(#", name, "_")}});
}

}  // namespace

void ShareAxis(std::vector<RangePanel>* panels, double most) {
  double low = -0.5, high = 0.5;
  const auto include = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const RangePanel& panel : *panels) {
    for (const RangeRow& row : panel.rows) {
      include(row.value);
      include(row.other);
      if (std::isfinite(row.low)) include(std::max(row.low, -most));
      if (std::isfinite(row.high)) include(std::min(row.high, most));
    }
  }
  const double margin = 0.04 * (high - low);
  for (RangePanel& panel : *panels) {
    panel.low = low - margin;
    panel.high = high + margin;
  }
}

bool HaveGnuplot() { return RunProgram({"gnuplot", "--version"}).ok(); }

absl::StatusOr<std::string> DrawPanel(const Panel& panel, const std::string& folder) {
  return Draw(panel.name, Script(panel), folder);
}

absl::StatusOr<std::string> DrawRanges(const RangePanel& panel, const std::string& folder) {
  return Draw(panel.name, Script(panel), folder);
}

absl::StatusOr<std::string> DrawBars(const BarPanel& panel, const std::string& folder) {
  return Draw(panel.name, Script(panel), folder);
}

absl::StatusOr<std::string> DrawCosts(const CostPanel& panel, const std::string& folder) {
  return Draw(panel.name, Script(panel), folder);
}

}  // namespace gbmoa
