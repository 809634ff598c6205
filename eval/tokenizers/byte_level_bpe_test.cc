#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
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
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadFrom(const FolderFiles& files) {
  return LoadTokenizer(MakeFolder(::testing::TempDir(), files));
}

class ByteLevelBpeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::StatusOr<std::string> folder = RunfilePath("gbmoa/eval/tokenizers/testdata/byte_level_bpe");
    ASSERT_THAT(folder, IsOk());
    absl::StatusOr<json> golden = LoadJson(JoinPath(*folder, "golden.json"));
    ASSERT_THAT(golden, IsOk());
    golden_ = new json(*std::move(golden));
    const absl::StatusOr<std::string> vocabulary = ReadFile(JoinPath(*folder, "vocab.json"), 1 << 20);
    const absl::StatusOr<std::string> merges = ReadFile(JoinPath(*folder, "merges.txt"), 1 << 20);
    ASSERT_THAT(vocabulary, IsOk());
    ASSERT_THAT(merges, IsOk());
    vocabulary_ = new std::string(*vocabulary);
    merges_ = new std::string(*merges);
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(*folder);
    ASSERT_THAT(tokenizer, IsOk());
    tokenizer_ = tokenizer->release();
  }

  // The library's own tokenizer.json, with the merges as pairs as it writes them now, or as strings as it used to.
  static json TokenizerJson(bool merges_as_strings = false) {
    json file = (*golden_)["tokenizer_json"];
    file["model"]["vocab"] = json::parse(*vocabulary_);
    json merges = json::array();
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(*merges_, '\n'))) {
      if (line.empty() || absl::StartsWith(line, "#version")) continue;
      const std::pair<std::string, std::string> parts = absl::StrSplit(line, ' ');
      merges.push_back(merges_as_strings ? json(line) : json::array({parts.first, parts.second}));
    }
    file["model"]["merges"] = merges;
    return file;
  }

  // The vocabulary with the token `from` called `to`.
  static std::string Renamed(const std::string& from, const std::string& to) {
    json vocabulary = json::parse(*vocabulary_);
    vocabulary[to] = vocabulary[from];
    vocabulary.erase(from);
    return vocabulary.dump();
  }
  // The vocabulary with another id for a token.
  static std::string WithId(const std::string& token, const json& id) {
    json vocabulary = json::parse(*vocabulary_);
    vocabulary[token] = id;
    return vocabulary.dump();
  }

  static const json* golden_;
  static const std::string *vocabulary_, *merges_;
  static const Tokenizer* tokenizer_;
};
const json* ByteLevelBpeTest::golden_;
const std::string* ByteLevelBpeTest::vocabulary_;
const std::string* ByteLevelBpeTest::merges_;
const Tokenizer* ByteLevelBpeTest::tokenizer_;

std::string Alone(const std::string& character) { return character; }
// As in the golden file's script.
std::string InWords(const std::string& c) { return absl::StrCat("a", c, "1", c, "!", c, "'s  ", c, c); }

std::string HashOf(const std::vector<int32_t>& ids) {
  IdHash hash;
  hash.Add(ids);
  return hash.Hex();
}

TEST_F(ByteLevelBpeTest, OddText) {
  ASSERT_GE((*golden_)["odd"].size(), 80u);
  for (const json& row : (*golden_)["odd"]) {
    const std::vector<int32_t> ids = Ids(*tokenizer_, row["text"].get<std::string>());
    if (row.contains("ids")) {
      EXPECT_EQ(ids, row["ids"].get<std::vector<int32_t>>()) << row["text"];
    } else {
      EXPECT_EQ(HashOf(ids), row["hash"]) << row["text"];
    }
  }
}

TEST_F(ByteLevelBpeTest, AllWordNetGlosses) {
  EXPECT_EQ(GlossHashes(*tokenizer_), (*golden_)["gloss_hashes"].get<std::vector<std::string>>());
}

TEST_F(ByteLevelBpeTest, AllCodePoints) {
  EXPECT_EQ(CharacterHashes(*tokenizer_, 4096, Alone), (*golden_)["alone_hashes"].get<std::vector<std::string>>());
  EXPECT_EQ(CharacterHashes(*tokenizer_, 4096, InWords), (*golden_)["in_word_hashes"].get<std::vector<std::string>>());
}

