// Byte-level byte-pair encoding (Radford et al. 2019) in RoBERTa's form (Liu et al. 2019): the text is parted into
// words with the blank before them, the bytes of a word are joined pair by pair in the order of the learned merges, and
// sequences are <s> a </s> and <s> a </s></s> b </s>. Token for token what the Hugging Face "fast" tokenizer
// RobertaTokenizerFast gives, down to its Unicode version, from vocab.json and merges.txt, from tokenizer.json, or from
// all three.
//
// Deliberate differences: files that contradict each other, have a hole in the ids or lack the token of a byte are
// refused, where the reference repairs them or drops text; a merges.txt without "#version" in its first line is
// refused, where the reference drops that line, and the last merge counts even without a line feed; special tokens that
// the vocabulary lacks are not added to it, since the encoder has no embeddings for them; and where
// tokenizer_config.json does not say add_prefix_space or name the mask token, tokenizer.json decides, not the default
// of the class.

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "eval/tokenizer.h"
#include "eval/tokenizers/sequence_tokenizer.h"
#include "eval/tokenizers/tokenizer_files.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr int64_t kMaxMergesBytes = 256 << 20;

// ---------------------------------------------------------------------------------------------------------------------
// Words: GPT-2's pattern, where the first alternative that matches wins,
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

enum class CharClass : uint8_t { kOther, kSpace, kLetter, kNumber };

constexpr std::array<CharClass, 128> MakeAsciiClasses() {
  std::array<CharClass, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    classes[c] = c == ' ' || (c >= '\t' && c <= '\r')               ? CharClass::kSpace
                 : (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? CharClass::kLetter
                 : c >= '0' && c <= '9'                             ? CharClass::kNumber
                                                                    : CharClass::kOther;
  }
  return classes;
}
constexpr std::array<CharClass, 128> kAsciiClasses = MakeAsciiClasses();

// The reference knows Unicode 16, ICU 72 only Unicode 15: letters and numbers that came in between, ascending.
struct ClassRange {
  UChar32 first, last;
  CharClass char_class;
};
constexpr ClassRange kNewCharacters[] = {
    {0x1c89, 0x1c8a, CharClass::kLetter},   {0xa7cb, 0xa7cd, CharClass::kLetter},
    {0xa7da, 0xa7dc, CharClass::kLetter},   {0x105c0, 0x105f3, CharClass::kLetter},
    {0x10d40, 0x10d49, CharClass::kNumber}, {0x10d4a, 0x10d65, CharClass::kLetter},
    {0x10d6f, 0x10d85, CharClass::kLetter}, {0x10ec2, 0x10ec4, CharClass::kLetter},
    {0x11380, 0x11389, CharClass::kLetter}, {0x1138b, 0x1138b, CharClass::kLetter},
    {0x1138e, 0x1138e, CharClass::kLetter}, {0x11390, 0x113b5, CharClass::kLetter},
    {0x113b7, 0x113b7, CharClass::kLetter}, {0x113d1, 0x113d1, CharClass::kLetter},
    {0x113d3, 0x113d3, CharClass::kLetter}, {0x116d0, 0x116e3, CharClass::kNumber},
    {0x11bc0, 0x11be0, CharClass::kLetter}, {0x11bf0, 0x11bf9, CharClass::kNumber},
    {0x13460, 0x143fa, CharClass::kLetter}, {0x16100, 0x1611d, CharClass::kLetter},
    {0x16130, 0x16139, CharClass::kNumber}, {0x16d40, 0x16d6c, CharClass::kLetter},
    {0x16d70, 0x16d79, CharClass::kNumber}, {0x18cff, 0x18cff, CharClass::kLetter},
    {0x1ccf0, 0x1ccf9, CharClass::kNumber}, {0x1e5d0, 0x1e5ed, CharClass::kLetter},
    {0x1e5f0, 0x1e5f0, CharClass::kLetter}, {0x1e5f1, 0x1e5fa, CharClass::kNumber},
    {0x2ebf0, 0x2ee5d, CharClass::kLetter},
};

CharClass ClassOf(UChar32 c) {
  if (u_isUWhiteSpace(c)) return CharClass::kSpace;
  const uint32_t mask = U_GET_GC_MASK(c);
  if (mask == U_GC_CN_MASK) {  // ICU does not know it
    const ClassRange* range = std::lower_bound(std::begin(kNewCharacters), std::end(kNewCharacters), c,
                                               [](const ClassRange& r, UChar32 wanted) { return r.last < wanted; });
    return range != std::end(kNewCharacters) && range->first <= c ? range->char_class : CharClass::kOther;
  }
  return (mask & U_GC_L_MASK) != 0   ? CharClass::kLetter
         : (mask & U_GC_N_MASK) != 0 ? CharClass::kNumber
                                     : CharClass::kOther;
}

