// WordPiece (Schuster & Nakajima 2012) in BERT's form: clean-up, optional lower case and removal of accents, words and
// punctuation apart, then the longest pieces of the vocabulary from left to right. Token for token what the Hugging
// Face "fast" tokenizer BertTokenizerFast gives, down to its Unicode version.

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
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
#include "absl/strings/strip.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr int64_t kMaxVocabularyBytes = 256 << 20;
constexpr int kMaxWordChars = 100;  // longer words become one [UNK], as in BERT's own code
constexpr absl::string_view kContinuation = "##";

// ---------------------------------------------------------------------------------------------------------------------
// Unicode as the reference knows it: general categories of Unicode 8.0 and decompositions of Unicode 12.1 (its tables
// are that old), white space and lower case of Unicode 17. Characters that came after ICU's own version need no care
// beyond that: neither side knows them.

uint32_t CategoryMask(UChar32 c) {
  switch (c) {
    case 0x166d:  // CANADIAN SYLLABICS CHI SIGN, punctuation until Unicode 12
      return U_GC_PO_MASK;
    case 0x111c9:  // SHARADA SANDHI MARK, punctuation until Unicode 11
      return U_GC_PO_MASK;
    case 0x1734:  // HANUNOO SIGN PAMUDPOD, nonspacing until Unicode 14
      return U_GC_MN_MASK;
    case 0x1885:  // MONGOLIAN LETTER ALI GALI BALUDA, a letter until Unicode 9
    case 0x1886:  // MONGOLIAN LETTER ALI GALI THREE BALUDA, likewise
      return U_GC_LO_MASK;
    case 0xa9bd:  // JAVANESE CONSONANT SIGN KERET, spacing until Unicode 11
      return U_GC_MC_MASK;
    default:
      break;
  }
  const uint32_t mask = U_GET_GC_MASK(c);
  // Only for these does it matter whether a character is older than 8.0.
  if ((mask & (U_GC_P_MASK | U_GC_MN_MASK | U_GC_CF_MASK)) == 0) return mask;
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] > 8 ? U_GC_CN_MASK : mask;
}

