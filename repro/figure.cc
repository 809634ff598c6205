#include "repro/figure.h"

#include <algorithm>
#include <cmath>

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

std::string Script(const Panel& panel, const std::string& svg) {
  const Range y = YRange(panel);
  std::string script =
      absl::StrCat("set terminal svg size ", panel.width, ",", panel.height,
                   " dynamic font 'Helvetica,13' linewidth 1 background '#ffffff' name ", Quote(panel.name),
                   "\nset output ", Quote(svg), "\n",
                   "set encoding utf8\nunset key\nset border 3 linecolor '#8a8f98'\n"
                   "set tics nomirror out scale 0.5 textcolor '#3c434d'\n"
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

}  // namespace

bool HaveGnuplot() { return RunProgram({"gnuplot", "--version"}).ok(); }

absl::StatusOr<std::string> DrawPanel(const Panel& panel, const std::string& folder) {
  const std::string script = JoinPath(folder, absl::StrCat(panel.name, ".gnuplot"));
  const std::string svg = JoinPath(folder, absl::StrCat(panel.name, ".svg"));
  // Relative to the folder, so that the script works wherever the folder is moved to.
  GBMOA_RETURN_IF_ERROR(WriteFileAtomically(script, Script(panel, absl::StrCat(panel.name, ".svg"))));
  GBMOA_RETURN_IF_ERROR(RunProgram({"gnuplot", "-e", absl::StrCat("cd ", Quote(folder)), script}).status());
  GBMOA_ASSIGN_OR_RETURN(std::string text, ReadFile(svg, 16 << 20));
  const size_t begin = text.find("<svg");
  if (begin == std::string::npos) return absl::InternalError(absl::StrCat(svg, ": gnuplot wrote no <svg>"));
  text.erase(0, begin);
  // Several of them go into one page, where an id may exist once.
  return absl::StrReplaceAll(text, {{"id='", absl::StrCat("id='", panel.name, "_")},
                                    {"id=\"", absl::StrCat("id=\"", panel.name, "_")},
                                    {"href='#", absl::StrCat("href='#", panel.name, "_")},
                                    {"url(#", absl::StrCat("url(#", panel.name, "_")}});
}

}  // namespace gbmoa