TEST_F(ByteLevelBpeTest, TruncatesPairs) { ExpectTruncatesPairs(*tokenizer_, *golden_); }

TEST_F(ByteLevelBpeTest, TruncatesSingleTexts) { ExpectTruncatesSingleTexts(*tokenizer_, *golden_); }

// Quadratic time would take hours here.
TEST_F(ByteLevelBpeTest, LongText) {
  ASSERT_GE((*golden_)["long"].size(), 6u);
  for (const json& row : (*golden_)["long"]) {
    std::string text;
    for (int i = 0; i < row["count"].get<int>(); ++i) text += row["unit"].get_ref<const std::string&>();
    const std::vector<int32_t> ids = Ids(*tokenizer_, text);
    EXPECT_EQ(ids.size(), row["length"]) << row;
    EXPECT_EQ(HashOf(ids), row["hash"]) << row;
  }
}

TEST_F(ByteLevelBpeTest, Variants) {
  ASSERT_FALSE((*golden_)["variants"].empty());
  for (const json& row : (*golden_)["variants"]) {
    json file = TokenizerJson();
    file["pre_tokenizer"]["add_prefix_space"] = row["options"]["add_prefix_space"];
    const absl::StatusOr<std::unique_ptr<Tokenizer>> by_config = LoadFrom(
        {{"vocab.json", *vocabulary_}, {"merges.txt", *merges_}, {"tokenizer_config.json", row["options"].dump()}});
    const absl::StatusOr<std::unique_ptr<Tokenizer>> by_json = LoadFrom({{"tokenizer.json", file.dump()}});
    // tokenizer_config.json overrides tokenizer.json.
    const absl::StatusOr<std::unique_ptr<Tokenizer>> by_both =
        LoadFrom({{"tokenizer.json", TokenizerJson().dump()}, {"tokenizer_config.json", row["options"].dump()}});
    ASSERT_THAT(by_config, IsOk());
    ASSERT_THAT(by_json, IsOk());
    ASSERT_THAT(by_both, IsOk());
    IdHash hash;
    for (const json& odd : (*golden_)["odd"]) hash.Add(Ids(**by_config, odd["text"].get<std::string>()));
    EXPECT_EQ(hash.Hex(), row["odd_hash"]) << row["options"];
    EXPECT_EQ(CharacterHashes(**by_config, 65536, InWords), row["in_word_hashes"].get<std::vector<std::string>>())
        << row["options"];
    EXPECT_EQ((*by_json)->fingerprint(), (*by_config)->fingerprint());
    EXPECT_EQ((*by_both)->fingerprint(), (*by_config)->fingerprint());
    EXPECT_NE((*by_config)->fingerprint(), tokenizer_->fingerprint());
  }
}

TEST_F(ByteLevelBpeTest, AddedTokens) {
  json file = TokenizerJson();
  file["added_tokens"] = (*golden_)["added_tokens"];
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom({{"tokenizer.json", file.dump()}});
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocabulary_size(), tokenizer_->vocabulary_size() + 6);
  EXPECT_NE((*tokenizer)->fingerprint(), tokenizer_->fingerprint());
  ASSERT_GE((*golden_)["with_added_tokens"].size(), 7u);
  for (const json& row : (*golden_)["with_added_tokens"]) {
    EXPECT_EQ(Ids(**tokenizer, row["text"].get<std::string>()), row["ids"].get<std::vector<int32_t>>()) << row["text"];
  }
}

