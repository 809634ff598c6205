#include "eval/tokenizers/tokenizer_files.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/status_macros.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

absl::Status Bad(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

absl::StatusOr<TokenizerFile> ReadIfThere(const std::string& folder, absl::string_view name) {
  TokenizerFile file;
  file.path = JoinPath(folder, name);
  if (!FileExists(file.path)) return file;
  GBMOA_ASSIGN_OR_RETURN(file.content, LoadJson(file.path));
  if (!file.content.is_object()) return Bad(file.path, "wanted an object");
  return file;
}

bool IsId(const json& value) { return value.is_number_unsigned() && value.get<uint64_t>() <= 100'000'000; }

// The flags of an added token; `token` has the defaults.
absl::Status ReadFlags(const std::string& path, const json& object, AddedToken* token) {
  GBMOA_RETURN_IF_ERROR(ReadBool(path, object, "lstrip", &token->lstrip));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, object, "rstrip", &token->rstrip));
  GBMOA_RETURN_IF_ERROR(ReadBool(path, object, "normalized", &token->normalized));
  bool single_word = false;
  GBMOA_RETURN_IF_ERROR(ReadBool(path, object, "single_word", &single_word));
  if (single_word) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": '", Cut(token->content), "': single_word: only false is known"));
  }
  return absl::OkStatus();
}

// A special token is a string or an object that says more about it.
absl::Status ReadSpecialToken(const std::string& path, const std::string& role, const json& value, AddedToken* token) {
  const json& content = value.is_object() ? Member(value, "content") : value;
  if (!content.is_string() || content.get_ref<const std::string&>().empty()) {
    return Bad(path, absl::StrCat(role, ": wanted a string, got ", Shown(value)));
  }
  token->content = content.get<std::string>();
  return ReadFlags(path, value, token);
}

// An added token and the path of the file that has it.
struct FoundToken {
  AddedToken token;
  const std::string* path;
};
using FoundTokens = absl::flat_hash_map<std::string, FoundToken>;  // by content

// In place of one with the same content. `list` is the member that has the object.
absl::Status ReadAddedToken(const std::string& path, absl::string_view list, const json& object, const json& id,
                            FoundTokens* tokens) {
  const json& content = Member(object, "content");
  if (!content.is_string() || content.get_ref<const std::string&>().empty() || !IsId(id)) {
    return Bad(path, absl::StrCat(list, ": wanted content and id, got ", Shown(object)));
  }
  AddedToken token;
  token.content = content.get<std::string>();
  token.id = id.get<int32_t>();
  GBMOA_RETURN_IF_ERROR(ReadFlags(path, object, &token));
  (*tokens)[token.content] = {token, &path};
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const TokenizerFiles& files,
                                                        const SpecialTokens& special_tokens,
                                                        const Vocabulary& vocabulary) {
  FoundTokens by_content;
  const json& list = Member(files.tokenizer.content, "added_tokens");
  if (!list.is_array() && !list.is_null()) return Bad(files.tokenizer.path, "added_tokens: wanted an array");
  for (const json& token : list) {
    GBMOA_RETURN_IF_ERROR(
        ReadAddedToken(files.tokenizer.path, "added_tokens", token, Member(token, "id"), &by_content));
  }
  const json& by_id = Member(files.config.content, "added_tokens_decoder");
  if (!by_id.is_object() && !by_id.is_null()) return Bad(files.config.path, "added_tokens_decoder: wanted an object");
  for (const auto& [key, token] : by_id.items()) {
    uint32_t id;
    if (!absl::SimpleAtoi(key, &id)) {
      return Bad(files.config.path, absl::StrCat("added_tokens_decoder: '", Cut(key), "' is no id"));
    }
    GBMOA_RETURN_IF_ERROR(ReadAddedToken(files.config.path, "added_tokens_decoder", token, id, &by_content));
  }
  for (const auto& [role, token] : special_tokens) {
    const auto id = vocabulary.ids.find(token.content);
    if (id == vocabulary.ids.end()) continue;
    const auto [found, is_new] = by_content.emplace(token.content, FoundToken{token, &vocabulary.path});
    if (is_new) found->second.token.id = id->second;
  }

  std::vector<FoundToken> sorted;
  sorted.reserve(by_content.size());
  for (auto& entry : by_content) sorted.push_back(std::move(entry.second));
  std::sort(sorted.begin(), sorted.end(), [](const FoundToken& a, const FoundToken& b) {
    return std::tie(a.token.id, a.token.content) < std::tie(b.token.id, b.token.content);
  });
  std::vector<AddedToken> tokens;
  tokens.reserve(sorted.size());
  int32_t next = vocabulary.size();
  for (FoundToken& found : sorted) {
    const AddedToken& token = found.token;
    const auto bad = [&](const std::string& what) {
      return Bad(*found.path, absl::StrCat("added token '", Cut(token.content), "' has the id ", token.id, ", ", what));
    };
    const auto known = vocabulary.ids.find(token.content);
    if (known != vocabulary.ids.end()) {
      if (known->second != token.id) return bad(absl::StrCat("in ", vocabulary.path, " ", known->second));
    } else if (token.id < vocabulary.size()) {
      return bad(absl::StrCat("in ", vocabulary.path, " that of '", Cut(vocabulary.tokens[token.id]), "'"));
    } else if (token.id != next++) {
      return bad(absl::StrCat("the next free one is ", next - 1));
    }
    tokens.push_back(std::move(found.token));
  }
  return tokens;
}

