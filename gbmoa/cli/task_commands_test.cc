// Runs adapt, predict, evaluate, export and import as a user would, on the bundled encoder and on a tiny random one.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/cli/program_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Food and traffic.
constexpr char kTexts[] =
    "fresh bread with butter\tfood\nthe bus was late again\ttraffic\na bowl of hot soup\tfood\n"
    "cars waited at the lights\ttraffic\nshe fried two eggs\tfood\nthe motorway is closed\ttraffic\n"
    "apples and sweet pears\tfood\nhe parked the lorry\ttraffic\nrice, beans and cheese\tfood\n"
    "a train to the city\ttraffic\nthe cake needs sugar\tfood\ntwo lanes and a roundabout\ttraffic\n";

class TaskCommandsTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    const absl::StatusOr<std::string> golden = RunfilePath("gbmoa/gbmoa/interchange/testdata/bert/golden.safetensors");
    ASSERT_THAT(golden, IsOk());
    testdata_ = golden->substr(0, golden->rfind('/'));
    // The tiny encoder gets a vocabulary; what its tokens are called does not matter.
    std::filesystem::create_directory(Path("tiny"));
    for (const std::string name : {"config.json", "model.safetensors"}) {
      const absl::StatusOr<std::string> contents = ReadFile(JoinPath(testdata_, "backbone/" + name), 1 << 20);
      ASSERT_THAT(contents, IsOk());
      Make("tiny/" + name, *contents);
    }
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (int i = 5; i < 60; ++i) absl::StrAppend(&vocabulary, "w", i, "\n");
    Make("tiny/vocab.txt", vocabulary);
    train_ = Make("train.tsv", "w5 w6 w7\tb\nw8 w9\ta\nw10 w11 w12 w13\tb\nw14\ta\nw6 w5\tb\nw9 w15 w16\tc\n");
    input_ = Make("in", "w5 w6\nw20 w21 w22\tw23\n\n");
  }

  // The output of a run that must succeed without a word on standard error.
  std::string MustRun(const std::string& arguments) const {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.error;
    EXPECT_EQ(outcome.error, "") << arguments;
    return outcome.out;
  }

  std::vector<json> Rows(const std::string& text) const {
    std::vector<json> rows;
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      const absl::StatusOr<json> row = ParseJson("row", line);
      EXPECT_THAT(row, IsOk()) << line;
      rows.push_back(row.ok() ? *row : json());
    }
    return rows;
  }

  std::string testdata_, train_, input_;
};

TEST_F(TaskCommandsTest, OnTheBundledEncoder) {
  const std::string train = Make("food.tsv", kTexts);
  const std::vector<json> report =
      Rows(MustRun("adapt --steps=8 --options=bottleneck_dim=4 --out=task --train=" + train));
  ASSERT_EQ(report.size(), 1u);
  EXPECT_EQ(report[0]["method"], "adapter_tuning");
  EXPECT_EQ(report[0]["examples"], 12);
  EXPECT_EQ(report[0]["classes"], 2);
  EXPECT_EQ(report[0]["steps"], 8);
  // 12 adapters of 2 · 4 · 384 + 4 + 384 numbers and a head of 2 · 385.
  EXPECT_EQ(report[0]["parameters"], 12 * 3460 + 770);
  EXPECT_LT(report[0]["last_loss"], report[0]["first_loss"]);
  EXPECT_THAT(Names("work"), ElementsAre("task"));
  EXPECT_THAT(Names("work/task"), ElementsAre("parameters.safetensors", "task.json"));

  const absl::StatusOr<json> task = LoadJson(Path("work/task/task.json"));
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ((*task)["backbone"]["name"], "sentence-transformers/all-MiniLM-L6-v2");
  EXPECT_EQ((*task)["backbone"]["folder"], "");

  // Training texts: after a start at class prototypes this encoder tells the two themes apart.
  const std::vector<json> scores = Rows(MustRun("evaluate --task=task --input=" + train));
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_EQ(scores[0], json({{"n", 12}, {"accuracy", 1.0}, {"macro_f1", 1.0}}));
  const std::string csv = absl::StrReplaceAll(kTexts, {{"rice, beans", "rice; beans"}, {"\t", ","}});
  EXPECT_EQ(Rows(MustRun("evaluate --header --task=task --input=" + Make("food.csv", "text,label\n" + csv)))[0]["n"],
            12);

  const std::string texts = Make("texts", "a plate of noodles\nthe bridge is jammed\tand so is the tunnel\n");
  const std::vector<json> rows = Rows(MustRun("predict --task=task --input=" + texts));
  const std::vector<json> logits = Rows(MustRun("predict --logits --task=task --input=- < " + texts));
  ASSERT_EQ(rows.size(), 2u);
  ASSERT_EQ(logits.size(), 2u);
  EXPECT_EQ(rows[0]["label"], "food");
  EXPECT_EQ(rows[1]["label"], "traffic");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(logits[i]["label"], rows[i]["label"]);
    const double a = logits[i]["logits"]["food"], b = logits[i]["logits"]["traffic"];
    // Printed with the digits of float32.
    EXPECT_NEAR(rows[i]["probabilities"]["food"].get<double>(), 1 / (1 + std::exp(b - a)), 1e-6);
    EXPECT_NEAR(rows[i]["probabilities"]["traffic"].get<double>(), 1 / (1 + std::exp(a - b)), 1e-6);
  }
}

