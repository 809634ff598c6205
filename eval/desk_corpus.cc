#include "eval/desk_corpus.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/rng.h"
#include "gbmoa/base/status_macros.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

constexpr int8_t kNoSplit = -1;
constexpr int8_t kTrain = static_cast<int8_t>(DeskSplit::kTrain);
constexpr int8_t kValidation = static_cast<int8_t>(DeskSplit::kValidation);
constexpr int8_t kTest = static_cast<int8_t>(DeskSplit::kTest);

constexpr int kMinWords = 3;
constexpr int kMinTopicTexts = 40;     // of a topic, before it is known which of them other topics claim too
constexpr int kMinBranchTexts = 40;    // of a child
constexpr int kMinBranchChildren = 3;  // of a parent
constexpr int kMinSharedPart = 3;      // letters of a part of a word that its definition may not have
constexpr int kPartnerAttempts = 32;   // to find the other half of a negative pair

struct LexfileEntry {
  absl::string_view name;
  int8_t split;
};
constexpr LexfileEntry kLexfiles[] = {
    {"noun.act", kTrain},           {"noun.artifact", kTrain},      {"noun.cognition", kTrain},
    {"noun.communication", kTrain}, {"noun.object", kTrain},        {"noun.person", kTrain},
    {"noun.phenomenon", kTrain},    {"noun.quantity", kTrain},      {"noun.shape", kTrain},
    {"noun.state", kTrain},         {"noun.substance", kTrain},     {"verb.change", kTrain},
    {"verb.cognition", kTrain},     {"verb.communication", kTrain}, {"verb.contact", kTrain},
    {"verb.creation", kTrain},      {"verb.stative", kTrain},       {"noun.plant", kValidation},
    {"noun.time", kValidation},     {"noun.relation", kValidation}, {"noun.attribute", kValidation},
    {"noun.group", kValidation},    {"verb.body", kValidation},     {"verb.competition", kValidation},
    {"verb.social", kValidation},   {"noun.animal", kTest},         {"noun.body", kTest},
    {"noun.food", kTest},           {"noun.location", kTest},       {"noun.feeling", kTest},
    {"noun.event", kTest},          {"noun.possession", kTest},     {"noun.process", kTest},
    {"verb.motion", kTest},         {"verb.emotion", kTest},        {"verb.consumption", kTest},
    {"verb.possession", kTest},     {"verb.perception", kTest},
};

struct TopicEntry {
  absl::string_view id;
  absl::string_view word;  // checked, so that another version of WordNet is noticed
  int8_t split;
};
constexpr TopicEntry kTopics[] = {
    {"n08441203", "law", kTest},
    {"n07020895", "music", kTest},
    {"n00471613", "baseball", kTest},
    {"n06043075", "medicine", kTest},
    {"n06000644", "mathematics", kTest},
    {"n07979425", "Greek_mythology", kTest},
    {"n00243918", "cooking", kTest},
    {"n06172789", "linguistics", kTest},
    {"n06066555", "botany", kTest},
    {"n06128570", "computer_science", kTest},
    {"n08199025", "military", kValidation},
    {"n06075527", "genetics", kValidation},
    {"n06018465", "statistics", kValidation},
    {"n06115701", "geology", kValidation},
    {"n08083599", "Roman_Catholic", kValidation},
    // Next to a test topic, see the header.
    {"n00523513", "sport", kValidation},
    {"n00464894", "golf", kValidation},
    {"n00468480", "football", kValidation},
    {"n07983856", "Norse_mythology", kValidation},
    {"n06174404", "grammar", kValidation},
    {"n06057539", "anatomy", kValidation},
    {"n00017222", "plant", kValidation},
    // Music as an activity, next to music as an art: in no split.
    {"n00543233", "music", kNoSplit},
};
// Every other topic with kMinTopicTexts is for training.

int NumWords(absl::string_view text) {
  int words = 0;
  bool inside = false;
  for (const char c : text) {
    words += !inside && c != ' ';
    inside = c != ' ';
  }
  return words;
}