// A sequence's parts of a template, "[CLS]:0 $A:0 [SEP]:0"; anything that is no template gives something else.
std::string Flatten(const json& parts) {
  std::vector<std::string> flat;
  for (const json& part : parts) {
    const json& special = Member(part, "SpecialToken");
    const json& sequence = Member(part, "Sequence");
    const json& piece = special.is_null() ? sequence : special;
    const json& name = Member(piece, "id");
    flat.push_back(absl::StrCat(special.is_null() ? "$" : "", name.is_string() ? name.get<std::string>() : name.dump(),
                                ":", Member(piece, "type_id").dump()));
  }
  return absl::StrJoin(flat, " ");
}

absl::StatusOr<SequenceLayout> ReadLayout(const TokenizerFile& file, const json& processor, std::string* cls,
                                          std::string* sep) {
  const auto unknown = [&](absl::string_view what) {
    return absl::UnimplementedError(absl::StrCat(file.path, ": post_processor: ", what));
  };
  SequenceLayout layout;
  const json& type = Member(processor, "type");
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    for (const auto& [name, token, id] : {std::tuple{"cls", cls, &layout.cls}, {"sep", sep, &layout.sep}}) {
      const json& pair = Member(processor, name);
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !IsId(pair[1])) {
        return Bad(file.path, absl::StrCat("post_processor.", name, ": wanted [token, id], got ", Shown(pair)));
      }
      *token = pair[0].get<std::string>();
      *id = pair[1].get<int32_t>();
    }
    if (type == "RobertaProcessing") {
      layout.separators = 2;
      layout.second_type = 0;
    }
    return layout;
  }
  if (type != "TemplateProcessing") {
    return unknown(
        absl::StrCat("only TemplateProcessing, BertProcessing and RobertaProcessing are known, not ", Shown(type)));
  }
  // The names of the special tokens are those that the template of one text has around it.
  const json& single = Member(processor, "single");
  for (const auto& [at, token, id] : {std::tuple{0, cls, &layout.cls}, {2, sep, &layout.sep}}) {
    if (!single.is_array() || single.size() != 3) return unknown("only [CLS] A [SEP] is known for one text");
    const json& name = Member(Member(single[at], "SpecialToken"), "id");
    if (!name.is_string()) return unknown("only [CLS] A [SEP] is known for one text");
    *token = name.get<std::string>();
    const json& ids = Member(Member(Member(processor, "special_tokens"), *token), "ids");
    if (!ids.is_array() || ids.size() != 1 || !IsId(ids[0])) {
      return unknown(absl::StrCat("special_tokens: wanted one id of '", Cut(*token), "', got ", Shown(ids)));
    }
    *id = ids[0].get<int32_t>();
  }
  const std::string one = absl::StrCat(*cls, ":0 $A:0 ", *sep, ":0");
  if (Flatten(single) != one) return unknown("only [CLS]:0 A:0 [SEP]:0 is known for one text");
  const std::string pair = Flatten(Member(processor, "pair"));
  for (layout.separators = 1; layout.separators <= 2; ++layout.separators) {
    for (layout.second_type = 0; layout.second_type <= 1; ++layout.second_type) {
      if (pair == absl::StrCat(one, layout.separators == 2 ? absl::StrCat(" ", *sep, ":0") : "",
                               " $B:", layout.second_type, " ", *sep, ":", layout.second_type)) {
        return layout;
      }
    }
  }
  return unknown(absl::StrCat(
      "only [CLS] A [SEP] B [SEP] and [CLS] A [SEP] [SEP] B [SEP] are known for two texts, not ", Cut(pair)));
}

}  // namespace

