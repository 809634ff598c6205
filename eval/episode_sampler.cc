#include "eval/episode_sampler.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

// Substreams of an episode's stream.
enum : uint64_t { kFamily = 0, kPool, kShape, kClasses, kSupportOrder, kQueryOrder, kFirstClass };

// The shapes that a pool of `num_classes` can have.
std::vector<EpisodeShape> FittingShapes(const std::vector<EpisodeShape>& shapes, int num_classes) {
  std::vector<EpisodeShape> fitting;
  for (const EpisodeShape& shape : shapes) {
    if (shape.ways <= num_classes) fitting.push_back(shape);
  }
  if (!fitting.empty()) return fitting;
  EpisodeShape smallest = *std::min_element(
      shapes.begin(), shapes.end(), [](const EpisodeShape& a, const EpisodeShape& b) { return a.ways < b.ways; });
  smallest.ways = num_classes;
  return {smallest};
}

absl::Status CheckOptions(const DeskEpisodeOptions& options) {
  const auto invalid = [](absl::string_view what, int64_t value) {
    return absl::InvalidArgumentError(absl::StrCat("desk episodes: ", what, ", not ", value));
  };
  if (options.families.empty()) return invalid("families must be at least one", 0);
  if (options.shapes.empty()) return invalid("shapes must be at least one", 0);
  for (const EpisodeShape& shape : options.shapes) {
    if (shape.ways < 2) return invalid("ways must be at least 2", shape.ways);
    if (shape.shots < 1) return invalid("shots must be at least 1", shape.shots);
  }
  if (options.query_per_class < 1) return invalid("query_per_class must be at least 1", options.query_per_class);
  if (options.pair_shots < 1) return invalid("pair_shots must be at least 1", options.pair_shots);
  if (options.pair_query_per_class < 1) {
    return invalid("pair_query_per_class must be at least 1", options.pair_query_per_class);
  }
  return absl::OkStatus();
}

absl::Status TooSmall(const DeskPool& pool, const DeskClass& c, int64_t has, int64_t needed) {
  return absl::InvalidArgumentError(absl::StrCat("desk episodes: class ", c.name, " of ", pool.name, "/",
                                                 DeskSplitName(pool.split), " has ", has,
                                                 " texts, shots and queries need ", needed));
}

// Whether every episode of the pool finds its examples.
absl::Status CheckPool(const DeskPool& pool, const DeskEpisodeOptions& options) {
  if (IsPairFamily(pool.family)) {
    const int64_t per_class = options.pair_shots + options.pair_query_per_class;
    // While an episode is drawn, at most 4 per_class texts are used. Each stands first in one pair of a class at most,
    // so that of pairs with different second texts at most 8 per_class are blocked.
    const int64_t needed = 8 * per_class + 1;
    for (const DeskClass& c : pool.classes) {
      absl::flat_hash_set<int32_t> seconds;
      for (const DeskExample& example : c.examples) seconds.insert(example.second);
      if (seconds.size() < needed) return TooSmall(pool, c, seconds.size(), needed);
    }
    return absl::OkStatus();
  }
  for (const EpisodeShape& shape : FittingShapes(options.shapes, pool.classes.size())) {
    for (const DeskClass& c : pool.classes) {
      const int64_t needed = shape.shots + options.query_per_class;
      if (c.examples.size() < needed) return TooSmall(pool, c, c.examples.size(), needed);
    }
  }
  return absl::OkStatus();
}

void Shuffle(const RandomStream& stream, std::vector<ExampleRef>* refs) {
  std::vector<ExampleRef> shuffled;
  shuffled.reserve(refs->size());
  for (const int64_t i : stream.Permutation(refs->size())) shuffled.push_back((*refs)[i]);
  *refs = std::move(shuffled);
}

}  // namespace

DeskEpisodeOptions FewShotSuite(DeskSplit split, int shots, uint64_t seed) {
  DeskEpisodeOptions options;
  options.split = split;
  options.seed = seed;
  options.round_robin = true;
  options.shapes = {{5, shots}};
  options.query_per_class = 8;
  options.pair_shots = shots;
  options.pair_query_per_class = 20;
  return options;
}

std::vector<DeskExample> TakeUnused(const std::vector<DeskExample>& examples, absl::Span<const int64_t> permutation,
                                    int64_t count, absl::flat_hash_set<int32_t>* used) {
  std::vector<DeskExample> taken;
  for (const int64_t i : permutation) {
    if (taken.size() == count) break;
    const DeskExample& example = examples[i];
    if (used->contains(example.first) || (example.second >= 0 && used->contains(example.second))) continue;
    used->insert(example.first);
    if (example.second >= 0) used->insert(example.second);
    taken.push_back(example);
  }
  return taken;
}

