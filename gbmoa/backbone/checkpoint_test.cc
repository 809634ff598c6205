#include "gbmoa/backbone/checkpoint.h"

#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/checkpoint_files.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/torch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

BackboneConfig TinyConfig() {
  BackboneConfig config;
  config.set_family(BackboneConfig::BERT);
  config.set_activation(BackboneConfig::GELU);
  config.set_vocab_size(7);
  config.set_hidden_size(4);
  config.set_num_hidden_layers(2);
  config.set_num_attention_heads(2);
  config.set_intermediate_size(6);
  config.set_max_position_embeddings(5);
  config.set_type_vocab_size(2);
  config.set_layer_norm_eps(1e-12);
  return config;
}

// A checkpoint as a map, to be changed and written.
using Checkpoint = std::map<std::string, at::Tensor>;

Checkpoint TinyCheckpoint(const std::string& prefix) {
  EncoderWeights weights = RandomEncoderWeights(TinyConfig(), 1);
  Checkpoint checkpoint;
  ForEachTensor(weights, [&](const std::string& name, at::Tensor& tensor) { checkpoint[prefix + name] = tensor; });
  return checkpoint;
}

std::string MakeFolder() {
  std::string folder = absl::StrCat(::testing::TempDir(), "/checkpointXXXXXX");
  EXPECT_NE(mkdtemp(&folder[0]), nullptr);
  return folder;
}

void WriteFile(const std::string& path, const Checkpoint& checkpoint) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, tensor] : checkpoint) {
    const std::map<at::ScalarType, SafetensorsDtype> kTypes = {{at::kFloat, SafetensorsDtype::kFloat32},
                                                               {at::kHalf, SafetensorsDtype::kFloat16},
                                                               {at::kBFloat16, SafetensorsDtype::kBfloat16},
                                                               {at::kDouble, SafetensorsDtype::kFloat64},
                                                               {at::kLong, SafetensorsDtype::kInt64}};
    CHECK(tensor.is_contiguous());
    entries.push_back({name, kTypes.at(tensor.scalar_type()), tensor.sizes().vec(),
                       absl::MakeConstSpan(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes())});
  }
  EXPECT_THAT(WriteSafetensors(path, entries), IsOk());
}

std::string Write(const Checkpoint& checkpoint) {
  const std::string folder = MakeFolder();
  WriteFile(JoinPath(folder, "model.safetensors"), checkpoint);
  return folder;
}

// The checkpoint in two files, every other tensor in the second, with the index that transformers writes.
struct Shards {
  Checkpoint files[2];
  std::map<std::string, std::string> weight_map;

  static std::string Name(int i) { return absl::StrCat("model-0000", i + 1, "-of-00002.safetensors"); }

  explicit Shards(const Checkpoint& checkpoint) {
    int i = 0;
    for (const auto& [name, tensor] : checkpoint) {
      files[i % 2][name] = tensor;
      weight_map[name] = Name(i++ % 2);
    }
  }

  std::string Write() const {
    const std::string folder = MakeFolder();
    for (int i = 0; i < 2; ++i) WriteFile(JoinPath(folder, Name(i)), files[i]);
    const nlohmann::json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}};
    EXPECT_THAT(WriteFileAtomically(JoinPath(folder, "model.safetensors.index.json"), index.dump(2)), IsOk());
    return folder;
  }
};

void ExpectEqual(EncoderWeights got, EncoderWeights want, double tolerance) {
  std::map<std::string, at::Tensor> wanted;
  ForEachTensor(want, [&](const std::string& name, at::Tensor& tensor) { wanted[name] = tensor; });
  ForEachTensor(got, [&](const std::string& name, at::Tensor& tensor) {
    ASSERT_EQ(tensor.scalar_type(), at::kFloat) << name;
    ASSERT_EQ(tensor.sizes(), wanted.at(name).sizes()) << name;
    EXPECT_LE((tensor - wanted.at(name)).abs().max().item<double>(), tolerance) << name;
  });
}