// The class of the character at text[*i]; moves *i behind it.
CharClass NextClass(absl::string_view text, size_t* i) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  if (bytes[*i] < 0x80) return kAsciiClasses[bytes[(*i)++]];
  UChar32 c;
  U8_NEXT_UNSAFE(bytes, *i, c);
  return ClassOf(c);
}

// Bytes of the 's, 't, 're, 've, 'm, 'll, 'd at the start of `text`; 0 if there is none.
size_t ContractionLength(absl::string_view text) {
  for (const absl::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (absl::StartsWith(text, ending)) return ending.size();
  }
  return 0;
}

// Bytes of the first word of `text`, which is not empty.
size_t FirstWordLength(absl::string_view text) {
  if (text[0] == '\'') {
    const size_t length = ContractionLength(text);
    if (length > 0) return length;
  }
  const size_t begin = text[0] == ' ' && text.size() > 1 ? 1 : 0;
  size_t end = begin;
  const CharClass wanted = NextClass(text, &end);
  if (wanted != CharClass::kSpace) {
    for (size_t i = end; i < text.size() && NextClass(text, &i) == wanted;) end = i;
    return end;
  }
  // White space, which leaves its last character to what comes behind it, if anything does.
  size_t last = 0;
  end = 0;
  for (size_t i = 0; i < text.size() && NextClass(text, &i) == CharClass::kSpace;) {
    last = end;
    end = i;
  }
  return end < text.size() && last > 0 ? last : end;
}

// ---------------------------------------------------------------------------------------------------------------------
// Tokens are written in an alphabet that has one printable character for each byte: 33 to 126, 161 to 172 and 174 to
// 255 stand for themselves, the others are U+0100 and following.

std::array<std::string, 256> MakeAlphabet() {
  std::array<std::string, 256> alphabet;
  UChar32 next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const UChar32 c = itself ? byte : next++;
    char bytes[4];
    int length = 0;
    U8_APPEND_UNSAFE(bytes, length, c);
    alphabet[byte].assign(bytes, length);
  }
  return alphabet;
}

// The bytes that a token is written for; nothing if it has other characters.
class ByteDecoder {
 public:
  ByteDecoder() {
    const std::array<std::string, 256> alphabet = MakeAlphabet();
    for (int byte = 0; byte < 256; ++byte) bytes_[alphabet[byte]] = static_cast<char>(byte);
  }
  absl::optional<std::string> Bytes(absl::string_view token) const {
    std::string bytes;
    for (size_t i = 0; i < token.size();) {
      const size_t begin = i;
      U8_FWD_1_UNSAFE(token, i);
      const auto found = bytes_.find(token.substr(begin, i - begin));
      if (found == bytes_.end()) return absl::nullopt;
      bytes += found->second;
    }
    return bytes;
  }

 private:
  absl::flat_hash_map<std::string, char> bytes_;
};

// ---------------------------------------------------------------------------------------------------------------------

using Merge = std::pair<std::string, std::string>;

// Merges by rank, and what errors call the first one's place.
struct MergeList {
  std::vector<Merge> merges;
  std::string place;  // "PATH:" or "PATH: model.merges "
  int first = 0;      // number of merge 0 there

  std::string PlaceOf(size_t rank) const { return absl::StrCat(place, first + rank); }
};

absl::optional<Merge> SplitMerge(absl::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == absl::string_view::npos || blank == 0 || blank + 1 == line.size() ||
      line.find(' ', blank + 1) != absl::string_view::npos) {
    return absl::nullopt;
  }
  return Merge(line.substr(0, blank), line.substr(blank + 1));
}

absl::StatusOr<MergeList> ReadMergesText(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxMergesBytes));
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat(path, ":", LineAndColumn(text, bad_byte), ": not UTF-8"));
  }
  if (absl::StartsWith(text, "\xef\xbb\xbf")) {
    return absl::DataLossError(absl::StrCat(path, ":1: begins with a byte order mark"));
  }
  if (!absl::StartsWith(text, "#version")) {
    return absl::DataLossError(absl::StrCat(path, ":1: does not begin with #version"));
  }
  MergeList list = {{}, absl::StrCat(path, ":"), 2};
  absl::string_view rest = text;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t newline = std::min(rest.find('\n'), rest.size());
    const absl::string_view line = rest.substr(0, newline);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
    const auto bad = [&](absl::string_view what) {
      return absl::DataLossError(absl::StrCat(path, ":", number, ": ", what));
    };
    if (line.empty()) return bad("empty line");
    if (line.back() == '\r') return bad("ends in a carriage return");
    if (number == 1) continue;
    absl::optional<Merge> merge = SplitMerge(line);
    if (!merge.has_value()) {
      return bad(absl::StrCat("wanted two tokens and one blank between them, got '", Cut(line), "'"));
    }
    list.merges.push_back(*std::move(merge));
  }
  return list;
}

