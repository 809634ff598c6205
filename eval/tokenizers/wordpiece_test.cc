#include <unicode/uclean.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "eval/tokenizer.h"
#include "eval/tokenizers/tokenizer_expectations.h"
#include "eval/tokenizers/tokenizer_testing.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadFrom(const FolderFiles& files) {
  return LoadTokenizer(MakeFolder(::testing::TempDir(), files));
}

// What the golden file has for a character.
std::string Twice(const std::string& character) { return absl::StrCat("a", character, "b", character); }

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
  EXPECT_EQ(WordNetGlosses().size(), 117659u);
  EXPECT_EQ(GlossHashes(*tokenizer_), (*golden_)["gloss_hashes"].get<std::vector<std::string>>());
}

TEST_F(GoldenTest, AllCodePoints) {
  EXPECT_EQ(CharacterHashes(*tokenizer_, 4096, Twice), (*golden_)["character_hashes"].get<std::vector<std::string>>());
}

TEST_F(GoldenTest, TruncatesPairs) { ExpectTruncatesPairs(*tokenizer_, *golden_); }

TEST_F(GoldenTest, TruncatesSingleTexts) { ExpectTruncatesSingleTexts(*tokenizer_, *golden_); }

TEST_F(GoldenTest, Variants) {
  const absl::StatusOr<std::string> vocabulary = ReadFile(JoinPath(*folder_, "vocab.txt"), 1 << 30);
  const absl::StatusOr<json> file = LoadJson(JoinPath(*folder_, "tokenizer.json"));
  ASSERT_THAT(vocabulary, IsOk());
  ASSERT_THAT(file, IsOk());
  for (const json& row : (*golden_)["variants"]) {
    const json& options = row["options"];
    // tokenizer.json alone says the same in its own words.
    json changed = *file;
    changed["normalizer"]["lowercase"] = options["do_lower_case"];
    if (options.contains("strip_accents")) changed["normalizer"]["strip_accents"] = options["strip_accents"];
    if (options.contains("tokenize_chinese_chars")) {
      changed["normalizer"]["handle_chinese_chars"] = options["tokenize_chinese_chars"];
    }
    const struct {
      std::string name;
      FolderFiles files;
    } kCases[] = {
        {"tokenizer_config.json overrides tokenizer.json",
         {{"vocab.txt", *vocabulary}, {"tokenizer.json", file->dump()}, {"tokenizer_config.json", options.dump()}}},
        {"vocab.txt and tokenizer_config.json",
         {{"vocab.txt", *vocabulary}, {"tokenizer_config.json", options.dump()}}},
        {"tokenizer.json alone", {{"tokenizer.json", changed.dump()}}},
    };
    std::vector<std::string> fingerprints;
    for (const auto& c : kCases) {
      const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom(c.files);
      ASSERT_THAT(tokenizer, IsOk()) << c.name;
      IdHash hash;
      for (const json& odd : (*golden_)["odd"]) hash.Add(Ids(**tokenizer, odd["text"].get<std::string>()));
      EXPECT_EQ(hash.Hex(), row["odd_hash"]) << options << " " << c.name;
      fingerprints.push_back((*tokenizer)->fingerprint());
      // All code points once are enough: the same fingerprint is the same tokenizer.
      if (fingerprints.size() > 1) continue;
      EXPECT_EQ(CharacterHashes(**tokenizer, 65536, Twice), row["character_hashes"].get<std::vector<std::string>>())
          << options;
    }
    EXPECT_THAT(fingerprints, testing::Each(fingerprints[0])) << options;
    EXPECT_NE(fingerprints[0], tokenizer_->fingerprint()) << options;
  }
}

TEST_F(GoldenTest, TokenizerJsonAloneIsTheSame) {
  const absl::StatusOr<std::string> file = ReadFile(JoinPath(*folder_, "tokenizer.json"), 1 << 30);
  ASSERT_THAT(file, IsOk());
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom({{"tokenizer.json", *file}});
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->fingerprint(), tokenizer_->fingerprint());
  EXPECT_EQ(Ids(**tokenizer, "Unaffable caf\u00e9 [MASK]"), Ids(*tokenizer_, "Unaffable caf\u00e9 [MASK]"));
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
  for (const auto& c : kCases) ExpectNotUtf8(*tokenizer_, c.text, c.byte, c.name);
}

