// Episodes of the desk families: what meta-training and the few-shot suites consist of.
#ifndef GBMOA_EVAL_EPISODE_SAMPLER_H_
#define GBMOA_EVAL_EPISODE_SAMPLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eval/desk_corpus.h"
#include "eval/tokenized_dataset.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/task/episode.h"

namespace gbmoa {

// Word pieces of a text of the desk families, [CLS] and [SEP] included. Definitions have 14 to 15 on average; about 7 %
// of them are cut.
constexpr int kDeskMaxTokens = 28;

struct EpisodeShape {
  int ways;
  int shots;
};

struct DeskEpisodeOptions {
  DeskSplit split = DeskSplit::kTrain;
  uint64_t seed = 0;
  std::vector<DeskFamily> families = {DeskFamily::kNounSupersense, DeskFamily::kVerbSupersense, DeskFamily::kTopic,
                                      DeskFamily::kBranch,         DeskFamily::kGlossMatch,     DeskFamily::kHypernym};
  // Families in turn, by position, so that every suite has as many of each; otherwise each episode draws its family.
  bool round_robin = false;
  // One of these is drawn for each episode, among those whose ways the pool has; a pool with fewer classes than every
  // shape takes the smallest shape with as many ways as it has classes. An entry that stands twice is twice as likely.
  std::vector<EpisodeShape> shapes = {{3, 5}, {3, 5}, {4, 5}, {4, 5}, {5, 2}, {5, 4}};
  int query_per_class = 4;
  int pair_shots = 8;  // of the pair families, which always have two classes
  int pair_query_per_class = 8;
};

// The few-shot suites: 5 ways (pairs 2; "sub" as many as the parent has, up to 5), `shots` shots in all families, 8
// queries a class (pairs 20), families in turn.
DeskEpisodeOptions FewShotSuite(DeskSplit split, int shots, uint64_t seed);

// An episode by its texts, before it becomes tokens. Labels are in random order of the classes, examples in random
// order.
struct DeskEpisode {
  std::string task;  // "sup.n/4-way-5-shot"
  DeskFamily family;
  std::vector<std::string> class_ids;   // by label
  std::vector<ExampleRef> support_set;  // indices into DeskCorpus::texts()
  std::vector<ExampleRef> query_set;
};

// At(position) is f(corpus, options, position). No text is in an episode twice, not even as the other half of a pair.
class DeskEpisodeSource : public EpisodeSource {
 public:
  // `table` has the tokens of corpus.texts(). Errors: InvalidArgument for options that make no sense or that the
  // split's classes are too small for, naming the value; and for a table of another size.
  static absl::StatusOr<std::unique_ptr<DeskEpisodeSource>> Create(std::shared_ptr<const DeskCorpus> corpus,
                                                                   std::shared_ptr<const TokenTable> table,
                                                                   const DeskEpisodeOptions& options);

  DeskEpisode Draw(uint64_t position) const;
  Episode At(uint64_t position) const override;

 private:
  DeskEpisodeSource(std::shared_ptr<const DeskCorpus> corpus, std::shared_ptr<const TokenTable> table,
                    const DeskEpisodeOptions& options);

  std::shared_ptr<const DeskCorpus> corpus_;
  std::shared_ptr<const TokenTable> table_;
  DeskEpisodeOptions options_;
  RandomStream stream_;
};

// The first `count` examples of `permutation`, an order of examples, none of whose texts is in `used`; adds their texts
// to it. Fewer if there are not so many.
std::vector<DeskExample> TakeUnused(const std::vector<DeskExample>& examples, absl::Span<const int64_t> permutation,
                                    int64_t count, absl::flat_hash_set<int32_t>* used);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_EPISODE_SAMPLER_H_