bool IsRemoved(UChar32 c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0 || c == 0xfffd) return true;
  return (CategoryMask(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0;
}

bool IsPunctuation(UChar32 c) {
  // ASCII symbols such as $ and ^ count too, others do not.
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  return (CategoryMask(c) & U_GC_P_MASK) != 0;
}

// The blocks that BERT sets apart character by character. 2B820 to 2B91F are missing in the reference too.
bool IsCjk(UChar32 c) {
  return c >= 0x3400 &&
         ((c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
          (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) ||
          (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0x2f800 && c <= 0x2fa1f));
}

// Character by character, without context: a final Σ becomes σ as everywhere else. U+0130, the only one with two lower
// case characters, is the caller's business.
UChar32 ToLower(UChar32 c) {
  if (c >= 0x10d50 && c <= 0x10d65) return c + 0x20;  // Garay, Unicode 16
  if (c >= 0x16ea0 && c <= 0x16eb8) return c + 0x1b;  // Beria Erfe, Unicode 17
  switch (c) {
    case 0x1c89:  // letters of Unicode 16 and 17
    case 0xa7cc:
    case 0xa7ce:
    case 0xa7d2:
    case 0xa7d4:
    case 0xa7da:
      return c + 1;
    case 0xa7cb:
      return 0x264;
    case 0xa7dc:
      return 0x19b;
    default:
      return u_tolower(c);
  }
}

// NFD of Unicode 12.1. Lives as long as the program.
const icu::Normalizer2& Nfd() {
  static const icu::Normalizer2* const nfd = [] {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* newest = icu::Normalizer2::getNFDInstance(error);
    auto* known = new icu::UnicodeSet(UNICODE_STRING_SIMPLE("[:age=12.1:]"), error);
    known->freeze();
    CHECK(U_SUCCESS(error)) << "ICU has no normalization data: " << u_errorName(error);
    return new icu::FilteredNormalizer2(*newest, *known);
  }();
  return *nfd;
}

// What becomes of an ASCII byte.
enum class AsciiClass : uint8_t { kWord, kSpace, kPunctuation, kRemoved, kNotAscii };

struct AsciiTable {
  std::array<AsciiClass, 256> classes;
  std::array<char, 256> lower;
};

const AsciiTable& Ascii() {
  static const AsciiTable* const table = [] {
    auto* t = new AsciiTable;
    for (int c = 0; c < 256; ++c) {
      t->lower[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
      t->classes[c] = c >= 0x80                                         ? AsciiClass::kNotAscii
                      : c == ' ' || c == '\t' || c == '\n' || c == '\r' ? AsciiClass::kSpace
                      : IsRemoved(c)                                    ? AsciiClass::kRemoved
                      : IsPunctuation(c)                                ? AsciiClass::kPunctuation
                                                                        : AsciiClass::kWord;
    }
    return t;
  }();
  return *table;
}

void AppendUtf8(UChar32 c, std::string* text) {
  char bytes[4];
  int length = 0;
  U8_APPEND_UNSAFE(bytes, length, c);
  text->append(bytes, length);
}

// ---------------------------------------------------------------------------------------------------------------------

struct Options {
  bool lowercase = true;
  bool strip_accents = true;
  bool split_cjk = true;
  std::string cls = "[CLS]", sep = "[SEP]", unk = "[UNK]";
};

class WordPiece : public Tokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder);

  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const override;
  absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second, int max_tokens) const override;
  int vocabulary_size() const override { return vocabulary_size_; }

 private:
  // Written out in the text, this stands for itself, whatever is around it.
  struct AddedToken {
    std::string content;
    int32_t id;
  };

  WordPiece() = default;
  absl::Status ReadVocabulary(const std::string& path);
  absl::Status ReadTokenizerConfig(const std::string& path);
  absl::Status ReadTokenizerJson(const std::string& path);
  absl::Status FindSpecialTokens(const std::string& path);

  absl::StatusOr<std::vector<int32_t>> Pieces(absl::string_view text) const;
  void AppendText(absl::string_view text, std::string* scratch, std::vector<int32_t>* ids) const;
  void AppendUnicode(absl::string_view chunk, std::string* scratch, std::vector<int32_t>* ids) const;
  void AppendWord(absl::string_view word, int num_chars, std::vector<int32_t>* ids) const;

  Options options_;
  std::string vocabulary_text_;                                   // what the keys point into
  absl::flat_hash_map<absl::string_view, int32_t> initial_;       // whole tokens
  absl::flat_hash_map<absl::string_view, int32_t> continuation_;  // those that begin with ##, without it
  size_t longest_initial_ = 0, longest_continuation_ = 0;         // bytes
  std::vector<AddedToken> added_tokens_;
  std::string added_first_bytes_;
  int vocabulary_size_ = 0;
  int32_t cls_ = -1, sep_ = -1, unk_ = -1;
};

absl::Status WordPiece::ReadVocabulary(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(vocabulary_text_, ReadFile(path, kMaxVocabularyBytes));
  absl::string_view rest = vocabulary_text_;
  if (absl::StartsWith(rest, "\xef\xbb\xbf")) {
    return absl::DataLossError(absl::StrCat(path, ":1: begins with a byte order mark"));
  }
  const size_t bad_byte = FindInvalidUtf8(rest);
  if (bad_byte != absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat(path, ":", LineAndColumn(rest, bad_byte), ": not UTF-8"));
  }
  int32_t id = 0;
  while (!rest.empty()) {
    const size_t newline = rest.find('\n');
    const absl::string_view token = rest.substr(0, newline);
    rest.remove_prefix(newline == absl::string_view::npos ? rest.size() : newline + 1);
    const auto fail = [&](absl::string_view what) {
      return absl::DataLossError(absl::StrCat(path, ":", id + 1, ": ", what));
    };
    if (token.empty()) return fail("empty line");
    if (token.back() == '\r') return fail("ends in a carriage return");
    if (token.back() == ' ' || token.back() == '\t') return fail("ends in white space");
    const auto [at, is_new] = initial_.emplace(token, id);
    if (!is_new) return fail(absl::StrCat("'", token, "' is on line ", at->second + 1, " too"));
    longest_initial_ = std::max(longest_initial_, token.size());
    if (absl::StartsWith(token, kContinuation)) {
      const absl::string_view piece = absl::StripPrefix(token, kContinuation);
      continuation_.emplace(piece, id);
      longest_continuation_ = std::max(longest_continuation_, piece.size());
    }
    ++id;
  }
  vocabulary_size_ = id;
  return absl::OkStatus();
}

