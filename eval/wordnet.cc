#include "eval/wordnet.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

// lexnames(5WN), in the order of their numbers.
constexpr absl::string_view kLexfiles[kNumLexfiles] = {"adj.all",          "adj.pert",           "adv.all",
                                                       "noun.Tops",        "noun.act",           "noun.animal",
                                                       "noun.artifact",    "noun.attribute",     "noun.body",
                                                       "noun.cognition",   "noun.communication", "noun.event",
                                                       "noun.feeling",     "noun.food",          "noun.group",
                                                       "noun.location",    "noun.motive",        "noun.object",
                                                       "noun.person",      "noun.phenomenon",    "noun.plant",
                                                       "noun.possession",  "noun.process",       "noun.quantity",
                                                       "noun.relation",    "noun.shape",         "noun.state",
                                                       "noun.substance",   "noun.time",          "verb.body",
                                                       "verb.change",      "verb.cognition",     "verb.communication",
                                                       "verb.competition", "verb.consumption",   "verb.contact",
                                                       "verb.creation",    "verb.emotion",       "verb.motion",
                                                       "verb.perception",  "verb.possession",    "verb.social",
                                                       "verb.stative",     "verb.weather",       "adj.ppl"};

struct DataFile {
  const char* name;
  const char* parts_of_speech;  // that its lines may have
};
constexpr DataFile kDataFiles[] = {{"data.noun", "n"}, {"data.verb", "v"}, {"data.adj", "as"}, {"data.adv", "r"}};

// Pointers write 'a' for all adjectives, their lines 's' for satellites.
uint64_t Key(char pos, int32_t offset) {
  return static_cast<uint64_t>(static_cast<unsigned char>(pos == 's' ? 'a' : pos)) << 32 |
         static_cast<uint32_t>(offset);
}

std::string Id(char pos, int32_t offset) { return absl::StrFormat("%c%08d", pos == 's' ? 'a' : pos, offset); }

// Ten times the largest file of WordNet 3.0.
constexpr int64_t kMaxFileBytes = 160 << 20;

absl::StatusOr<std::string> ReadDataFile(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(content.status())) {
    return absl::NotFoundError(absl::StrCat(content.status().message(),
                                            "; WordNet 3.0 is in the Debian package wordnet-base, which puts it into "
                                            "/usr/share/wordnet"));
  }
  return content;
}

// The fields of one line, separated by single blanks. Every reader says what it wanted and what it found.
class Fields {
 public:
  Fields(absl::string_view line, absl::string_view place) : rest_(line), place_(place) {}

  absl::StatusOr<absl::string_view> Next(absl::string_view what) {
    const size_t blank = rest_.find(' ');
    absl::string_view field = rest_.substr(0, blank);
    rest_ = blank == absl::string_view::npos ? absl::string_view() : rest_.substr(blank + 1);
    if (field.empty()) return Malformed(what, "nothing");
    return field;
  }

  // A number of exactly `digits` digits.
  absl::StatusOr<int32_t> Number(absl::string_view what, int digits, int base) {
    GBMOA_ASSIGN_OR_RETURN(const absl::string_view field, Next(what));
    int32_t value = 0;
    for (const char c : field) {
      const int digit = absl::ascii_isdigit(c)    ? c - '0'
                        : absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10
                                                  : base;
      if (field.size() != digits || digit >= base) return Malformed(what, field);
      value = value * base + digit;
    }
    return value;
  }

  absl::Status Malformed(absl::string_view what, absl::string_view found) const {
    // A whole file may stand in one line when it is not WordNet's.
    return absl::DataLossError(absl::StrCat(place_, ": expected ", what, ", found '", found.substr(0, 40), "'"));
  }

 private:
  absl::string_view rest_;
  absl::string_view place_;
};

struct UnresolvedPointer {
  char pos;
  int32_t offset;
  int line;
};

