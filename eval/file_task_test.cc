#include "eval/file_task.h"

#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/sha256.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/textproto.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kTask[] = R"(
name: "mine/colours" suite: "mine" metrics: "accuracy" encoding: ONE_SEQUENCE max_tokens: 28
files {
  layout: "tsv"
  splits { name: "train" files: "a.tsv" files: "b.tsv" official_rows: 4 }
  splits { name: "validation" files: "v.tsv" official_rows: 9815 }
  splits { name: "test" files: "t.tsv" unlabelled: true header: true fields { key: "text_a" value: "sentence" } }
  fields { key: "text_a" value: "1" }
  fields { key: "label" value: "0" }
  classes { value: "0" name: "red" }
  classes { value: "1" }
})";

class FileTaskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = absl::StrCat(::testing::TempDir(), "/file_task_testXXXXXX");
    ASSERT_NE(mkdtemp(&root_[0]), nullptr);
    ASSERT_THAT(ParseTextproto("task", kTask, &config_), IsOk());
  }
  void Write(const std::string& name, absl::string_view contents) const {
    ASSERT_THAT(WriteFileAtomically(JoinPath(root_, name), contents), IsOk());
  }
  absl::StatusOr<FileTaskSplit> Load(const std::string& split, const FileTaskOptions& options = {}) const {
    return LoadFileTaskSplit(config_, split, root_, options);
  }
  static std::vector<std::string> Rows(const FileTaskSplit& split) {
    std::vector<std::string> rows;
    for (const Example& e : split.dataset.examples) rows.push_back(absl::StrCat(e.text_a, "|", e.label));
    return rows;
  }

  std::string root_;
  TaskConfig config_;
};

TEST_F(FileTaskTest, ReadsAllFilesOfASplit) {
  Write("a.tsv",
        "\xef\xbb\xbf"
        "0\ta\n1\tb\n");
  Write("b.tsv", "1\tc\r\n0\td");
  const auto train = Load("train");
  ASSERT_THAT(train, IsOk());
  EXPECT_THAT(Rows(*train), ElementsAre("a|0", "b|1", "c|1", "d|0"));
  EXPECT_EQ(train->dataset.name, "mine/colours");
  EXPECT_EQ(train->dataset.split, "train");
  EXPECT_THAT(train->dataset.class_names, ElementsAre("red", "1"));
  EXPECT_TRUE(train->dataset.labelled);
  EXPECT_FALSE(train->dataset.pairs);
  EXPECT_FALSE(train->dataset.grouped);
  EXPECT_FALSE(train->dataset.regression);
  EXPECT_EQ(train->official_rows, 4);
  EXPECT_EQ(train->bad_rows, 0);
  EXPECT_FALSE(train->subset());
  EXPECT_THAT(train->files, ElementsAre(Pair("a.tsv", Sha256Hex("\xef\xbb\xbf"
                                                                "0\ta\n1\tb\n")),
                                        Pair("b.tsv", Sha256Hex("1\tc\r\n0\td"))));

  // The split's own header and field.
  Write("t.tsv", "index\tsentence\n0\ta text\n");
  const auto test = Load("test");
  ASSERT_THAT(test, IsOk());
  EXPECT_FALSE(test->dataset.labelled);
  EXPECT_FALSE(test->subset());  // nobody said how many there are
  EXPECT_THAT(Rows(*test), ElementsAre("a text|0"));
}

TEST_F(FileTaskTest, CallsASubsetASubset) {
  Write("a.tsv", "0\ta\n1\tb\n");
  Write("b.tsv", "1\tc\n0\td\n");
  Write("v.tsv", "0\ta\n");  // one class: legal where nothing is learnt
  auto train = Load("train");
  const auto validation = Load("validation");
  ASSERT_THAT(train, IsOk());
  ASSERT_THAT(validation, IsOk());
  EXPECT_TRUE(validation->subset());
  EXPECT_EQ(SubsetText({&*train, &*validation}), "validation: 1 of 9,815 rows");
  EXPECT_EQ(SubsetText({&*train}), "");
  Write("b.tsv", "1\tc\n0\td\n1\te\n");
  train = Load("train");
  ASSERT_THAT(train, IsOk());
  EXPECT_TRUE(train->subset());  // too many is not the official task either
  EXPECT_EQ(SubsetText({&*train, &*validation}), "train: 5 of 4 rows; validation: 1 of 9,815 rows");
}

