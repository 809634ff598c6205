#include "tools/bench/text_episodes.h"

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// One token a byte between 1 and 2, as far as there is room.
class ByteTokenizer : public Tokenizer {
 public:
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const override {
    if (text == "bad") return absl::DataLossError("a bad text");
    TokenIds tokens;
    tokens.ids.push_back(1);
    for (const char byte : text.substr(0, max_tokens - 2)) tokens.ids.push_back(byte);
    tokens.ids.push_back(2);
    tokens.type_ids.assign(tokens.ids.size(), 0);
    return tokens;
  }
  absl::StatusOr<TokenIds> EncodePair(absl::string_view, absl::string_view, int) const override {
    return absl::UnimplementedError("no pairs");
  }
  int vocabulary_size() const override { return 256; }
  std::string fingerprint() const override { return std::string(64, 'b'); }
};

std::string Make(const std::string& contents) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/episodes.jsonl");
  EXPECT_THAT(WriteFileAtomically(path, contents), IsOk());
  return path;
}

constexpr char kGood[] = R"({"classes": ["a", "b"], "support": [["x", 0], ["yz", 1]], "query": [["vvvv", 1]]})";

TEST(TextEpisodesTest, ReadsAndTokenizes) {
  const std::string path = Make(absl::StrCat(
      kGood, "\n\n", R"({"support": [["u", 0]], "query": [["u", 0]], "name": 1,)", R"( "classes": ["c"]})", "\r\n"));
  const auto episodes = ReadTextEpisodes(path);
  ASSERT_THAT(episodes, IsOk());
  ASSERT_EQ(episodes->size(), 2u);
  EXPECT_EQ((*episodes)[0].num_classes, 2);
  EXPECT_THAT((*episodes)[0].support_set, ElementsAre(Pair("x", 0), Pair("yz", 1)));
  EXPECT_THAT((*episodes)[0].query_set, ElementsAre(Pair("vvvv", 1)));
  EXPECT_EQ((*episodes)[1].line, 3);

  const auto tokenized = TokenizeEpisodes(path, *episodes, ByteTokenizer(), 5);
  ASSERT_THAT(tokenized, IsOk());
  ASSERT_EQ(tokenized->size(), 2u);
  const Batch& support = (*tokenized)[0].support_set;
  EXPECT_EQ(support.num_classes, 2);
  EXPECT_THAT(support.labels, ElementsAre(0, 1));
  EXPECT_THAT(support.tokens.ids, ElementsAre(1, 'x', 2, 1, 'y', 'z', 2));
  EXPECT_THAT(support.tokens.type_ids, ElementsAre(0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(support.tokens.offsets, ElementsAre(0, 3, 7));
  EXPECT_THAT((*tokenized)[0].query_set.tokens.ids, ElementsAre(1, 'v', 'v', 'v', 2));  // cut to five
}

TEST(TextEpisodesTest, ErrorsNameLineAndCause) {
  EXPECT_THAT(ReadTextEpisodes("none.jsonl"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.jsonl")));
  struct Case {
    const char* line;
    const char* message;  // after PATH
  };
  const Case cases[] = {
      {R"({"classes": ["a"], "support": [)", ":2:"},
      {R"({"classes": ["a"]} x)", ":2:20: "},
      {R"(["a"])", ":2: wanted an object, got [\"a\"]"},
      {R"({"support": [["x", 0]], "query": [["x", 0]]})", ":2: 'classes': wanted a list of names"},
      {R"({"classes": [], "support": [["x", 0]], "query": [["x", 0]]})", ":2: 'classes': wanted a list of names"},
      {R"({"classes": ["a"], "query": [["x", 0]]})", ":2: 'support' is missing"},
      {R"({"classes": ["a"], "support": [["x", 0]]})", ":2: 'query' is missing"},
      {R"({"classes": ["a"], "support": [], "query": [["x", 0]]})", ":2: 'support': wanted a list of examples, got []"},
      {R"({"classes": ["a"], "support": [["x", 0], ["x"]], "query": [["x", 0]]})",
       ":2: 'support', example 1: wanted [TEXT, CLASS], got [\"x\"]"},
      {R"({"classes": ["a"], "support": [[7, 0]], "query": [["x", 0]]})",
       ":2: 'support', example 0: wanted [TEXT, CLASS], got [7,0]"},
      {R"({"classes": ["a"], "support": [["x", 0]], "query": [["x", 1]]})",
       ":2: 'query', example 0: class 1 is not in 0 to 0"},
      {R"({"classes": ["a"], "support": [["x", -1]], "query": [["x", 0]]})",
       ":2: 'support', example 0: class -1 is not in 0 to 0"},
      {"\xff", ":2:1: not UTF-8"},
  };
  for (const Case& c : cases) {
    const std::string path = Make(absl::StrCat(kGood, "\n", c.line, "\n"));
    EXPECT_THAT(ReadTextEpisodes(path), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(absl::StrCat(path, c.message))))
        << c.line;
  }
  for (const char* empty : {"", "\n \n"}) {
    EXPECT_THAT(ReadTextEpisodes(Make(empty)), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no episodes")))
        << empty;
  }
  const std::string path = Make(R"({"classes": ["a"], "support": [["x", 0]], "query": [["bad", 0]]})");
  const auto episodes = ReadTextEpisodes(path);
  ASSERT_THAT(episodes, IsOk());
  EXPECT_THAT(TokenizeEpisodes(path, *episodes, ByteTokenizer(), 8),
              StatusIs(absl::StatusCode::kDataLoss, absl::StrCat(path, ":1: a bad text")));
}

}  // namespace
}  // namespace gbmoa