absl::StatusOr<MergeList> ReadMergesJson(const std::string& path, const json& merges) {
  MergeList list = {{}, absl::StrCat(path, ": model.merges "), 0};
  if (!merges.is_array()) return absl::DataLossError(absl::StrCat(path, ": model.merges: wanted an array"));
  list.merges.reserve(merges.size());
  for (const json& row : merges) {
    absl::optional<Merge> merge;
    if (row.is_string()) {  // as old versions write it
      merge = SplitMerge(row.get_ref<const std::string&>());
    } else if (row.is_array() && row.size() == 2 && row[0].is_string() && row[1].is_string()) {
      merge = Merge(row[0].get<std::string>(), row[1].get<std::string>());
    }
    if (!merge.has_value()) {
      return absl::DataLossError(
          absl::StrCat(list.PlaceOf(list.merges.size()), ": wanted two tokens, got ", Shown(row)));
    }
    list.merges.push_back(*std::move(merge));
  }
  return list;
}

// A merge as ids: `left` and `right` become `result`.
struct IdMerge {
  int32_t left, right, result;
};

absl::StatusOr<std::vector<IdMerge>> FindIds(const MergeList& list, const Vocabulary& vocabulary) {
  std::vector<IdMerge> merges;
  merges.reserve(list.merges.size());
  for (const auto& [left, right] : list.merges) {
    IdMerge merge;
    for (const auto& [token, id] :
         {std::pair{left, &merge.left}, {right, &merge.right}, {absl::StrCat(left, right), &merge.result}}) {
      const auto found = vocabulary.ids.find(token);
      if (found == vocabulary.ids.end()) {
        return absl::DataLossError(absl::StrCat(list.PlaceOf(merges.size()), ": '", Cut(token), "' is not in ",
                                                vocabulary.path, "; the files are of different models"));
      }
      *id = found->second;
    }
    merges.push_back(merge);
  }
  return merges;
}

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

class ByteLevelBpe : public SequenceTokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder);

 private:
  // A part of a word, while it is put together.
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // those that are still there; -1 and the number of bytes at the ends
    int32_t rank;            // of the merge with the next one; kNoMerge if there is none
  };
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<uint64_t> queue;  // heap of rank << 32 | position, the smallest first
  };
  static constexpr int32_t kNoMerge = -1;

  ByteLevelBpe(const Vocabulary& vocabulary, const std::array<int32_t, 256>& byte_ids, std::vector<IdMerge> merges,
               bool add_prefix_space, SequenceRules rules);

  void AppendPieces(absl::string_view text, std::vector<int32_t>* ids) const override;
  void AppendWord(absl::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

  const std::array<int32_t, 256> byte_ids_;
  const std::vector<IdMerge> merges_;  // by rank
  const bool add_prefix_space_;
  absl::flat_hash_map<uint64_t, int32_t> ranks_;           // by PairKey
  absl::flat_hash_map<std::string, int32_t> whole_words_;  // bytes that the merges join to one token
};

// The lowest rank first, of equal ones the leftmost, and what a merge makes possible takes part at once: the order of
// the reference. Linear in the word's length but for the heap.
void ByteLevelBpe::AppendWord(absl::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const {
  const int32_t size = static_cast<int32_t>(word.size());
  auto& [symbols, queue] = *scratch;
  symbols.resize(size);
  queue.clear();
  for (int32_t i = 0; i < size; ++i) {
    symbols[i] = {byte_ids_[static_cast<uint8_t>(word[i])], i - 1, i + 1, kNoMerge};
  }
  // Finds the merge of a symbol with its next one and queues it; false if there is none.
  const auto enqueue = [this, size, &symbols = symbols, &queue = queue](int32_t at) {
    Symbol& symbol = symbols[at];
    symbol.rank = kNoMerge;
    if (symbol.next == size) return false;
    const auto found = ranks_.find(PairKey(symbol.id, symbols[symbol.next].id));
    if (found == ranks_.end()) return false;
    symbol.rank = found->second;
    queue.push_back(static_cast<uint64_t>(symbol.rank) << 32 | static_cast<uint32_t>(at));
    return true;
  };
  for (int32_t i = 0; i < size; ++i) enqueue(i);
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const int32_t rank = static_cast<int32_t>(queue.back() >> 32), at = static_cast<int32_t>(queue.back() & 0xffffffff);
    queue.pop_back();
    Symbol& left = symbols[at];
    if (left.rank != rank) continue;  // meanwhile one of the two became part of another token
    Symbol& right = symbols[left.next];
    left.id = merges_[rank].result;
    left.next = right.next;
    right.rank = kNoMerge;
    if (left.next < size) symbols[left.next].previous = at;
    if (left.previous >= 0 && enqueue(left.previous)) std::push_heap(queue.begin(), queue.end(), std::greater<>());
    if (enqueue(at)) std::push_heap(queue.begin(), queue.end(), std::greater<>());
  }
  for (int32_t i = 0; i < size; i = symbols[i].next) ids->push_back(symbols[i].id);
}