TEST_F(FileTaskTest, CountsQuestionsWhereTheBenchmarkDoes) {
  TaskConfig copa;
  ASSERT_THAT(ParseTextproto("task", R"(
name: "mine/copa" suite: "mine" metrics: "group_accuracy" encoding: ONE_SEQUENCE max_tokens: 28
files {
  layout: "copa"
  splits { name: "train" files: "c.jsonl" official_questions: 400 }
  classes { value: "0" } classes { value: "1" }
})",
                             &copa),
              IsOk());
  Write("c.jsonl",
        R"({"premise": "p.", "choice1": "a", "choice2": "b", "question": "cause", "label": 0, "idx": 0}
{"premise": "q.", "choice1": "c", "choice2": "d", "question": "effect", "label": 1, "idx": 1}
)");
  auto split = LoadFileTaskSplit(copa, "train", root_);
  ASSERT_THAT(split, IsOk());
  EXPECT_TRUE(split->dataset.grouped);
  EXPECT_EQ(split->questions, 2);
  EXPECT_TRUE(split->subset());
  EXPECT_EQ(SubsetText({&*split}), "train: 2 of 400 questions");
  copa.mutable_files()->mutable_splits(0)->set_official_questions(2);
  split = LoadFileTaskSplit(copa, "train", root_);
  ASSERT_THAT(split, IsOk());
  EXPECT_FALSE(split->subset());

  // Nobody knows how many questions a bad line had.
  Write("c.jsonl",
        R"({"premise": "p.", "choice1": "a", "choice2": "b", "question": "cause", "label": 0, "idx": 0}
{"premise"
{"premise": "q.", "choice1": "c", "choice2": "d", "question": "effect", "label": 1, "idx": 1}
)");
  FileTaskOptions options;
  options.max_bad_rows = 1;
  for (const int official : {3, 2}) {
    copa.mutable_files()->mutable_splits(0)->set_official_questions(official);
    split = LoadFileTaskSplit(copa, "train", root_, options);
    ASSERT_THAT(split, IsOk());
    EXPECT_TRUE(split->subset());
    EXPECT_EQ(SubsetText({&*split}), absl::StrCat("train: 2 of ", official, " questions, 1 bad line left out"));
  }
}

TEST_F(FileTaskTest, ARowThatComesTwiceIsNotAnother) {
  (*config_.mutable_files()->mutable_fields())["id"] = "2";
  Write("a.tsv", "0\ta\t7\n1\tb\t8\n0\tc\t7\n");
  Write("b.tsv", "1\td\t7\n");  // ids are a file's own
  const auto train = Load("train");
  ASSERT_THAT(train, IsOk());
  EXPECT_EQ(train->dataset.size(), 4);
  EXPECT_EQ(train->repeated_rows, 1);
  EXPECT_TRUE(train->subset());
  EXPECT_EQ(SubsetText({&*train}), "train: 3 of 4 rows and 1 of them again");
}