// Reads a field that may be absent or null.
absl::Status ReadBool(const std::string& path, const json& object, const char* field, bool* value) {
  const auto found = object.find(field);
  if (found == object.end() || found->is_null()) return absl::OkStatus();
  if (!found->is_boolean()) {
    return absl::DataLossError(absl::StrCat(path, ": ", field, ": wanted true or false, got ", found->dump()));
  }
  *value = found->get<bool>();
  return absl::OkStatus();
}

absl::Status WordPiece::ReadTokenizerConfig(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const json config, LoadJson(path));
  if (!config.is_object()) return absl::DataLossError(absl::StrCat(path, ": wanted an object"));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, config, "do_lower_case", &options_.lowercase));
  // Unless it is said, accents go with the capitals.
  if (config.contains("do_lower_case") || config.contains("strip_accents")) options_.strip_accents = options_.lowercase;
  GBMOA_RETURN_IF_ERROR(ReadBool(path, config, "strip_accents", &options_.strip_accents));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, config, "tokenize_chinese_chars", &options_.split_cjk));
  for (const auto& [field, value] :
       {std::pair{"cls_token", &options_.cls}, {"sep_token", &options_.sep}, {"unk_token", &options_.unk}}) {
    const auto found = config.find(field);
    if (found == config.end() || found->is_null()) continue;
    // Either the token or an object that says more about it.
    const json& token = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (!token.is_string()) {
      return absl::DataLossError(absl::StrCat(path, ": ", field, ": wanted a string, got ", found->dump()));
    }
    *value = token.get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status WordPiece::ReadTokenizerJson(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const json file, LoadJson(path));
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  const auto part = [&](const json& parent, const char* name) {
    const auto found = parent.is_object() ? parent.find(name) : parent.end();
    return found == parent.end() ? json() : *found;
  };
  for (const auto& [name, type] :
       {std::pair{"model", "WordPiece"}, {"normalizer", "BertNormalizer"}, {"pre_tokenizer", "BertPreTokenizer"}}) {
    const json got = part(part(file, name), "type");
    // Old files leave the model's type out.
    if (got.is_null() && absl::string_view(name) == "model") continue;
    if (got != type) {
      return absl::UnimplementedError(
          absl::StrCat(path, ": ", name, ".type: only ", type, " is known, not ", got.dump()));
    }
  }
  const json model = part(file, "model");
  const json prefix = part(model, "continuing_subword_prefix");
  if (!prefix.is_null() && prefix != std::string(kContinuation)) {
    return absl::UnimplementedError(absl::StrCat(path, ": model.continuing_subword_prefix: only ", kContinuation,
                                                 " is known, not ", prefix.dump()));
  }
  const json max_chars = part(model, "max_input_chars_per_word");
  if (!max_chars.is_null() && max_chars != kMaxWordChars) {
    return absl::UnimplementedError(absl::StrCat(path, ": model.max_input_chars_per_word: only ", kMaxWordChars,
                                                 " is known, not ", max_chars.dump()));
  }
  const json vocabulary = part(model, "vocab");
  if (!vocabulary.is_object() || vocabulary.size() != initial_.size()) {
    return bad(absl::StrCat("model.vocab has ", vocabulary.size(), " tokens, vocab.txt ", initial_.size()));
  }
  for (const auto& [token, id] : vocabulary.items()) {
    const auto found = initial_.find(token);
    if (found == initial_.end() || id != found->second) {
      return bad(absl::StrCat("model.vocab: '", token, "' is ", id.dump(), ", in vocab.txt ",
                              found == initial_.end() ? "missing" : absl::StrCat(found->second)));
    }
  }
  const json normalizer = part(file, "normalizer");
  bool clean_text = true;
  GBMOA_RETURN_IF_ERROR(ReadBool(path, normalizer, "clean_text", &clean_text));
  if (!clean_text) return absl::UnimplementedError(absl::StrCat(path, ": normalizer.clean_text: only true is known"));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, normalizer, "lowercase", &options_.lowercase));
  options_.strip_accents = options_.lowercase;
  GBMOA_RETURN_IF_ERROR(ReadBool(path, normalizer, "strip_accents", &options_.strip_accents));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, normalizer, "handle_chinese_chars", &options_.split_cjk));

  const json added_tokens = part(file, "added_tokens");
  if (!added_tokens.is_array() && !added_tokens.is_null()) return bad("added_tokens: wanted an array");
  for (const json& token : added_tokens) {
    const json content = part(token, "content"), id = part(token, "id");
    if (!content.is_string() || content.get<std::string>().empty() || !id.is_number_unsigned() ||
        id.get<uint64_t>() > 100'000'000) {
      return bad(absl::StrCat("added_tokens: wanted content and id, got ", token.dump()));
    }
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
      bool on = false;
      GBMOA_RETURN_IF_ERROR(ReadBool(path, token, flag, &on));
      if (on) {
        return absl::UnimplementedError(
            absl::StrCat(path, ": added_tokens: ", content.dump(), ": ", flag, ": only false is known"));
      }
    }
    added_tokens_.push_back({content.get<std::string>(), id.get<int32_t>()});
    const auto found = initial_.find(added_tokens_.back().content);
    if (found != initial_.end() ? found->second != added_tokens_.back().id
                                : added_tokens_.back().id < initial_.size()) {
      return bad(absl::StrCat("added_tokens: ", content.dump(), " is ", id.dump(), ", in vocab.txt ",
                              found == initial_.end() ? "missing" : absl::StrCat(found->second)));
    }
  }
  return absl::OkStatus();
}