std::string TokenizerFiles::model_type() const {
  const json& model = Member(tokenizer.content, "model");
  const json& type = Member(model, "type");
  if (type.is_string()) return type.get<std::string>();
  if (!model.is_object()) return "";
  return model.contains("merges") ? "BPE" : "WordPiece";  // old files leave it out
}

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& folder) {
  TokenizerFiles files;
  GBMOA_ASSIGN_OR_RETURN(files.tokenizer, ReadIfThere(folder, "tokenizer.json"));
  GBMOA_ASSIGN_OR_RETURN(files.config, ReadIfThere(folder, "tokenizer_config.json"));
  GBMOA_ASSIGN_OR_RETURN(files.special_tokens, ReadIfThere(folder, "special_tokens_map.json"));
  const std::string old = JoinPath(folder, "added_tokens.json");
  if (!files.tokenizer.exists() && !files.config.content.contains("added_tokens_decoder") && FileExists(old)) {
    return absl::UnimplementedError(absl::StrCat(old, ": is known only beside a tokenizer.json"));
  }
  return files;
}

std::string Shown(const json& value) { return std::string(Cut(value.dump())); }

const json& Member(const json& object, const std::string& name) {
  static const json* const null = new json;
  if (!object.is_object()) return *null;
  const auto found = object.find(name);
  return found == object.end() ? *null : *found;
}

absl::Status ReadBool(const std::string& path, const json& object, const std::string& name, bool* value) {
  const json& found = Member(object, name);
  if (found.is_null()) return absl::OkStatus();
  if (!found.is_boolean()) return Bad(path, absl::StrCat(name, ": wanted true or false, got ", Shown(found)));
  *value = found.get<bool>();
  return absl::OkStatus();
}

absl::Status CheckOnly(const TokenizerFile& file, absl::string_view field, const json& wanted, bool required) {
  const json* got = &file.content;
  for (const absl::string_view name : absl::StrSplit(field, '.')) got = &Member(*got, std::string(name));
  if (*got == wanted || (got->is_null() && !required)) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(file.path, ": ", field, ": only ",
                                               wanted.is_string() ? wanted.get<std::string>() : wanted.dump(),
                                               " is known, not ", Shown(*got)));
}

absl::StatusOr<Vocabulary> ReadVocabulary(const std::string& path, absl::string_view where, const json& object) {
  const std::string place = where.empty() ? path : absl::StrCat(path, ": ", where);
  if (!object.is_object()) return Bad(place, "wanted an object of tokens and ids");
  Vocabulary vocabulary;
  vocabulary.path = path;
  vocabulary.tokens.resize(object.size());
  vocabulary.ids.reserve(object.size());
  for (const auto& [token, value] : object.items()) {
    if (token.empty()) return Bad(place, "an empty token");
    if (!IsId(value)) return Bad(place, absl::StrCat("'", Cut(token), "': wanted an id, got ", Shown(value)));
    const int32_t id = value.get<int32_t>();
    if (id >= vocabulary.size()) {
      return Bad(place, absl::StrCat("'", Cut(token), "' has the id ", id, ", but there are ", vocabulary.size(),
                                     " tokens: an id is missing"));
    }
    if (!vocabulary.tokens[id].empty()) {
      return Bad(place,
                 absl::StrCat("'", Cut(vocabulary.tokens[id]), "' and '", Cut(token), "' both have the id ", id));
    }
    vocabulary.tokens[id] = token;
    vocabulary.ids.emplace(token, id);
  }
  return vocabulary;
}

