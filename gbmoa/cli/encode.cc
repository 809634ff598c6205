// gbmoa encode: the last hidden states of texts.

#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/cli/command.h"
#include "gbmoa/cli/encoder_input.h"
#include "gbmoa/task/episode.h"

ABSL_FLAG(std::string, out, "",
          "what to write: encode replaces an older file of that name, the others want a new folder or an empty one");
ABSL_FLAG(std::string, precision, "fp32",
          "of the encoder's matrix products: fp32, or bf16, faster where the processor has it");

namespace gbmoa {
namespace {

// Tokens that go through the encoder at once: enough to keep it busy, few enough to stay in the cache.
constexpr int64_t kTokensAtOnce = 2048;

class EncodeCommand : public Command {
 public:
  std::string summary() const override { return "a pretrained encoder's last hidden states of texts"; }
  std::string description() const override {
    return "Reads one text a line; a tab in a line makes it a pair of texts. Writes a safetensors file of two\n"
           "tensors, for S lines, N tokens in all and an encoder of width D:\n"
           "  hidden   [N, D] float32, one row a token, line after line; [CLS] and [SEP] are tokens, too\n"
           "  offsets  [S + 1] int64, line s (from 0) has the rows offsets[s] to offsets[s + 1] - 1\n"
           "The file appears complete or not at all.\n\n"
           "  gbmoa encode --input=texts.txt --out=states.safetensors";
  }
  std::vector<std::string> flags() const override {
    return {"backbone", "input", "out", "max_tokens", "precision", "invalid_utf8"};
  }

  absl::Status Run() override {
    const std::string out = UserPath(absl::GetFlag(FLAGS_out));
    if (out.empty()) return absl::InvalidArgumentError("--out: is missing");
    const absl::StatusOr<Precision> precision = ParsePrecision(absl::GetFlag(FLAGS_precision));
    if (!precision.ok()) return absl::InvalidArgumentError(absl::StrCat("--precision: ", precision.status().message()));
    GBMOA_ASSIGN_OR_RETURN(const auto input, ReadInput());
    GBMOA_ASSIGN_OR_RETURN(const TextEncoding encoding, LoadTextEncoding());
    // Now, so that a folder that cannot be written does not cost the whole computation first.
    GBMOA_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(out));

    PackedTokens tokens;
    for (const TextLine& line : input->lines) {
      GBMOA_ASSIGN_OR_RETURN(const TokenIds ids, encoding.Encode(line));
      tokens.Append(ids.ids, ids.type_ids);
    }
    GBMOA_ASSIGN_OR_RETURN(const std::shared_ptr<const Backbone> backbone, Backbone::Load(encoding.folder, *precision));

    GBMOA_RETURN_IF_ERROR(file.Append(SafetensorsHeader(
        {{"offsets", SafetensorsDtype::kInt64, {static_cast<int64_t>(tokens.offsets.size())}, {}},
         {"hidden", SafetensorsDtype::kFloat32, {tokens.num_tokens(), encoding.config.hidden_size()}, {}}})));
    GBMOA_RETURN_IF_ERROR(Append(AsBytes<int64_t>(tokens.offsets), &file));
    for (int64_t begin = 0; begin < tokens.num_sequences();) {
      int64_t end = begin + 1;
      while (end < tokens.num_sequences() && tokens.offsets[end + 1] - tokens.offsets[begin] <= kTokensAtOnce) ++end;
      GBMOA_ASSIGN_OR_RETURN(const std::vector<float> hidden, backbone->Encode(Slice(tokens, begin, end)));
      GBMOA_RETURN_IF_ERROR(Append(AsBytes<float>(hidden), &file));
      begin = end;
    }
    return file.Commit();
  }

 private:
  static absl::Status Append(absl::Span<const char> bytes, AtomicFile* file) {
    return file->Append(absl::string_view(bytes.data(), bytes.size()));
  }

  // Sequences begin to end - 1.
  static PackedTokens Slice(const PackedTokens& tokens, int64_t begin, int64_t end) {
    PackedTokens slice;
    for (int64_t s = begin; s < end; ++s) slice.Append(tokens, s);
    return slice;
  }
};

GBMOA_REGISTER_COMMAND("encode", EncodeCommand);

}  // namespace
}  // namespace gbmoa