void ByteLevelBpe::AppendPieces(absl::string_view text, std::vector<int32_t>* ids) const {
  std::string with_space;
  if (add_prefix_space_ && text[0] != ' ') {
    with_space = absl::StrCat(" ", text);
    text = with_space;
  }
  Scratch scratch;
  while (!text.empty()) {
    const absl::string_view word = text.substr(0, FirstWordLength(text));
    const auto whole = whole_words_.find(word);
    if (whole != whole_words_.end()) {
      ids->push_back(whole->second);
    } else {
      AppendWord(word, &scratch, ids);
    }
    text.remove_prefix(word.size());
  }
}

absl::Status CheckTokenizerJson(const TokenizerFile& file) {
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.type", "BPE"));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "normalizer", nullptr));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "pre_tokenizer.type", "ByteLevel", /*required=*/true));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "pre_tokenizer.use_regex", true));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.dropout", 0));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.continuing_subword_prefix", ""));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.end_of_word_suffix", ""));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.byte_fallback", false));
  return CheckOnly(file, "model.ignore_merges", false);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> ByteLevelBpe::Load(const std::string& folder) {
  const std::string vocabulary_path = JoinPath(folder, "vocab.json"), merges_path = JoinPath(folder, "merges.txt");
  const bool has_vocabulary = FileExists(vocabulary_path), has_merges = FileExists(merges_path);
  GBMOA_ASSIGN_OR_RETURN(const TokenizerFiles files, ReadTokenizerFiles(folder));
  const std::string type = files.model_type();
  if (!type.empty() && type != "BPE") return absl::NotFoundError(absl::StrCat("tokenizer.json's model is ", Cut(type)));
  if (type.empty() && !has_vocabulary && !has_merges) {
    return absl::NotFoundError("neither vocab.json and merges.txt nor tokenizer.json with such a model");
  }
  if (type.empty() && has_vocabulary && has_merges && FileExists(JoinPath(folder, "vocab.txt"))) {
    return absl::DataLossError(absl::StrCat(
        folder, ": vocab.txt and vocab.json are of two kinds of tokenizers, and no tokenizer.json says which counts"));
  }
  if (!files.tokenizer.exists() && has_vocabulary != has_merges) {
    return absl::NotFoundError(has_merges ? "merges.txt without vocab.json" : "vocab.json without merges.txt");
  }

  Vocabulary vocabulary;
  MergeList merges;
  if (has_vocabulary) {
    GBMOA_ASSIGN_OR_RETURN(const json object, LoadJson(vocabulary_path));
    GBMOA_ASSIGN_OR_RETURN(vocabulary, ReadVocabulary(vocabulary_path, "", object));
  }
  if (has_merges) {
    GBMOA_ASSIGN_OR_RETURN(merges, ReadMergesText(merges_path));
  }
  bool add_prefix_space = false;
  if (files.tokenizer.exists()) {
    const std::string& path = files.tokenizer.path;
    GBMOA_RETURN_IF_ERROR(CheckTokenizerJson(files.tokenizer));
    const json& model = Member(files.tokenizer.content, "model");
    GBMOA_ASSIGN_OR_RETURN(Vocabulary vocabulary_in_json, ReadVocabulary(path, "model.vocab", Member(model, "vocab")));
    GBMOA_ASSIGN_OR_RETURN(MergeList merges_in_json, ReadMergesJson(path, Member(model, "merges")));
    if (has_vocabulary) {
      GBMOA_RETURN_IF_ERROR(CheckSameVocabulary(path, vocabulary_in_json, "vocab.json", vocabulary));
    } else {
      vocabulary = std::move(vocabulary_in_json);
    }
    if (!has_merges) {
      merges = std::move(merges_in_json);
    } else if (merges.merges != merges_in_json.merges) {
      return absl::DataLossError(absl::StrCat(path, ": model.merges are not those of merges.txt"));
    }
    GBMOA_RETURN_IF_ERROR(
        ReadBool(path, Member(files.tokenizer.content, "pre_tokenizer"), "add_prefix_space", &add_prefix_space));
  }
  GBMOA_RETURN_IF_ERROR(ReadBool(files.config.path, files.config.content, "add_prefix_space", &add_prefix_space));

  SpecialTokens defaults;
  for (const auto& [role, content] : {std::pair{"bos_token", "<s>"},
                                      {"eos_token", "</s>"},
                                      {"unk_token", "<unk>"},
                                      {"sep_token", "</s>"},
                                      {"pad_token", "<pad>"},
                                      {"cls_token", "<s>"},
                                      {"mask_token", "<mask>"}}) {
    const bool is_mask = absl::string_view(role) == "mask_token";
    AddedToken& token = defaults[role];
    token.content = content;
    token.lstrip = is_mask;
    token.normalized = !is_mask;
  }
  GBMOA_ASSIGN_OR_RETURN(const SpecialTokens special_tokens, ReadSpecialTokens(files, std::move(defaults)));
  SequenceLayout layout;
  layout.separators = 2;
  layout.second_type = 0;
  GBMOA_ASSIGN_OR_RETURN(SequenceRules rules, ReadSequenceRules(files, special_tokens, layout, vocabulary));

  GBMOA_ASSIGN_OR_RETURN(std::vector<IdMerge> id_merges, FindIds(merges, vocabulary));
  absl::flat_hash_map<uint64_t, size_t> seen;
  for (size_t rank = 0; rank < id_merges.size(); ++rank) {
    const auto [first, is_new] = seen.emplace(PairKey(id_merges[rank].left, id_merges[rank].right), rank);
    if (is_new) continue;
    return absl::DataLossError(
        absl::StrCat(merges.PlaceOf(rank), ": the same merge as ", merges.PlaceOf(first->second)));
  }
  const std::array<std::string, 256> alphabet = MakeAlphabet();
  std::array<int32_t, 256> byte_ids;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = vocabulary.ids.find(alphabet[byte]);
    if (found == vocabulary.ids.end()) {
      return absl::DataLossError(
          absl::StrCat(vocabulary.path, ": the token of byte ", byte, ", '", alphabet[byte], "', is missing"));
    }
    byte_ids[byte] = found->second;
  }
  return std::unique_ptr<Tokenizer>(
      new ByteLevelBpe(vocabulary, byte_ids, std::move(id_merges), add_prefix_space, std::move(rules)));
}

