// gbmoa tokenize: the token ids of texts.

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"

namespace gbmoa {
namespace {

class TokenizeCommand : public Command {
 public:
  std::string summary() const override { return "a pretrained encoder's token ids of texts"; }
  std::string description() const override {
    return "Reads one text a line; a tab in a line makes it a pair of texts. Prints one JSON object for each line\n"
           "on standard output, with [CLS] and [SEP]; type_ids are 1 for the second text of a pair:\n"
           "  {\"ids\": [101, 7592, 102], \"type_ids\": [0, 0, 0]}\n"
           "Nothing is printed unless the whole input is UTF-8, or --invalid_utf8=replace makes it so.\n\n"
           "  gbmoa tokenize --input=texts.txt";
  }
  std::vector<std::string> flags() const override { return {"backbone", "input", "max_tokens", "invalid_utf8"}; }

  absl::Status Run() override {
    GBMOA_ASSIGN_OR_RETURN(const auto input, ReadInput());
    GBMOA_ASSIGN_OR_RETURN(const TextEncoding encoding, LoadTextEncoding());
    for (const TextLine& line : input->lines) {
      GBMOA_ASSIGN_OR_RETURN(const TokenIds tokens, encoding.Encode(line));
      const std::string row = absl::StrCat("{\"ids\": [", absl::StrJoin(tokens.ids, ", "), "], \"type_ids\": [",
                                           absl::StrJoin(tokens.type_ids, ", "), "]}\n");
      if (std::fwrite(row.data(), 1, row.size(), stdout) != row.size()) {
        return absl::UnknownError("standard output: cannot write");
      }
    }
    return absl::OkStatus();
  }
};

GBMOA_REGISTER_COMMAND("tokenize", TokenizeCommand);

}  // namespace
}  // namespace gbmoa