TEST_F(TaskCommandsTest, TheSameSeedGivesTheSameFiles) {
  const std::string command = "adapt --steps=5 --batch_size=2 --backbone=../tiny --train=" + train_;
  MustRun(command + " --seed=3 --out=one");
  MustRun(command + " --seed=3 --out=two");
  MustRun(command + " --seed=4 --out=other");
  const auto parameters = [&](const std::string& name) {
    const absl::StatusOr<std::string> contents = ReadFile(Path("work/" + name + "/parameters.safetensors"), 1 << 20);
    EXPECT_THAT(contents, IsOk());
    return *contents;
  };
  EXPECT_EQ(parameters("one"), parameters("two"));
  EXPECT_NE(parameters("one"), parameters("other"));
  const absl::StatusOr<json> task = LoadJson(Path("work/one/task.json"));
  ASSERT_THAT(task, IsOk());
  EXPECT_THAT((*task)["labels"].get<std::vector<std::string>>(), ElementsAre("a", "b", "c"));
  EXPECT_EQ((*task)["backbone"]["folder"], "../tiny");
  EXPECT_EQ((*task)["max_tokens"], 32);
  // Moved away, the encoder can be named.
  std::filesystem::rename(Path("tiny"), Path("moved"));
  const Outcome outcome = Run("predict --task=one --input=" + input_);
  EXPECT_EQ(outcome.exit_code, 66);
  EXPECT_THAT(outcome.error, HasSubstr("one/task.json: backbone.folder: there is no ../tiny; --backbone=DIR says"));
  EXPECT_EQ(Rows(MustRun("predict --task=one --backbone=../moved --input=" + input_)).size(), 3u);
}

// Out and in again: the same logits, to the last digit, with options and without.
TEST_F(TaskCommandsTest, ExportAndImport) {
  const struct {
    std::string method, options, format;
  } kCases[] = {
      {"lora", "", "peft"},
      {"lora", "lora_rank=3,lora_alpha=1.5,lora_targets=key,output,head=tanh", "peft"},
      {"prompt_tuning", "prompt_tokens=3", "peft"},
      {"prompt_tuning", "prompt_tokens=4,head=tanh", "peft"},
      {"adapter_tuning", "", "adapterhub"},
      {"adapter_tuning", "bottleneck_dim=7,activation=gelu,head=tanh", "adapterhub"},
  };
  int number = 0;
  for (const auto& c : kCases) {
    const std::string name = absl::StrCat(c.method, " ", c.options), task = absl::StrCat("task", ++number);
    const bool native = absl::StrContains(c.options, "head=tanh");
    MustRun(absl::StrCat("adapt --steps=3 --backbone=../tiny --train=", train_, " --method=", c.method,
                         " --options=", c.options, " --out=", task));
    const std::string want = MustRun(absl::StrCat("predict --logits --task=", task, " --input=", input_));
    const std::string told =
        MustRun(absl::StrCat("export --task=", task, " --format=", c.format, " --out=", task, ".out"));
    EXPECT_THAT(told, HasSubstr(native ? "the head is the library's own" : "it is in head.safetensors")) << name;
    const std::set<std::string> names = Names("work/" + task + ".out");
    EXPECT_EQ(names.count("README.md") + names.count("adapter_config.json"), 2u) << name;
    EXPECT_EQ(names.count("head.safetensors"), native ? 0u : 1u) << name;
    MustRun(absl::StrCat("import --backbone=../tiny --from=", task, ".out --out=", task, ".in"));
    EXPECT_EQ(MustRun(absl::StrCat("predict --logits --task=", task, ".in --input=", input_)), want) << name;
  }
  // What the library saved, under names of our own.
  MustRun("import --backbone=../tiny --labels=x,y,z --from=" + JoinPath(testdata_, "peft_lora") + " --out=imported");
  EXPECT_THAT(MustRun("predict --task=imported --input=" + input_), HasSubstr("{\"x\": "));
}

