// What the commands share that turn texts into tokens: their flags, the texts, the tokenizer that fits the backbone.
#ifndef GBMOA_CLI_ENCODER_INPUT_H_
#define GBMOA_CLI_ENCODER_INPUT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "eval/tokenizer.h"
#include "gbmoa/backbone/backbone_config.pb.h"

ABSL_DECLARE_FLAG(std::string, backbone);
ABSL_DECLARE_FLAG(std::string, input);
ABSL_DECLARE_FLAG(int, max_tokens);
ABSL_DECLARE_FLAG(std::string, invalid_utf8);

namespace gbmoa {

struct TextLine {
  absl::string_view first;
  absl::optional<absl::string_view> second;  // after the line's tab
};

// A text file, checked. Lines end in \n or \r\n, the last one in either or nothing; there may be none.
struct TextInput {
  std::string name;      // for messages
  std::string contents;  // what the lines point into
  std::vector<TextLine> lines;
};

// Reads the file of --input; "-" is standard input. With --invalid_utf8=replace what is not UTF-8 becomes U+FFFD, and a
// warning says how much that was. Errors: InvalidArgument without --input or for another --invalid_utf8; NotFound;
// DataLoss "FILE:LINE:COLUMN: what" for bytes that are not UTF-8 and for a second tab.
absl::StatusOr<std::unique_ptr<const TextInput>> ReadInput();

// A backbone's configuration and tokenizer; the weights are not read.
struct TextEncoding {
  std::string folder;
  BackboneConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  int max_tokens;  // --max_tokens, or what the backbone takes

  // Errors: the tokenizer's.
  absl::StatusOr<TokenIds> Encode(const TextLine& line) const;
};

// Reads the folder of --backbone, or the bundled one. Errors: InvalidArgument for a --max_tokens that the backbone
// cannot have; NotFound; DataLoss for files that are damaged or do not belong together.
absl::StatusOr<TextEncoding> LoadTextEncoding();

}  // namespace gbmoa

#endif  // GBMOA_CLI_ENCODER_INPUT_H_
