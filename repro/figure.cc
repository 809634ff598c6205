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

// A string in gnuplot's single quotes, where only the quote itself is special.
std::string Quote(const std::string& text) { return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'"); }

// The range of all values and bands, widened to whole steps of an axis with few labels. Never less than ten points, so
// that noise does not look like news.
struct Range {
  double low = 0, high = 1, step = 1;
};
Range YRange(const Panel& panel) {
  double low = 1e300, high = -1e300;
  for (const Series& series : panel.series) {
    for (const std::vector<double>* values : {&series.values, &series.low, &series.high}) {
      for (const double value : *values) {
        if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
  }
  if (low > high) return {};
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
  return absl::StrCat("set terminal svg size ", width, ",", height,
                      " dynamic font 'Helvetica,13' linewidth 1 background '#ffffff' name ", Quote(name),
                      "\nset output ", Quote(absl::StrCat(name, ".svg")),
                      "\nset encoding utf8\nunset key\nset tics nomirror out scale 0.5 textcolor '#3c434d'\n");
}

std::string Script(const Panel& panel) {
  const Range y = YRange(panel);
  std::string script =
      absl::StrCat(Terminal(panel.name, panel.width, panel.height),
                   "set border 3 linecolor '#8a8f98'\n"
                   "set grid ytics linetype 1 linecolor '#e6e8eb' linewidth 1\n"
                   "set lmargin 7\nset rmargin 1.5\nset tmargin 0.8\nset bmargin 3.4\n"
                   "set style fill transparent solid 0.13 noborder\n",
                   "set xlabel ", Quote(panel.x_label), " textcolor '#3c434d' offset 0,0.3\n", "set ylabel ",
                   Quote(panel.y_label), " textcolor '#3c434d' offset 1.2,0\n",
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
                    " linewidth 2 linecolor rgb '", series.color, "' title ", Quote(series.title));
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
      "set xlabel ", Quote(panel.x_label), " textcolor '#3c434d' offset 0,0.3\n",
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

// Runs the script and reads what it draws.
absl::StatusOr<std::string> Draw(const std::string& name, const std::string& commands, const std::string& folder) {
  const std::string script = JoinPath(folder, absl::StrCat(name, ".gnuplot"));
  const std::string svg = JoinPath(folder, absl::StrCat(name, ".svg"));
  // Relative to the folder, so that the script works wherever the folder is moved to.
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(script, commands));
  GBMOA_RETURN_IF_ERROR(RunProgram({"gnuplot", "-e", absl::StrCat("cd ", Quote(folder)), script}).status());
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

}  // namespace gbmoa
