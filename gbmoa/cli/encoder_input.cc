#include "gbmoa/cli/encoder_input.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "glog/logging.h"

ABSL_FLAG(std::string, backbone, "",
          "folder of another BERT or RoBERTa encoder than the bundled MiniLM: config.json, model.safetensors and the "
          "tokenizer's files (vocab.txt, or vocab.json and merges.txt, or tokenizer.json)");
ABSL_FLAG(std::string, input, "", "file of texts, UTF-8; - is standard input");
ABSL_FLAG(int, max_tokens, 0,
          "most tokens of a line, [CLS] and [SEP] included; the rest is cut off. 0: as many as the encoder takes");
ABSL_FLAG(std::string, invalid_utf8, "error",
          "bytes of --input that are not UTF-8: error, or replace, which puts U+FFFD for each maximal ill-formed part");

namespace gbmoa {

absl::StatusOr<std::unique_ptr<const TextInput>> ReadInput() {
  const std::string path = UserPath(absl::GetFlag(FLAGS_input));
  if (path.empty()) return absl::InvalidArgumentError("--input: is missing");
  const std::string policy = absl::GetFlag(FLAGS_invalid_utf8);
  if (policy != "error" && policy != "replace") {
    return absl::InvalidArgumentError(absl::StrCat("--invalid_utf8: '", policy, "' is neither error nor replace"));
  }
  auto input = std::make_unique<TextInput>();
  input->name = path == "-" ? "standard input" : path;
  GBMOA_ASSIGN_OR_RETURN(input->contents, ReadFile(path, std::numeric_limits<int64_t>::max()));
  const auto place = [&](size_t byte) { return absl::StrCat(input->name, ":", LineAndColumn(input->contents, byte)); };
  const auto bad = [&](size_t byte, absl::string_view what) {
    return absl::DataLossError(absl::StrCat(place(byte), ": ", what));
  };
  const size_t bad_byte = FindInvalidUtf8(input->contents);
  if (bad_byte != absl::string_view::npos) {
    if (policy == "error") return bad(bad_byte, "not UTF-8");
    const std::string first = place(bad_byte);
    int64_t count = 0;
    input->contents = ReplaceInvalidUtf8(input->contents, &count);
    LOG(WARNING) << first << ": not UTF-8; " << count << " in the file became U+FFFD";
  }
  const absl::string_view contents = input->contents;
  for (size_t begin = 0; begin < contents.size();) {
    const size_t newline = std::min(contents.find('\n', begin), contents.size());
    absl::string_view line = contents.substr(begin, newline - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const size_t tab = line.find('\t');
    TextLine text = {line.substr(0, tab), absl::nullopt};
    if (tab != absl::string_view::npos) {
      text.second = line.substr(tab + 1);
      const size_t another = text.second->find('\t');
      if (another != absl::string_view::npos) {
        return bad(begin + tab + 1 + another, "a second tab: a line holds one text or two");
      }
    }
    input->lines.push_back(text);
    begin = newline + 1;
  }
  return input;
}

absl::StatusOr<TokenIds> TextEncoding::Encode(const TextLine& line) const {
  return line.second.has_value() ? tokenizer->EncodePair(line.first, *line.second, max_tokens)
                                 : tokenizer->Encode(line.first, max_tokens);
}

absl::StatusOr<TextEncoding> LoadTextEncoding() {
  TextEncoding encoding;
  encoding.folder = UserPath(absl::GetFlag(FLAGS_backbone));
  if (encoding.folder.empty()) {
    GBMOA_ASSIGN_OR_RETURN(encoding.folder, BundledBackboneFolder());
  }
  GBMOA_ASSIGN_OR_RETURN(encoding.config, ReadBackboneConfig(encoding.folder));
  GBMOA_ASSIGN_OR_RETURN(encoding.tokenizer, LoadTokenizer(encoding.folder));
  if (encoding.tokenizer->vocabulary_size() != encoding.config.vocab_size()) {
    return absl::DataLossError(absl::StrCat(encoding.folder, ": the vocabulary has ",
                                            encoding.tokenizer->vocabulary_size(), " tokens, config.json says ",
                                            encoding.config.vocab_size()));
  }
  const int limit = MaxSequenceTokens(encoding.config);
  const int wanted = absl::GetFlag(FLAGS_max_tokens);
  if (wanted != 0 && (wanted < 3 || wanted > limit)) {
    return absl::InvalidArgumentError(absl::StrCat("--max_tokens: ", wanted, " is not in 3 to ", limit));
  }
  encoding.max_tokens = wanted == 0 ? limit : wanted;
  return encoding;
}

}  // namespace gbmoa
