#include "eval/tokenizers/sequence_tokenizer.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"

namespace gbmoa {
namespace {

// Takes up to 24 bytes of memory for each byte of text, and what counts in int32_t does not overflow.
constexpr size_t kMaxTextBytes = 64 << 20;

// Bytes of white space at the end and at the start of a text.
size_t SpaceBefore(absl::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t i = begin;
    UChar32 c;
    U8_PREV_UNSAFE(reinterpret_cast<const uint8_t*>(text.data()), i, c);
    if (!u_isUWhiteSpace(c)) break;
    begin = i;
  }
  return text.size() - begin;
}

size_t SpaceBehind(absl::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    size_t i = end;
    UChar32 c;
    U8_NEXT_UNSAFE(reinterpret_cast<const uint8_t*>(text.data()), i, c);
    if (!u_isUWhiteSpace(c)) break;
    end = i;
  }
  return end;
}

std::string Fingerprint(const SequenceRules& rules, absl::string_view pieces_fingerprint) {
  Sha256 sha;
  sha.Update(absl::StrCat(pieces_fingerprint, ";", rules.layout.cls, ",", rules.layout.sep, ",",
                          rules.layout.separators, ",", rules.layout.second_type, ",", rules.vocabulary_size));
  for (const AddedToken& token : rules.added_tokens) {
    sha.Update(absl::StrCat(";", token.id, ",", token.lstrip, ",", token.rstrip, ",", token.normalized, ",",
                            token.content.size(), ":", token.content));
  }
  return sha.Finish();
}

absl::Status NoRoom(int max_tokens, int special) {
  return absl::InvalidArgumentError(
      absl::StrCat(max_tokens, " tokens have no room for the special ones, which are ", special));
}

absl::Status InText(absl::string_view which, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(which, " text: ", status.message()));
}

}  // namespace

SequenceTokenizer::SequenceTokenizer(SequenceRules rules, absl::string_view pieces_fingerprint)
    : rules_(std::move(rules)) {
  // In one order, whatever the order in the files.
  std::sort(rules_.added_tokens.begin(), rules_.added_tokens.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() != b.content.size() ? a.content.size() > b.content.size() : a.content < b.content;
  });
  fingerprint_ = Fingerprint(rules_, pieces_fingerprint);
  for (const bool normalized : {false, true}) {
    Group group;
    for (const AddedToken& token : rules_.added_tokens) {
      if (token.normalized != normalized) continue;
      group.tokens.push_back(token);
      if (!absl::StrContains(group.first_bytes, token.content[0])) group.first_bytes += token.content[0];
    }
    if (!group.tokens.empty()) groups_.push_back(std::move(group));
  }
}

void SequenceTokenizer::AppendText(absl::string_view text, size_t group, std::vector<int32_t>* ids) const {
  if (text.empty()) return;
  if (group == groups_.size()) return AppendPieces(text, ids);
  const auto& [tokens, first_bytes] = groups_[group];
  size_t begin = 0, from = 0;  // the next token is looked for at `from`; what stands before `begin` is done
  while (true) {
    const size_t at = text.find_first_of(first_bytes, from);
    if (at == absl::string_view::npos) break;
    const absl::string_view rest = text.substr(at);
    const auto token = std::find_if(tokens.begin(), tokens.end(),
                                    [&](const AddedToken& t) { return absl::StartsWith(rest, t.content); });
    if (token == tokens.end()) {
      from = at + 1;
      continue;
    }
    const absl::string_view before = text.substr(begin, at - begin);
    AppendText(before.substr(0, before.size() - (token->lstrip ? SpaceBefore(before) : 0)), group + 1, ids);
    ids->push_back(token->id);
    begin = at + token->content.size();
    if (token->rstrip) begin += SpaceBehind(text.substr(begin));
    from = begin;
  }
  AppendText(text.substr(begin), group + 1, ids);
}

absl::StatusOr<std::vector<int32_t>> SequenceTokenizer::Pieces(absl::string_view text) const {
  if (text.size() > kMaxTextBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(text.size(), " bytes are more than the limit of ", kMaxTextBytes));
  }
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) return absl::DataLossError(absl::StrCat("byte ", bad_byte, ": not UTF-8"));
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 2);
  AppendText(text, 0, &ids);
  return ids;
}

absl::StatusOr<TokenIds> SequenceTokenizer::Encode(absl::string_view text, int max_tokens) const {
  const int special = 2;
  if (max_tokens < special) return NoRoom(max_tokens, special);
  GBMOA_ASSIGN_OR_RETURN(const std::vector<int32_t> pieces, Pieces(text));
  const int64_t keep = std::min<int64_t>(static_cast<int64_t>(pieces.size()), max_tokens - special);
  TokenIds tokens;
  tokens.ids.reserve(keep + special);
  tokens.ids.push_back(rules_.layout.cls);
  tokens.ids.insert(tokens.ids.end(), pieces.begin(), pieces.begin() + keep);
  tokens.ids.push_back(rules_.layout.sep);
  tokens.type_ids.assign(tokens.ids.size(), 0);
  return tokens;
}

absl::StatusOr<TokenIds> SequenceTokenizer::EncodePair(absl::string_view first, absl::string_view second,
                                                       int max_tokens) const {
  const int special = 2 + rules_.layout.separators;
  if (max_tokens < special) return NoRoom(max_tokens, special);
  const absl::StatusOr<std::vector<int32_t>> a = Pieces(first);
  if (!a.ok()) return InText("first", a.status());
  const absl::StatusOr<std::vector<int32_t>> b = Pieces(second);
  if (!b.ok()) return InText("second", b.status());
  const PairBudget keep =
      SplitBudget(static_cast<int64_t>(a->size()), static_cast<int64_t>(b->size()), max_tokens - special);
  TokenIds tokens;
  tokens.ids.reserve(keep.first + keep.second + special);
  tokens.ids.push_back(rules_.layout.cls);
  tokens.ids.insert(tokens.ids.end(), a->begin(), a->begin() + keep.first);
  tokens.ids.insert(tokens.ids.end(), rules_.layout.separators, rules_.layout.sep);
  tokens.type_ids.assign(tokens.ids.size(), 0);
  tokens.ids.insert(tokens.ids.end(), b->begin(), b->begin() + keep.second);
  tokens.ids.push_back(rules_.layout.sep);
  tokens.type_ids.resize(tokens.ids.size(), rules_.layout.second_type);
  return tokens;
}

}  // namespace gbmoa
