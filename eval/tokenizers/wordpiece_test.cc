#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "eval/tokenizer.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// FNV-1a over numbers in place of bytes, as in tools/golden/wordpiece.py.
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

std::string Utf8(uint32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  const auto trail = [c](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), trail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), trail(6), trail(0)};
  return {static_cast<char>(0xf0 | c >> 18), trail(12), trail(6), trail(0)};
}

// A fresh folder with these files.
std::string MakeFolder(const std::vector<std::pair<std::string, std::string>>& files) {
  static int counter = 0;
  const std::string folder = absl::StrCat(::testing::TempDir(), "/wordpiece", getpid(), ".", counter++);
  EXPECT_EQ(system(absl::StrCat("mkdir -p ", folder).c_str()), 0);
  for (const auto& [name, contents] : files) EXPECT_THAT(WriteFileAtomically(JoinPath(folder, name), contents), IsOk());
  return folder;
}

class GoldenTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::StatusOr<std::string> path = RunfilePath("gbmoa/eval/tokenizers/testdata/wordpiece.json");
    ASSERT_THAT(path, IsOk());
    absl::StatusOr<json> golden = LoadJson(*path);
    ASSERT_THAT(golden, IsOk());
    golden_ = new json(*std::move(golden));
    const absl::StatusOr<std::string> folder = BundledBackboneFolder();
    ASSERT_THAT(folder, IsOk());
    folder_ = new std::string(*folder);
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(*folder);
    ASSERT_THAT(tokenizer, IsOk());
    tokenizer_ = tokenizer->release();
  }

  static std::vector<int32_t> Ids(const Tokenizer& tokenizer, absl::string_view text) {
    const absl::StatusOr<TokenIds> tokens = tokenizer.Encode(text, INT_MAX);
    EXPECT_THAT(tokens, IsOk());
    return tokens.ok() ? tokens->ids : std::vector<int32_t>();
  }

  // Hashes over blocks of `per_hash` of the code points that exist, each in a text of its own.
  static std::vector<std::string> CharacterHashes(const Tokenizer& tokenizer, int per_hash) {
    std::vector<std::string> hashes;
    IdHash hash;
    int count = 0;
    for (uint32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xd800 && c < 0xe000) continue;
      const std::string character = Utf8(c);
      hash.Add(Ids(tokenizer, absl::StrCat("a", character, "b", character)));
      if (++count % per_hash == 0) {
        hashes.push_back(hash.Hex());
        hash = IdHash();
      }
    }
    if (count % per_hash != 0) hashes.push_back(hash.Hex());
    return hashes;
  }

  static const json* golden_;
  static const std::string* folder_;
  static const Tokenizer* tokenizer_;
};
const json* GoldenTest::golden_;
const std::string* GoldenTest::folder_;
const Tokenizer* GoldenTest::tokenizer_;

TEST_F(GoldenTest, OddText) {
  ASSERT_GE((*golden_)["odd"].size(), 60u);
  for (const json& row : (*golden_)["odd"]) {
    const std::string text = row["text"];
    EXPECT_EQ(Ids(*tokenizer_, text), row["ids"].get<std::vector<int32_t>>()) << row["text"];
  }
}

TEST_F(GoldenTest, AllWordNetGlosses) {
  std::vector<std::string> hashes;
  IdHash hash;
  int count = 0;
  for (const std::string part : {"noun", "verb", "adj", "adv"}) {
    const absl::StatusOr<std::string> path = RunfilePath("wordnet/data." + part);
    ASSERT_THAT(path, IsOk());
    const absl::StatusOr<std::string> file = ReadFile(*path, 1 << 30);
    ASSERT_THAT(file, IsOk());
    for (absl::string_view line : absl::StrSplit(absl::StripSuffix(*file, "\n"), '\n')) {
      if (absl::StartsWith(line, "  ")) continue;  // the licence
      const size_t bar = line.find(" | ");
      ASSERT_NE(bar, absl::string_view::npos) << line;
      hash.Add(Ids(*tokenizer_, absl::StripAsciiWhitespace(line.substr(bar + 3))));
      if (++count % 1000 == 0) {
        hashes.push_back(hash.Hex());
        hash = IdHash();
      }
    }
  }
  hashes.push_back(hash.Hex());
  EXPECT_EQ(count, 117659);
  EXPECT_EQ(hashes, (*golden_)["gloss_hashes"].get<std::vector<std::string>>());
}

