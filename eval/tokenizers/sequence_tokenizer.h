// What the tokenizers of pretrained encoders have in common: added tokens are found in the text before it is taken
// apart, and one text or a pair becomes a sequence with special tokens that is cut to size.
#ifndef GBMOA_EVAL_TOKENIZERS_SEQUENCE_TOKENIZER_H_
#define GBMOA_EVAL_TOKENIZERS_SEQUENCE_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eval/tokenizer.h"

namespace gbmoa {

// Written out in a text, this stands for itself, whatever is around it. Of those that begin at the same place the
// longest counts.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool lstrip = false;      // it takes along the white space before it,
  bool rstrip = false;      // and that behind it
  bool normalized = false;  // it is looked for only where none of the others is
};

// [CLS] a [SEP], and [CLS] a [SEP] b [SEP] for a pair.
struct SequenceLayout {
  int32_t cls = -1, sep = -1;
  int separators = 1;       // how many [SEP] are between a and b
  int32_t second_type = 1;  // type id of b and the [SEP] behind it; everything before has 0
};

struct SequenceRules {
  SequenceLayout layout;
  std::vector<AddedToken> added_tokens;
  int vocabulary_size = 0;  // added tokens included
};

class SequenceTokenizer : public Tokenizer {
 public:
  absl::StatusOr<TokenIds> Encode(absl::string_view text, int max_tokens) const final;
  absl::StatusOr<TokenIds> EncodePair(absl::string_view first, absl::string_view second, int max_tokens) const final;
  int vocabulary_size() const final { return rules_.vocabulary_size; }
  std::string fingerprint() const final { return fingerprint_; }

 protected:
  // `pieces_fingerprint` tells apart whatever decides the result of AppendPieces.
  SequenceTokenizer(SequenceRules rules, absl::string_view pieces_fingerprint);

  // Appends the ids of a text that is valid UTF-8, is not empty and has no added token in it. Throws std::bad_alloc.
  virtual void AppendPieces(absl::string_view text, std::vector<int32_t>* ids) const = 0;

 private:
  // Added tokens that are looked for together.
  struct Group {
    std::vector<AddedToken> tokens;  // the longest first
    std::string first_bytes;
  };

  absl::StatusOr<std::vector<int32_t>> Pieces(absl::string_view text) const;
  void AppendText(absl::string_view text, size_t group, std::vector<int32_t>* ids) const;

  SequenceRules rules_;
  std::vector<Group> groups_;  // those of one come before those of the next
  std::string fingerprint_;
};

}  // namespace gbmoa

#endif  // GBMOA_EVAL_TOKENIZERS_SEQUENCE_TOKENIZER_H_