// One line:
//   offset lexfile pos word_count (word lex_id)* pointer_count (symbol offset pos source/target)* frames? | gloss
absl::Status ParseLine(absl::string_view line, const DataFile& file, absl::string_view place, int line_number,
                       Synset* synset, std::vector<UnresolvedPointer>* targets) {
  const size_t bar = line.find(" | ");
  Fields fields(line.substr(0, bar), place);
  if (bar == absl::string_view::npos) return fields.Malformed("' | ' before the gloss", line);
  synset->gloss = absl::StripAsciiWhitespace(line.substr(bar + 3));

  GBMOA_ASSIGN_OR_RETURN(synset->offset, fields.Number("an offset of 8 digits", 8, 10));
  GBMOA_ASSIGN_OR_RETURN(synset->lexfile, fields.Number("a lexicographer file of 2 digits", 2, 10));
  if (synset->lexfile >= kNumLexfiles) {
    return fields.Malformed("a lexicographer file below 45", absl::StrCat(synset->lexfile));
  }
  GBMOA_ASSIGN_OR_RETURN(const absl::string_view pos, fields.Next("a part of speech"));
  if (pos.size() != 1 || std::strchr(file.parts_of_speech, pos[0]) == nullptr) {
    return fields.Malformed(absl::StrCat("a part of speech of {", file.parts_of_speech, "}"), pos);
  }
  synset->pos = pos[0];

  GBMOA_ASSIGN_OR_RETURN(const int32_t num_words, fields.Number("a word count of 2 hexadecimal digits", 2, 16));
  if (num_words == 0) return fields.Malformed("a word count above 0", "00");
  synset->words.reserve(num_words);
  for (int i = 0; i < num_words; ++i) {
    GBMOA_ASSIGN_OR_RETURN(absl::string_view word, fields.Next("a word"));
    GBMOA_RETURN_IF_ERROR(fields.Number("a lexical id of 1 hexadecimal digit", 1, 16).status());
    // Adjectives may say where they stand: "(a)" before the noun, "(p)" in the predicate, "(ip)" right after the noun.
    if (absl::EndsWith(word, ")")) word = word.substr(0, word.rfind('('));
    if (word.empty()) return fields.Malformed("a word", word);
    synset->words.push_back(word);
  }

  GBMOA_ASSIGN_OR_RETURN(const int32_t num_pointers, fields.Number("a pointer count of 3 digits", 3, 10));
  synset->pointers.reserve(num_pointers);
  for (int i = 0; i < num_pointers; ++i) {
    SynsetPointer pointer;
    UnresolvedPointer target;
    GBMOA_ASSIGN_OR_RETURN(pointer.symbol, fields.Next("a pointer symbol"));
    GBMOA_ASSIGN_OR_RETURN(target.offset, fields.Number("a pointer's offset of 8 digits", 8, 10));
    GBMOA_ASSIGN_OR_RETURN(const absl::string_view target_pos, fields.Next("a pointer's part of speech"));
    if (target_pos.size() != 1 || std::strchr("nvasr", target_pos[0]) == nullptr) {
      return fields.Malformed("a pointer's part of speech of {nvasr}", target_pos);
    }
    GBMOA_RETURN_IF_ERROR(fields.Number("a pointer's words of 4 hexadecimal digits", 4, 16).status());
    target.pos = target_pos[0];
    target.line = line_number;
    pointer.target = -1;  // known when all files are read
    synset->pointers.push_back(pointer);
    targets->push_back(target);
  }
  return absl::OkStatus();
}

}  // namespace

std::string Synset::id() const { return Id(pos, offset); }

absl::string_view LexfileName(int number) {
  CHECK_GE(number, 0);
  CHECK_LT(number, kNumLexfiles);
  return kLexfiles[number];
}

absl::StatusOr<int> LexfileNumber(absl::string_view name) {
  for (int i = 0; i < kNumLexfiles; ++i) {
    if (kLexfiles[i] == name) return i;
  }
  return absl::NotFoundError(absl::StrCat("WordNet has no lexicographer file '", name, "'"));
}