TEST_F(FileTaskTest, BadRowsAreCountedOverAllFiles) {
  const std::string nul("0\tn\0l\n", 6);
  Write("a.tsv", "0\ta\n7\tb\n1\tna\xefve\n1\tc\n");
  Write("b.tsv", absl::StrCat("1\td\n", nul, "0\n"));
  FileTaskOptions options;
  options.max_bad_rows = 4;
  const auto train = Load("train", options);
  ASSERT_THAT(train, IsOk());
  EXPECT_THAT(Rows(*train), ElementsAre("a|0", "c|1", "d|1"));
  EXPECT_EQ(train->bad_rows, 4);
  EXPECT_TRUE(train->subset());  // 7 rows, not 4
  options.max_bad_rows = 3;
  // Lines that are no text are found before the reader sees the file.
  EXPECT_THAT(Load("train", options),
              StatusIs(absl::StatusCode::kDataLoss,
                       absl::StrCat(root_, "/b.tsv:3:1: expected 2 columns, found 1 (bad row 4, 3 may be left out; ",
                                    "the first: ", root_, "/a.tsv:3:5: not UTF-8)")));

  // A complete split without its bad rows is none to be silent about, though it is no subset.
  Write("a.tsv", "0\ta\n7\tb\n");
  Write("b.tsv", "1\td\n1\te\n");
  options.max_bad_rows = 1;
  const auto complete = Load("train", options);
  ASSERT_THAT(complete, IsOk());
  EXPECT_FALSE(complete->subset());
  EXPECT_EQ(SubsetText({&*complete}), "train: 1 of 4 rows left out, which are bad");
}

TEST_F(FileTaskTest, OtherEncodings) {
  Write("v.tsv", "0\tcaf\xe9 \xa3\n");
  EXPECT_THAT(Load("validation"), StatusIs(absl::StatusCode::kDataLoss, absl::StrCat(root_, "/v.tsv:1:6: not UTF-8")));
  FileTaskOptions options;
  options.replace_invalid_utf8 = true;
  const auto replaced = Load("validation", options);
  ASSERT_THAT(replaced, IsOk());
  EXPECT_THAT(Rows(*replaced), ElementsAre("caf\xef\xbf\xbd \xef\xbf\xbd|0"));
  EXPECT_EQ(replaced->replaced, 2);
  config_.mutable_files()->set_encoding_of_text("latin-1");
  const auto latin1 = Load("validation");
  ASSERT_THAT(latin1, IsOk());
  EXPECT_THAT(Rows(*latin1), ElementsAre("caf\u00e9 \u00a3|0"));
  EXPECT_EQ(latin1->replaced, 0);
}

// RELIABILITY.md R18, R19.
TEST_F(FileTaskTest, Refuses) {
  const std::string kGood = "0\ta\n1\tb\n";
  const struct {
    std::string name, b, message;
  } kCases[] = {
      {"empty", "", "/b.tsv:1:1: the file is empty"},
      {"only a byte-order mark", "\xef\xbb\xbf", "/b.tsv:1:1: the file is empty"},
      {"CR only", "0\ta\r1\tb\r", "/b.tsv:1:4: expected lines that end in LF or CR LF, found CR alone"},
      {"NUL", std::string("0\ta\n1\tb\0c\n", 10), "/b.tsv:2:4: NUL"},
      {"UTF-16",
       std::string("\xff\xfe"
                   "0\0",
                   4),
       "/b.tsv:1:1: not UTF-8"},
      {"overlong", "0\t\xc0\xaf\n", "/b.tsv:1:3: not UTF-8"},
      {"cut off", "0\tcaf\xc3", "/b.tsv:1:6: not UTF-8"},
      {"bad label", "0\ta\nx\tb\n", "/b.tsv:2:1: label: expected one of 0, 1, found 'x'"},
      {"only blank lines", "\n\n", "/b.tsv:1:1: text_a: expected at least 2 columns, found 1"},
  };
  Write("a.tsv", kGood);
  for (const auto& c : kCases) {
    Write("b.tsv", c.b);
    EXPECT_THAT(Load("train"), StatusIs(absl::StatusCode::kDataLoss, absl::StrCat(root_, c.message))) << c.name;
  }
  Write("a.tsv", "0\ta\n");
  Write("b.tsv", "0\tb\n");
  EXPECT_THAT(Load("train"), StatusIs(absl::StatusCode::kDataLoss,
                                      absl::StrCat(root_, "/a.tsv: label set: expected every class of mine/colours in ",
                                                   "its split 'train', found no 1")));
  FileTaskOptions options;
  options.max_bad_rows = 10;
  Write("v.tsv", "x\ta\n");
  EXPECT_THAT(
      Load("validation", options),
      StatusIs(absl::StatusCode::kDataLoss, absl::StrCat(root_, "/v.tsv: every row is bad; the first: ", root_,
                                                         "/v.tsv:1:1: label: expected one of 0, 1, found 'x'")));
}