TEST_F(GoldenTest, AllCodePoints) {
  EXPECT_EQ(CharacterHashes(*tokenizer_, 4096), (*golden_)["character_hashes"].get<std::vector<std::string>>());
}

TEST_F(GoldenTest, TruncatesPairs) {
  const json& texts = (*golden_)["pair_texts"];
  ASSERT_GE((*golden_)["pairs"].size(), 80u);
  for (const json& row : (*golden_)["pairs"]) {
    const json& pair = texts[row["first"].get<int>()];
    const absl::StatusOr<TokenIds> tokens =
        tokenizer_->EncodePair(pair[0].get<std::string>(), pair[1].get<std::string>(), row["max_tokens"]);
    ASSERT_THAT(tokens, IsOk());
    IdHash hash;
    hash.Add(tokens->ids);
    EXPECT_EQ(hash.Hex(), row["hash"]) << row;
    ASSERT_EQ(tokens->ids.size(), row["length"]) << row;
    ASSERT_EQ(tokens->type_ids.size(), tokens->ids.size()) << row;
    // Zeros, then ones.
    std::vector<int32_t> types(tokens->ids.size(), 0);
    std::fill(types.end() - row["type_ids_1"].get<int>(), types.end(), 1);
    EXPECT_EQ(tokens->type_ids, types) << row;
  }
}

TEST_F(GoldenTest, TruncatesSingleTexts) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "unaffable words, cut anywhere ";
  for (const json& row : (*golden_)["truncated"]) {
    const absl::StatusOr<TokenIds> tokens = tokenizer_->Encode(text, row["max_tokens"]);
    ASSERT_THAT(tokens, IsOk());
    IdHash hash;
    hash.Add(tokens->ids);
    EXPECT_EQ(hash.Hex(), row["hash"]) << row;
    EXPECT_EQ(tokens->type_ids, std::vector<int32_t>(row["length"].get<int>(), 0)) << row;
  }
}

TEST_F(GoldenTest, Variants) {
  const absl::StatusOr<std::string> vocabulary = ReadFile(JoinPath(*folder_, "vocab.txt"), 1 << 30);
  const absl::StatusOr<std::string> tokenizer_json = ReadFile(JoinPath(*folder_, "tokenizer.json"), 1 << 30);
  ASSERT_THAT(vocabulary, IsOk());
  ASSERT_THAT(tokenizer_json, IsOk());
  for (const json& row : (*golden_)["variants"]) {
    // tokenizer_config.json overrides tokenizer.json.
    const std::string folder = MakeFolder({{"vocab.txt", *vocabulary},
                                           {"tokenizer.json", *tokenizer_json},
                                           {"tokenizer_config.json", row["options"].dump()}});
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder);
    ASSERT_THAT(tokenizer, IsOk());
    IdHash hash;
    for (const json& odd : (*golden_)["odd"]) hash.Add(Ids(**tokenizer, odd["text"].get<std::string>()));
    EXPECT_EQ(hash.Hex(), row["odd_hash"]) << row["options"];
    EXPECT_EQ(CharacterHashes(**tokenizer, 65536), row["character_hashes"].get<std::vector<std::string>>())
        << row["options"];
  }
}

TEST_F(GoldenTest, MessagesNameTheByte) {
  const struct {
    std::string name, text;
    int byte;
  } kCases[] = {
      {"stray continuation", "abc\x80", 3},
      {"overlong", "\xc0\xaf", 0},
      {"overlong of three bytes", "a\xe0\x80\xaf", 1},
      {"surrogate", "\xed\xa0\x80", 0},
      {"cut short", "caf\xc3", 3},
      {"cut short in the middle", "\xf0\x9f\x98 x", 0},
      {"above U+10FFFF", "a b \xf4\x90\x80\x80", 4},
      {"Latin-1", "na\xefve and much longer text", 2},
      {"FF", "12345678\xff", 8},
  };
  for (const auto& c : kCases) {
    const std::string message = absl::StrCat("byte ", c.byte, ": not UTF-8");
    EXPECT_THAT(tokenizer_->Encode(c.text, 128), StatusIs(absl::StatusCode::kDataLoss, message)) << c.name;
    EXPECT_THAT(tokenizer_->EncodePair("fine", c.text, 128), StatusIs(absl::StatusCode::kDataLoss, message)) << c.name;
  }
}