std::string WithBlanks(absl::string_view word) { return absl::StrReplaceAll(word, {{"_", " "}}); }

// Drops every example whose text stands in two classes; returns how many texts that were.
int64_t DropSharedTexts(std::vector<DeskClass>* classes) {
  absl::flat_hash_map<int32_t, int> in_classes;  // texts are unique within a class
  for (const DeskClass& c : *classes) {
    for (const DeskExample& example : c.examples) ++in_classes[example.first];
  }
  int64_t shared = 0;
  for (const auto& [text, count] : in_classes) shared += count > 1;
  if (shared == 0) return 0;
  for (DeskClass& c : *classes) {
    c.examples.erase(std::remove_if(c.examples.begin(), c.examples.end(),
                                    [&](const DeskExample& example) { return in_classes[example.first] > 1; }),
                     c.examples.end());
  }
  return shared;
}

// `texts` in order, each once.
std::vector<DeskExample> UniqueExamples(const std::vector<int32_t>& texts) {
  absl::flat_hash_set<int32_t> seen;
  std::vector<DeskExample> examples;
  for (const int32_t text : texts) {
    if (seen.insert(text).second) examples.push_back({text, -1});
  }
  return examples;
}

}  // namespace

absl::string_view DeskSplitName(DeskSplit split) {
  constexpr absl::string_view kNames[] = {"train", "validation", "test"};
  return kNames[static_cast<int>(split)];
}

absl::string_view DeskFamilyName(DeskFamily family) {
  constexpr absl::string_view kNames[] = {"sup.n", "sup.v", "topic", "sub", "glossmatch", "hyper"};
  return kNames[static_cast<int>(family)];
}

absl::StatusOr<DeskSplit> LexfileSplit(int lexfile) {
  for (const LexfileEntry& entry : kLexfiles) {
    if (entry.name == LexfileName(lexfile)) return static_cast<DeskSplit>(entry.split);
  }
  return absl::NotFoundError(absl::StrCat("no split has the lexicographer file ", LexfileName(lexfile)));
}

// Fills a corpus, one step after the other.
class DeskCorpus::Builder {
 public:
  Builder(DeskCorpus* corpus, const DeskCorpusOptions& options)
      : corpus_(*corpus), synsets_(corpus->wordnet_->synsets()), options_(options) {}

  absl::Status Build() {
    GBMOA_RETURN_IF_ERROR(ReadTopics());
    AssignTexts();
    LinkHyponyms();
    MakeSupersensePools();
    MakeTopicPools();
    MakeBranchPools();
    for (int split = 0; split < kNumDeskSplits; ++split) {
      MakeGlossMatchPool(split);
      MakeHypernymPool(split);
    }
    return CheckPools();
  }

 private:
  struct Topic {
    int32_t synset;
    int8_t split;
  };

  std::vector<DeskPool>& pools(DeskFamily family, int split) { return corpus_.pools_[static_cast<int>(family)][split]; }