TEST_F(GoldenTest, TextTooLong) {
  const std::string text((64 << 20) + 1, 'x');
  const std::string message = "67108865 bytes are more than the limit of 67108864";
  EXPECT_THAT(tokenizer_->Encode(text, 128), StatusIs(absl::StatusCode::kResourceExhausted, message));
  EXPECT_THAT(tokenizer_->EncodePair("fine", text, 128),
              StatusIs(absl::StatusCode::kResourceExhausted, "second text: " + message));
}

int64_t allocations_left = std::numeric_limits<int64_t>::max();
void* Allocate(const void*, size_t size) { return allocations_left-- > 0 ? std::malloc(size) : nullptr; }
void* Reallocate(const void*, void* memory, size_t size) {
  return allocations_left-- > 0 ? std::realloc(memory, size) : nullptr;
}
void Free(const void*, void* memory) { std::free(memory); }

// Whichever of ICU's allocations is the first to fail: no text without its tokens.
TEST_F(GoldenTest, OutOfMemory) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "caf\u00e9-";
  const std::vector<int32_t> want = Ids(*tokenizer_, text);
  UErrorCode error = U_ZERO_ERROR;
  u_setMemoryFunctions(nullptr, Allocate, Reallocate, Free, &error);
  ASSERT_TRUE(U_SUCCESS(error)) << u_errorName(error);
  int failures = 0;
  for (bool failed = true; failed && failures < 1000;) {
    allocations_left = failures;
    absl::StatusOr<TokenIds> tokens = TokenIds();
    try {
      tokens = tokenizer_->Encode(text, 10'000);
      failed = false;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    allocations_left = std::numeric_limits<int64_t>::max();
    if (failed) continue;
    ASSERT_THAT(tokens, IsOk());
    EXPECT_EQ(tokens->ids, want) << "with " << failures << " allocations";
  }
  EXPECT_GE(failures, 3);  // the text grows, is decomposed, is put together
  EXPECT_LT(failures, 1000);
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
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom({{"vocab.txt", kVocabulary}});
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 10);
  const absl::StatusOr<TokenIds> tokens = (*tokenizer)->Encode("Unaffable A [MASK]unk", 100);
  ASSERT_THAT(tokens, IsOk());
  EXPECT_THAT(tokens->ids, ElementsAre(2, 5, 7, 6, 8, 4, 1, 3));
}

TEST(WordPieceTest, NoFinalNewlineIsFine) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      LoadFrom({{"vocab.txt", std::string(absl::StripSuffix(kVocabulary, "\n"))}});
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 10);
}

constexpr char kPostProcessor[] = R"({"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]})";

std::string TokenizerJson(absl::string_view normalizer = R"({"type": "BertNormalizer", "lowercase": false})",
                          absl::string_view model_type = "WordPiece", absl::string_view vocabulary_end = R"("A": 9})",
                          absl::string_view added = "[]", absl::string_view more = "",
                          absl::string_view post_processor = kPostProcessor) {
  return absl::StrCat(R"({"added_tokens": )", added, R"(, "normalizer": )", normalizer, R"(, "post_processor": )",
                      post_processor, R"(, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"type": ")",
                      model_type, "\"", more,
                      R"(, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "un": 5, "##able": 6,
                          "##aff": 7, "a": 8, )",
                      vocabulary_end, "}}");
}

TEST(WordPieceTest, AddedTokens) {
  const std::string added = R"([{"id": 10, "content": "<extra>"}, {"id": 11, "content": "<extra>s", "lstrip": true}])";
  const std::string file =
      TokenizerJson(R"({"type": "BertNormalizer", "lowercase": false})", "WordPiece", R"("A": 9})", added);
  for (const FolderFiles& files :
       {FolderFiles{{"vocab.txt", kVocabulary}, {"tokenizer.json", file}}, {{"tokenizer.json", file}}}) {
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom(files);
    ASSERT_THAT(tokenizer, IsOk());
    EXPECT_EQ((*tokenizer)->vocabulary_size(), 12);
    EXPECT_THAT(Ids(**tokenizer, "A a <extra>sa<extra>"), ElementsAre(2, 9, 8, 11, 8, 10, 3));
    const absl::StatusOr<TokenIds> pair = (*tokenizer)->EncodePair("a", "A", 100);
    ASSERT_THAT(pair, IsOk());
    EXPECT_THAT(pair->ids, ElementsAre(2, 8, 3, 9, 3));
    EXPECT_THAT(pair->type_ids, ElementsAre(0, 0, 0, 1, 1));
  }
}