TEST_F(TaskCommandsTest, PairsApartAndMetaLearnedStarts) {
  const std::string train = Make("pairs.jsonl",
                                 "{\"text\": \"w5 w6\", \"text_pair\": \"w7\", \"label\": \"same\"}\n"
                                 "{\"text\": \"w8\", \"text_pair\": \"w9 w10\", \"label\": \"other\"}\n");
  const std::string pair = Make("pair", "w5\tw6\n");
  MustRun("adapt --steps=2 --encoding=pair_apart --backbone=../tiny --out=apart --train=" + train);
  EXPECT_THAT(MustRun("predict --task=apart --input=" + pair), StartsWith("{\"label\": "));
  const Outcome single = Run("predict --task=apart --input=" + Make("single", "w5\tw6\nw5\n"));
  EXPECT_EQ(single.exit_code, 65);
  EXPECT_THAT(single.error, HasSubstr("single:2: one text, but the task encodes the two of a pair apart"));
  EXPECT_EQ(single.out, "");
  const Outcome exported = Run("export --task=apart --format=adapterhub --out=x");
  EXPECT_EQ(exported.exit_code, 64);
  EXPECT_THAT(exported.error, HasSubstr("encodes pairs apart"));

  // A state of the right size; meta-training is another program's.
  int64_t size = 0;
  const std::vector<json> counts =
      Rows(absl::StrReplaceAll(MustRun("params --json --backbone=../tiny"), {{"\n", " "}}));
  ASSERT_EQ(counts.size(), 1u);
  for (const json& row : counts[0]["methods"]) {
    if (row["method"] == "gbmoa" && row["options"]["hypernetwork"] == "shared") size = row["meta"];
  }
  ASSERT_GT(size, 0);
  std::vector<float> psi(size);
  for (int64_t i = 0; i < size; ++i) psi[i] = 0.05f * static_cast<float>(std::sin(static_cast<double>(i)));
  ASSERT_THAT(WriteSafetensors(
                  Path("psi.safetensors"),
                  {{"meta_parameters", SafetensorsDtype::kFloat32, {size}, AsBytes<float>(absl::MakeConstSpan(psi))}}),
              IsOk());
  const std::string out =
      MustRun("adapt --meta=../psi.safetensors --steps=2 --backbone=../tiny --out=task --train=" + train_);
  EXPECT_THAT(out, StartsWith("{\"method\": \"gbmoa\""));
  // Its adapters are adapters like any others.
  const std::string want = MustRun("predict --logits --task=task --input=" + input_);
  MustRun("export --task=task --format=adapterhub --out=out");
  MustRun("import --backbone=../tiny --from=out --out=in");
  EXPECT_EQ(MustRun("predict --logits --task=in --input=" + input_), want);
}