  // Definitions, and for every synset with a ";c" pointer the topic that it belongs to.
  absl::Status ReadTopics() {
    const int32_t n = synsets_.size();
    definition_.resize(n);
    topic_of_synset_.assign(n, -1);
    has_topic_.assign(n, false);
    absl::flat_hash_map<int32_t, absl::flat_hash_set<absl::string_view>> texts_of_topic;
    for (int32_t i = 0; i < n; ++i) {
      const absl::string_view text = DefinitionText(synsets_[i].gloss);
      if (NumWords(text) >= kMinWords) definition_[i] = text;
      for (const SynsetPointer& pointer : synsets_[i].pointers) {
        if (pointer.symbol != ";c") continue;
        has_topic_[i] = true;
        if (!definition_[i].empty()) texts_of_topic[pointer.target].insert(definition_[i]);
      }
    }

    absl::flat_hash_map<int32_t, int8_t> listed;
    for (const TopicEntry& entry : kTopics) {
      const absl::StatusOr<int32_t> synset = corpus_.wordnet_->Find(entry.id);
      if (!synset.ok() || synsets_[*synset].words[0] != entry.word) {
        return absl::FailedPreconditionError(absl::StrCat("this is not WordNet 3.0: synset ", entry.id, " is ",
                                                          synset.ok() ? synsets_[*synset].words[0] : "missing",
                                                          ", not '", entry.word, "'"));
      }
      listed[*synset] = entry.split;
    }
    absl::flat_hash_map<int32_t, int> topic_index;
    for (int32_t i = 0; i < n; ++i) {
      const auto texts = texts_of_topic.find(i);
      if (texts == texts_of_topic.end() || texts->second.size() < kMinTopicTexts) continue;
      const auto entry = listed.find(i);
      const int8_t split = entry == listed.end() ? kTrain : entry->second;
      if (split == kNoSplit) continue;
      topic_index[i] = topics_.size();
      topics_.push_back({i, split});
    }

    for (int32_t i = 0; i < n; ++i) {
      int claims = 0;
      for (const SynsetPointer& pointer : synsets_[i].pointers) {
        if (pointer.symbol != ";c") continue;
        const auto topic = topic_index.find(pointer.target);
        if (topic == topic_index.end() || topic->second == topic_of_synset_[i]) continue;
        topic_of_synset_[i] = topic->second;
        ++claims;
      }
      if (claims > 1) {
        topic_of_synset_[i] = -1;
        corpus_.counts_.two_topics += !definition_[i].empty();
      }
    }
    return absl::OkStatus();
  }

  // Gives every text to one split, and to topic or to the other families; synsets that lose theirs are out.
  void AssignTexts() {
    int8_t split_of_lexfile[kNumLexfiles];
    for (int lexfile = 0; lexfile < kNumLexfiles; ++lexfile) {
      const absl::StatusOr<DeskSplit> split = LexfileSplit(lexfile);
      split_of_lexfile[lexfile] = split.ok() ? static_cast<int8_t>(*split) : kNoSplit;
    }
    struct Owner {
      int8_t split = kNoSplit;
      bool topic = false;
      int32_t index = -1;
    };
    absl::flat_hash_map<absl::string_view, Owner> owners;
    const int32_t n = synsets_.size();
    corpus_.split_of_synset_.assign(n, kNoSplit);
    std::vector<int8_t> split_of_text(n, kNoSplit);  // that synset i wants for its text
    for (int32_t i = 0; i < n; ++i) {
      corpus_.split_of_synset_[i] = split_of_lexfile[synsets_[i].lexfile];
      if (definition_[i].empty()) continue;
      const int topic = topic_of_synset_[i];
      split_of_text[i] = topic >= 0 ? topics_[topic].split : has_topic_[i] ? kNoSplit : corpus_.split_of_synset_[i];
      if (split_of_text[i] == kNoSplit) continue;
      ++corpus_.counts_.synsets;
      Owner& owner = owners[definition_[i]];
      owner.split = std::max(owner.split, split_of_text[i]);
      owner.topic |= topic >= 0;
    }
    corpus_.text_of_synset_.assign(n, -1);
    topic_text_of_synset_.assign(n, -1);
    for (int32_t i = 0; i < n; ++i) {
      if (split_of_text[i] == kNoSplit) continue;
      Owner& owner = owners[definition_[i]];
      definitions_.insert(definition_[i]);
      const bool topic = topic_of_synset_[i] >= 0;
      if (owner.split != split_of_text[i]) {
        ++corpus_.counts_.other_split;
      } else if (owner.topic && !topic) {
        ++corpus_.counts_.topic_text;
      } else {
        if (owner.index < 0) {
          owner.index = corpus_.texts_.size();
          corpus_.texts_.push_back(definition_[i]);
        }
        (topic ? topic_text_of_synset_ : corpus_.text_of_synset_)[i] = owner.index;
      }
    }
  }

  void LinkHyponyms() {
    corpus_.hyponyms_.resize(synsets_.size());
    for (int32_t i = 0; i < synsets_.size(); ++i) {
      for (const SynsetPointer& pointer : synsets_[i].pointers) {
        if (pointer.symbol == "@") corpus_.hyponyms_[pointer.target].push_back(i);
      }
    }
  }