TEST(CheckpointTest, Prefixes) {
  const struct {
    BackboneConfig::Family family;
    std::string prefix, error;
  } kCases[] = {
      {BackboneConfig::BERT, "", ""},
      {BackboneConfig::BERT, "bert.", ""},
      {BackboneConfig::ROBERTA, "", ""},
      {BackboneConfig::ROBERTA, "roberta.", ""},
      // The families count positions differently, so these would load and be wrong.
      {BackboneConfig::BERT, "roberta.", "begin with 'roberta.', those of the configuration's family with 'bert.'"},
      {BackboneConfig::ROBERTA, "bert.", "begin with 'bert.', those of the configuration's family with 'roberta.'"},
      {BackboneConfig::BERT, "model.bert.", "embeddings.word_embeddings.weight is missing"},
  };
  for (const auto& c : kCases) {
    BackboneConfig config = TinyConfig();
    config.set_family(c.family);
    std::vector<std::string> unused;
    const absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(Write(TinyCheckpoint(c.prefix)), config, &unused);
    if (!c.error.empty()) {
      EXPECT_THAT(weights, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(c.error)));
      continue;
    }
    ASSERT_THAT(weights, IsOk()) << c.prefix;
    EXPECT_THAT(unused, IsEmpty());
    ExpectEqual(*weights, RandomEncoderWeights(TinyConfig(), 1), 0);
  }
}

TEST(CheckpointTest, Shards) {
  Checkpoint checkpoint = TinyCheckpoint("bert.");
  checkpoint["cls.predictions.bias"] = at::ones({7});
  checkpoint["bert.pooler.dense.bias"] = at::ones({4});
  const std::string folder = Shards(checkpoint).Write();
  std::vector<std::string> unused;
  const absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(folder, TinyConfig(), &unused);
  ASSERT_THAT(weights, IsOk());
  ExpectEqual(*weights, RandomEncoderWeights(TinyConfig(), 1), 0);
  EXPECT_THAT(unused, ElementsAre("bert.pooler.dense.bias", "cls.predictions.bias"));
  // Where there is a model.safetensors, that is the one.
  Checkpoint other = TinyCheckpoint("");
  other["extra"] = at::ones({1});
  WriteFile(JoinPath(folder, "model.safetensors"), other);
  ASSERT_THAT(LoadEncoderWeights(folder, TinyConfig(), &unused), IsOk());
  EXPECT_THAT(unused, ElementsAre("extra"));
}

TEST(CheckpointTest, WrongShards) {
  const auto kBad = absl::StatusCode::kDataLoss;
  const std::string query = "encoder.layer.0.attention.self.query.weight", first = Shards::Name(0),
                    second = Shards::Name(1);
  const struct {
    std::string name;
    std::function<void(Shards*)> change;
    absl::StatusCode code;
    std::vector<std::string> messages;
  } kCases[] = {
      {"shard missing",
       [&](Shards* s) { s->weight_map[query] = "other.safetensors"; },
       absl::StatusCode::kNotFound,
       {"model.safetensors.index.json: weight_map has '" + query + "' in other.safetensors: ",
        "/other.safetensors: cannot open: No such file"}},
      {"in other shards than the map says",
       [&](Shards* s) {
         s->weight_map["encoder.layer.0.output.dense.bias"] = first;
         s->weight_map["encoder.layer.0.output.dense.weight"] = first;
         s->files[0].erase("encoder.layer.0.output.dense.bias");
         s->files[0].erase("encoder.layer.0.output.dense.weight");
       },
       kBad,
       {"model.safetensors.index.json: weight_map: ", "'encoder.layer.0.output.dense.bias' is not in " + first,
        "'encoder.layer.0.output.dense.weight' is not in " + first}},
      {"in two shards",
       [&](Shards* s) {
         s->files[0][query] = s->files[1][query] = at::ones({4, 4});
       },
       kBad,
       {"/" + second + ": tensor '" + query + "' is in another shard, too"}},
      {"a path out of the folder",
       [&](Shards* s) { s->weight_map[query] = "../model.safetensors"; },
       kBad,
       {"weight_map: '" + query + "': wanted the name of a file in this folder, got \"../model.safetensors\""}},
      {"an absolute path", [&](Shards* s) { s->weight_map[query] = "/dev/zero"; }, kBad, {"got \"/dev/zero\""}},
      {"the folder", [&](Shards* s) { s->weight_map[query] = ".."; }, kBad, {"got \"..\""}},
      {"a NUL", [&](Shards* s) { s->weight_map[query] = std::string("a\0b", 3); }, kBad, {"got \"a\\u0000b\""}},
      {"no name", [&](Shards* s) { s->weight_map[query] = ""; }, kBad, {"got \"\""}},
      {"a mismatch in each shard",
       [&](Shards* s) {
         for (Checkpoint& file : s->files) {
           for (auto& [name, tensor] : file) {
             if (name == query || name == "embeddings.LayerNorm.bias") tensor = at::ones({3});
           }
         }
       },
       kBad,
       {"model.safetensors.index.json: does not fit: ", query + " is [3], the configuration wants [4, 4]",
        "embeddings.LayerNorm.bias is [3], the configuration wants [4]"}},
  };
  for (const auto& c : kCases) {
    Shards shards(TinyCheckpoint(""));
    c.change(&shards);
    const absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(shards.Write(), TinyConfig());
    for (const std::string& message : c.messages) {
      EXPECT_THAT(weights, StatusIs(c.code, HasSubstr(message))) << c.name;
    }
  }
  for (const std::string index : {"[]", "{}", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}", "{",
                                  "{\"weight_map\": {\"a\": \"b\", \"a\": \"c\"}}"}) {
    const std::string folder = MakeFolder(), path = JoinPath(folder, "model.safetensors.index.json");
    ASSERT_THAT(WriteFileAtomically(path, index), IsOk());
    EXPECT_THAT(LoadEncoderWeights(folder, TinyConfig()), StatusIs(kBad, HasSubstr(path + ":"))) << index;
  }
}