absl::Status WordPiece::FindSpecialTokens(const std::string& path) {
  if (added_tokens_.empty()) {
    for (const std::string& token :
         {options_.unk, options_.sep, std::string("[PAD]"), options_.cls, std::string("[MASK]")}) {
      const auto found = initial_.find(token);
      if (found != initial_.end()) added_tokens_.push_back({token, found->second});
    }
  }
  for (const AddedToken& token : added_tokens_) {
    vocabulary_size_ = std::max(vocabulary_size_, token.id + 1);
    if (!absl::StrContains(added_first_bytes_, token.content[0])) added_first_bytes_ += token.content[0];
  }
  // Of those that begin at the same place the longest counts.
  std::sort(added_tokens_.begin(), added_tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (const auto& [token, id] : {std::pair{options_.cls, &cls_}, {options_.sep, &sep_}, {options_.unk, &unk_}}) {
    const auto found = initial_.find(token);
    if (found == initial_.end()) return absl::DataLossError(absl::StrCat(path, ": ", token, " is missing"));
    *id = found->second;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> WordPiece::Load(const std::string& folder) {
  std::unique_ptr<WordPiece> tokenizer(new WordPiece);
  const std::string vocabulary_path = JoinPath(folder, "vocab.txt");
  GBMOA_RETURN_IF_ERROR(tokenizer->ReadVocabulary(vocabulary_path));
  // As in the reference, what tokenizer_config.json says overrides tokenizer.json.
  const std::string json_path = JoinPath(folder, "tokenizer.json"),
                    config_path = JoinPath(folder, "tokenizer_config.json");
  if (FileExists(json_path)) GBMOA_RETURN_IF_ERROR(tokenizer->ReadTokenizerJson(json_path));
  if (FileExists(config_path)) GBMOA_RETURN_IF_ERROR(tokenizer->ReadTokenizerConfig(config_path));
  GBMOA_RETURN_IF_ERROR(tokenizer->FindSpecialTokens(vocabulary_path));
  return tokenizer;
}

// `num_chars` code points in UTF-8.
void WordPiece::AppendWord(absl::string_view word, int num_chars, std::vector<int32_t>* ids) const {
  if (word.empty()) return;
  if (num_chars > kMaxWordChars) {
    ids->push_back(unk_);
    return;
  }
  const size_t before = ids->size();
  bool is_first = true;
  while (!word.empty()) {
    const auto& pieces = is_first ? initial_ : continuation_;
    size_t length = std::min(word.size(), is_first ? longest_initial_ : longest_continuation_);
    auto found = pieces.end();
    for (; length > 0; --length) {
      // A prefix that ends inside a character is in no vocabulary.
      if (length < word.size() && U8_IS_TRAIL(word[length])) continue;
      found = pieces.find(word.substr(0, length));
      if (found != pieces.end()) break;
    }
    if (length == 0) {  // one unknown piece makes the whole word unknown
      ids->resize(before);
      ids->push_back(unk_);
      return;
    }
    ids->push_back(found->second);
    word.remove_prefix(length);
    is_first = false;
  }
}

// A chunk between ASCII spaces that is not ASCII throughout.
void WordPiece::AppendUnicode(absl::string_view chunk, std::string* scratch, std::vector<int32_t>* ids) const {
  icu::UnicodeString text;
  bool is_normalized = true;  // below U+00C0 nothing decomposes, below U+0300 nothing combines
  const auto* bytes = reinterpret_cast<const uint8_t*>(chunk.data());
  const int32_t size = static_cast<int32_t>(chunk.size());
  for (int32_t i = 0; i < size;) {
    UChar32 c;
    U8_NEXT_UNSAFE(bytes, i, c);
    if (IsRemoved(c)) continue;
    if (c >= 0xc0) is_normalized = false;
    const bool apart = options_.split_cjk && IsCjk(c);
    if (apart) text.append(u' ');
    text.append(u_isUWhiteSpace(c) ? UChar32{' '} : c);
    if (apart) text.append(u' ');
  }
  if (options_.strip_accents && !is_normalized) {
    UErrorCode error = U_ZERO_ERROR;
    text = Nfd().normalize(text, error);
    CHECK(U_SUCCESS(error)) << u_errorName(error);  // only memory can fail here
  }
  std::string& word = *scratch;
  word.clear();
  int num_chars = 0;
  const auto end_word = [&] {
    AppendWord(word, num_chars, ids);
    word.clear();
    num_chars = 0;
  };
  const auto append = [&](UChar32 c) {
    if (c == ' ' || u_isUWhiteSpace(c)) {
      end_word();
    } else if (IsPunctuation(c)) {
      end_word();
      AppendUtf8(c, &word);
      num_chars = 1;
      end_word();
    } else {
      AppendUtf8(c, &word);
      ++num_chars;
    }
  };
  const char16_t* units = text.getBuffer();
  for (int32_t i = 0, length = text.length(); i < length;) {
    UChar32 c;
    U16_NEXT_UNSAFE(units, i, c);
    if (options_.strip_accents && c >= 0x80 && (CategoryMask(c) & U_GC_MN_MASK) != 0) continue;
    if (!options_.lowercase) {
      append(c);
    } else if (c == 0x130) {
      append('i');
      append(0x307);
    } else {
      append(ToLower(c));
    }
  }
  end_word();
}

// Text without added tokens.
void WordPiece::AppendText(absl::string_view text, std::string* scratch, std::vector<int32_t>* ids) const {
  const AsciiTable& ascii = Ascii();
  const auto class_of = [&](char c) { return ascii.classes[static_cast<uint8_t>(c)]; };
  std::string& word = *scratch;
  size_t i = 0;
  while (i < text.size()) {
    if (class_of(text[i]) == AsciiClass::kSpace) {
      ++i;
      continue;
    }
    // Spaces are neither made nor removed, and nothing composes with them: what is between two stands for itself.
    const size_t begin = i;
    bool is_ascii = true;
    for (; i < text.size() && class_of(text[i]) != AsciiClass::kSpace; ++i)
      is_ascii &= static_cast<int8_t>(text[i]) >= 0;
    const absl::string_view chunk = text.substr(begin, i - begin);
    if (!is_ascii) {
      AppendUnicode(chunk, scratch, ids);
      continue;
    }
    word.clear();
    for (const char c : chunk) {
      switch (class_of(c)) {
        case AsciiClass::kWord:
          word += options_.lowercase ? ascii.lower[static_cast<uint8_t>(c)] : c;
          break;
        case AsciiClass::kPunctuation:
          AppendWord(word, static_cast<int>(word.size()), ids);
          word.clear();
          AppendWord(absl::string_view(&c, 1), 1, ids);
          break;
        default:
          break;
      }
    }
    AppendWord(word, static_cast<int>(std::min<size_t>(word.size(), kMaxWordChars + 1)), ids);
  }
}

absl::StatusOr<std::vector<int32_t>> WordPiece::Pieces(absl::string_view text) const {
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) return absl::DataLossError(absl::StrCat("byte ", bad_byte, ": not UTF-8"));
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 2);
  std::string scratch;
  size_t begin = 0, from = 0;
  while (true) {
    const size_t at = text.find_first_of(added_first_bytes_, from);
    if (at == absl::string_view::npos) break;
    const auto token = std::find_if(added_tokens_.begin(), added_tokens_.end(),
                                    [&](const AddedToken& t) { return absl::StartsWith(text.substr(at), t.content); });
    if (token == added_tokens_.end()) {
      from = at + 1;
      continue;
    }
    AppendText(text.substr(begin, at - begin), &scratch, &ids);
    ids.push_back(token->id);
    begin = from = at + token->content.size();
  }
  AppendText(text.substr(begin), &scratch, &ids);
  return ids;
}

absl::StatusOr<TokenIds> WordPiece::Encode(absl::string_view text, int max_tokens) const {
  if (max_tokens < 2) {
    return absl::InvalidArgumentError(absl::StrCat(max_tokens, " tokens have no room for [CLS] and [SEP]"));
  }
  GBMOA_ASSIGN_OR_RETURN(std::vector<int32_t> pieces, Pieces(text));
  if (pieces.size() > max_tokens - 2) pieces.resize(max_tokens - 2);
  TokenIds tokens;
  tokens.ids.reserve(pieces.size() + 2);
  tokens.ids.push_back(cls_);
  tokens.ids.insert(tokens.ids.end(), pieces.begin(), pieces.end());
  tokens.ids.push_back(sep_);
  tokens.type_ids.assign(tokens.ids.size(), 0);
  return tokens;
}

absl::StatusOr<TokenIds> WordPiece::EncodePair(absl::string_view first, absl::string_view second,
                                               int max_tokens) const {
  if (max_tokens < 3) {
    return absl::InvalidArgumentError(absl::StrCat(max_tokens, " tokens have no room for [CLS] and two [SEP]"));
  }
  GBMOA_ASSIGN_OR_RETURN(const std::vector<int32_t> a, Pieces(first));
  GBMOA_ASSIGN_OR_RETURN(const std::vector<int32_t> b, Pieces(second));
  const PairBudget keep = SplitBudget(static_cast<int64_t>(a.size()), static_cast<int64_t>(b.size()), max_tokens - 3);
  TokenIds tokens;
  tokens.ids.push_back(cls_);
  tokens.ids.insert(tokens.ids.end(), a.begin(), a.begin() + keep.first);
  tokens.ids.push_back(sep_);
  tokens.type_ids.assign(tokens.ids.size(), 0);
  tokens.ids.insert(tokens.ids.end(), b.begin(), b.begin() + keep.second);
  tokens.ids.push_back(sep_);
  tokens.type_ids.resize(tokens.ids.size(), 1);
  return tokens;
}

GBMOA_REGISTER_TOKENIZER("wordpiece", WordPiece::Load);

}  // namespace
}  // namespace gbmoa