// Quadratic time would take minutes here.
TEST(WordPieceTest, ManyAddedTokens) {
  std::string vocabulary = kVocabulary;
  json config = {{"additional_special_tokens", json::array()}};
  for (int i = 0; i < 200'000; ++i) {
    const std::string token = absl::StrCat("<", i, ">");
    absl::StrAppend(&vocabulary, token, "\n");
    config["additional_special_tokens"].push_back(token);
  }
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      LoadFrom({{"vocab.txt", vocabulary}, {"tokenizer_config.json", config.dump()}});
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 200'010);
  EXPECT_THAT(Ids(**tokenizer, "a<199999>a"), ElementsAre(2, 8, 200'009, 8, 3));
}

// Where tokenizer.json says the kind, the names of other files do not; where there is none, half of another kind's
// files is no such tokenizer.
TEST(WordPieceTest, FilesOfAnotherKindBeside) {
  const std::pair<std::string, std::string> vocabulary = {"vocab.txt", kVocabulary}, other = {"vocab.json", "{}"},
                                            merges = {"merges.txt", "#version: 0.2\n"},
                                            file = {"tokenizer.json", TokenizerJson()};
  const absl::StatusOr<std::unique_ptr<Tokenizer>> by_json = LoadFrom({file});
  const absl::StatusOr<std::unique_ptr<Tokenizer>> by_lines = LoadFrom({vocabulary});
  ASSERT_THAT(by_json, IsOk());
  ASSERT_THAT(by_lines, IsOk());
  const struct {
    std::string name;
    FolderFiles files;
    const Tokenizer* want;
  } kCases[] = {
      {"tokenizer.json and vocab.json", {file, other}, by_json->get()},
      {"tokenizer.json, vocab.json, merges.txt", {file, other, merges}, by_json->get()},
      {"all", {file, other, merges, vocabulary}, by_json->get()},
      {"vocab.txt and vocab.json", {vocabulary, other}, by_lines->get()},
      {"vocab.txt and merges.txt", {vocabulary, merges}, by_lines->get()},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom(c.files);
    ASSERT_THAT(tokenizer, IsOk()) << c.name;
    EXPECT_EQ((*tokenizer)->fingerprint(), c.want->fingerprint()) << c.name;
  }
}

// What tokenizer_config.json and special_tokens_map.json call the special tokens.
TEST(WordPieceTest, SpecialTokensByOtherNames) {
  const std::string vocabulary = absl::StrReplaceAll(kVocabulary, {{"[CLS]", "<cls>"}, {"[MASK]", "<m>"}});
  const struct {
    std::string name, config, map;
  } kCases[] = {
      {"config", R"({"cls_token": "<cls>", "mask_token": {"content": "<m>", "lstrip": true}})", "{}"},
      {"map", "{}", R"({"cls_token": {"content": "<cls>"}, "mask_token": "<m>"})"},
      {"map wins", R"({"cls_token": "[SEP]", "mask_token": null})", R"({"cls_token": "<cls>", "mask_token": "<m>"})"},
      {"config with a list of added tokens wins",
       R"({"added_tokens_decoder": {"4": {"content": "<m>"}}, "cls_token": "<cls>"})", R"({"cls_token": "[SEP]"})"},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
        LoadFrom({{"vocab.txt", vocabulary}, {"tokenizer_config.json", c.config}, {"special_tokens_map.json", c.map}});
    ASSERT_THAT(tokenizer, IsOk()) << c.name;
    EXPECT_THAT(Ids(**tokenizer, "a <m>a [MASK]"), ElementsAre(2, 8, 4, 8, 1, 1, 1, 3)) << c.name;
  }
}

TEST(WordPieceTest, RefusesBadFiles) {
  const auto vocabulary = [](absl::string_view from, absl::string_view to) {
    return absl::StrReplaceAll(kVocabulary, {{from, to}});
  };
  const auto kBad = absl::StatusCode::kDataLoss, kUnknownKind = absl::StatusCode::kUnimplemented;
  const struct {
    std::string name;
    FolderFiles files;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"no files",
       {},
       absl::StatusCode::kNotFound,
       "no tokenizer's files; tried byte_level_bpe (neither vocab.json and"},
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
       R"(tokenizer.json: pre_tokenizer.type: only ByteLevel is known, not "BertPreTokenizer")"},
      {"a model of no known kind",
       {{"vocab.txt", kVocabulary}, {"tokenizer.json", TokenizerJson("null", "Unigram")}},
       absl::StatusCode::kNotFound,
       "wordpiece (tokenizer.json's model is Unigram)"},
      {"cut at the beginning",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"truncation_side": "left"})"}},
       kUnknownKind,
       R"(tokenizer_config.json: truncation_side: only right is known, not "left")"},
      {"special tokens taken apart",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"split_special_tokens": true})"}},
       kUnknownKind,
       "tokenizer_config.json: split_special_tokens: only false is known, not true"},
      {"long value",
       {{"vocab.txt", kVocabulary},
        {"tokenizer_config.json", json{{"do_lower_case", std::string(100'000, 'x')}}.dump()}},
       kBad,
       "tokenizer_config.json: do_lower_case: wanted true or false, got \"xxx"},
      {"long token",
       {{"vocab.txt", absl::StrCat(kVocabulary, std::string(100'000, 'x'), "\n", std::string(100'000, 'x'))}},
       kBad,
       absl::StrCat("vocab.txt:12: '", std::string(100, 'x'), "' is on line 11 too")},
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
       "model.vocab: 'A' has the id 10, but there are 10 tokens: an id is missing"},
      {"another order",
       {{"vocab.txt", absl::StrReplaceAll(kVocabulary, {{"a\nA\n", "A\na\n"}})}, {"tokenizer.json", TokenizerJson()}},
       kBad,
       "model.vocab: 8 is 'a', in vocab.txt 'A'"},
      {"an id twice",
       {{"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 8})")}},
       kBad,
       "tokenizer.json: model.vocab: 'A' and 'a' both have the id 8"},
      {"negative id",
       {{"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": -1})")}},
       kBad,
       "model.vocab: 'A': wanted an id, got -1"},
      {"no [UNK] in tokenizer.json",
       {{"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", "[]", R"(, "unk_token": "<unk>")")}},
       kBad,
       "tokenizer.json: <unk> is missing"},
      {"no post-processor",
       {{"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", "[]", "", "null")}},
       kUnknownKind,
       "post_processor: only TemplateProcessing, BertProcessing and RobertaProcessing are known, not null"},
      {"[CLS] of another id",
       {{"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", "[]", "",
                                         R"({"type": "BertProcessing", "cls": ["[CLS]", 0], "sep": ["[SEP]", 3]})")}},
       kBad,
       "post_processor: '[CLS]' is 0, in the vocabulary 2"},
      {"a template without [SEP]",
       {{"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", "[]", "",
                       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                 {"Sequence": {"id": "A", "type_id": 0}}]})")}},
       kUnknownKind,
       "post_processor: only [CLS] A [SEP] is known for one text"},
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
       "added token 'x' has the id 3, in"},
      {"added token that leaves a hole",
       {{"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", R"([{"content": "x", "id": 12}])")}},
       kBad,
       "added token 'x' has the id 12, the next free one is 10"},
      {"added token of tokenizer_config.json that leaves a hole",
       {{"tokenizer.json", TokenizerJson()},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"12": {"content": "x"}}})"}},
       kBad,
       "tokenizer_config.json: added token 'x' has the id 12, the next free one is 10"},
      {"added token of tokenizer.json that leaves a hole, with a tokenizer_config.json",
       {{"tokenizer.json",
         TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})", R"([{"content": "x", "id": 12}])")},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"10": {"content": "y"}}})"}},
       kBad,
       "tokenizer.json: added token 'x' has the id 12, the next free one is 11"},
      {"added token of tokenizer_config.json without content",
       {{"vocab.txt", kVocabulary}, {"tokenizer_config.json", R"({"added_tokens_decoder": {"12": {}}})"}},
       kBad,
       "tokenizer_config.json: added_tokens_decoder: wanted content and id, got {}"},
      {"added token for whole words",
       {{"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})",
                                         R"([{"content": "x", "id": 10, "single_word": true}])")}},
       kUnknownKind,
       "tokenizer.json: 'x': single_word: only false is known"},
      {"added token in normalized text",
       {{"tokenizer.json", TokenizerJson(R"({"type": "BertNormalizer"})", "WordPiece", R"("A": 9})",
                                         R"([{"content": "x", "id": 10, "normalized": true}])")}},
       kUnknownKind,
       "added token 'x': normalized: only false is known"},
      {"list of added tokens of another version",
       {{"vocab.txt", kVocabulary}, {"added_tokens.json", R"({"x": 10})"}},
       kUnknownKind,
       "added_tokens.json: is known only beside a tokenizer.json"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = LoadFrom(c.files).status();
    EXPECT_THAT(status, StatusIs(c.code, HasSubstr(c.message))) << c.name;
    EXPECT_LT(status.message().size(), 1000) << c.name;  // whatever the files hold
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
