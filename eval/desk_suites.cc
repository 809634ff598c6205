#include "eval/desk_suites.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "eval/episode_sampler.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

// Substreams of a task's stream.
enum : uint64_t { kTestOrder = 0, kDraws };

DeskSplit SplitOf(const WordnetTask& task) {
  switch (task.split()) {
    case WordnetTask::TRAIN:
      return DeskSplit::kTrain;
    case WordnetTask::VALIDATION:
      return DeskSplit::kValidation;
    default:
      return DeskSplit::kTest;
  }
}

// The class `id` of the pools of `family` in `split`; the error says in which other split it is, if it is.
absl::StatusOr<DeskClass> FindClass(const DeskCorpus& corpus, DeskFamily family, DeskSplit split,
                                    absl::string_view id) {
  for (int s = 0; s < kNumDeskSplits; ++s) {
    for (const DeskPool& pool : corpus.pools(family, static_cast<DeskSplit>(s))) {
      for (const DeskClass& c : pool.classes) {
        if (c.id != id) continue;
        if (pool.split == split) return c;
        return absl::InvalidArgumentError(
            absl::StrCat("is in split ", DeskSplitName(pool.split), ", not in ", DeskSplitName(split)));
      }
    }
  }
  return absl::NotFoundError(absl::StrCat("no such class in ", DeskFamilyName(family)));
}

absl::Status CheckSynset(const DeskCorpus& corpus, const WordnetTask::Class& c, int32_t* index) {
  GBMOA_ASSIGN_OR_RETURN(*index, corpus.wordnet().Find(c.synset()));
  for (const absl::string_view word : corpus.wordnet().synsets()[*index].words) {
    if (absl::StrReplaceAll(word, {{"_", " "}}) == c.name()) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("synset ", c.synset(), " is called '", corpus.wordnet().synsets()[*index].words[0], "', not so"));
}

// The classes of a task with all of their examples.
absl::StatusOr<std::vector<DeskClass>> ReadClasses(const TaskConfig& config, const DeskCorpus& corpus) {
  const WordnetTask& task = config.wordnet();
  const DeskSplit split = SplitOf(task);
  if (task.family() == WordnetTask::GLOSS_MATCH || task.family() == WordnetTask::HYPERNYM) {
    const DeskFamily family = task.family() == WordnetTask::HYPERNYM ? DeskFamily::kHypernym : DeskFamily::kGlossMatch;
    return corpus.pools(family, split)[0].classes;
  }
  std::vector<DeskClass> classes;
  std::vector<int32_t> synsets;
  for (const WordnetTask::Class& c : task.classes()) {
    const auto fail = [&](const absl::Status& status) {
      return absl::Status(status.code(), absl::StrCat(config.name(), ": class '", c.name(), "': ", status.message()));
    };
    if (task.family() == WordnetTask::SUPERSENSE) {
      const DeskFamily family =
          c.lexfile().compare(0, 5, "verb.") == 0 ? DeskFamily::kVerbSupersense : DeskFamily::kNounSupersense;
      absl::StatusOr<DeskClass> found = FindClass(corpus, family, split, c.lexfile());
      if (!found.ok()) return fail(found.status());
      classes.push_back(*std::move(found));
    } else {
      int32_t synset = 0;
      const absl::Status status = CheckSynset(corpus, c, &synset);
      if (!status.ok()) return fail(status);
      synsets.push_back(synset);
      if (task.family() == WordnetTask::TOPIC) {
        absl::StatusOr<DeskClass> found = FindClass(corpus, DeskFamily::kTopic, split, c.synset());
        if (!found.ok()) return fail(found.status());
        classes.push_back(*std::move(found));
      } else {
        const int lexfile = corpus.wordnet().synsets()[synset].lexfile;
        const absl::StatusOr<DeskSplit> of_lexfile = LexfileSplit(lexfile);
        if (!of_lexfile.ok()) return fail(of_lexfile.status());
        if (*of_lexfile != split) {
          return fail(absl::InvalidArgumentError(absl::StrCat(
              LexfileName(lexfile), " is in split ", DeskSplitName(*of_lexfile), ", not in ", DeskSplitName(split))));
        }
      }
    }
  }
  if (task.family() == WordnetTask::BRANCH) classes = corpus.BranchClasses(synsets, split);
  for (int i = 0; i < task.classes_size(); ++i) classes[i].name = task.classes(i).name();
  return classes;
}

}  // namespace

