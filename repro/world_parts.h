// What worlds have in common: the encoder with its tokenizer, and WordNet as the tasks of meta-training.
#ifndef GBMOA_REPRO_WORLD_PARTS_H_
#define GBMOA_REPRO_WORLD_PARTS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eval/desk_corpus.h"
#include "eval/tokenized_dataset.h"
#include "eval/tokenizer.h"
#include "gbmoa/task/episode.h"
#include "repro/table.pb.h"
#include "repro/table_runner.h"

namespace gbmoa {

// `folder` empty: the bundled MiniLM; `precision` "fp32", "bf16", empty: the fastest here. Sets the world's
// make_learner, inputs and environment. Errors: those of reading the encoder. Returns the folder's tokenizer.
absl::StatusOr<std::shared_ptr<const Tokenizer>> AddEncoder(const std::string& folder, const std::string& precision,
                                                            TableWorld* world);

struct WordNetTexts {
  std::shared_ptr<const DeskCorpus> corpus;
  std::shared_ptr<const TokenTable> table;
};
// Adds WordNet's files to the world's inputs. Errors: those of reading WordNet.
absl::StatusOr<WordNetTexts> AddWordNet(const Tokenizer& tokenizer, TableWorld* world);

// Episodes of the train split's classes, and their families' names. What `wanted` leaves open is as DeskEpisodeOptions
// would have it. Errors: those of DeskEpisodeSource::Create.
absl::Status AddMetaTrainTasks(const WordNetTexts& texts, const MetaTrainTasks& wanted, TableWorld* world);

}  // namespace gbmoa

#endif  // GBMOA_REPRO_WORLD_PARTS_H_
