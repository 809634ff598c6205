// What the tests of all tokenizers expect alike, of golden files as tools/golden/wordpiece.py writes them and of bad
// text.
#ifndef GBMOA_EVAL_TOKENIZERS_TOKENIZER_EXPECTATIONS_H_
#define GBMOA_EVAL_TOKENIZERS_TOKENIZER_EXPECTATIONS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eval/tokenizer.h"
#include "eval/tokenizers/tokenizer_testing.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {

// A golden file's "pairs" and "pair_texts", where the last type_ids_1 types are 1.
inline void ExpectTruncatesPairs(const Tokenizer& tokenizer, const nlohmann::json& golden) {
  ASSERT_GE(golden["pairs"].size(), 80u);
  for (const nlohmann::json& row : golden["pairs"]) {
    const nlohmann::json& pair = golden["pair_texts"][row["first"].get<int>()];
    const absl::StatusOr<TokenIds> tokens =
        tokenizer.EncodePair(pair[0].get<std::string>(), pair[1].get<std::string>(), row["max_tokens"]);
    ASSERT_THAT(tokens, IsOk());
    IdHash hash;
    hash.Add(tokens->ids);
    EXPECT_EQ(hash.Hex(), row["hash"]) << row;
    ASSERT_EQ(tokens->ids.size(), row["length"]) << row;
    ASSERT_EQ(tokens->type_ids.size(), tokens->ids.size()) << row;
    std::vector<int32_t> types(tokens->ids.size(), 0);
    std::fill(types.end() - row.value("type_ids_1", 0), types.end(), 1);
    EXPECT_EQ(tokens->type_ids, types) << row;
  }
}

// A golden file's "truncated".
inline void ExpectTruncatesSingleTexts(const Tokenizer& tokenizer, const nlohmann::json& golden) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "unaffable words, cut anywhere ";
  ASSERT_FALSE(golden["truncated"].empty());
  for (const nlohmann::json& row : golden["truncated"]) {
    const absl::StatusOr<TokenIds> tokens = tokenizer.Encode(text, row["max_tokens"]);
    ASSERT_THAT(tokens, IsOk());
    IdHash hash;
    hash.Add(tokens->ids);
    EXPECT_EQ(hash.Hex(), row["hash"]) << row;
    EXPECT_EQ(tokens->type_ids, std::vector<int32_t>(row["length"].get<int>(), 0)) << row;
  }
}

// `text` is refused, alone and in a pair, naming its first bad byte.
inline void ExpectNotUtf8(const Tokenizer& tokenizer, absl::string_view text, int byte, const std::string& name) {
  const std::string message = absl::StrCat("byte ", byte, ": not UTF-8");
  EXPECT_THAT(tokenizer.Encode(text, 128), StatusIs(absl::StatusCode::kDataLoss, message)) << name;
  EXPECT_THAT(tokenizer.EncodePair(text, "fine", 128), StatusIs(absl::StatusCode::kDataLoss, "first text: " + message))
      << name;
  EXPECT_THAT(tokenizer.EncodePair("fine", text, 128), StatusIs(absl::StatusCode::kDataLoss, "second text: " + message))
      << name;
}

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZERS_TOKENIZER_EXPECTATIONS_H_
