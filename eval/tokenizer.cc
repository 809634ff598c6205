#include "eval/tokenizer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gbmoa {

PairBudget SplitBudget(int64_t first, int64_t second, int64_t budget) {
  const bool swapped = first > second;
  int64_t shorter = std::min(first, second), longer = std::max(first, second);
  if (shorter + longer > budget) {
    longer = shorter > budget ? shorter : std::max(shorter, budget - shorter);
    if (shorter + longer > budget) {
      shorter = budget / 2;
      longer = shorter + budget % 2;
    }
  }
  return swapped ? PairBudget{longer, shorter} : PairBudget{shorter, longer};
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder) {
  const TokenizerRegistry& registry = TokenizerRegistry::Global();
  std::vector<std::string> reasons;
  for (const std::string& name : registry.Names()) {
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = registry.Create(name, folder);
    if (!absl::IsNotFound(tokenizer.status())) return tokenizer;
    reasons.push_back(absl::StrCat(name, " (", tokenizer.status().message(), ")"));
  }
  return absl::NotFoundError(
      absl::StrCat(folder, ": no tokenizer's files; tried ", reasons.empty() ? "none" : absl::StrJoin(reasons, ", ")));
}

}  // namespace gbmoa
