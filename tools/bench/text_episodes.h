// Few-shot episodes as texts in a JSON-lines file.
#ifndef GBMOA_TOOLS_BENCH_TEXT_EPISODES_H_
#define GBMOA_TOOLS_BENCH_TEXT_EPISODES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eval/tokenizer.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

struct TextEpisode {
  using Example = std::pair<std::string, int>;  // text, class

  int line = 0;  // of the file, from 1
  int num_classes = 0;
  std::vector<Example> support_set, query_set;
};

// One episode a line: {"classes": [NAME, ...], "support": [[TEXT, CLASS], ...], "query": [[TEXT, CLASS], ...]}, a class
// being its position among "classes"; other keys are left alone, empty lines skipped. Errors: those of ReadFile;
// DataLoss "PATH:LINE: what" for a line that is not such an episode, DataLoss for a file without any.
absl::StatusOr<std::vector<TextEpisode>> ReadTextEpisodes(const std::string& path);

// The tokens of each text, at most max_tokens. Errors: DataLoss "PATH:LINE: what".
absl::StatusOr<std::vector<Episode>> TokenizeEpisodes(const std::string& path, const std::vector<TextEpisode>& episodes,
                                                      const Tokenizer& tokenizer, int max_tokens);

}  // namespace gbmoa

#endif  // GBMOA_TOOLS_BENCH_TEXT_EPISODES_H_