TEST_F(FileTaskTest, NamesWhatIsNotThere) {
  EXPECT_THAT(MissingFiles(config_, "train", root_), ElementsAre("a.tsv", "b.tsv"));
  Write("a.tsv", "0\ta\n");
  EXPECT_THAT(MissingFiles(config_, "train", root_), ElementsAre("b.tsv"));
  EXPECT_THAT(Load("train"),
              StatusIs(absl::StatusCode::kNotFound, absl::StrCat(root_, "/b.tsv: no such file, of mine/colours")));
  Write("b.tsv", "1\tb\n");
  EXPECT_THAT(MissingFiles(config_, "train", root_), IsEmpty());
  EXPECT_THAT(MissingFiles(config_, "dev", root_), IsEmpty());
  EXPECT_THAT(Load("dev"), StatusIs(absl::StatusCode::kInvalidArgument,
                                    "mine/colours: split: expected one of train, validation, test, found 'dev'"));
  config_.set_encoding(TaskConfig::PAIR_APART);
  EXPECT_THAT(Load("train"), StatusIs(absl::StatusCode::kInvalidArgument,
                                      "mine/colours/train: pairs are to be encoded apart, but there are no pairs"));
  config_.mutable_files()->set_layout("xml");
  EXPECT_THAT(Load("train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::StartsWith("mine/colours: files.layout: unknown name 'xml'; known: ")));
  config_.clear_source();
  EXPECT_THAT(Load("train"), StatusIs(absl::StatusCode::kInvalidArgument,
                                      "mine/colours: expected a task whose examples lie in files"));
}

// No file ends the program: of small files every beginning and every file with one other byte either loads or is
// refused with a place in it.
TEST_F(FileTaskTest, DamagedFiles) {
  FLAGS_minloglevel = google::GLOG_ERROR;  // of a label set in which a class is missing there are thousands of warnings
  const struct {
    std::string layout, fields, contents;
    std::string files = "files: 'f'", g = "";  // of the split; what lies beside the damaged file
  } kCases[] = {
      {"tsv", "fields { key: 'text_a' value: 'b' } fields { key: 'label' value: 'a' } header: true",
       "a\tb\r\n1\t\"caf\xc3\xa9\n0\t\xe2\x82\xac\n"},
      {"csv", "fields { key: 'text_a' value: '1' } fields { key: 'label' value: '0' }",
       "1,\"a, \"\"b\"\"\nc\"\r\n0,d\n"},
      {"jsonl", "fields { key: 'text_a' value: 'a' } fields { key: 'label' value: 'b.c' }",
       "{\"a\": \"caf\\u00e9 \xc3\xa9\", \"b\": {\"c\": 1}}\n{\"b\": {\"c\": \"0\"}, \"a\": \"e\", \"d\": [1, "
       "null]}\n"},
      {"json",
       "fields { key: 'rows' value: 'r' } fields { key: 'text_a' value: '0' } fields { key: 'label' value: '1' }",
       "{\"r\": [[\"caf\xc3\xa9\", 1],\n[\"b\", \"0\"]]}\n"},
      {"lines",
       "fields { key: 'columns' value: '2' } fields { key: 'text_a' value: '0' } fields { key: 'label' value: '1' }",
       "caf\xc3\xa9\t1\r\nb\t0\n"},
      {"parallel", "", "caf\xc3\xa9\nb\n", "files: 'f' files: 'g'", "1\n0\n"},
      {"parallel", "", "1\n0\n", "files: 'g' files: 'f'", "a\nb\n"},
      {"choices",
       "fields { key: 'question' value: '0' } fields { key: 'choices' value: '1-2' } fields { key: 'separator' value: "
       "'comma' } fields { key: 'answer' value: '3' }",
       "Q,\"a, \"\"b\"\"\",c,B\r\nR,\xc3\xa9,e,A\n"},
      {"choices",
       "fields { key: 'question' value: 'Q' } fields { key: 'choices' value: 'C' } fields { key: 'answer' value: 'A' } "
       "fields { key: 'unusable_rows' value: '1' } header: true",
       "Q\tC\tA\nW\t(A) x (B) \xc3\xa9\tB\nV\t\tA\n"},
      {"copa", "",
       "{\"premise\": \"p.\", \"choice1\": \"a\", \"choice2\": \"b\", \"question\": \"cause\", \"label\": 0, \"idx\": "
       "0}\n"},
      {"wic", "",
       "{\"word\": \"a\", \"sentence1\": \"\xc3\xa9 a\", \"start1\": 2, \"end1\": 3, \"sentence2\": \"a\", \"start2\": "
       "0, "
       "\"end2\": 1, \"label\": 1, \"idx\": 0}\n"},
      {"wsc", "",
       "{\"text\": \"Ann saw it.\", \"target\": {\"span1_text\": \"Ann\", \"span1_index\": 0, \"span2_text\": \"it\", "
       "\"span2_index\": 2}, \"label\": 0, \"idx\": 0}\n"},
      {"multirc", "",
       "{\"idx\": 0, \"passage\": {\"text\": \"t\", \"questions\": [{\"question\": \"q\", \"idx\": 0, \"answers\": "
       "[{\"text\": \"a\", \"idx\": 0, \"label\": 1}]}]}}\n"},
      {"record", "",
       "{\"idx\": 0, \"passage\": {\"text\": \"A or B\", \"entities\": [{\"start\": 0, \"end\": 0}, {\"start\": 5, "
       "\"end\": 5}]}, "
       "\"qas\": [{\"idx\": 0, \"query\": \"@placeholder.\", \"answers\": [{\"start\": 0, \"end\": 0, \"text\": "
       "\"A\"}]}]}\n"},
  };
  for (const auto& c : kCases) {
    TaskConfig config;
    ASSERT_THAT(ParseTextproto("task",
                               absl::StrCat("name: 't/t' encoding: ONE_SEQUENCE files { layout: '", c.layout,
                                            "' splits { name: 'all' ", c.files, " } classes { value: '0' } ",
                                            "classes { value: '1' } ", c.fields, "}"),
                               &config),
                IsOk());
    Write("g", c.g);
    int64_t good = 0, refused = 0;
    const auto load = [&](const std::string& contents) {
      // A file that is written over goes to the disk at once on some file systems, which takes 3 ms; a new one does
      // not.
      std::remove(JoinPath(root_, "f").c_str());
      std::ofstream(JoinPath(root_, "f"), std::ios::binary) << contents;
      const absl::Status status = LoadFileTaskSplit(config, "all", root_).status();
      ++(status.ok() ? good : refused);
      if (status.ok()) return;
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << c.layout << ": " << status << "\n" << contents;
      EXPECT_THAT(std::string(status.message()), ::testing::MatchesRegex("[^\n]*/[fg]:[0-9]+:[0-9]+: (.|\n)*"))
          << c.layout << "\n"
          << contents;
    };
    load(c.contents);
    EXPECT_EQ(good, 1) << c.layout;
    for (size_t i = 0; i < c.contents.size(); ++i) {
      load(c.contents.substr(0, i));
      for (const int mask : {0x01, 0x20, 0x80, 0xff}) {
        std::string damaged = c.contents;
        damaged[i] = static_cast<char>(damaged[i] ^ mask);
        load(damaged);
      }
      std::string with_nul = c.contents;
      load(with_nul.insert(i, 1, '\0'));
    }
    EXPECT_GT(refused, static_cast<int64_t>(c.contents.size())) << c.layout;
  }
}

}  // namespace
}  // namespace gbmoa