  void AddPool(DeskFamily family, int split, std::string name, std::vector<DeskClass> classes) {
    corpus_.counts_.texts_in_two_classes += DropSharedTexts(&classes);
    pools(family, split).push_back({family, static_cast<DeskSplit>(split), std::move(name), std::move(classes)});
  }

  void MakeSupersensePools() {
    std::vector<std::vector<int32_t>> texts(kNumLexfiles);
    for (int32_t i = 0; i < synsets_.size(); ++i) {
      if (corpus_.text_of_synset_[i] >= 0) texts[synsets_[i].lexfile].push_back(corpus_.text_of_synset_[i]);
    }
    for (const DeskFamily family : {DeskFamily::kNounSupersense, DeskFamily::kVerbSupersense}) {
      const absl::string_view prefix = family == DeskFamily::kNounSupersense ? "noun." : "verb.";
      std::vector<DeskClass> classes[kNumDeskSplits];
      for (int lexfile = 0; lexfile < kNumLexfiles; ++lexfile) {
        const std::string name(LexfileName(lexfile));
        if (texts[lexfile].empty() || !absl::StartsWith(name, prefix)) continue;
        classes[static_cast<int>(*LexfileSplit(lexfile))].push_back({name, name, UniqueExamples(texts[lexfile])});
      }
      for (int split = 0; split < kNumDeskSplits; ++split) {
        AddPool(family, split, std::string(DeskFamilyName(family)), std::move(classes[split]));
      }
    }
  }

  void MakeTopicPools() {
    std::vector<std::vector<int32_t>> texts(topics_.size());
    for (int32_t i = 0; i < synsets_.size(); ++i) {
      if (topic_text_of_synset_[i] >= 0) texts[topic_of_synset_[i]].push_back(topic_text_of_synset_[i]);
    }
    std::vector<DeskClass> classes[kNumDeskSplits];
    for (size_t t = 0; t < topics_.size(); ++t) {
      const Synset& synset = synsets_[topics_[t].synset];
      classes[topics_[t].split].push_back({WithBlanks(synset.words[0]), synset.id(), UniqueExamples(texts[t])});
    }
    for (int split = 0; split < kNumDeskSplits; ++split) {
      AddPool(DeskFamily::kTopic, split, "topic", std::move(classes[split]));
    }
  }

  void MakeBranchPools() {
    for (int32_t parent = 0; parent < synsets_.size(); ++parent) {
      const int8_t split = corpus_.split_of_synset_[parent];
      if (split == kNoSplit || corpus_.hyponyms_[parent].size() < kMinBranchChildren) continue;
      std::vector<DeskClass> classes = corpus_.BranchClasses(corpus_.hyponyms_[parent], static_cast<DeskSplit>(split));
      // Children count as branches of each other even where they are too small, or of another file, to be a class.
      std::vector<DeskClass> kept;
      for (size_t c = 0; c < classes.size(); ++c) {
        if (classes[c].examples.size() >= kMinBranchTexts &&
            synsets_[corpus_.hyponyms_[parent][c]].lexfile == synsets_[parent].lexfile) {
          kept.push_back(std::move(classes[c]));
        }
      }
      if (kept.size() < kMinBranchChildren) continue;
      AddPool(DeskFamily::kBranch, split, absl::StrCat("sub:", WithBlanks(synsets_[parent].words[0])), std::move(kept));
    }
  }

  // The synsets of `split` that pairs are made of.
  std::vector<int32_t> PairSynsets(int split) const {
    std::vector<int32_t> result;
    for (int32_t i = 0; i < synsets_.size(); ++i) {
      if (corpus_.split_of_synset_[i] == split && corpus_.text_of_synset_[i] >= 0) result.push_back(i);
    }
    return result;
  }

  void AddPairPool(DeskFamily family, int split, std::vector<DeskExample> negatives,
                   std::vector<DeskExample> positives) {
    const size_t size = std::min(negatives.size(), positives.size());
    negatives.resize(size);
    positives.resize(size);
    std::vector<DeskClass> classes;
    classes.push_back({"no", "no", std::move(negatives)});
    classes.push_back({"yes", "yes", std::move(positives)});
    pools(family, split)
        .push_back({family, static_cast<DeskSplit>(split), std::string(DeskFamilyName(family)), std::move(classes)});
  }

