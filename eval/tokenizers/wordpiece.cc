// WordPiece (Schuster & Nakajima 2012) in BERT's form: clean-up, optional lower case and removal of accents, words and
// punctuation apart, then the longest pieces of the vocabulary from left to right. Token for token what the Hugging
// Face "fast" tokenizer BertTokenizerFast gives, down to its Unicode version, from vocab.txt, from tokenizer.json, or
// from both.
//
// Deliberate differences: files that contradict each other or have a hole in the ids are refused, not repaired; special
// tokens that the vocabulary lacks are not added to it, since the encoder has no embeddings for them; and where
// tokenizer_config.json does not say whether to lower-case, tokenizer.json does, not the default of the class.

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
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
#include "eval/tokenizers/sequence_tokenizer.h"
#include "eval/tokenizers/tokenizer_files.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

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

// Call it after ICU. It tells of a lack of memory by codes, by strings that become bogus and then count as empty, and
// by null from its `new`; nothing else can fail in what is asked of it here.
void ThrowIf(bool failed) {
  if (failed) throw std::bad_alloc();
}

// NFD of Unicode 12.1. Lives as long as the program.
const icu::Normalizer2& Nfd() {
  static const icu::Normalizer2* const nfd = [] {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* newest = icu::Normalizer2::getNFDInstance(error);
    auto* known = new icu::UnicodeSet(UNICODE_STRING_SIMPLE("[:age=12.1:]"), error);
    ThrowIf(known == nullptr || U_FAILURE(error) || known->freeze()->isBogus());
    auto* filtered = new icu::FilteredNormalizer2(*newest, *known);
    ThrowIf(filtered == nullptr);
    return filtered;
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
};

class WordPiece : public SequenceTokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder);

 private:
  WordPiece(Vocabulary vocabulary, const Options& options, int32_t unk, SequenceRules rules);

  void AppendPieces(absl::string_view text, std::vector<int32_t>* ids) const override;
  void AppendUnicode(absl::string_view chunk, std::string* scratch, std::vector<int32_t>* ids) const;
  void AppendWord(absl::string_view word, int num_chars, std::vector<int32_t>* ids) const;

  const Options options_;
  const int32_t unk_;
  const std::vector<std::string> tokens_;                         // what the keys point into
  absl::flat_hash_map<absl::string_view, int32_t> initial_;       // whole tokens
  absl::flat_hash_map<absl::string_view, int32_t> continuation_;  // those that begin with ##, without it
  size_t longest_initial_ = 0, longest_continuation_ = 0;         // bytes
};

// A vocab.txt: line i has the token of id i - 1.
absl::StatusOr<Vocabulary> ReadLines(const std::string& path) {
  GBMOA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxVocabularyBytes));
  absl::string_view rest = text;
  if (absl::StartsWith(rest, "\xef\xbb\xbf")) {
    return absl::DataLossError(absl::StrCat(path, ":1: begins with a byte order mark"));
  }
  const size_t bad_byte = FindInvalidUtf8(rest);
  if (bad_byte != absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat(path, ":", LineAndColumn(rest, bad_byte), ": not UTF-8"));
  }
  Vocabulary vocabulary;
  vocabulary.path = path;
  while (!rest.empty()) {
    const size_t newline = rest.find('\n');
    const absl::string_view token = rest.substr(0, newline);
    rest.remove_prefix(newline == absl::string_view::npos ? rest.size() : newline + 1);
    const auto fail = [&](absl::string_view what) {
      return absl::DataLossError(absl::StrCat(path, ":", vocabulary.size() + 1, ": ", what));
    };
    if (token.empty()) return fail("empty line");
    if (token.back() == '\r') return fail("ends in a carriage return");
    if (token.back() == ' ' || token.back() == '\t') return fail("ends in white space");
    const auto [at, is_new] = vocabulary.ids.emplace(token, vocabulary.size());
    if (!is_new) return fail(absl::StrCat("'", Cut(token), "' is on line ", at->second + 1, " too"));
    vocabulary.tokens.emplace_back(token);
  }
  return vocabulary;
}

absl::Status CheckTokenizerJson(const TokenizerFile& file) {
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.type", "WordPiece"));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "normalizer.type", "BertNormalizer", /*required=*/true));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "normalizer.clean_text", true));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "pre_tokenizer.type", "BertPreTokenizer", /*required=*/true));
  GBMOA_RETURN_IF_ERROR(CheckOnly(file, "model.continuing_subword_prefix", std::string(kContinuation)));
  return CheckOnly(file, "model.max_input_chars_per_word", kMaxWordChars);
}