TEST_F(GoldenTest, NoRoom) {
  EXPECT_THAT(tokenizer_->Encode("a", 1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 tokens")));
  EXPECT_THAT(tokenizer_->EncodePair("a", "b", 2), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 tokens")));
}

TEST_F(GoldenTest, LongText) {
  EXPECT_EQ(Ids(*tokenizer_, std::string(1'000'000, 'x')).size(), 3);
  EXPECT_EQ(Ids(*tokenizer_, std::string(1'000'000, '.')).size(), 1'000'002);
  std::string marks = "a";
  for (int i = 0; i < 300'000; ++i) marks += "\xcc\x81";
  EXPECT_EQ(Ids(*tokenizer_, marks).size(), 3);
}

constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##able\n##aff\na\nA\n";

TEST(WordPieceTest, VocabularyOnly) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(MakeFolder({{"vocab.txt", kVocabulary}}));
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 10);
  const absl::StatusOr<TokenIds> tokens = (*tokenizer)->Encode("Unaffable A [MASK]unk", 100);
  ASSERT_THAT(tokens, IsOk());
  EXPECT_THAT(tokens->ids, ElementsAre(2, 5, 7, 6, 8, 4, 1, 3));
}

TEST(WordPieceTest, NoFinalNewlineIsFine) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      LoadTokenizer(MakeFolder({{"vocab.txt", absl::StripSuffix(kVocabulary, "\n").data()}}));
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 10);
}

std::string TokenizerJson(absl::string_view normalizer = R"({"type": "BertNormalizer", "lowercase": false})",
                          absl::string_view model_type = "WordPiece", absl::string_view vocabulary_end = R"("A": 9})",
                          absl::string_view added = "[]", absl::string_view more = "") {
  return absl::StrCat(R"({"added_tokens": )", added, R"(, "normalizer": )", normalizer,
                      R"(, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"type": ")", model_type, "\"", more,
                      R"(, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "un": 5, "##able": 6,
                          "##aff": 7, "a": 8, )",
                      vocabulary_end, "}}");
}

TEST(WordPieceTest, TokenizerJsonAlone) {
  const std::string added = R"([{"id": 10, "content": "<extra>"}, {"id": 11, "content": "<extra>s"}])";
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      LoadTokenizer(MakeFolder({{"vocab.txt", kVocabulary},
                                {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer", "lowercase": false})",
                                                                 "WordPiece", R"("A": 9})", added)}}));
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 12);
  const absl::StatusOr<TokenIds> tokens = (*tokenizer)->Encode("A a <extra>sa<extra>", 100);
  ASSERT_THAT(tokens, IsOk());
  EXPECT_THAT(tokens->ids, ElementsAre(2, 9, 8, 11, 8, 10, 3));
}

