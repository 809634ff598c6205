#include "eval/wordnet.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DefinitionText, StripsExamplesAndLeadingParentheses) {
  const struct {
    const char* name;
    const char* gloss;
    const char* text;
  } kCases[] = {
      {"plain", "an artificial object", "an artificial object"},
      {"example", "draw air in; \"I can breathe\"; \"he breathes\"", "draw air in"},
      {"domain", "(law) a deed or act", "a deed or act"},
      {"two domains", "(physics) (of light) bent", "bent"},
      {"nested", "(of a thing (or two)): rigid; \"x\"", "rigid"},
      {"parenthesis inside stays", "a unit (of time) in physics", "a unit (of time) in physics"},
      {"domain after blanks and separators", " ; (music) , very loud;", "very loud"},
      {"not closed", "(law a deed", "law a deed"},
      {"closed in an example only", "(law; \"so)\"", "law"},
      {"only a parenthesis", "(plural)", ""},
      {"only an example", "\"he went\"", ""},
      {"empty", "", ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(DefinitionText(c.gloss), c.text) << c.name;
}

TEST(Lexfiles, NamesAndNumbersAgree) {
  // lexnames(5WN) numbers these.
  EXPECT_EQ(LexfileName(0), "adj.all");
  EXPECT_EQ(LexfileName(5), "noun.animal");
  EXPECT_EQ(LexfileName(28), "noun.time");
  EXPECT_EQ(LexfileName(38), "verb.motion");
  EXPECT_EQ(LexfileName(44), "adj.ppl");
  for (int i = 0; i < kNumLexfiles; ++i) EXPECT_EQ(*LexfileNumber(LexfileName(i)), i);
  EXPECT_EQ(LexfileNumber("noun.bird").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(LexfileNumber("noun.bird").status().message(), HasSubstr("noun.bird"));
}

constexpr char kNoun[] =
    "  1 a licence  \n"
    "00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which is perceived  \n"
    "00001930 03 n 02 physical_entity 0 thing a 002 @ 00001740 n 0000 = 00002098 a 0000 | an entity; \"a stone\"  \n";
constexpr char kVerb[] = "00001740 29 v 01 breathe 0 001 + 00001930 n 0101 02 + 02 00 + 08 00 | draw air  \n";
constexpr char kAdjective[] = "00002098 00 s 01 galore(ip) 0 000 | existing in abundance  \n";
constexpr char kAdverb[] = "00003093 02 r 01 well 0 000 | in a good manner";  // no newline at the end

// A folder with the four files; a null content leaves the file out.
std::string MakeFolder(const char* noun, const char* verb, const char* adjective, const char* adverb) {
  std::string folder = testing::TempDir() + "/wordnetXXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  const struct {
    const char* name;
    const char* content;
  } kFiles[] = {{"data.noun", noun}, {"data.verb", verb}, {"data.adj", adjective}, {"data.adv", adverb}};
  for (const auto& file : kFiles) {
    if (file.content != nullptr) std::ofstream(folder + "/" + file.name, std::ios::binary) << file.content;
  }
  return folder;
}

TEST(WordNet, ReadsAllFields) {
  absl::StatusOr<WordNet> loaded = WordNet::Load(MakeFolder(kNoun, kVerb, kAdjective, kAdverb));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const WordNet wordnet = *std::move(loaded);  // the views survive a move
  ASSERT_EQ(wordnet.synsets().size(), 5);
  const Synset& thing = wordnet.synsets()[1];
  EXPECT_EQ(thing.offset, 1930);
  EXPECT_EQ(thing.pos, 'n');
  EXPECT_EQ(thing.lexfile, 3);
  EXPECT_EQ(thing.id(), "n00001930");
  EXPECT_THAT(thing.words, ElementsAre("physical_entity", "thing"));
  EXPECT_EQ(thing.gloss, "an entity; \"a stone\"");
  ASSERT_EQ(thing.pointers.size(), 2);
  EXPECT_EQ(thing.pointers[0].symbol, "@");
  EXPECT_EQ(thing.pointers[0].target, 0);
  EXPECT_EQ(thing.pointers[1].symbol, "=");
  EXPECT_EQ(wordnet.synsets()[thing.pointers[1].target].words[0], "galore");  // to a satellite; marker gone
  EXPECT_EQ(wordnet.synsets()[thing.pointers[1].target].id(), "a00002098");
  EXPECT_EQ(wordnet.synsets()[2].pointers[0].target, 1);
  EXPECT_EQ(wordnet.synsets()[4].gloss, "in a good manner");
  // The same offset names different synsets in different files.
  EXPECT_EQ(*wordnet.Find("n00001740"), 0);
  EXPECT_EQ(*wordnet.Find("v00001740"), 2);
  EXPECT_EQ(wordnet.Find("r00001740").status().code(), absl::StatusCode::kNotFound);
  for (const char* id : {"", "n1740", "x00001740", "n0000174x", "n-0001740", "n000017400"}) {
    EXPECT_EQ(wordnet.Find(id).status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
}

TEST(WordNet, NamesMissingFilesAndTheirPackage) {
  const absl::Status no_folder = WordNet::Load("/nowhere/wordnet").status();
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(no_folder.message(), HasSubstr("/nowhere/wordnet/data.noun"));
  EXPECT_THAT(no_folder.message(), HasSubstr("Debian package wordnet-base"));

  const absl::Status no_verb = WordNet::Load(MakeFolder(kNoun, nullptr, kAdjective, kAdverb)).status();
  EXPECT_EQ(no_verb.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(no_verb.message(), HasSubstr("data.verb"));
  EXPECT_THAT(no_verb.message(), HasSubstr("Debian package wordnet-base"));
}

TEST(WordNet, RefusesMalformedLines) {
  const struct {
    const char* name;
    const char* line;  // the second one of data.verb
    const char* message;
  } kCases[] = {
      {"no gloss", "00002000 29 v 01 sigh 0 000", "expected ' | ' before the gloss"},
      {"empty line", "", "expected ' | ' before the gloss, found ''"},
      {"short offset", "0002000 29 v 01 sigh 0 000 | x", "expected an offset of 8 digits, found '0002000'"},
      {"letters in offset", "0000200o 29 v 01 sigh 0 000 | x", "found '0000200o'"},
      {"hexadecimal offset", "0000200a 29 v 01 sigh 0 000 | x", "found '0000200a'"},
      {"lexfile too large", "00002000 45 v 01 sigh 0 000 | x", "expected a lexicographer file below 45, found '45'"},
      {"another part of speech", "00002000 29 n 01 sigh 0 000 | x", "expected a part of speech of {v}, found 'n'"},
      {"long part of speech", "00002000 29 verb 01 sigh 0 000 | x", "found 'verb'"},
      {"no words", "00002000 29 v 00 000 | x", "expected a word count above 0, found '00'"},
      {"too few words", "00002000 29 v 02 sigh 0 000 | x",
       "expected a lexical id of 1 hexadecimal digit, found 'nothing'"},
      {"only a marker", "00002000 29 v 01 (p) 0 000 | x", "expected a word, found ''"},
      {"pointer count", "00002000 29 v 01 sigh 0 1 | x", "expected a pointer count of 3 digits, found '1'"},
      {"too few pointers", "00002000 29 v 01 sigh 0 002 @ 00001740 v 0000 | x",
       "expected a pointer symbol, found 'nothing'"},
      {"pointer's offset", "00002000 29 v 01 sigh 0 001 @ 1740 v 0000 | x", "found '1740'"},
      {"pointer's part of speech", "00002000 29 v 01 sigh 0 001 @ 00001740 q 0000 | x", "found 'q'"},
      {"pointer's words", "00002000 29 v 01 sigh 0 001 @ 00001740 v 00 | x", "found '00'"},
      {"dangling pointer", "00002000 29 v 01 sigh 0 001 @ 00009999 v 0000 | x", "points to synset v00009999"},
      {"twice", "00001740 29 v 01 sigh 0 000 | x", "synset v00001740 stands here a second time"},
      {"two blanks", "00002000  29 v 01 sigh 0 000 | x", "expected a lexicographer file of 2 digits, found 'nothing'"},
  };
  for (const auto& c : kCases) {
    const std::string verb = std::string(kVerb) + c.line + "\n";
    const absl::Status status = WordNet::Load(MakeFolder(kNoun, verb.c_str(), kAdjective, kAdverb)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << c.name;
    EXPECT_THAT(status.message(), HasSubstr("data.verb:2: ")) << c.name;
    EXPECT_THAT(status.message(), HasSubstr(c.message)) << c.name;
  }
  const absl::Status empty = WordNet::Load(MakeFolder(kNoun, kVerb, kAdjective, "  1 a licence\n")).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(empty.message(), HasSubstr("data.adv: no synset"));
}

TEST(WordNet, NoPrefixOfAFileCrashes) {
  const std::string verb = kVerb;
  for (size_t n = 0; n < verb.size(); ++n) {
    const absl::StatusOr<WordNet> loaded =
        WordNet::Load(MakeFolder(kNoun, verb.substr(0, n).c_str(), kAdjective, kAdverb));
    const size_t bar = verb.find(" | ") + 3;
    EXPECT_EQ(loaded.ok(), n >= bar) << n;  // a cut gloss cannot be told from a short one
    if (n < bar) {
      EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss) << n;
    }
  }
}

TEST(WordNet, HoldsVersion30) {
  const absl::StatusOr<std::string> folder = BundledWordNetFolder();
  ASSERT_TRUE(folder.ok()) << folder.status();
  const absl::StatusOr<WordNet> wordnet = WordNet::Load(*folder);
  ASSERT_TRUE(wordnet.ok()) << wordnet.status();
  int64_t by_pos[128] = {};
  for (const Synset& synset : wordnet->synsets()) ++by_pos[static_cast<int>(synset.pos)];
  // The page wnstats(7WN): synsets by part of speech.
  EXPECT_EQ(by_pos['n'], 82115);
  EXPECT_EQ(by_pos['v'], 13767);
  EXPECT_EQ(by_pos['a'] + by_pos['s'], 18156);
  EXPECT_EQ(by_pos['r'], 3621);
  EXPECT_EQ(wordnet->synsets()[*wordnet->Find("n01503061")].words[0], "bird");
}

}  // namespace
}  // namespace gbmoa
