#include "repro/document.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace gbmoa {
namespace {

// The palette of the verdicts keeps apart under red-green blindness, and every badge says its name besides.
constexpr char kStyle[] = R"css(
:root { --ink: #1d232b; --soft: #5a616b; --line: #e3e6ea; --page: #ffffff; --shade: #f7f8fa; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 6px; letter-spacing: -0.01em; }
.subtitle { color: var(--soft); margin: 0 0 20px; max-width: none; }
h2 { font-size: 19px; margin: 48px 0 8px; letter-spacing: -0.005em; }
p { margin: 8px 0; max-width: 84ch; overflow-wrap: anywhere; }
.badges { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0; }
.badges .badge { font-size: 13px; padding: 4px 10px; }
.badge { display: inline-block; font-size: 10.5px; font-weight: 600; letter-spacing: 0.03em; line-height: 1.5;
  padding: 0 6px; border-radius: 4px; white-space: nowrap; background: #eceef1; color: #454b55; }
.badge.reproduced { background: #d5efe4; color: #004d36; }
.badge.inconclusive { background: #fdeec8; color: #654600; }
.badge.not-reproduced { background: #fbdccd; color: #7f2b00; }
.badge.run-failed { background: #6d1b1b; color: #ffffff; }
.badge.not-comparable { background: none; color: var(--soft); box-shadow: inset 0 0 0 1px #cdd2d8; }
.scroll { overflow-x: auto; margin: 12px 0 4px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.4; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; color: var(--soft); font-size: 14px; padding: 0 0 6px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; border-bottom: 1px solid #c9ced5;
  padding: 6px 12px 6px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 8px 12px 8px 0; vertical-align: top; }
td:first-child { font-weight: 500; }
.value { white-space: nowrap; }
.small { color: var(--soft); font-size: 12.5px; font-weight: 400; }
.note { color: var(--soft); font-size: 12px; font-weight: 400; line-height: 1.35; }
.chip { display: inline-block; width: 14px; height: 0; border-top: 3px solid; margin-right: 8px; vertical-align: middle; }
.chip.dashed { border-top-style: dashed; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13.5px; margin: 12px 0 4px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 20px 24px; margin: 12px 0; }
.figures.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; max-width: 560px; }
.figures.wide figure { max-width: 510px; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-size: 13.5px; color: var(--ink); font-weight: 600; padding: 0 0 4px; }
dl { display: grid; grid-template-columns: minmax(120px, max-content) 1fr; gap: 4px 20px; font-size: 14px; margin: 12px 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; max-width: 90ch; }
details { border-top: 1px solid var(--line); padding: 10px 0; }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; font-weight: 600; font-size: 15px; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--shade); padding: 2px 5px; border-radius: 4px; }
@media (max-width: 640px) {
  main { padding: 24px 16px 56px; }
  h1 { font-size: 23px; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin: 0 0 8px; }
  table.cards, table.cards tbody, table.cards tr, table.cards td { display: block; width: 100%; }
  table.cards thead { display: none; }
  table.cards tr { border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; margin: 0 0 12px; }
  table.cards td { border: 0; padding: 5px 0; display: grid; grid-template-columns: 118px 1fr; column-gap: 10px; }
  table.cards td::before { content: attr(data-label); color: var(--soft); font-size: 13px; }
  table.cards td:first-child { display: block; font-size: 15.5px; font-weight: 600; padding-bottom: 6px; }
  table.cards td:first-child::before { content: none; }
  table.cards caption { display: block; }
}
@media print { details > * { display: block; } main { padding: 0; } }
)css";

std::string BadgeHtml(const std::string& verdict, const std::string& text) {
  const std::string name = absl::StrReplaceAll(absl::AsciiStrToLower(verdict), {{"_", "-"}});
  return absl::StrCat("<span class=\"badge ", name, "\">", EscapeHtml(absl::StrReplaceAll(text, {{"_", " "}})),
                      "</span>");
}

std::string ChipHtml(const TableCell& cell) {
  if (cell.color.empty()) return "";
  return absl::StrCat("<span class=\"chip", cell.dashed ? " dashed" : "",
                      "\" style=\"border-color:", EscapeHtml(cell.color), "\"></span>");
}

// Text between backquotes is code; everything else is plain.
std::string InlineHtml(const std::string& text) {
  std::string html;
  bool code = false;
  for (const absl::string_view part : absl::StrSplit(text, '`')) {
    absl::StrAppend(&html, code ? "<code>" : "", EscapeHtml(std::string(part)), code ? "</code>" : "");
    code = !code;
  }
  return html;
}

std::string CellHtml(const TableCell& cell) {
  std::string html = absl::StrCat("<span class=\"value\">", ChipHtml(cell), EscapeHtml(cell.text), "</span>");
  if (!cell.small.empty()) absl::StrAppend(&html, " <span class=\"small\">", EscapeHtml(cell.small), "</span>");
  if (!cell.badge.empty()) absl::StrAppend(&html, "<br>", BadgeHtml(cell.badge, cell.badge));
  if (!cell.note.empty()) absl::StrAppend(&html, "<div class=\"note\">", EscapeHtml(cell.note), "</div>");
  return html;
}

std::string TableHtml(const Block& block) {
  std::string html = absl::StrCat("<div class=\"scroll\"><table", block.cards ? " class=\"cards\"" : "", ">\n");
  if (!block.text.empty()) absl::StrAppend(&html, "<caption>", InlineHtml(block.text), "</caption>\n");
  absl::StrAppend(&html, "<thead><tr>");
  for (const std::string& head : block.header) absl::StrAppend(&html, "<th scope=\"col\">", EscapeHtml(head), "</th>");
  absl::StrAppend(&html, "</tr></thead>\n<tbody>\n");
  for (const std::vector<TableCell>& row : block.rows) {
    absl::StrAppend(&html, "<tr>");
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string label = i < block.header.size() ? block.header[i] : "";
      absl::StrAppend(&html, "<td data-label=\"", EscapeHtml(label), "\"",
                      row[i].why.empty() ? "" : absl::StrCat(" title=\"", EscapeHtml(row[i].why), "\""), ">",
                      i == 0 ? "" : "<div>", CellHtml(row[i]), i == 0 ? "" : "</div>", "</td>");
    }
    absl::StrAppend(&html, "</tr>\n");
  }
  absl::StrAppend(&html, "</tbody></table></div>\n");
  return html;
}

std::string CellMarkdown(const TableCell& cell) {
  std::string text = cell.text;
  if (!cell.small.empty()) absl::StrAppend(&text, " ", cell.small);
  if (!cell.badge.empty()) absl::StrAppend(&text, text.empty() ? "" : "<br>", cell.badge);
  if (!cell.note.empty()) absl::StrAppend(&text, "<br>", cell.note);
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}});
}

}  // namespace