  // Offers `synsets` in random order to make(synset, positive) -> example, each with a random polarity, until both
  // classes are full. An example without a first text was refused.
  template <typename Make>
  void MakePairPool(DeskFamily family, int split, const std::vector<int32_t>& synsets, const Make& make) {
    const RandomStream stream =
        RandomStream(options_.seed, absl::StrCat("desk/", DeskFamilyName(family))).Substream(split);
    const RandomStream polarity = stream.Substream(0);
    std::vector<DeskExample> examples[2];
    const size_t wanted = options_.max_pairs_per_class;
    for (const int64_t k : stream.Substream(1).Permutation(synsets.size())) {
      const int positive = static_cast<int>(polarity.Below(2, k));
      if (examples[positive].size() == wanted) {
        if (examples[1 - positive].size() == wanted) break;
        continue;
      }
      const DeskExample example = make(synsets[k], positive == 1, stream.Substream(2 + k));
      if (example.first >= 0) examples[positive].push_back(example);
    }
    AddPairPool(family, split, std::move(examples[0]), std::move(examples[1]));
  }

  // Whether the definition of synset `owner` has the word `spoken` (lower case, with blanks) or a part of it.
  bool GivesAway(absl::string_view spoken, int32_t owner) const {
    const std::string text = absl::AsciiStrToLower(definition_[owner]);
    if (absl::StrContains(text, spoken)) return true;
    for (const absl::string_view part : absl::StrSplit(spoken, absl::ByAnyChar(" -"))) {
      if (part.size() >= kMinSharedPart && absl::StrContains(text, part)) return true;
    }
    return false;
  }

  // A word is one text of one split, and the first text of one pair at most. A definition that contains its word would
  // give the answer away, and so would a part of it ("fur seal": "an eared seal ..."): a quarter of the true pairs have
  // such a part, a hundredth of the others. Synsets of that kind are in neither class, as word or as definition, so
  // that the classes differ in nothing else, such as the share of plants.
  void MakeGlossMatchPool(int split) {
    if (split_of_word_.empty()) {
      for (int s = 0; s < kNumDeskSplits; ++s) {
        for (const int32_t i : PairSynsets(s)) {
          split_of_word_[absl::AsciiStrToLower(synsets_[i].words[0])] = static_cast<int8_t>(s);
        }
      }
    }
    std::vector<int32_t> synsets;
    std::vector<std::vector<int32_t>> of_lexfile(kNumLexfiles);
    for (const int32_t i : PairSynsets(split)) {
      const std::string word = WithBlanks(synsets_[i].words[0]);
      // "get off the ground" is a word, and the definition of "take off".
      if (split_of_word_[absl::AsciiStrToLower(synsets_[i].words[0])] != split || definitions_.contains(word)) continue;
      if (GivesAway(absl::AsciiStrToLower(word), i)) {
        ++corpus_.counts_.word_in_gloss;
        continue;
      }
      synsets.push_back(i);
      of_lexfile[synsets_[i].lexfile].push_back(i);
    }
    absl::flat_hash_set<std::string> used;
    MakePairPool(DeskFamily::kGlossMatch, split, synsets,
                 [&](int32_t i, bool positive, const RandomStream& stream) -> DeskExample {
                   const std::string lower = absl::AsciiStrToLower(synsets_[i].words[0]);
                   if (used.contains(lower)) return {};
                   int32_t owner = i;
                   if (!positive) {
                     const std::string spoken = WithBlanks(lower);
                     const std::vector<int32_t>& others = of_lexfile[synsets_[i].lexfile];
                     owner = -1;
                     for (int attempt = 0; attempt < kPartnerAttempts && owner < 0; ++attempt) {
                       const int32_t j = others[stream.Below(others.size(), attempt)];
                       if (!HasWord(j, lower) && corpus_.text_of_synset_[j] != corpus_.text_of_synset_[i] &&
                           !GivesAway(spoken, j)) {
                         owner = j;
                       }
                     }
                     if (owner < 0) return {};
                   }
                   used.insert(lower);
                   corpus_.words_.push_back(WithBlanks(synsets_[i].words[0]));
                   corpus_.texts_.push_back(corpus_.words_.back());
                   return {static_cast<int32_t>(corpus_.texts_.size()) - 1, corpus_.text_of_synset_[owner]};
                 });
  }