// The file's pages are given back, so that the file and its copy are never in memory together.
TEST(CheckpointTest, LoadingCostsOneCopyInMemory) {
  BackboneConfig config = TinyConfig();
  config.set_vocab_size(30000);
  config.set_hidden_size(256);
  config.set_intermediate_size(1024);
  config.set_num_hidden_layers(20);
  const at::Tensor numbers = at::full({30000 * 256}, 0.5f);
  Checkpoint checkpoint;
  ForEachShape(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (const int64_t extent : shape) size *= extent;
    checkpoint[name] = numbers.narrow(0, 0, size).view(shape);
  });
  const std::string folder = Write(checkpoint);
  const double bytes = 4.0 * static_cast<double>(CountParameters(config));  // 94 MB, of which 31 are the words
  if (!ResetPeakResident()) GTEST_SKIP() << "this kernel does not reset the peak";
  const int64_t before = ResidentBytes();
  ASSERT_THAT(LoadEncoderWeights(folder, config), IsOk());
  const double growth = static_cast<double>(PeakResidentBytes() - before);
  // The largest tensor is there twice for a moment, as file and copy, but it comes first.
  EXPECT_LT(growth, 1.25 * bytes);
  ASSERT_EQ(system(absl::StrCat("rm -r ", folder).c_str()), 0);
}

TEST(CheckpointTest, OldLayerNormNames) {
  Checkpoint old;
  for (const auto& [name, tensor] : TinyCheckpoint("bert.")) {
    old[absl::StrReplaceAll(name, {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}})] =
        tensor;
  }
  ASSERT_EQ(old.count("bert.embeddings.LayerNorm.gamma"), 1u);
  const absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(Write(old), TinyConfig());
  ASSERT_THAT(weights, IsOk());
  ExpectEqual(*weights, RandomEncoderWeights(TinyConfig(), 1), 0);
}

TEST(CheckpointTest, OtherTypes) {
  const struct {
    at::ScalarType type;
    double tolerance;  // half a unit in the last place of numbers up to 2
  } kCases[] = {{at::kHalf, std::ldexp(1, -11)}, {at::kBFloat16, std::ldexp(1, -8)}, {at::kDouble, 0}};
  for (const auto& c : kCases) {
    Checkpoint checkpoint = TinyCheckpoint("");
    for (auto& [name, tensor] : checkpoint) tensor = tensor.to(c.type);
    const absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(Write(checkpoint), TinyConfig());
    ASSERT_THAT(weights, IsOk());
    ExpectEqual(*weights, RandomEncoderWeights(TinyConfig(), 1), c.tolerance);
  }
}