absl::StatusOr<Options> ReadOptions(const TokenizerFiles& files) {
  Options options;
  // Unless it is said, accents go with the capitals.
  const json& normalizer = Member(files.tokenizer.content, "normalizer");
  const std::string& json_path = files.tokenizer.path;
  GBMOA_RETURN_IF_ERROR(ReadBool(json_path, normalizer, "lowercase", &options.lowercase));
  options.strip_accents = options.lowercase;
  GBMOA_RETURN_IF_ERROR(ReadBool(json_path, normalizer, "strip_accents", &options.strip_accents));
  GBMOA_RETURN_IF_ERROR(ReadBool(json_path, normalizer, "handle_chinese_chars", &options.split_cjk));
  // As in the reference, what tokenizer_config.json says overrides tokenizer.json.
  const json& config = files.config.content;
  const std::string& config_path = files.config.path;
  GBMOA_RETURN_IF_ERROR(ReadBool(config_path, config, "do_lower_case", &options.lowercase));
  if (config.contains("do_lower_case") || config.contains("strip_accents")) options.strip_accents = options.lowercase;
  GBMOA_RETURN_IF_ERROR(ReadBool(config_path, config, "strip_accents", &options.strip_accents));
  GBMOA_RETURN_IF_ERROR(ReadBool(config_path, config, "tokenize_chinese_chars", &options.split_cjk));
  return options;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> WordPiece::Load(const std::string& folder) {
  const std::string lines_path = JoinPath(folder, "vocab.txt");
  const bool has_lines = FileExists(lines_path);
  GBMOA_ASSIGN_OR_RETURN(const TokenizerFiles files, ReadTokenizerFiles(folder));
  const std::string type = files.model_type();
  if (!type.empty() && type != "WordPiece") {
    return absl::NotFoundError(absl::StrCat("tokenizer.json's model is ", Cut(type)));
  }
  if (type.empty() && !has_lines) {
    return absl::NotFoundError("neither vocab.txt nor tokenizer.json with such a model");
  }
  Vocabulary vocabulary;
  if (has_lines) {
    GBMOA_ASSIGN_OR_RETURN(vocabulary, ReadLines(lines_path));
  }
  if (files.tokenizer.exists()) {
    GBMOA_RETURN_IF_ERROR(CheckTokenizerJson(files.tokenizer));
    GBMOA_ASSIGN_OR_RETURN(
        Vocabulary in_json,
        ReadVocabulary(files.tokenizer.path, "model.vocab", Member(Member(files.tokenizer.content, "model"), "vocab")));
    if (has_lines) {
      GBMOA_RETURN_IF_ERROR(CheckSameVocabulary(files.tokenizer.path, in_json, "vocab.txt", vocabulary));
    } else {
      vocabulary = std::move(in_json);
    }
  }
  GBMOA_ASSIGN_OR_RETURN(const Options options, ReadOptions(files));
  GBMOA_ASSIGN_OR_RETURN(const SpecialTokens special_tokens, ReadSpecialTokens(files, {{"unk_token", {"[UNK]"}},
                                                                                       {"sep_token", {"[SEP]"}},
                                                                                       {"pad_token", {"[PAD]"}},
                                                                                       {"cls_token", {"[CLS]"}},
                                                                                       {"mask_token", {"[MASK]"}}}));
  GBMOA_ASSIGN_OR_RETURN(SequenceRules rules, ReadSequenceRules(files, special_tokens, SequenceLayout(), vocabulary));
  for (const AddedToken& token : rules.added_tokens) {
    if (token.normalized) {
      return absl::UnimplementedError(
          absl::StrCat(folder, ": added token '", Cut(token.content), "': normalized: only false is known"));
    }
  }
  // tokenizer.json's model has its own.
  const json& in_model = Member(Member(files.tokenizer.content, "model"), "unk_token");
  const auto role = special_tokens.find("unk_token");
  const std::string unk = in_model.is_string()           ? in_model.get<std::string>()
                          : role == special_tokens.end() ? "unk_token"
                                                         : role->second.content;
  const auto found = vocabulary.ids.find(unk);
  if (found == vocabulary.ids.end()) {
    return absl::DataLossError(absl::StrCat(vocabulary.path, ": ", Cut(unk), " is missing"));
  }
  const int32_t unk_id = found->second;
  return std::unique_ptr<Tokenizer>(new WordPiece(std::move(vocabulary), options, unk_id, std::move(rules)));
}

// Changes when a text's ids change although the files are the same.
constexpr absl::string_view kVersion = "wordpiece 1";

std::string PiecesFingerprint(const Vocabulary& vocabulary, const Options& options, int32_t unk) {
  Sha256 sha;
  sha.Update(absl::StrCat(kVersion, ";", options.lowercase, options.strip_accents, options.split_cjk, ";", unk, ";"));
  for (const std::string& token : vocabulary.tokens) sha.Update(absl::StrCat(token.size(), ":", token));
  return sha.Finish();
}

WordPiece::WordPiece(Vocabulary vocabulary, const Options& options, int32_t unk, SequenceRules rules)
    : SequenceTokenizer(std::move(rules), PiecesFingerprint(vocabulary, options, unk)),
      options_(options),
      unk_(unk),
      tokens_(std::move(vocabulary.tokens)) {
  initial_.reserve(tokens_.size());
  for (int32_t id = 0; id < tokens_.size(); ++id) {
    absl::string_view piece = tokens_[id];
    initial_.emplace(piece, id);
    longest_initial_ = std::max(longest_initial_, piece.size());
    if (!absl::ConsumePrefix(&piece, kContinuation)) continue;
    continuation_.emplace(piece, id);
    longest_continuation_ = std::max(longest_continuation_, piece.size());
  }
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
  ThrowIf(text.isBogus());
  if (options_.strip_accents && !is_normalized) {
    UErrorCode error = U_ZERO_ERROR;
    text = Nfd().normalize(text, error);
    ThrowIf(U_FAILURE(error) || text.isBogus());
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

void WordPiece::AppendPieces(absl::string_view text, std::vector<int32_t>* ids) const {
  const AsciiTable& ascii = Ascii();
  const auto class_of = [&](char c) { return ascii.classes[static_cast<uint8_t>(c)]; };
  std::string word;
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
      AppendUnicode(chunk, &word, ids);
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

GBMOA_REGISTER_TOKENIZER("wordpiece", WordPiece::Load);

}  // namespace
}  // namespace gbmoa