TEST_F(TaskCommandsTest, ErrorsNameTheirCauseAndLeaveNothing) {
  // Two good tasks to start from.
  MustRun("adapt --steps=0 --backbone=../tiny --out=../task --train=" + train_);
  MustRun("adapt --steps=0 --method=full_finetuning --backbone=../tiny --out=../full --train=" + train_);
  const auto changed_task = [&](const std::string& name, const std::string& from, const std::string& to) {
    std::filesystem::copy(Path("task"), Path(name));
    const absl::StatusOr<std::string> text = ReadFile(Path("task/task.json"), 1 << 20);
    EXPECT_THAT(text, IsOk());
    EXPECT_THAT(*text, HasSubstr(from));
    Make(name + "/task.json", absl::StrReplaceAll(*text, {{from, to}}));
    return "../" + name;
  };
  std::filesystem::copy(Path("tiny"), Path("tiny2"));
  const absl::StatusOr<SafetensorsFile> weights = SafetensorsFile::Open(Path("tiny/model.safetensors"));
  ASSERT_THAT(weights, IsOk());
  std::vector<SafetensorsEntry> entries;
  for (const SafetensorsView& view : weights->tensors()) {
    entries.push_back({std::string(view.name), view.dtype, {view.shape.begin(), view.shape.end()}, view.data});
  }
  ASSERT_THAT(WriteSafetensors(Path("tiny2/model.safetensors"), entries, {{"another", "header"}}), IsOk());
  // Words in another order, and numbers that run over.
  std::filesystem::copy(Path("tiny"), Path("tiny3"));
  const absl::StatusOr<std::string> words = ReadFile(Path("tiny/vocab.txt"), 1 << 20);
  ASSERT_THAT(words, IsOk());
  Make("tiny3/vocab.txt", absl::StrReplaceAll(*words, {{"w5\n", "w6\n"}, {"w6\n", "w5\n"}}));
  std::filesystem::copy(Path("task"), Path("hot"));
  const absl::StatusOr<SafetensorsFile> parameters = SafetensorsFile::Open(Path("task/parameters.safetensors"));
  ASSERT_THAT(parameters, IsOk());
  std::vector<SafetensorsEntry> hot;
  std::vector<std::vector<float>> large;
  for (const SafetensorsView& view : parameters->tensors()) {
    large.emplace_back(view.num_elements(), 3e38f);
    hot.push_back({std::string(view.name), view.dtype, {view.shape.begin(), view.shape.end()}, {}});
  }
  for (size_t i = 0; i < hot.size(); ++i) hot[i].data = AsBytes<float>(absl::MakeConstSpan(large[i]));
  ASSERT_THAT(WriteSafetensors(Path("hot/parameters.safetensors"), hot), IsOk());
  Make("full.txt", "");
  const std::string adapt = "adapt --steps=1 --backbone=../tiny --out=x --train=" + train_;
  const std::string latin1 = Make("latin1.tsv", "a\tb\nna\xefve\tc\n");
  const std::string lora = JoinPath(testdata_, "peft_lora");
  const struct {
    std::string arguments;
    int exit_code;
    std::string message;
  } kCases[] = {
      {"adapt --out=x", 64, "gbmoa adapt: --train: is missing"},
      {"adapt --train=" + train_, 64, "gbmoa adapt: --out: is missing"},
      {adapt + " --method=magic", 64, "--method: unknown name 'magic'; known: adapter_tuning, "},
      {adapt + " --options=bottleneck_dim", 64, "--options: 'bottleneck_dim': wanted name=value"},
      {adapt + " --options=bottleneck_dim=1,bottleneck_dim=2", 64, "--options: bottleneck_dim comes twice"},
      {adapt + " --options=bottleneck=2", 64, "--options: unknown option bottleneck = '2'"},
      {adapt + " --options=bottleneck_dim=two", 64, "--options: option bottleneck_dim = 'two'"},
      {adapt + " --steps=-1", 64, "--steps: -1 is not in 0 to"},
      {adapt + " --batch_size=-1", 64, "--batch_size: -1 is below 0"},
      {adapt + " --encoding=diagonal", 64, "--encoding: unknown encoding 'diagonal'"},
      {adapt + " --encoding=pair_apart", 65, "train.tsv:1:10: one text, but the task encodes the two of a pair apart"},
      {adapt + " --max_tokens=40", 64, "--max_tokens: 40 is not in 3 to 32"},
      {adapt + " --method=prompt_tuning --options=prompt_tokens=5 --max_tokens=30", 64,
       "--max_tokens: 30 and the prompt's 5 are more than the 32"},
      {adapt + " --method=gbmoa", 64, "--meta: is missing; gbmoa adapts from a meta-trained state"},
      {adapt + " --method=lora --meta=x", 64, "--meta: lora does not meta-learn"},
      {adapt + " --meta=none", 66, "none: cannot open: No such file or directory"},
      {adapt + " --meta=../tiny/model.safetensors", 65, "wanted a float32 tensor meta_parameters"},
      {adapt + " --train=none.tsv", 66, "gbmoa adapt: none.tsv: cannot open"},
      {adapt + " --train=" + input_, 64, "wanted a name that ends in .tsv"},
      {adapt + " --train=" + latin1, 65, latin1 + ":2:3: not UTF-8"},
      {adapt + " --train=" + Make("one.tsv", "a\tx\nb\tx\n"), 65, "all examples have the label 'x'"},
      {adapt + " --backbone=none", 66, "none/config.json: cannot open"},
      {adapt + " --out=none/x", 74, "gbmoa adapt: none/x: cannot write: No such file or directory"},
      {adapt + " --out=../tiny", 64, "gbmoa adapt: ../tiny: exists already"},
      {adapt + " --out=../full.txt", 64, "gbmoa adapt: ../full.txt: exists already"},
      {"predict --input=" + input_, 64, "gbmoa predict: --task: is missing"},
      {"predict --task=../task", 64, "gbmoa predict: --input: is missing"},
      {"predict --task=none --input=" + input_, 66, "gbmoa predict: none/task.json: cannot open"},
      {"predict --task=../task --input=none", 66, "gbmoa predict: none: cannot open"},
      {"predict --task=../task --input=" + latin1, 65, latin1 + ":2:3: not UTF-8"},
      {"predict --task=../task --backbone=../tiny2 --input=" + input_, 64,
       "../tiny2: not the backbone 'tiny' that the task was adapted on: weights_sha256 is "},
      {"predict --task=../task --backbone=../tiny3 --input=" + input_, 64,
       "../tiny3: not the backbone 'tiny' that the task was adapted on: tokenizer_sha256 is "},
      {"predict --task=../hot --input=" + input_, 77, "in:1: the task's numbers run over: a logit is not finite"},
      {"evaluate --task=../hot --input=" + train_, 77, "train.tsv:1:10: the task's numbers run over"},
      {"predict --task=" + changed_task("task2", "\"format\": 1", "\"format\": 7") + " --input=" + input_, 64,
       "../task2/task.json: format: 7 is unknown"},
      {"predict --task=" + changed_task("task3", "\"a\",", "") + " --input=" + input_, 64, "../task3: "},
      {"predict --task=" + changed_task("task4", "adapter_tuning", "magic") + " --input=" + input_, 64,
       "../task4/task.json: unknown name 'magic'"},
      {"predict --task=" + changed_task("task5", ": 32", ": 33") + " --input=" + input_, 64,
       "../task5/task.json: --max_tokens: 33 is not in 3 to 32"},
      {"evaluate --task=../task --input=" + Make("e.tsv", "w5\ta\nw6\tz\n"), 65,
       "e.tsv:2:4: 'z' is none of the task's labels: a, b, c"},
      {"evaluate --task=../task --input=" + input_, 64, "wanted a name that ends in .tsv"},
      {"export --task=../task --out=x", 64, "--format: is missing; known: adapterhub, peft"},
      {"export --task=../task --format=adapterhub", 64, "gbmoa export: --out: is missing"},
      {"export --task=../task --format=onnx --out=x", 64, "--format: unknown name 'onnx'"},
      {"export --task=../task --format=peft --out=x", 64, "takes lora and prompt_tuning, the task's method is adapter"},
      {"export --task=../full --format=adapterhub --out=x", 64, "takes bottleneck adapters (adapter_tuning, gbmoa)"},
      {"export --task=../task --format=adapterhub --out=../tiny", 64, "../tiny: exists already"},
      {"import --out=x", 64, "gbmoa import: --from: is missing"},
      {"import --from=" + lora, 64, "gbmoa import: --out: is missing"},
      {"import --backbone=../tiny --from=none --out=x", 66, "none/adapter_config.json: cannot open"},
      {"import --backbone=../tiny --labels=a,b --from=" + lora + " --out=x", 64, "2 labels for the 3 classes"},
      // The bundled encoder is another one.
      {"import --from=" + lora + " --out=x", 65, "is missing; "},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = Run(c.arguments);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.arguments << "\n" << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
    EXPECT_THAT(Names("work"), IsEmpty()) << c.arguments;
  }
  // The disk is full.
  const Outcome full = Run("adapt --steps=0 --backbone=../tiny --out=x --train=" + train_, "ulimit -f 1; ");
  EXPECT_EQ(full.exit_code, 74) << full.error;
  EXPECT_THAT(full.error, HasSubstr("cannot write: File too large"));
  EXPECT_THAT(Names("work"), IsEmpty());
}

}  // namespace
}  // namespace gbmoa