  bool HasWord(int32_t synset, absl::string_view lower) const {
    for (const absl::string_view word : synsets_[synset].words) {
      if (absl::EqualsIgnoreCase(word, lower)) return true;
    }
    return false;
  }

  // The first hypernym that is in the synset's split and has a text of its own; -1: none.
  int32_t Hypernym(int32_t i) const {
    for (const SynsetPointer& pointer : synsets_[i].pointers) {
      const int32_t j = pointer.target;
      if (pointer.symbol == "@" && corpus_.split_of_synset_[j] == corpus_.split_of_synset_[i] &&
          corpus_.text_of_synset_[j] >= 0 && corpus_.text_of_synset_[j] != corpus_.text_of_synset_[i]) {
        return j;
      }
    }
    return -1;
  }

  // Whether `above` is reached from `below` by hypernyms, or is the same.
  bool IsAncestor(int32_t above, int32_t below) const {
    std::vector<int32_t> todo = {below};
    absl::flat_hash_set<int32_t> seen;  // WordNet 3.0 has a circle: "inhibit" and "restrain" stand above each other
    while (!todo.empty()) {
      const int32_t i = todo.back();
      todo.pop_back();
      if (i == above) return true;
      if (!seen.insert(i).second) continue;
      for (const SynsetPointer& pointer : synsets_[i].pointers) {
        if (pointer.symbol == "@") todo.push_back(pointer.target);
      }
    }
    return false;
  }

  void MakeHypernymPool(int split) {
    std::vector<int32_t> synsets;
    std::vector<std::vector<int32_t>> of_lexfile(kNumLexfiles);
    for (const int32_t i : PairSynsets(split)) {
      if (Hypernym(i) < 0) continue;
      synsets.push_back(i);
      of_lexfile[synsets_[i].lexfile].push_back(i);
    }
    absl::flat_hash_set<int32_t> used;
    MakePairPool(DeskFamily::kHypernym, split, synsets,
                 [&](int32_t i, bool positive, const RandomStream& stream) -> DeskExample {
                   const int32_t text = corpus_.text_of_synset_[i];
                   if (used.contains(text)) return {};
                   int32_t hypernym = Hypernym(i);
                   if (!positive) {
                     const int32_t true_text = corpus_.text_of_synset_[hypernym];
                     const std::vector<int32_t>& others = of_lexfile[synsets_[i].lexfile];
                     hypernym = -1;
                     for (int attempt = 0; attempt < kPartnerAttempts && hypernym < 0; ++attempt) {
                       const int32_t h = Hypernym(others[stream.Below(others.size(), attempt)]);
                       const int32_t other_text = corpus_.text_of_synset_[h];
                       if (other_text != text && other_text != true_text && !IsAncestor(h, i) && !IsAncestor(i, h)) {
                         hypernym = h;
                       }
                     }
                     if (hypernym < 0) return {};
                   }
                   used.insert(text);
                   return {text, corpus_.text_of_synset_[hypernym]};
                 });
  }

  // Every split can make tasks of every family.
  absl::Status CheckPools() {
    for (int family = 0; family < kNumDeskFamilies; ++family) {
      for (int split = 0; split < kNumDeskSplits; ++split) {
        const std::string place = absl::StrCat(DeskFamilyName(static_cast<DeskFamily>(family)), "/",
                                               DeskSplitName(static_cast<DeskSplit>(split)));
        const std::vector<DeskPool>& made = corpus_.pools_[family][split];
        if (made.empty()) return absl::FailedPreconditionError(absl::StrCat("WordNet has no tasks of ", place));
        for (const DeskPool& pool : made) {
          if (pool.classes.size() < 2) {
            return absl::FailedPreconditionError(absl::StrCat("WordNet has fewer than two classes of ", place));
          }
          for (const DeskClass& c : pool.classes) {
            if (c.examples.empty()) {
              return absl::FailedPreconditionError(
                  absl::StrCat("WordNet has no text of class ", c.name, " of ", place));
            }
          }
        }
      }
    }
    return absl::OkStatus();
  }

