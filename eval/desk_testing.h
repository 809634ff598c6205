// For tests: the real corpus, and tokens that say which text they come from.
#ifndef GBMOA_EVAL_DESK_TESTING_H_
#define GBMOA_EVAL_DESK_TESTING_H_

#include <memory>
#include <utility>
#include <vector>

#include "eval/desk_corpus.h"
#include "eval/tokenized_dataset.h"
#include "eval/wordnet.h"
#include "glog/logging.h"

namespace gbmoa {

// The bundled WordNet, read once.
inline std::shared_ptr<const WordNet> TestWordNet() {
  static const auto* wordnet = [] {
    const absl::StatusOr<std::string> folder = BundledWordNetFolder();
    CHECK(folder.ok()) << folder.status();
    absl::StatusOr<WordNet> loaded = WordNet::Load(*folder);
    CHECK(loaded.ok()) << loaded.status();
    return new std::shared_ptr<const WordNet>(std::make_shared<WordNet>(*std::move(loaded)));
  }();
  return *wordnet;
}

// The corpus of seed 0, built once.
inline std::shared_ptr<const DeskCorpus> TestDeskCorpus() {
  static const auto* corpus = [] {
    const auto built = DeskCorpus::Build(TestWordNet());
    CHECK(built.ok()) << built.status();
    return new std::shared_ptr<const DeskCorpus>(*built);
  }();
  return *corpus;
}

// Text i is one token, i.
inline std::shared_ptr<const TokenTable> IndexTable(int64_t num_texts) {
  PackedTokens tokens;
  for (int64_t i = 0; i < num_texts; ++i) {
    tokens.ids.push_back(static_cast<int32_t>(i));
    tokens.type_ids.push_back(0);
    tokens.offsets.push_back(i + 1);
  }
  return std::make_shared<const TokenTable>(std::move(tokens));
}

}  // namespace gbmoa

#endif  // GBMOA_EVAL_DESK_TESTING_H_