TEST_F(ByteLevelBpeTest, AllFilesSayTheSame) {
  const std::string config = (*golden_)["tokenizer_config"].dump(), map = (*golden_)["special_tokens_map"].dump();
  json with_template = TokenizerJson();
  const auto special = [](const char* id) { return json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; };
  const auto sequence = [](const char* id) { return json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  with_template["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", json::array({special("<s>"), sequence("A"), special("</s>")})},
      {"pair",
       json::array({special("<s>"), sequence("A"), special("</s>"), special("</s>"), sequence("B"), special("</s>")})},
      {"special_tokens",
       {{"<s>", {{"id", "<s>"}, {"ids", json::array({0})}, {"tokens", json::array({"<s>"})}}},
        {"</s>", {{"id", "</s>"}, {"ids", json::array({2})}, {"tokens", json::array({"</s>"})}}}}}};
  const struct {
    std::string name;
    FolderFiles files;
  } kCases[] = {
      {"vocab.json and merges.txt", {{"vocab.json", *vocabulary_}, {"merges.txt", *merges_}}},
      {"without the last line feed",
       {{"vocab.json", *vocabulary_}, {"merges.txt", merges_->substr(0, merges_->size() - 1)}}},
      {"tokenizer.json", {{"tokenizer.json", TokenizerJson().dump()}}},
      {"tokenizer.json and another kind's vocab.txt",
       {{"tokenizer.json", TokenizerJson().dump()}, {"vocab.txt", "[UNK]\n[CLS]\n[SEP]\n"}}},
      {"tokenizer.json of an old version", {{"tokenizer.json", TokenizerJson(true).dump()}}},
      {"tokenizer.json with a template", {{"tokenizer.json", with_template.dump()}}},
      {"all",
       {{"vocab.json", *vocabulary_},
        {"merges.txt", *merges_},
        {"tokenizer.json", TokenizerJson().dump()},
        {"tokenizer_config.json", config},
        {"special_tokens_map.json", map}}},
      {"all but tokenizer.json",
       {{"vocab.json", *vocabulary_},
        {"merges.txt", *merges_},
        {"tokenizer_config.json", config},
        {"special_tokens_map.json", map}}},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom(c.files);
    ASSERT_THAT(tokenizer, IsOk()) << c.name;
    EXPECT_EQ((*tokenizer)->vocabulary_size(), tokenizer_->vocabulary_size()) << c.name;
    EXPECT_EQ((*tokenizer)->fingerprint(), tokenizer_->fingerprint()) << c.name;
  }
}

// What may change without an error changes the fingerprint.
TEST_F(ByteLevelBpeTest, FingerprintTellsApart) {
  std::vector<std::string> lines = absl::StrSplit(*merges_, '\n');
  std::swap(lines[200], lines[201]);
  const struct {
    std::string name;
    FolderFiles files;
  } kCases[] = {
      {"merges in another order", {{"vocab.json", *vocabulary_}, {"merges.txt", absl::StrJoin(lines, "\n")}}},
      {"a token less", {{"vocab.json", Renamed("<unk>", "<UNK>")}, {"merges.txt", *merges_}}},
      {"another end",
       {{"vocab.json", *vocabulary_}, {"merges.txt", *merges_}, {"tokenizer_config.json", R"({"sep_token": "<s>"})"}}},
      {"mask without white space",
       {{"vocab.json", *vocabulary_},
        {"merges.txt", *merges_},
        {"special_tokens_map.json", R"({"mask_token": {"content": "<mask>", "lstrip": false}})"}}},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadFrom(c.files);
    ASSERT_THAT(tokenizer, IsOk()) << c.name;
    EXPECT_NE((*tokenizer)->fingerprint(), tokenizer_->fingerprint()) << c.name;
  }
}

TEST_F(ByteLevelBpeTest, NotUtf8) {
  const struct {
    std::string name, text;
    int byte;
  } kCases[] = {
      {"lone surrogate", "\xed\xa0\x80", 0},
      {"overlong", "a\xc0\xaf", 1},
      {"cut short", "caf\xc3", 3},
      {"FF", "\xff", 0},
  };
  for (const auto& c : kCases) ExpectNotUtf8(*tokenizer_, c.text, c.byte, c.name);
}