TEST(WordPieceTest, RefusesBadFiles) {
  const auto vocabulary = [](absl::string_view from, absl::string_view to) {
    return absl::StrReplaceAll(kVocabulary, {{from, to}});
  };
  const auto kBad = absl::StatusCode::kDataLoss, kUnknownKind = absl::StatusCode::kUnimplemented;
  const struct {
    std::string name;
    std::vector<std::pair<std::string, std::string>> files;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"no files", {}, absl::StatusCode::kNotFound, "no tokenizer's files; tried wordpiece"},
      {"empty", {{"vocab.txt", ""}}, kBad, "vocab.txt: [CLS] is missing"},
      {"no [CLS]", {{"vocab.txt", vocabulary("[CLS]", "[CLASS]")}}, kBad, "vocab.txt: [CLS] is missing"},
      {"no [SEP]", {{"vocab.txt", vocabulary("[SEP]", "sep")}}, kBad, "vocab.txt: [SEP] is missing"},
      {"no [UNK]", {{"vocab.txt", vocabulary("[UNK]", "unk")}}, kBad, "vocab.txt: [UNK] is missing"},
      {"duplicate", {{"vocab.txt", vocabulary("##able", "un")}}, kBad, "vocab.txt:7: 'un' is on line 6 too"},
      {"CRLF", {{"vocab.txt", vocabulary("\n", "\r\n")}}, kBad, "vocab.txt:1: ends in a carriage return"},
      {"byte order mark",
       {{"vocab.txt", absl::StrCat("\xef\xbb\xbf", kVocabulary)}},
       kBad,
       "vocab.txt:1: begins with a"},
      {"empty line", {{"vocab.txt", vocabulary("un\n", "un\n\n")}}, kBad, "vocab.txt:7: empty line"},
      {"empty last line", {{"vocab.txt", absl::StrCat(kVocabulary, "\n")}}, kBad, "vocab.txt:11: empty line"},
      {"space", {{"vocab.txt", vocabulary("un\n", "un \n")}}, kBad, "vocab.txt:6: ends in white space"},
      {"not UTF-8", {{"vocab.txt", vocabulary("un\n", "u\xff\n")}}, kBad, "vocab.txt:6:2: not UTF-8"},
      {"config is no JSON",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", "{\n  x"}},
       kBad,
       "tokenizer_config.json:2:3: "},
      {"config is no object",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", "[]"}},
       kBad,
       "tokenizer_config.json: wanted an object"},
      {"flag of another type",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"do_lower_case": "yes"})"}},
       kBad,
       R"(tokenizer_config.json: do_lower_case: wanted true or false, got "yes")"},
      {"token of another type",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"cls_token": 7})"}},
       kBad,
       "tokenizer_config.json: cls_token: wanted a string, got 7"},
      {"special token of another model",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"cls_token": "<s>"})"}},
       kBad,
       "vocab.txt: <s> is missing"},
      {"another model",
       {{"vocab.txt", kVocabulary}, {"tokenizer.json", TokenizerJson("null", "BPE")}},
       kUnknownKind,
       R"(tokenizer.json: model.type: only WordPiece is known, not "BPE")"},
      {"another normalizer",
       {{"vocab.txt", kVocabulary}, {"tokenizer.json", TokenizerJson("null")}},
       kUnknownKind,
       "tokenizer.json: normalizer.type: only BertNormalizer is known, not null"},
      {"no clean-up",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer", "clean_text": false})")}},
       kUnknownKind,
       "clean_text"},
      {"another vocabulary",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 10})")}},
       kBad,
       "model.vocab: 'A' is 10, in vocab.txt 9"},
      {"smaller vocabulary",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9, "b": 10})")}},
       kBad,
       "model.vocab has 11 tokens, vocab.txt 10"},
      {"another word length",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", "[]",
                                         R"(, "max_input_chars_per_word": 50)")}},
       kUnknownKind,
       "max_input_chars_per_word: only 100 is known, not 50"},
      {"added token without id",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", R"([{"content": "x"}])")}},
       kBad,
       "added_tokens: wanted content and id, got"},
      {"added token with another's id",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", R"([{"content": "x", "id": 3}])")}},
       kBad,
       R"(added_tokens: "x" is 3, in vocab.txt missing)"},
      {"added token that eats spaces",
       {{"vocab.txt", kVocabulary},
        {"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})",
                                         R"([{"content": "x", "id": 12, "lstrip": true}])")}},
       kUnknownKind,
       R"(added_tokens: "x": lstrip: only false is known)"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(LoadTokenizer(MakeFolder(c.files)), StatusIs(c.code, HasSubstr(c.message))) << c.name;
  }
}

TEST(SplitBudgetTest, ShortensTheLongerOneFirst) {
  const struct {
    int64_t first, second, budget, want_first, want_second;
  } kCases[] = {
      {5, 9, 14, 5, 9}, {5, 9, 13, 5, 8}, {5, 9, 10, 5, 5}, {5, 9, 9, 4, 5}, {9, 5, 9, 5, 4},
      {9, 9, 9, 4, 5},  {9, 9, 0, 0, 0},  {0, 9, 4, 0, 4},  {9, 0, 4, 4, 0}, {20, 3, 7, 4, 3},
  };
  for (const auto& c : kCases) {
    const PairBudget got = SplitBudget(c.first, c.second, c.budget);
    EXPECT_EQ(got.first, c.want_first) << c.first << " " << c.second << " " << c.budget;
    EXPECT_EQ(got.second, c.want_second) << c.first << " " << c.second << " " << c.budget;
  }
}

}  // namespace
}  // namespace gbmoa