absl::Status CheckSameVocabulary(const std::string& path, const Vocabulary& vocabulary, absl::string_view other_name,
                                 const Vocabulary& other) {
  if (vocabulary.size() != other.size()) {
    return Bad(path, absl::StrCat("model.vocab has ", vocabulary.size(), " tokens, ", other_name, " ", other.size()));
  }
  for (int32_t id = 0; id < other.size(); ++id) {
    if (vocabulary.tokens[id] != other.tokens[id]) {
      return Bad(path, absl::StrCat("model.vocab: ", id, " is '", Cut(vocabulary.tokens[id]), "', in ", other_name,
                                    " '", Cut(other.tokens[id]), "'"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SpecialTokens> ReadSpecialTokens(const TokenizerFiles& files, SpecialTokens defaults) {
  SpecialTokens tokens = defaults;
  for (const TokenizerFile* file : {&files.config, &files.special_tokens}) {
    if (file == &files.special_tokens && files.config.content.contains("added_tokens_decoder")) continue;
    for (const std::string role :
         {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
      if (!file->content.contains(role)) continue;
      const json& value = file->content[role];
      if (value.is_null()) {
        tokens.erase(role);
        continue;
      }
      AddedToken token = value.is_object() ? AddedToken() : defaults[role];
      GBMOA_RETURN_IF_ERROR(ReadSpecialToken(file->path, role, value, &token));
      tokens[role] = std::move(token);
    }
    const json& more = Member(file->content, "additional_special_tokens");
    if (!more.is_array() && !more.is_null()) {
      return Bad(file->path, absl::StrCat("additional_special_tokens: wanted an array, got ", Shown(more)));
    }
    for (const json& value : more) {
      AddedToken token;
      GBMOA_RETURN_IF_ERROR(ReadSpecialToken(file->path, "additional_special_tokens", value, &token));
      tokens[absl::StrCat("additional ", token.content)] = std::move(token);
    }
  }
  return tokens;
}

absl::StatusOr<SequenceRules> ReadSequenceRules(const TokenizerFiles& files, const SpecialTokens& special_tokens,
                                                SequenceLayout layout, const Vocabulary& vocabulary) {
  GBMOA_RETURN_IF_ERROR(CheckOnly(files.config, "truncation_side", "right"));
  GBMOA_RETURN_IF_ERROR(CheckOnly(files.config, "split_special_tokens", false));
  GBMOA_RETURN_IF_ERROR(CheckOnly(files.tokenizer, "truncation.direction", "Right"));
  SequenceRules rules;
  GBMOA_ASSIGN_OR_RETURN(rules.added_tokens, ReadAddedTokens(files, special_tokens, vocabulary));
  rules.vocabulary_size = vocabulary.size();
  for (const AddedToken& token : rules.added_tokens)
    rules.vocabulary_size = std::max(rules.vocabulary_size, token.id + 1);

  std::string cls = "cls_token", sep = "sep_token";
  if (files.tokenizer.exists()) {
    GBMOA_ASSIGN_OR_RETURN(rules.layout,
                           ReadLayout(files.tokenizer, Member(files.tokenizer.content, "post_processor"), &cls, &sep));
  } else {
    rules.layout = layout;
    for (const auto& [role, token] : {std::pair{"cls_token", &cls}, {"sep_token", &sep}}) {
      const auto found = special_tokens.find(role);
      if (found != special_tokens.end()) *token = found->second.content;
    }
  }
  for (const auto& [token, id] : {std::pair{&cls, &rules.layout.cls}, {&sep, &rules.layout.sep}}) {
    const auto in_vocabulary = vocabulary.ids.find(*token);
    const auto added = std::find_if(rules.added_tokens.begin(), rules.added_tokens.end(),
                                    [&, name = token](const AddedToken& other) { return other.content == *name; });
    if (in_vocabulary == vocabulary.ids.end() && added == rules.added_tokens.end()) {
      return Bad(vocabulary.path, absl::StrCat(Cut(*token), " is missing"));
    }
    const int32_t known = added == rules.added_tokens.end() ? in_vocabulary->second : added->id;
    if (files.tokenizer.exists() && *id != known) {
      return Bad(files.tokenizer.path,
                 absl::StrCat("post_processor: '", Cut(*token), "' is ", *id, ", in the vocabulary ", known));
    }
    *id = known;
  }
  return rules;
}

}  // namespace gbmoa