TEST_F(ByteLevelBpeTest, NoRoom) {
  EXPECT_THAT(tokenizer_->Encode("a", 1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 tokens")));
  EXPECT_THAT(tokenizer_->EncodePair("a", "b", 3), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 tokens")));
}

TEST_F(ByteLevelBpeTest, RefusesBadFiles) {
  const auto kBad = absl::StatusCode::kDataLoss, kUnknownKind = absl::StatusCode::kUnimplemented;
  const auto kMissing = absl::StatusCode::kNotFound;
  const std::string& vocabulary = *vocabulary_;
  const std::string& merges = *merges_;
  std::vector<std::string> lines = absl::StrSplit(merges, '\n');
  const auto with_line = [&](int number, const std::string& line) {
    std::vector<std::string> changed = lines;
    changed[number - 1] = line;
    return absl::StrJoin(changed, "\n");
  };
  const auto files = [&](const std::string& vocabulary_json, const std::string& merges_text) {
    return FolderFiles{{"vocab.json", vocabulary_json}, {"merges.txt", merges_text}};
  };
  const auto changed_json = [](const std::string& pointer, const json& value) {
    json file = TokenizerJson();
    file[json::json_pointer(pointer)] = value;
    return FolderFiles{{"tokenizer.json", file.dump()}};
  };
  const auto with_json = [&](FolderFiles more) {
    more.push_back({"tokenizer.json", TokenizerJson().dump()});
    return more;
  };
  const struct {
    std::string name;
    FolderFiles files;
    absl::StatusCode code;
    std::string message;
  } kCases[] = {
      {"no merges", {{"vocab.json", vocabulary}}, kMissing, "vocab.json without merges.txt"},
      {"no vocabulary", {{"merges.txt", merges}}, kMissing, "merges.txt without vocab.json"},
      {"files of two kinds",
       {{"vocab.json", vocabulary}, {"merges.txt", merges}, {"vocab.txt", "[UNK]\n[CLS]\n[SEP]\n"}},
       kBad,
       ": vocab.txt and vocab.json are of two kinds of tokenizers"},

      {"empty merges", files(vocabulary, ""), kBad, "merges.txt:1: does not begin with #version"},
      {"no version", files(vocabulary, merges.substr(lines[0].size() + 1)), kBad, "merges.txt:1: does not begin with"},
      {"byte order mark", files(vocabulary, "\xef\xbb\xbf" + merges), kBad, "merges.txt:1: begins with a byte order"},
      {"CRLF", files(vocabulary, absl::StrReplaceAll(merges, {{"\n", "\r\n"}})), kBad,
       "merges.txt:1: ends in a carriage return"},
      {"one CRLF", files(vocabulary, with_line(7, lines[6] + "\r")), kBad, "merges.txt:7: ends in a carriage return"},
      {"empty line", files(vocabulary, with_line(9, "")), kBad, "merges.txt:9: empty line"},
      {"empty last line", files(vocabulary, merges + "\n"), kBad, ": empty line"},
      {"one token", files(vocabulary, with_line(3, "abc")), kBad, "merges.txt:3: wanted two tokens and one blank"},
      {"long line", files(vocabulary, with_line(3, std::string(100'000, 'x'))), kBad,
       "merges.txt:3: wanted two tokens and one blank between them, got '" + std::string(100, 'x') + "'"},
      {"long token", files(vocabulary, with_line(3, "a " + std::string(100'000, 'x'))), kBad,
       "merges.txt:3: '" + std::string(100, 'x') + "' is not in"},
      {"three tokens", files(vocabulary, with_line(3, "a b c")), kBad, "merges.txt:3: wanted two tokens and one blank"},
      {"blank first", files(vocabulary, with_line(3, " a")), kBad, "merges.txt:3: wanted two tokens and one blank"},
      {"not UTF-8", files(vocabulary, with_line(3, "a \xff")), kBad, "merges.txt:3:3: not UTF-8"},
      {"the same merge twice", files(vocabulary, with_line(300, lines[9])), kBad, "merges.txt:300: the same merge as"},
      {"part of another model", files(vocabulary, with_line(3, "a zzzzqqqq")), kBad,
       "merges.txt:3: 'zzzzqqqq' is not in"},
      {"result of another model", files(vocabulary, with_line(3, "# $")), kBad, "merges.txt:3: '#$' is not in"},

      {"vocabulary is no JSON", files("{", merges), kBad, "vocab.json:1:"},
      {"vocabulary is no object", files("[]", merges), kBad, "vocab.json: wanted an object of tokens and ids"},
      {"token twice", files("{\"a\": 0, \"a\": 1}", merges), kBad, "vocab.json: 'a' comes twice"},
      {"id twice", files(WithId("A", 7), merges), kBad, "both have the id 7"},
      {"negative id", files(WithId("A", -7), merges), kBad, "vocab.json: 'A': wanted an id, got -7"},
      {"huge id", files(WithId("A", 4294967296), merges), kBad, "vocab.json: 'A': wanted an id, got 4294967296"},
      {"fractional id", files(WithId("A", 7.5), merges), kBad, "vocab.json: 'A': wanted an id, got 7.5"},
      {"id as text", files(WithId("A", "7"), merges), kBad, "vocab.json: 'A': wanted an id, got \"7\""},
      {"a hole", files(WithId("A", 5000), merges), kBad, "vocab.json: 'A' has the id 5000, but there are"},
      {"empty token", files(Renamed("<unk>", ""), merges), kBad, "vocab.json: an empty token"},
      {"no byte 0", files(Renamed("\u0100", "x\u0100"), merges), kBad, "the token of byte 0, '\u0100', is missing"},
      {"no <s>", files(Renamed("<s>", "<S>"), merges), kBad, "vocab.json: <s> is missing"},
      {"no </s>", files(Renamed("</s>", "<S>"), merges), kBad, "vocab.json: </s> is missing"},
      {"cls_token is null",
       {{"vocab.json", vocabulary}, {"merges.txt", merges}, {"tokenizer_config.json", R"({"cls_token": null})"}},
       kBad,
       "vocab.json: cls_token is missing"},

      {"another vocab.json", with_json({{"vocab.json", Renamed("<unk>", "<UNK>")}}), kBad,
       "tokenizer.json: model.vocab: 3 is '<unk>', in vocab.json '<UNK>'"},
      {"another merges.txt", with_json({{"merges.txt", with_line(3, "t he")}}), kBad,
       "tokenizer.json: model.merges are not those of merges.txt"},
      {"<s> of another id", changed_json("/post_processor/cls", {"<s>", 1}), kBad,
       "post_processor: '<s>' is 1, in the vocabulary 0"},
      {"no special tokens", changed_json("/post_processor", {{"type", "ByteLevel"}}), kUnknownKind,
       "post_processor: only TemplateProcessing, BertProcessing and RobertaProcessing are known, not \"ByteLevel\""},
      {"added token of another id", changed_json("/added_tokens/0/id", 17), kBad,
       "added token '<s>' has the id 17, in"},
      {"no merges in tokenizer.json", changed_json("/model/merges", nullptr), kBad, "model.merges: wanted an array"},
      {"merge of one token", changed_json("/model/merges/2", {"a"}), kBad, "model.merges 2: wanted two tokens, got"},
      {"long merge", changed_json("/model/merges/2", json::array({std::string(100'000, 'x')})), kBad,
       "model.merges 2: wanted two tokens, got [\"xxx"},
      {"merge of nothing known", changed_json("/model/merges/2", {"a", "zzqq"}), kBad,
       "model.merges 2: 'zzqq' is not in"},
      {"another model", changed_json("/model/type", "Unigram"), kMissing,
       "no tokenizer's files; tried byte_level_bpe (tokenizer.json's model is Unigram)"},
      {"another model than the files' names say",
       {{"vocab.json", vocabulary}, {"merges.txt", merges}, {"tokenizer.json", R"({"model": {"type": "Unigram"}})"}},
       kMissing,
       "no tokenizer's files; tried byte_level_bpe (tokenizer.json's model is Unigram)"},
      {"cut at the beginning", changed_json("/truncation/direction", "Left"), kUnknownKind,
       "tokenizer.json: truncation.direction: only Right is known, not \"Left\""},
      {"cut at the beginning, as tokenizer_config.json says",
       with_json({{"tokenizer_config.json", R"({"truncation_side": "left"})"}}), kUnknownKind,
       "tokenizer_config.json: truncation_side: only right is known, not \"left\""},
      {"normalizer", changed_json("/normalizer", {{"type", "NFC"}}), kUnknownKind, "normalizer: only null is known"},
      {"other words", changed_json("/pre_tokenizer/type", "Whitespace"), kUnknownKind, "only ByteLevel is known"},
      {"no words", changed_json("/pre_tokenizer/use_regex", false), kUnknownKind, "use_regex: only true is known"},
      {"dropout", changed_json("/model/dropout", 0.1), kUnknownKind, "model.dropout: only 0 is known, not 0.1"},
      {"suffix", changed_json("/model/end_of_word_suffix", "</w>"), kUnknownKind, "model.end_of_word_suffix: only"},
      {"whole tokens", changed_json("/model/ignore_merges", true), kUnknownKind, "ignore_merges: only false is known"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = LoadFrom(c.files).status();
    EXPECT_THAT(status, StatusIs(c.code, HasSubstr(c.message))) << c.name;
    EXPECT_LT(status.message().size(), 1000) << c.name;  // whatever the files hold
  }
}

}  // namespace
}  // namespace gbmoa
