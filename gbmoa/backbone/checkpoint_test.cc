#include "gbmoa/backbone/checkpoint.h"

#include <stdlib.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/file.h"
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

std::string Write(const Checkpoint& checkpoint) {
  std::string folder = absl::StrCat(::testing::TempDir(), "/checkpointXXXXXX");
  EXPECT_NE(mkdtemp(&folder[0]), nullptr);
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
  EXPECT_THAT(WriteSafetensors(JoinPath(folder, "model.safetensors"), entries), IsOk());
  return folder;
}

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
  for (const std::string prefix : {"", "bert.", "roberta."}) {
    std::vector<std::string> unused;
    const absl::StatusOr<EncoderWeights> weights =
        LoadEncoderWeights(Write(TinyCheckpoint(prefix)), TinyConfig(), &unused);
    ASSERT_THAT(weights, IsOk()) << prefix;
    EXPECT_THAT(unused, IsEmpty());
    ExpectEqual(*weights, RandomEncoderWeights(TinyConfig(), 1), 0);
  }
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
  checkpoint["cls.predictions.bias"] =
      at::full({7}, std::numeric_limits<float>::quiet_NaN());  // not ours, may be anything
  std::vector<std::string> unused;
  ASSERT_THAT(LoadEncoderWeights(Write(checkpoint), TinyConfig(), &unused), IsOk());
  EXPECT_THAT(unused, ElementsAre("bert.embeddings.position_ids", "bert.pooler.dense.weight", "cls.predictions.bias"));
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
                HasSubstr("bert.encoder.layer.0.intermediate.dense.weight is [4, 6], the configuration wants [6, 4]"),
                HasSubstr("bert.encoder.layer.0.output.dense.bias has type I64"),
                HasSubstr("bert.encoder.layer.0.attention.self.key.bias holds NaN or infinity"),
                HasSubstr("bert.encoder.layer.1.attention.self.key.weight holds NaN or infinity"),
                Not(HasSubstr("query")))));
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
