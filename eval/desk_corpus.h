// The text classification tasks that WordNet holds, for meta-training and meta-testing on a desk machine.
//
// Six families of tasks. A text is the definition of a synset (DefinitionText), of three words or more.
//   sup.n, sup.v  the class is the synset's lexicographer file, of nouns or of verbs
//   topic         the class is the field of knowledge that a ";c" pointer names (law, music, ...)
//   sub           the class is the child, of one given parent synset, that the synset stands below;
//                 parents with three children or more that have 40 texts or more, below no other child
//   glossmatch    (word, definition): is it the word's definition, or that of a random synset of the same file?
//                 Neither contains the word or a part of it
//   hyper         (definition, definition): is the second one the hypernym's, or that of the hypernym of a random
//                 synset of the same file?
//
// Three splits that share no class (glossmatch and hyper: no file), no synset and no text:
//   - a lexicographer file belongs to one split, and so do its synsets and the parents that stand in it;
//   - a topic belongs to one split. Subjects still touch. Topics that are next to one of the test topics (sport, golf,
//     football to baseball; Norse to Greek mythology; grammar to linguistics; anatomy to medicine; plant to botany) are
//     therefore in the validation split, where settings are chosen and nothing is trained. Farther relations remain
//     between train and test: biology, zoology and physiology to medicine and botany; physics to mathematics;
//   - a text that synsets of several splits share stays in test before validation before train, and is dropped from the
//     others; so is a word of glossmatch;
//   - a synset with a topic feeds only its topic, so that no definition is in topic and in another family.
// Within one task a text that stands in two classes is dropped from both.
//
// Everything is a function of WordNet and of the seed, which only the pairs of glossmatch and hyper need.
#ifndef GBMOA_EVAL_DESK_CORPUS_H_
#define GBMOA_EVAL_DESK_CORPUS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eval/wordnet.h"

namespace gbmoa {

enum class DeskSplit { kTrain = 0, kValidation = 1, kTest = 2 };
enum class DeskFamily { kNounSupersense = 0, kVerbSupersense, kTopic, kBranch, kGlossMatch, kHypernym };
constexpr int kNumDeskSplits = 3;
constexpr int kNumDeskFamilies = 6;

absl::string_view DeskSplitName(DeskSplit split);     // "train", "validation", "test"
absl::string_view DeskFamilyName(DeskFamily family);  // "sup.n", "sup.v", "topic", "sub", "glossmatch", "hyper"
inline bool IsPairFamily(DeskFamily family) {
  return family == DeskFamily::kGlossMatch || family == DeskFamily::kHypernym;
}

// The texts of one example as indices into DeskCorpus::texts().
struct DeskExample {
  int32_t first = -1;
  int32_t second = -1;  // -1 unless the family has pairs
};

struct DeskClass {
  std::string name;  // for people: "noun.animal", "Greek mythology", "bird"; "no" and "yes" of the pair families
  std::string id;    // unique within its pool: the lexicographer file, the synset's id, or the name
  std::vector<DeskExample> examples;
};

// Classes that episodes of one kind draw theirs from.
struct DeskPool {
  DeskFamily family;
  DeskSplit split;
  std::string name;  // "sup.n"; with kBranch "sub:bird", after the parent
  std::vector<DeskClass> classes;
};

struct DeskCorpusOptions {
  uint64_t seed = 0;
  // Of the tens of thousands of possible pairs; more would only cost tokenization at every start.
  int max_pairs_per_class = 4000;
};

// What was left out on the way, for the log.
struct DeskCorpusCounts {
  int64_t synsets = 0;               // with a definition of three words, in a file or topic that has a split
  int64_t other_split = 0;           // of these, dropped because the text is in a later split
  int64_t topic_text = 0;            // dropped because the text is a topic's
  int64_t two_topics = 0;            // dropped because two of our topics claim it
  int64_t texts_in_two_classes = 0;  // dropped texts, summed over pools
  int64_t word_in_gloss = 0;         // synsets left out of glossmatch because the definition has a part of the word
};

class DeskCorpus {
 public:
  // Errors: FailedPrecondition if `wordnet` lacks a synset or a class that the splits name, as versions other than 3.0
  // do; it says which.
  static absl::StatusOr<std::shared_ptr<const DeskCorpus>> Build(std::shared_ptr<const WordNet> wordnet,
                                                                 const DeskCorpusOptions& options = {});

  // All texts that examples refer to; views that live as long as the corpus.
  const std::vector<absl::string_view>& texts() const { return texts_; }

  // One pool for every family, several for kBranch; in the order of WordNet.
  const std::vector<DeskPool>& pools(DeskFamily family, DeskSplit split) const {
    return pools_[static_cast<int>(family)][static_cast<int>(split)];
  }

  // The classes "below synset i, and not below another of `synsets`", with the texts of `split` only.
  std::vector<DeskClass> BranchClasses(absl::Span<const int32_t> synsets, DeskSplit split) const;

  const WordNet& wordnet() const { return *wordnet_; }
  const DeskCorpusCounts& counts() const { return counts_; }

  // A hash (FNV-1a, 64 bit) of every pool: names, classes, texts and their order.
  uint64_t Fingerprint() const;

 private:
  class Builder;
  DeskCorpus() = default;

  // The direct hyponyms of each synset, in the order of WordNet; instances are none.
  std::vector<std::vector<int32_t>> hyponyms_;
  std::vector<int32_t> text_of_synset_;  // index in texts_; -1 where a family other than topic may not use the synset
  std::vector<int8_t> split_of_synset_;  // of its lexicographer file; -1: none

  std::shared_ptr<const WordNet> wordnet_;
  std::deque<std::string> words_;  // with blanks; a deque, so that views stay valid
  std::vector<absl::string_view> texts_;
  std::vector<DeskPool> pools_[kNumDeskFamilies][kNumDeskSplits];
  DeskCorpusCounts counts_;
};

// The split of a lexicographer file; NotFound if none is assigned: adjectives, adverbs and the three files with fewer
// than 100 definitions.
absl::StatusOr<DeskSplit> LexfileSplit(int lexfile);

}  // namespace gbmoa

#endif  // GBMOA_EVAL_DESK_CORPUS_H_