absl::StatusOr<DeskTask> DeskTask::Create(const TaskConfig& config, std::shared_ptr<const DeskCorpus> corpus,
                                          std::shared_ptr<const TokenTable> table, uint64_t seed) {
  CHECK(corpus != nullptr);
  CHECK(table != nullptr);
  if (table->size() != corpus->texts().size()) {
    return absl::InvalidArgumentError(absl::StrCat(config.name(), ": the token table has ", table->size(),
                                                   " texts, the corpus ", corpus->texts().size()));
  }
  if (config.max_tokens() != kDeskMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat(config.name(),
                                                   ": max_tokens: WordNet tasks share one table of at most ",
                                                   kDeskMaxTokens, " tokens a text, not ", config.max_tokens()));
  }
  GBMOA_ASSIGN_OR_RETURN(const std::vector<DeskClass> classes, ReadClasses(config, *corpus));
  DeskTask task(config, corpus, table, seed);

  absl::flat_hash_set<int32_t> test_texts;
  std::vector<std::vector<int64_t>> orders;
  for (size_t c = 0; c < classes.size(); ++c) {
    const int64_t n = classes[c].examples.size();
    if (n < 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(config.name(), ": class '", classes[c].name, "' has ", n, " texts, needs 2"));
    }
    const int64_t share = std::max<int64_t>(1, config.wordnet().test_examples() / static_cast<int64_t>(classes.size()));
    orders.push_back(task.stream_.Substream(kTestOrder).Substream(c).Permutation(n));
    task.classes_.push_back({classes[c].name, {}, {}});
    task.classes_[c].test = TakeUnused(classes[c].examples, orders[c], std::min(share, n / 2), &test_texts);
  }
  for (size_t c = 0; c < classes.size(); ++c) {
    for (const int64_t i : orders[c]) {
      const DeskExample& example = classes[c].examples[i];
      if (test_texts.contains(example.first) || (example.second >= 0 && test_texts.contains(example.second))) continue;
      task.classes_[c].pool.push_back(example);
    }
    if (task.classes_[c].pool.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(config.name(), ": the test set leaves class '", classes[c].name, "' no support"));
    }
  }
  return task;
}

DeskTask::DeskTask(const TaskConfig& config, std::shared_ptr<const DeskCorpus> corpus,
                   std::shared_ptr<const TokenTable> table, uint64_t seed)
    : config_(config),
      corpus_(std::move(corpus)),
      table_(std::move(table)),
      stream_(seed, absl::StrCat("desk/task/", config.name())) {}

std::vector<int64_t> DeskTask::test_counts() const {
  std::vector<int64_t> counts;
  for (const Class& c : classes_) counts.push_back(c.test.size());
  return counts;
}

std::vector<int64_t> DeskTask::support_pool_counts() const {
  std::vector<int64_t> counts;
  for (const Class& c : classes_) counts.push_back(c.pool.size());
  return counts;
}

std::vector<ExampleRef> DeskTask::TestRefs() const {
  std::vector<ExampleRef> refs;
  for (size_t c = 0; c < classes_.size(); ++c) {
    for (const DeskExample& example : classes_[c].test) {
      refs.push_back({example.first, example.second, static_cast<int32_t>(c)});
    }
  }
  return refs;
}

std::vector<ExampleRef> DeskTask::SupportRefs(int draw, int shots) const {
  CHECK_GE(draw, 0);
  CHECK_GT(shots, 0);
  const RandomStream stream = stream_.Substream(kDraws).Substream(draw);
  // Class after class in turn, one example each: what is used already does not depend on the number of shots.
  std::vector<std::vector<int64_t>> orders;
  for (size_t c = 0; c < classes_.size(); ++c)
    orders.push_back(stream.Substream(c).Permutation(classes_[c].pool.size()));
  absl::flat_hash_set<int32_t> used;
  std::vector<ExampleRef> refs;
  for (int shot = 0; shot < shots; ++shot) {
    for (size_t c = 0; c < classes_.size(); ++c) {
      for (const DeskExample& example : TakeUnused(classes_[c].pool, orders[c], 1, &used)) {
        refs.push_back({example.first, example.second, static_cast<int32_t>(c)});
      }
    }
  }
  return refs;
}

Batch DeskTask::TestSet() const { return MakeBatch(*table_, TestRefs(), num_classes()); }

Batch DeskTask::Support(int draw, int shots) const {
  return MakeBatch(*table_, SupportRefs(draw, shots), num_classes());
}

Dataset DeskTask::MakeDataset(absl::string_view split, const std::vector<ExampleRef>& refs) const {
  Dataset dataset;
  dataset.name = config_.name();
  dataset.split = std::string(split);
  for (const Class& c : classes_) dataset.class_names.push_back(c.name);
  dataset.pairs = config_.encoding() == TaskConfig::PAIR_APART;
  dataset.encoding = dataset.pairs ? Encoding::kPairApart : Encoding::kOneSequence;
  for (const ExampleRef& ref : refs) {
    Example example;
    example.text_a = std::string(corpus_->texts()[ref.first]);
    if (ref.second >= 0) example.text_b = std::string(corpus_->texts()[ref.second]);
    example.label = ref.label;
    dataset.examples.push_back(std::move(example));
  }
  return dataset;
}

Dataset DeskTask::TestDataset() const { return MakeDataset("test", TestRefs()); }

Dataset DeskTask::SupportDataset(int draw, int shots) const { return MakeDataset("support", SupportRefs(draw, shots)); }

}  // namespace gbmoa