void Document::List(std::vector<std::pair<std::string, std::string>> items) {
  Block block{Block::kList};
  block.items = std::move(items);
  blocks.push_back(std::move(block));
}

void Document::Table(const std::string& caption, std::vector<std::string> header,
                     std::vector<std::vector<TableCell>> rows, bool cards) {
  Block block{Block::kTable, caption, std::move(header), std::move(rows)};
  block.cards = cards;
  blocks.push_back(std::move(block));
}

std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string ToMarkdown(const Document& document) {
  std::string text = absl::StrCat("# ", document.title, "\n\n", document.subtitle, "\n");
  for (const Block& block : document.blocks) {
    switch (block.kind) {
      case Block::kHeading:
        absl::StrAppend(&text, "\n## ", block.text, "\n");
        break;
      case Block::kText:
        absl::StrAppend(&text, "\n", block.text, "\n");
        break;
      case Block::kFoldBegin:
        absl::StrAppend(&text, "\n### ", block.text, "\n");
        break;
      case Block::kList:
        absl::StrAppend(&text, "\n");
        for (const auto& [term, value] : block.items) absl::StrAppend(&text, "- ", term, ": ", value, "\n");
        break;
      case Block::kTable:
        absl::StrAppend(&text, "\n", block.text, block.text.empty() ? "" : "\n\n", "| ",
                        absl::StrJoin(block.header, " | "), " |\n|",
                        absl::StrJoin(std::vector<std::string>(block.header.size(), "---"), "|"), "|\n");
        for (const std::vector<TableCell>& row : block.rows) {
          absl::StrAppend(
              &text, "| ",
              absl::StrJoin(row, " | ",
                            [](std::string* out, const TableCell& cell) { out->append(CellMarkdown(cell)); }),
              " |\n");
        }
        break;
      case Block::kBadges:
      case Block::kFigures:
      case Block::kLegend:
      case Block::kFoldEnd:
        break;
    }
  }
  return text;
}

std::string ToHtml(const Document& document) {
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      EscapeHtml(document.title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<main>\n<h1>",
      EscapeHtml(document.title), "</h1>\n<p class=\"subtitle\">", InlineHtml(document.subtitle), "</p>\n");
  for (const Block& block : document.blocks) {
    switch (block.kind) {
      case Block::kHeading:
        absl::StrAppend(&html, "<h2>", EscapeHtml(block.text), "</h2>\n");
        break;
      case Block::kText:
        absl::StrAppend(&html, "<p>", InlineHtml(block.text), "</p>\n");
        break;
      case Block::kBadges:
        absl::StrAppend(&html, "<div class=\"badges\">");
        for (const auto& [verdict, count] : block.items) {
          absl::StrAppend(&html, BadgeHtml(verdict, absl::StrCat(count, " ", verdict)));
        }
        absl::StrAppend(&html, "</div>\n");
        break;
      case Block::kTable:
        absl::StrAppend(&html, TableHtml(block));
        break;
      case Block::kList:
        absl::StrAppend(&html, "<dl>\n");
        for (const auto& [term, value] : block.items) {
          absl::StrAppend(&html, "<dt>", EscapeHtml(term), "</dt><dd>", InlineHtml(value), "</dd>\n");
        }
        absl::StrAppend(&html, "</dl>\n");
        break;
      case Block::kLegend:
        absl::StrAppend(&html, "<div class=\"legend\">");
        for (const TableCell& cell : block.rows[0]) {
          absl::StrAppend(&html, "<span>", ChipHtml(cell), EscapeHtml(cell.text), "</span>");
        }
        absl::StrAppend(&html, "</div>\n");
        break;
      case Block::kFigures:
        absl::StrAppend(&html, "<div class=\"figures", block.wide ? " wide" : "", "\">\n");
        for (const auto& [svg, caption] : block.figures) {
          absl::StrAppend(&html, "<figure><figcaption>", EscapeHtml(caption), "</figcaption>", svg, "</figure>\n");
        }
        absl::StrAppend(&html, "</div>\n");
        break;
      case Block::kFoldBegin:
        absl::StrAppend(&html, "<details><summary>", EscapeHtml(block.text), "</summary>\n");
        break;
      case Block::kFoldEnd:
        absl::StrAppend(&html, "</details>\n");
        break;
    }
  }
  absl::StrAppend(&html, "</main>\n</body>\n</html>\n");
  return html;
}

}  // namespace gbmoa