TEST(CheckpointTest, ReportsUnusedTensors) {
  Checkpoint checkpoint = TinyCheckpoint("bert.");
  checkpoint["bert.pooler.dense.weight"] = at::ones({4, 4});
  checkpoint["bert.embeddings.position_ids"] = at::arange(5);
  checkpoint["cls.predictions.decoder.weight"] = checkpoint["bert.embeddings.word_embeddings.weight"];  // a tied head
  checkpoint["cls.predictions.bias"] =
      at::full({7}, std::numeric_limits<float>::quiet_NaN());  // not ours, may be anything
  std::vector<std::string> unused;
  ASSERT_THAT(LoadEncoderWeights(Write(checkpoint), TinyConfig(), &unused), IsOk());
  EXPECT_THAT(unused, ElementsAre("bert.embeddings.position_ids", "bert.pooler.dense.weight", "cls.predictions.bias",
                                  "cls.predictions.decoder.weight"));
}

TEST(CheckpointTest, TellsAllThatIsWrongAtOnce) {
  Checkpoint checkpoint = TinyCheckpoint("bert.");
  checkpoint.erase("bert.encoder.layer.1.output.LayerNorm.bias");
  checkpoint.erase("bert.embeddings.token_type_embeddings.weight");
  // A matrix that somebody has transposed.
  auto& dense = checkpoint["bert.encoder.layer.0.intermediate.dense.weight"];
  dense = dense.t().contiguous();
  checkpoint["bert.encoder.layer.0.output.dense.bias"] = at::zeros({4}, at::kLong);
  checkpoint["bert.encoder.layer.0.attention.self.key.bias"][2] = std::numeric_limits<float>::quiet_NaN();
  checkpoint["bert.encoder.layer.1.attention.self.key.weight"][1][3] = -std::numeric_limits<float>::infinity();
  const std::string folder = Write(checkpoint);
  EXPECT_THAT(
      LoadEncoderWeights(folder, TinyConfig()),
      StatusIs(
          absl::StatusCode::kDataLoss,
          AllOf(HasSubstr(folder + "/model.safetensors: does not fit: "),
                HasSubstr("bert.encoder.layer.1.output.LayerNorm.bias is missing"),
                HasSubstr("bert.embeddings.token_type_embeddings.weight is missing"),
                HasSubstr("bert.encoder.layer.0.intermediate.dense.weight is [4, 6], the configuration wants [6, 4] "
                          "(transposed?)"),
                HasSubstr("bert.encoder.layer.0.output.dense.bias has type I64"),
                HasSubstr("bert.encoder.layer.0.attention.self.key.bias holds NaN or infinity"),
                HasSubstr("bert.encoder.layer.1.attention.self.key.weight holds NaN or infinity"),
                Not(HasSubstr("query")))));
}

// The prefix is known from the others.
TEST(CheckpointTest, LacksOnlyTheWordEmbeddings) {
  Checkpoint checkpoint = TinyCheckpoint("bert.");
  checkpoint.erase("bert.embeddings.word_embeddings.weight");
  const std::string folder = Write(checkpoint);
  EXPECT_THAT(LoadEncoderWeights(folder, TinyConfig()),
              StatusIs(absl::StatusCode::kDataLoss,
                       absl::StrCat(folder,
                                    "/model.safetensors: does not fit: bert.embeddings.word_embeddings.weight "
                                    "is missing")));
}

TEST(CheckpointTest, HashesEveryShard) {
  const std::string folder = Shards(TinyCheckpoint("bert.")).Write();
  const absl::StatusOr<std::string> hash = HashCheckpoint(folder);
  ASSERT_THAT(hash, IsOk());
  EXPECT_EQ(hash->size(), 64);
  for (const int i : {0, 1}) {
    const std::string path = JoinPath(folder, Shards::Name(i));
    const absl::StatusOr<std::string> good = ReadFile(path, 1 << 20);
    ASSERT_THAT(good, IsOk());
    std::string changed = *good;
    changed.back() ^= 1;
    ASSERT_THAT(WriteFileAtomically(path, changed), IsOk());
    EXPECT_THAT(HashCheckpoint(folder), IsOkAndHolds(::testing::Ne(*hash)));
    ASSERT_THAT(WriteFileAtomically(path, *good), IsOk());
    EXPECT_THAT(HashCheckpoint(folder), IsOkAndHolds(*hash));
  }
  std::filesystem::remove(JoinPath(folder, Shards::Name(1)));
  EXPECT_THAT(HashCheckpoint(folder), StatusIs(absl::StatusCode::kNotFound, HasSubstr(Shards::Name(1))));
}

