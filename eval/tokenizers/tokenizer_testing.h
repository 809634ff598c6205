// What the tests of tokenizers share: texts, folders with a tokenizer's files, and hashes as in
// tools/golden/wordpiece.py.
#ifndef GBMOA_EVAL_TOKENIZERS_TOKENIZER_TESTING_H_
#define GBMOA_EVAL_TOKENIZERS_TOKENIZER_TESTING_H_

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "glog/logging.h"

namespace gbmoa {

// FNV-1a over numbers in place of bytes.
class IdHash {
 public:
  void Add(const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) AddOne(id);
    AddOne(-1);
  }
  std::string Hex() const { return absl::StrFormat("%016x", value_); }

 private:
  void AddOne(int64_t value) { value_ = (value_ ^ static_cast<uint64_t>(value)) * 0x100000001b3ULL; }
  uint64_t value_ = 0xcbf29ce484222325ULL;
};

inline std::string Utf8(uint32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  const auto trail = [c](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), trail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), trail(6), trail(0)};
  return {static_cast<char>(0xf0 | c >> 18), trail(12), trail(6), trail(0)};
}

// The whole sequence. CHECKs that there are no errors.
inline std::vector<int32_t> Ids(const Tokenizer& tokenizer, absl::string_view text) {
  absl::StatusOr<TokenIds> tokens = tokenizer.Encode(text, INT_MAX);
  CHECK(tokens.ok()) << tokens.status();
  return tokens->ids;
}

// Hashes over blocks of `per_hash` texts text(c) for all code points c that exist.
template <typename TextOf>
std::vector<std::string> CharacterHashes(const Tokenizer& tokenizer, int per_hash, const TextOf& text) {
  std::vector<std::string> hashes;
  IdHash hash;
  int count = 0;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    hash.Add(Ids(tokenizer, text(Utf8(c))));
    if (++count % per_hash == 0) {
      hashes.push_back(hash.Hex());
      hash = IdHash();
    }
  }
  if (count % per_hash != 0) hashes.push_back(hash.Hex());
  return hashes;
}

// All glosses of WordNet 3.0, for targets with data = ["@wordnet//:wordnet"].
inline std::vector<std::string> WordNetGlosses() {
  std::vector<std::string> glosses;
  for (const std::string part : {"noun", "verb", "adj", "adv"}) {
    const absl::StatusOr<std::string> path = RunfilePath("wordnet/data." + part);
    CHECK(path.ok()) << path.status();
    const absl::StatusOr<std::string> file = ReadFile(*path, 1 << 30);
    CHECK(file.ok()) << file.status();
    for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(*file, "\n"), '\n')) {
      if (absl::StartsWith(line, "  ")) continue;  // the licence
      const size_t bar = line.find(" | ");
      CHECK_NE(bar, absl::string_view::npos) << line;
      glosses.emplace_back(absl::StripAsciiWhitespace(line.substr(bar + 3)));
    }
  }
  return glosses;
}

// Hashes over blocks of 1000 glosses.
inline std::vector<std::string> GlossHashes(const Tokenizer& tokenizer) {
  std::vector<std::string> hashes;
  IdHash hash;
  int count = 0;
  for (const std::string& gloss : WordNetGlosses()) {
    hash.Add(Ids(tokenizer, gloss));
    if (++count % 1000 == 0) {
      hashes.push_back(hash.Hex());
      hash = IdHash();
    }
  }
  hashes.push_back(hash.Hex());
  return hashes;
}

using FolderFiles = std::vector<std::pair<std::string, std::string>>;

// A fresh folder in `parent` with these files: names and contents.
inline std::string MakeFolder(const std::string& parent, const FolderFiles& files) {
  static int counter = 0;
  const std::string folder = absl::StrCat(parent, "/tokenizer", getpid(), ".", counter++);
  CHECK_EQ(mkdir(folder.c_str(), 0700), 0) << folder;
  for (const auto& [name, contents] : files) {
    const absl::Status status = WriteFileAtomically(JoinPath(folder, name), contents);
    CHECK(status.ok()) << status;
  }
  return folder;
}

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZERS_TOKENIZER_TESTING_H_
