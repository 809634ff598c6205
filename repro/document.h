// A report as headings, paragraphs, tables and figures, and its rendering as Markdown and as one HTML page that needs
// nothing else, not even a network.
#ifndef GBMOA_REPRO_DOCUMENT_H_
#define GBMOA_REPRO_DOCUMENT_H_

#include <string>
#include <utility>
#include <vector>

namespace gbmoa {

struct TableCell {
  std::string text;
  std::string small;  // beside it, smaller: a spread, a count
  std::string badge;  // a verdict's name
  std::string note;   // below it: expected and paper's values
  std::string why;    // shown when pointed at; not in Markdown
  std::string color;  // of the series that the cell names; empty: none
  bool dashed = false;
};

struct Block {
  enum Kind { kHeading, kText, kBadges, kTable, kList, kFigures, kLegend, kFoldBegin, kFoldEnd };
  Kind kind = kText;
  std::string text;                          // of a heading or paragraph; a table's caption; a fold's title
  std::vector<std::string> header;           // of a table
  std::vector<std::vector<TableCell>> rows;  // of a table; a legend's only row
  std::vector<std::pair<std::string, std::string>> items;    // of a list: term, text; of badges: verdict, count
  std::vector<std::pair<std::string, std::string>> figures;  // <svg>, caption
  bool cards = false;                                        // on a narrow screen each row of the table becomes a card
  bool wide = false;                                         // figures: at most two beside each other
};

struct Document {
  std::string title;
  std::string subtitle;
  std::vector<Block> blocks;

  void Heading(const std::string& text) { blocks.push_back({Block::kHeading, text}); }
  void Text(const std::string& text) { blocks.push_back({Block::kText, text}); }
  void FoldBegin(const std::string& title) { blocks.push_back({Block::kFoldBegin, title}); }
  void FoldEnd() { blocks.push_back({Block::kFoldEnd}); }
  void List(std::vector<std::pair<std::string, std::string>> items);
  void Table(const std::string& caption, std::vector<std::string> header, std::vector<std::vector<TableCell>> rows,
             bool cards = false);
};

std::string EscapeHtml(const std::string& text);
// Figures are left out: Markdown has no place for them.
std::string ToMarkdown(const Document& document);
std::string ToHtml(const Document& document);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_DOCUMENT_H_
