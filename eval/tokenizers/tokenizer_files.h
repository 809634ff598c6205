// What the files beside a pretrained encoder's weights say about its tokenizer, whatever its kind: the vocabulary, the
// special tokens, and where in a sequence they go. As the Hugging Face libraries write and read them.
#ifndef GBMOA_EVAL_TOKENIZERS_TOKENIZER_FILES_H_
#define GBMOA_EVAL_TOKENIZERS_TOKENIZER_FILES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/tokenizers/sequence_tokenizer.h"
#include "gbmoa/base/json.h"

namespace gbmoa {

// A JSON file of the folder; null where there is none.
struct TokenizerFile {
  std::string path;
  nlohmann::json content;

  bool exists() const { return !content.is_null(); }
};

struct TokenizerFiles {
  TokenizerFile tokenizer;       // tokenizer.json, which says everything
  TokenizerFile config;          // tokenizer_config.json
  TokenizerFile special_tokens;  // special_tokens_map.json

  // "WordPiece", "BPE", ...: whose folder it is, whatever else there is. Empty without a tokenizer.json that says so;
  // then the names of the other files decide.
  std::string model_type() const;
};

// Errors: DataLoss if one of them is there and is no JSON object; Unimplemented for an added_tokens.json, which only
// old versions read.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& folder);

// What messages show of a text or a value from a file: at most 100 bytes, which may end inside a character.
inline absl::string_view Cut(absl::string_view text) { return text.substr(0, 100); }
std::string Shown(const nlohmann::json& value);

// The member of that name; null where `object` is no object or has none.
const nlohmann::json& Member(const nlohmann::json& object, const std::string& name);
// Reads a member that may be absent or null. Errors: DataLoss if it is neither true nor false.
absl::Status ReadBool(const std::string& path, const nlohmann::json& object, const std::string& name, bool* value);
// Errors: Unimplemented "PATH: FIELD: only WANTED is known, not ..." if the field ("model.dropout") has another value.
// It may be absent or null unless it is `required`.
absl::Status CheckOnly(const TokenizerFile& file, absl::string_view field, const nlohmann::json& wanted,
                       bool required = false);

// Tokens without added ones. Ids are 0, 1, 2, ... without holes.
struct Vocabulary {
  std::vector<std::string> tokens;                // by id
  absl::flat_hash_map<std::string, int32_t> ids;  // by token
  std::string path;                               // of its file, for messages

  int32_t size() const { return static_cast<int32_t>(tokens.size()); }
};

// From {token: id}; errors call it "PATH: WHERE". Errors: DataLoss for ids that are no numbers, negative, too large or
// given twice, so that one is missing; for an empty token.
absl::StatusOr<Vocabulary> ReadVocabulary(const std::string& path, absl::string_view where,
                                          const nlohmann::json& object);
// Errors: DataLoss unless both have the same tokens with the same ids.
absl::Status CheckSameVocabulary(const std::string& path, const Vocabulary& vocabulary, absl::string_view other_name,
                                 const Vocabulary& other);

// Special tokens by what they are for: "cls_token", "mask_token", ...; only content and lstrip, rstrip, normalized.
using SpecialTokens = std::map<std::string, AddedToken>;

// `defaults`, changed by what tokenizer_config.json and special_tokens_map.json say; null means that there is none. Of
// these files the second one wins, unless the first one has a list of the added tokens. Errors: DataLoss for members of
// another type.
absl::StatusOr<SpecialTokens> ReadSpecialTokens(const TokenizerFiles& files, SpecialTokens defaults);

// The added tokens of tokenizer.json, those of tokenizer_config.json, which win, and the special tokens, as far as the
// vocabulary has them. The layout is what tokenizer.json's post-processor says; without tokenizer.json it is `layout`
// with the ids of cls_token and sep_token.
// Errors: DataLoss for a token that is missing, has another id than in the vocabulary or one that leaves a hole;
// Unimplemented for a post-processor that does something else, for texts that lose their beginning, and for flags that
// are not known.
absl::StatusOr<SequenceRules> ReadSequenceRules(const TokenizerFiles& files, const SpecialTokens& special_tokens,
                                                SequenceLayout layout, const Vocabulary& vocabulary);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZERS_TOKENIZER_FILES_H_