absl::StatusOr<std::unique_ptr<DeskEpisodeSource>> DeskEpisodeSource::Create(std::shared_ptr<const DeskCorpus> corpus,
                                                                             std::shared_ptr<const TokenTable> table,
                                                                             const DeskEpisodeOptions& options) {
  CHECK(corpus != nullptr);
  CHECK(table != nullptr);
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  if (table->size() != corpus->texts().size()) {
    return absl::InvalidArgumentError(absl::StrCat("desk episodes: the token table has ", table->size(),
                                                   " texts, the corpus ", corpus->texts().size()));
  }
  for (const DeskFamily family : options.families) {
    for (const DeskPool& pool : corpus->pools(family, options.split)) {
      status = CheckPool(pool, options);
      if (!status.ok()) return status;
    }
  }
  return std::unique_ptr<DeskEpisodeSource>(new DeskEpisodeSource(std::move(corpus), std::move(table), options));
}

DeskEpisodeSource::DeskEpisodeSource(std::shared_ptr<const DeskCorpus> corpus, std::shared_ptr<const TokenTable> table,
                                     const DeskEpisodeOptions& options)
    : corpus_(std::move(corpus)),
      table_(std::move(table)),
      options_(options),
      stream_(options.seed, absl::StrCat("desk/episodes/", DeskSplitName(options.split))) {}

DeskEpisode DeskEpisodeSource::Draw(uint64_t position) const {
  const RandomStream stream = stream_.Substream(position);
  const uint64_t num_families = options_.families.size();
  DeskEpisode episode;
  episode.family =
      options_
          .families[options_.round_robin ? position % num_families : stream.Substream(kFamily).Below(num_families, 0)];
  const std::vector<DeskPool>& pools = corpus_->pools(episode.family, options_.split);
  const DeskPool& pool = pools[stream.Substream(kPool).Below(pools.size(), 0)];

  EpisodeShape shape = {static_cast<int>(pool.classes.size()), options_.pair_shots};
  int queries = options_.pair_query_per_class;
  if (!IsPairFamily(episode.family)) {
    const std::vector<EpisodeShape> shapes = FittingShapes(options_.shapes, pool.classes.size());
    shape = shapes[stream.Substream(kShape).Below(shapes.size(), 0)];
    queries = options_.query_per_class;
  }
  episode.task = absl::StrCat(DeskFamilyName(episode.family), "/", shape.ways, "-way-", shape.shots, "-shot");

  absl::flat_hash_set<int32_t> used;
  int32_t label = 0;
  for (const int64_t c : stream.Substream(kClasses).Sample(pool.classes.size(), shape.ways)) {
    const DeskClass& drawn = pool.classes[c];
    episode.class_ids.push_back(drawn.id);
    const int64_t count = shape.shots + queries;
    const int64_t n = drawn.examples.size();
    const RandomStream order = stream.Substream(kFirstClass + label);
    // A short prefix of the random order nearly always does; a longer prefix begins with the same numbers.
    absl::flat_hash_set<int32_t> used_before = used;
    std::vector<DeskExample> examples =
        TakeUnused(drawn.examples, order.Sample(n, std::min(n, 2 * count)), count, &used);
    if (examples.size() < count) {
      used = std::move(used_before);
      examples = TakeUnused(drawn.examples, order.Permutation(n), count, &used);
    }
    CHECK_EQ(examples.size(), count) << "CheckPool let a class through that is too small: " << drawn.name;
    for (int64_t e = 0; e < count; ++e) {
      (e < shape.shots ? episode.support_set : episode.query_set)
          .push_back({examples[e].first, examples[e].second, label});
    }
    ++label;
  }
  Shuffle(stream.Substream(kSupportOrder), &episode.support_set);
  Shuffle(stream.Substream(kQueryOrder), &episode.query_set);
  return episode;
}

Episode DeskEpisodeSource::At(uint64_t position) const {
  const DeskEpisode drawn = Draw(position);
  const int ways = static_cast<int>(drawn.class_ids.size());
  Episode episode;
  episode.task = drawn.task;
  episode.support_set = MakeBatch(*table_, drawn.support_set, ways);
  episode.query_set = MakeBatch(*table_, drawn.query_set, ways);
  return episode;
}

}  // namespace gbmoa