  DeskCorpus& corpus_;
  const std::vector<Synset>& synsets_;
  const DeskCorpusOptions& options_;

  std::vector<Topic> topics_;
  std::vector<absl::string_view> definition_;           // of each synset; empty if too short
  absl::flat_hash_set<absl::string_view> definitions_;  // of every synset that has a split
  std::vector<bool> has_topic_;                         // any topic, ours or not
  std::vector<int> topic_of_synset_;                    // index in topics_; -1: none, or two
  std::vector<int32_t> topic_text_of_synset_;           // index in texts; -1: none
  absl::flat_hash_map<std::string, int8_t> split_of_word_;
};

absl::StatusOr<std::shared_ptr<const DeskCorpus>> DeskCorpus::Build(std::shared_ptr<const WordNet> wordnet,
                                                                    const DeskCorpusOptions& options) {
  CHECK(wordnet != nullptr);
  if (options.max_pairs_per_class < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_pairs_per_class must be positive, not ", options.max_pairs_per_class));
  }
  std::shared_ptr<DeskCorpus> corpus(new DeskCorpus);
  corpus->wordnet_ = std::move(wordnet);
  GBMOA_RETURN_IF_ERROR(Builder(corpus.get(), options).Build());
  return corpus;
}

std::vector<DeskClass> DeskCorpus::BranchClasses(absl::Span<const int32_t> synsets, DeskSplit split) const {
  // Of every synset met: the last branch that reached it, and how many did.
  absl::flat_hash_map<int32_t, std::pair<int, int>> reached;
  std::vector<std::vector<int32_t>> members(synsets.size());
  for (size_t b = 0; b < synsets.size(); ++b) {
    std::vector<int32_t> todo = {synsets[b]};
    while (!todo.empty()) {
      const int32_t i = todo.back();
      todo.pop_back();
      auto [entry, fresh] = reached.try_emplace(i, -1, 0);
      auto& [last, branches] = entry->second;
      if (last == static_cast<int>(b)) continue;
      last = static_cast<int>(b);
      ++branches;
      members[b].push_back(i);
      todo.insert(todo.end(), hyponyms_[i].begin(), hyponyms_[i].end());
    }
  }
  std::vector<DeskClass> classes;
  for (size_t b = 0; b < synsets.size(); ++b) {
    std::sort(members[b].begin(), members[b].end());
    std::vector<int32_t> texts;
    for (const int32_t i : members[b]) {
      if (reached[i].second == 1 && text_of_synset_[i] >= 0 && split_of_synset_[i] == static_cast<int8_t>(split)) {
        texts.push_back(text_of_synset_[i]);
      }
    }
    const Synset& synset = wordnet_->synsets()[synsets[b]];
    classes.push_back({WithBlanks(synset.words[0]), synset.id(), UniqueExamples(texts)});
  }
  DropSharedTexts(&classes);
  return classes;
}

uint64_t DeskCorpus::Fingerprint() const {
  uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&hash](absl::string_view text) {
    for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ULL;
    hash = (hash ^ 0xff) * 0x100000001b3ULL;  // no UTF-8 text has this byte: it ends a string
  };
  for (const auto& by_split : pools_) {
    for (const std::vector<DeskPool>& pools : by_split) {
      for (const DeskPool& pool : pools) {
        add(pool.name);
        add(DeskSplitName(pool.split));
        for (const DeskClass& c : pool.classes) {
          add(c.name);
          add(c.id);
          for (const DeskExample& example : c.examples) {
            add(texts_[example.first]);
            if (example.second >= 0) add(texts_[example.second]);
          }
        }
      }
    }
  }
  return hash;
}

}  // namespace gbmoa
