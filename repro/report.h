// The report of a results file: Markdown, one HTML page, and the table as text for the terminal.
#ifndef GBMOA_REPRO_REPORT_H_
#define GBMOA_REPRO_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "repro/cell.h"

namespace gbmoa {

// Writes NAME.json, NAME.md and NAME.html into `folder`, where NAME is the table's, and the figures' scripts and SVGs
// into folder/figures. Without gnuplot the page says that it has no figures. Errors: those of writing.
absl::Status WriteReport(const Json& result, const std::string& folder);

// Headline and main table, for a terminal.
std::string ReportText(const Json& result);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_REPORT_H_