// Changes when a text's ids change although the files are the same.
constexpr absl::string_view kVersion = "byte_level_bpe 1";

std::string PiecesFingerprint(const Vocabulary& vocabulary, const std::vector<IdMerge>& merges, bool add_prefix_space) {
  Sha256 sha;
  sha.Update(absl::StrCat(kVersion, ";", add_prefix_space, ";", vocabulary.size(), ";"));
  for (const std::string& token : vocabulary.tokens) sha.Update(absl::StrCat(token.size(), ":", token));
  for (const IdMerge& merge : merges) sha.Update(absl::StrCat(merge.left, ",", merge.right, ";"));
  return sha.Finish();
}

ByteLevelBpe::ByteLevelBpe(const Vocabulary& vocabulary, const std::array<int32_t, 256>& byte_ids,
                           std::vector<IdMerge> merges, bool add_prefix_space, SequenceRules rules)
    : SequenceTokenizer(std::move(rules), PiecesFingerprint(vocabulary, merges, add_prefix_space)),
      byte_ids_(byte_ids),
      merges_(std::move(merges)),
      add_prefix_space_(add_prefix_space) {
  ranks_.reserve(merges_.size());
  for (int32_t rank = 0; rank < merges_.size(); ++rank) {
    ranks_.emplace(PairKey(merges_[rank].left, merges_[rank].right), rank);
  }
  // Most words are tokens; those that the merges do arrive at need not be put together each time.
  const ByteDecoder decoder;
  Scratch scratch;
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    absl::optional<std::string> bytes = decoder.Bytes(vocabulary.tokens[id]);
    if (!bytes.has_value()) continue;
    ids.clear();
    AppendWord(*bytes, &scratch, &ids);
    if (ids.size() == 1 && ids[0] == id) whole_words_.emplace(*std::move(bytes), id);
  }
}

GBMOA_REGISTER_TOKENIZER("byte_level_bpe", ByteLevelBpe::Load);

}  // namespace
}  // namespace gbmoa