absl::string_view DefinitionText(absl::string_view gloss) {
  constexpr absl::string_view kSeparators = " \t;:,";
  absl::string_view text = gloss.substr(0, gloss.find('"'));
  for (;;) {
    const size_t start = text.find_first_not_of(kSeparators);
    if (start == absl::string_view::npos) return absl::string_view();
    text = text.substr(start);
    if (text[0] != '(') break;
    int depth = 0;
    size_t end = 0;
    do {
      depth += text[end] == '(' ? 1 : text[end] == ')' ? -1 : 0;
      ++end;
    } while (depth > 0 && end < text.size());
    // A parenthesis that is not closed: only its sign goes.
    text = text.substr(depth > 0 ? 1 : end);
  }
  return text.substr(0, text.find_last_not_of(kSeparators) + 1);
}

absl::StatusOr<WordNet> WordNet::Load(const std::string& folder) {
  WordNet wordnet;
  std::vector<UnresolvedPointer> targets;
  std::vector<std::pair<int32_t, const char*>> file_starts;  // index of a file's first synset, its name
  for (const DataFile& file : kDataFiles) {
    const std::string path = absl::StrCat(folder, "/", file.name);
    GBMOA_ASSIGN_OR_RETURN(std::string content, ReadDataFile(path));
    wordnet.contents_.push_back(std::make_unique<std::string>(std::move(content)));
    file_starts.emplace_back(wordnet.synsets_.size(), file.name);

    absl::string_view rest = *wordnet.contents_.back();
    for (int line_number = 1; !rest.empty(); ++line_number) {
      const size_t newline = rest.find('\n');
      absl::string_view line = rest.substr(0, newline);
      rest = newline == absl::string_view::npos ? absl::string_view() : rest.substr(newline + 1);
      if (absl::StartsWith(line, "  ")) continue;  // the licence
      const std::string place = absl::StrCat(path, ":", line_number);
      Synset synset;
      GBMOA_RETURN_IF_ERROR(ParseLine(line, file, place, line_number, &synset, &targets));
      if (!wordnet.index_.emplace(Key(synset.pos, synset.offset), wordnet.synsets_.size()).second) {
        return absl::DataLossError(absl::StrCat(place, ": synset ", synset.id(), " stands here a second time"));
      }
      wordnet.synsets_.push_back(std::move(synset));
    }
    if (wordnet.synsets_.size() == file_starts.back().first) {
      return absl::DataLossError(absl::StrCat(path, ": no synset in this file"));
    }
  }

  auto target = targets.begin();
  for (int32_t i = 0; i < wordnet.synsets_.size(); ++i) {
    for (SynsetPointer& pointer : wordnet.synsets_[i].pointers) {
      const auto found = wordnet.index_.find(Key(target->pos, target->offset));
      if (found == wordnet.index_.end()) {
        const char* file = nullptr;
        for (const auto& [start, name] : file_starts) file = i >= start ? name : file;
        return absl::DataLossError(absl::StrCat(folder, "/", file, ":", target->line, ": points to synset ",
                                                Id(target->pos, target->offset), ", which there is not"));
      }
      pointer.target = found->second;
      ++target;
    }
  }
  return wordnet;
}

absl::StatusOr<int32_t> WordNet::Find(absl::string_view id) const {
  int32_t offset = 0;
  if (id.size() != 9 || std::strchr("nvar", id[0]) == nullptr ||
      id.find_first_not_of("0123456789", 1) != absl::string_view::npos || !absl::SimpleAtoi(id.substr(1), &offset)) {
    return absl::InvalidArgumentError(absl::StrCat("'", id, "' is no synset id like n01503061"));
  }
  const auto found = index_.find(Key(id[0], offset));
  if (found == index_.end()) return absl::NotFoundError(absl::StrCat("WordNet has no synset ", id));
  return found->second;
}

absl::StatusOr<std::string> BundledWordNetFolder() {
  // Bazel's manifest knows files only, so ask for one of them.
  GBMOA_ASSIGN_OR_RETURN(const std::string file, RunfilePath("wordnet/data.noun"));
  return file.substr(0, file.rfind('/'));
}

}  // namespace gbmoa