TEST(CheckpointTest, WrongConfiguration) {
  const std::string folder = Write(TinyCheckpoint(""));
  const struct {
    std::string name;
    std::function<void(BackboneConfig*)> change;
    std::string message;
  } kCases[] = {
      {"vocabulary", [](BackboneConfig* c) { c->set_vocab_size(8); },
       "embeddings.word_embeddings.weight is [7, 4], the configuration wants [8, 4]"},
      {"width", [](BackboneConfig* c) { c->set_hidden_size(8); },
       "encoder.layer.1.output.dense.weight is [4, 6], the configuration wants [8, 6]"},
      {"positions", [](BackboneConfig* c) { c->set_max_position_embeddings(4); },
       "embeddings.position_embeddings.weight is [5, 4]"},
      {"layers", [](BackboneConfig* c) { c->set_num_hidden_layers(3); },
       "encoder.layer.2.attention.self.query.weight is missing"},
  };
  for (const auto& c : kCases) {
    BackboneConfig config = TinyConfig();
    c.change(&config);
    EXPECT_THAT(LoadEncoderWeights(folder, config), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(c.message)))
        << c.name;
  }
  // Another width does not fit anywhere, and every tensor is named.
  BackboneConfig wider = TinyConfig();
  wider.set_hidden_size(8);
  wider.set_intermediate_size(16);
  const absl::StatusOr<EncoderWeights> nothing_fits = LoadEncoderWeights(folder, wider);
  ForEachShape(wider, [&](const std::string& name, const std::vector<int64_t>&) {
    EXPECT_THAT(nothing_fits, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name + " is [")));
  });
  EXPECT_THAT(LoadEncoderWeights("/nowhere", TinyConfig()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/model.safetensors")));
}

TEST(CheckpointTest, MiniLm) {
  const absl::StatusOr<std::string> folder = BundledBackboneFolder();
  ASSERT_THAT(folder, IsOk());
  const absl::StatusOr<BackboneConfig> config = ReadBackboneConfig(*folder);
  ASSERT_THAT(config, IsOk());
  std::vector<std::string> unused;
  absl::StatusOr<EncoderWeights> weights = LoadEncoderWeights(*folder, *config, &unused);
  ASSERT_THAT(weights, IsOk());
  int64_t count = 0;
  ForEachTensor(*weights, [&](const std::string&, at::Tensor& tensor) { count += tensor.numel(); });
  // (30522 + 512 + 2 + 2) 384 + 6 (4 (384² + 384) + 2 · 384 · 1536 + 1536 + 384 + 4 · 384)
  EXPECT_EQ(count, 22'565'376);
  EXPECT_THAT(unused, ElementsAre("embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"));
}

TEST(RandomWeightsTest, AreAFunctionOfTheSeed) {
  const EncoderWeights a = RandomEncoderWeights(TinyConfig(), 1), b = RandomEncoderWeights(TinyConfig(), 1);
  ExpectEqual(a, b, 0);
  const EncoderWeights c = RandomEncoderWeights(TinyConfig(), 2);
  EXPECT_FALSE(at::equal(a.word_embeddings, c.word_embeddings));
  EXPECT_FALSE(at::equal(a.layers[0].query.weight, a.layers[1].query.weight));
  const EncoderWeights d = RandomEncoderWeights(TinyConfig(), 1, at::kDouble);
  EXPECT_EQ(d.word_embeddings.scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(d.word_embeddings.to(at::kFloat), a.word_embeddings));
  // 7 · 4 numbers of standard deviation 0.02 around 0, and 4 around 1: beyond 6 of them lies one in 5e8.
  EXPECT_LT(a.word_embeddings.abs().max().item<double>(), 0.12);
  EXPECT_LT((a.embedding_norm.weight - 1).abs().max().item<double>(), 0.12);
  EXPECT_GT(a.layers[0].query.bias.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace gbmoa
