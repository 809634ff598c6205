// Reader of WordNet 3.0's data files; their format is the manual page wndb(5WN).
#ifndef GBMOA_EVAL_WORDNET_H_
#define GBMOA_EVAL_WORDNET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gbmoa {

// A relation from one synset to another; relations between single words are kept as relations of their synsets.
struct SynsetPointer {
  absl::string_view symbol;  // "@" hypernym, "@i" instance hypernym, "~" hyponym, ";c" member of a topic, ...
  int32_t target;            // index in WordNet::synsets()
};

// A set of words with one meaning.
struct Synset {
  int32_t offset = 0;                    // the synset's name within its part of speech
  char pos = 'n';                        // n noun, v verb, a adjective, s satellite adjective, r adverb
  int lexfile = 0;                       // number of its lexicographer file, see LexfileName
  std::vector<absl::string_view> words;  // spelled with '_' for blanks; at least one
  std::vector<SynsetPointer> pointers;
  absl::string_view gloss;  // definition, then examples in quotes

  // "n01503061": part of speech (a for satellites too) and offset; what WordNet::Find takes.
  std::string id() const;
};

constexpr int kNumLexfiles = 45;

// "noun.animal" for 5. CHECKs 0 <= number < kNumLexfiles.
absl::string_view LexfileName(int number);
// Errors: NotFound, naming the lexicographer file that there is not.
absl::StatusOr<int> LexfileNumber(absl::string_view name);

// The definition in a gloss: the part before the first quoted example, without any "(law)" or "(of animals)" that
// stands at its start, without blanks and separators at its ends. The leading parentheses often name the topic of the
// synset, so a topic classifier would read the answer. A view into `gloss`.
absl::string_view DefinitionText(absl::string_view gloss);

// Synsets in the order noun, verb, adj, adv, each as in its file. Movable; views into it stay valid when it is moved.
class WordNet {
 public:
  // Reads data.noun, data.verb, data.adj and data.adv of `folder`.
  // Errors: NotFound for a missing folder or file, naming the Debian package that has it; DataLoss for a malformed
  // line, with file:line and the value; whatever ReadFile returns.
  static absl::StatusOr<WordNet> Load(const std::string& folder);

  const std::vector<Synset>& synsets() const { return synsets_; }

  // Index of the synset "n01503061". Errors: NotFound; InvalidArgument if `id` has another form.
  absl::StatusOr<int32_t> Find(absl::string_view id) const;

 private:
  WordNet() = default;

  std::vector<std::unique_ptr<std::string>> contents_;  // of the files; what all views point into
  std::vector<Synset> synsets_;
  absl::flat_hash_map<uint64_t, int32_t> index_;  // part of speech and offset -> index in synsets_
};

// The folder of the WordNet that is built in, for targets with data = ["@wordnet//:wordnet"]. Errors: RunfilePath's.
absl::StatusOr<std::string> BundledWordNetFolder();

}  // namespace gbmoa

#endif  // GBMOA_EVAL_WORDNET_H_
