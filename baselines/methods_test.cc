// What each learner does to the encoder, in float64 against a forward pass that is written out here, and how many
// numbers it trains.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gbmoa/backbone/random_weights.h"
#include "gbmoa/base/tensor_testing.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/finetuning_learner.h"

namespace gbmoa {
namespace {

using testing::HasSubstr;

BackboneConfig Config(int vocab, int width, int layers, int heads, int intermediate, int positions, int types) {
  BackboneConfig config;
  config.set_name("test");
  config.set_family(BackboneConfig::BERT);
  config.set_vocab_size(vocab);
  config.set_hidden_size(width);
  config.set_num_hidden_layers(layers);
  config.set_num_attention_heads(heads);
  config.set_intermediate_size(intermediate);
  config.set_max_position_embeddings(positions);
  config.set_type_vocab_size(types);
  config.set_layer_norm_eps(1e-5);
  config.set_activation(BackboneConfig::GELU);
  return config;
}

const BackboneConfig& TinyConfig() {
  static const BackboneConfig* config = new BackboneConfig(Config(40, 8, 2, 2, 12, 16, 2));
  return *config;
}

EncoderWeights TinyWeights() { return LivelyEncoderWeights(TinyConfig(), 1, at::kDouble); }

// What a method changes, for the forward pass below.
struct Changes {
  at::Tensor prompt;                                                                 // [prompt tokens, D]
  std::function<at::Tensor(int layer, bool feed_forward, const at::Tensor&)> adapt;  // a sublayer's output
};

at::Tensor HandLayerNorm(const at::Tensor& x, const LayerNormWeights& norm) {
  const at::Tensor centred = x - x.mean(1, true);
  return centred / (centred.square().mean(1, true) + TinyConfig().layer_norm_eps()).sqrt() * norm.weight + norm.bias;
}

at::Tensor HandLinear(const at::Tensor& x, const LinearWeights& linear) {
  return x.matmul(linear.weight.t()) + linear.bias;
}

// The unit-norm mean state of one sequence, its prompt left out: [D].
at::Tensor HandEncode(const EncoderWeights& weights, const std::vector<int64_t>& ids, const std::vector<int64_t>& types,
                      const Changes& changes) {
  const int64_t heads = TinyConfig().num_attention_heads(), dim = TinyConfig().hidden_size() / heads;
  std::vector<at::Tensor> rows;
  const int64_t prompt = changes.prompt.defined() ? changes.prompt.size(0) : 0;
  for (int64_t i = 0; i < prompt; ++i) {
    rows.push_back(changes.prompt[i] + weights.position_embeddings[i] + weights.type_embeddings[0]);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    rows.push_back(weights.word_embeddings[ids[i]] + weights.position_embeddings[prompt + static_cast<int64_t>(i)] +
                   weights.type_embeddings[types[i]]);
  }
  at::Tensor x = HandLayerNorm(at::stack(rows), weights.embedding_norm);  // [T, D]
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const EncoderLayerWeights& layer = weights.layers[i];
    const auto adapt = [&](bool feed_forward, const at::Tensor& y) {
      return changes.adapt ? changes.adapt(static_cast<int>(i), feed_forward, y) : y;
    };
    const at::Tensor q = HandLinear(x, layer.query), k = HandLinear(x, layer.key), v = HandLinear(x, layer.value);
    std::vector<at::Tensor> attended;
    for (int64_t h = 0; h < heads; ++h) {
      const auto head = [&](const at::Tensor& all) { return all.slice(1, h * dim, (h + 1) * dim); };
      const at::Tensor scores = head(q).matmul(head(k).t()) / std::sqrt(static_cast<double>(dim));  // [T, T]
      attended.push_back(at::softmax(scores, 1).matmul(head(v)));
    }
    x = HandLayerNorm(x + adapt(false, HandLinear(at::cat(attended, 1), layer.attention_output)), layer.attention_norm);
    const at::Tensor inner = HandLinear(x, layer.intermediate);
    const at::Tensor gelu = inner * 0.5 * at::erfc(-inner / std::sqrt(2.0));
    x = HandLayerNorm(x + adapt(true, HandLinear(gelu, layer.output)), layer.output_norm);
  }
  const at::Tensor mean = x.slice(0, prompt).mean(0);
  return mean / mean.norm();
}

Batch RandomBatch(int examples, int classes, Encoding encoding, uint64_t seed) {
  Batch batch;
  batch.num_classes = classes;
  batch.encoding = encoding;
  const RandomStream stream(seed, "batch");
  uint64_t next = 0;
  for (int64_t s = 0; s < examples * batch.sequences_per_example(); ++s) {
    const int64_t length = 2 + static_cast<int64_t>(stream.Below(5, next++));
    for (int64_t t = 0; t < length; ++t) {
      batch.tokens.ids.push_back(static_cast<int32_t>(stream.Below(40, next++)));
      batch.tokens.type_ids.push_back(t > 2 ? 1 : 0);
    }
    batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
  }
  return batch;
}

at::Tensor HandFeatures(const EncoderWeights& weights, const Batch& batch, const Changes& changes) {
  std::vector<at::Tensor> sequences, features;
  for (int64_t s = 0; s < batch.tokens.num_sequences(); ++s) {
    const auto begin = batch.tokens.offsets[s], end = batch.tokens.offsets[s + 1];
    const std::vector<int64_t> ids(batch.tokens.ids.begin() + begin, batch.tokens.ids.begin() + end);
    const std::vector<int64_t> types(batch.tokens.type_ids.begin() + begin, batch.tokens.type_ids.begin() + end);
    sequences.push_back(HandEncode(weights, ids, types, changes));
  }
  if (batch.encoding == Encoding::kOneSequence) return at::stack(sequences);
  const double root = std::sqrt(static_cast<double>(TinyConfig().hidden_size()));
  for (size_t i = 0; i < sequences.size(); i += 2) features.push_back(root * sequences[i] * sequences[i + 1]);
  return at::stack(features);
}

// One task's slices of φ by name.
class Slices {
 public:
  Slices(const ParameterLayout& layout, const at::Tensor& phi) : layout_(layout), parts_(layout.Split(phi)) {}
  at::Tensor operator[](const std::string& name) const { return parts_[layout_.IndexOf(name)]; }

 private:
  const ParameterLayout& layout_;
  std::vector<at::Tensor> parts_;
};

// Writes one task's φ into the encoder: other weights, or changes on the way.
using ByHand = std::function<void(const Slices& phi, EncoderWeights& weights, Changes& changes)>;

std::unique_ptr<Learner> MakeLearner(const std::string& name, std::shared_ptr<const Backbone> backbone,
                                     const LearnerOptions& options) {
  auto learner = LearnerRegistry::Global().Create(name, std::move(backbone), options);
  EXPECT_THAT(learner, IsOk());
  return *std::move(learner);
}

// A random φ of two tasks at once, one of texts and one of pairs (or of the first alone), against each task by hand.
void ExpectEqualsByHand(const std::string& name, const LearnerOptions& options, int num_tasks, const ByHand& by_hand) {
  const auto backbone = Backbone::FromWeights(TinyConfig(), TinyWeights(), Precision::kFloat64);
  const auto learner = MakeLearner(name, backbone, options);
  const AdaptedEncoder model(backbone, dynamic_cast<const FinetuningLearner&>(*learner).method(), 3);
  const Batch batches[] = {RandomBatch(4, 3, Encoding::kOneSequence, 1), RandomBatch(3, 2, Encoding::kPairApart, 2)};
  std::vector<const Batch*> tasks = {&batches[0], &batches[1]};
  tasks.resize(num_tasks);
  const auto packed = model.Pack(tasks);
  ASSERT_THAT(packed, IsOk());
  const at::NoGradGuard no_grad;
  // Away from the start, where LoRA's B and the adapters' U are zero.
  const at::Tensor phi =
      model.StandardStart(RandomStream(1, "start")) + 0.3 * RandomNormal({num_tasks, model.layout().size()}, 3);
  const at::Tensor features = model.Features(phi, *packed), logits = model.Logits(phi, *packed);
  for (int task = 0; task < num_tasks; ++task) {
    const Slices slices(model.layout(), phi[task]);
    EncoderWeights weights = TinyWeights();
    Changes changes;
    by_hand(slices, weights, changes);
    const at::Tensor expected = HandFeatures(weights, batches[task], changes);
    const int64_t begin = packed->task_examples[task], size = batches[task].size();
    // Sums of at most 40 products in another order, after layer norms of order 1.
    EXPECT_LT(MaxAbsError(features.narrow(0, begin, size), expected), 1e-12) << "task " << task;
    EXPECT_GT(MaxAbsError(HandFeatures(TinyWeights(), batches[task], {}), expected), 0.01) << "φ changes nothing";
    const int classes = batches[task].num_classes;
    const at::Tensor by_head = 10 * (expected.matmul(slices["head.weight"].t()) + slices["head.bias"]);
    EXPECT_LT(MaxAbsError(logits.narrow(0, begin, size).slice(1, 0, classes), by_head.slice(1, 0, classes)), 1e-11);
  }
}

TEST(MethodsTest, LoraEqualsMergedWeights) {
  const double scale = 5.0 / 3;  // α / r
  ExpectEqualsByHand("lora", {{"lora_rank", "3"}, {"lora_alpha", "5"}}, 2,
                     [&](const Slices& phi, EncoderWeights& weights, Changes&) {
                       for (size_t i = 0; i < weights.layers.size(); ++i) {
                         const std::string layer = absl::StrCat("layer.", i, ".attention.");
                         at::Tensor& query = weights.layers[i].query.weight;
                         at::Tensor& value = weights.layers[i].value.weight;
                         query = query + scale * phi[layer + "query.lora.b"].matmul(phi[layer + "query.lora.a"]);
                         value = value + scale * phi[layer + "value.lora.b"].matmul(phi[layer + "value.lora.a"]);
                       }
                     });
}

TEST(MethodsTest, LoraOfAllTargetsEqualsMergedWeights) {
  const double scale = 5.0 / 3;
  // In another order than the slices'.
  ExpectEqualsByHand("lora",
                     {{"lora_rank", "3"},
                      {"lora_alpha", "5"},
                      {"lora_dropout", "0.5"},  // which has no say outside of training steps
                      {"lora_targets", "output,key,intermediate,query,attention_output,value"}},
                     2, [&](const Slices& phi, EncoderWeights& weights, Changes&) {
                       for (size_t i = 0; i < weights.layers.size(); ++i) {
                         EncoderLayerWeights& layer = weights.layers[i];
                         const std::pair<const char*, LinearWeights*> targets[] = {
                             {"attention.query", &layer.query},     {"attention.key", &layer.key},
                             {"attention.value", &layer.value},     {"attention.output", &layer.attention_output},
                             {"intermediate", &layer.intermediate}, {"output", &layer.output}};
                         for (const auto& [target, linear] : targets) {
                           const std::string prefix = absl::StrCat("layer.", i, ".", target, ".lora.");
                           linear->weight = linear->weight + scale * phi[prefix + "b"].matmul(phi[prefix + "a"]);
                         }
                       }
                     });
}

// With A = B = I and α = r an update is what A sees of x: x / (1 - p) or zero, independently for every number.
TEST(MethodsTest, LoraDropsANumberOrScalesIt) {
  const double p = 0.3;
  const auto backbone = Backbone::FromWeights(TinyConfig(), TinyWeights(), Precision::kFloat64);
  const auto learner =
      MakeLearner("lora", backbone, {{"lora_rank", "8"}, {"lora_alpha", "8"}, {"lora_dropout", absl::StrCat(p)}});
  const AdaptationMethod& method = *dynamic_cast<const FinetuningLearner&>(*learner).method();
  const std::vector<at::Tensor> slices(8, at::eye(8, at::kDouble).unsqueeze(0));  // two layers of two pairs
  PackedBatch batch;
  batch.task_tokens = {0, 1000};
  const at::Tensor x = RandomNormal({1000, 8}, 1), zero = at::zeros_like(x);
  const auto seen = [&](const EncoderHooks& hooks, int layer, Projection projection) {
    return hooks.AfterProjection(layer, projection, x, zero, batch);
  };
  const RandomStream stream(1, "step");
  const at::Tensor first = seen(*method.BindTraining(slices, stream), 0, Projection::kQuery);
  const at::Tensor dropped = (first == 0).to(at::kDouble);
  // 8,000 numbers: four standard deviations of a share.
  EXPECT_NEAR(dropped.mean().item<double>(), p, 4 * std::sqrt(p * (1 - p) / 8000));
  EXPECT_LT(MaxAbsError(first, (1 - dropped) * x / (1 - p)), 1e-6);  // the factor is a float32

  EXPECT_TRUE(at::equal(seen(*method.BindTraining(slices, stream), 0, Projection::kQuery), first));
  EXPECT_FALSE(at::equal(seen(*method.BindTraining(slices, stream), 0, Projection::kValue), first));
  EXPECT_FALSE(at::equal(seen(*method.BindTraining(slices, stream), 1, Projection::kQuery), first));
  EXPECT_FALSE(at::equal(seen(*method.BindTraining(slices, stream.Substream(1)), 0, Projection::kQuery), first));
  EXPECT_TRUE(at::equal(seen(*method.Bind(slices), 0, Projection::kQuery), x));
}

TEST(MethodsTest, AdaptersEqualTheirFormula) {
  for (const char* name : {"adapter_tuning", "gbmoa"}) {
    ExpectEqualsByHand(name, {{"bottleneck_dim", "3"}}, 2, [](const Slices& phi, EncoderWeights&, Changes& changes) {
      changes.adapt = [&phi](int layer, bool feed_forward, const at::Tensor& x) {
        const std::string slot =
            absl::StrCat("layer.", layer, feed_forward ? ".feed_forward" : ".attention", ".adapter.");
        const at::Tensor down = x.matmul(phi[slot + "down.weight"].t()) + phi[slot + "down.bias"];
        return x + down.clamp_min(0).matmul(phi[slot + "up.weight"].t()) + phi[slot + "up.bias"];
      };
    });
  }
}

TEST(MethodsTest, AdaptersTakeOtherActivationsAndTheLayersNorms) {
  for (const std::string activation : {"gelu", "swish"}) {
    ExpectEqualsByHand(
        "adapter_tuning", {{"bottleneck_dim", "3"}, {"activation", activation}, {"train_layer_norms", "true"}}, 1,
        [activation](const Slices& phi, EncoderWeights& weights, Changes& changes) {
          for (size_t i = 0; i < weights.layers.size(); ++i) {
            const std::string layer = absl::StrCat("encoder.layer.", i, ".");
            weights.layers[i].attention_norm = {phi[layer + "attention.output.LayerNorm.weight"],
                                                phi[layer + "attention.output.LayerNorm.bias"]};
            weights.layers[i].output_norm = {phi[layer + "output.LayerNorm.weight"],
                                             phi[layer + "output.LayerNorm.bias"]};
          }
          changes.adapt = [&phi, activation](int layer, bool feed_forward, const at::Tensor& x) {
            const std::string slot =
                absl::StrCat("layer.", layer, feed_forward ? ".feed_forward" : ".attention", ".adapter.");
            const at::Tensor z = x.matmul(phi[slot + "down.weight"].t()) + phi[slot + "down.bias"];
            const at::Tensor bent =
                activation == "gelu" ? z * 0.5 * at::erfc(-z / std::sqrt(2.0)) : z / (1 + at::exp(-z));
            return x + bent.matmul(phi[slot + "up.weight"].t()) + phi[slot + "up.bias"];
          };
        });
  }
}

// The prompt takes the first positions and is left out of the mean.
TEST(MethodsTest, PromptEqualsEmbeddingsPutInFront) {
  ExpectEqualsByHand("prompt_tuning", {{"prompt_tokens", "5"}}, 2,
                     [](const Slices& phi, EncoderWeights&, Changes& changes) { changes.prompt = phi["prompt"]; });
}

TEST(MethodsTest, FullWeightsAreTheEncodersOwn) {
  for (const char* name : {"full_finetuning", "maml_ft"}) {
    ExpectEqualsByHand(name, {}, 1, [](const Slices& phi, EncoderWeights& weights, Changes&) {
      ForEachTensor(weights, [&](const std::string& slice, at::Tensor& tensor) { tensor = phi[slice]; });
    });
  }
}

// RoBERTa-large without its weights: tensors that have a shape and no memory.
TEST(MethodsTest, CountsForRobertaLarge) {
  const int64_t d = 1024, layers = 24, f = 4096, m = 64, r = 8, classes = 2;
  BackboneConfig config = Config(50265, d, layers, 16, f, 514, 1);
  config.set_family(BackboneConfig::ROBERTA);
  config.set_position_offset(2);
  std::vector<std::vector<int64_t>> shapes;
  ForEachShape(config, [&](const std::string&, const std::vector<int64_t>& shape) { shapes.push_back(shape); });
  EncoderWeights weights;
  weights.layers.resize(layers);
  size_t next = 0;
  ForEachTensor(weights, [&](const std::string&, at::Tensor& tensor) {
    tensor = at::empty(shapes[next++], at::TensorOptions(at::kMeta).dtype(at::kFloat));
  });
  const auto backbone = Backbone::FromWeights(config, weights, Precision::kFloat32);

  // The published 355,359,744 of RobertaModel less its pooler, which nobody uses here.
  const int64_t all = 355359744 - (d * d + d);
  const int64_t adapters = layers * 2 * (2 * d * m + m + d);
  EXPECT_EQ(adapters, 6343680);
  // The task encoder, the slots' embeddings, the generator.
  const int64_t e = 128, hidden = 128, wide = 256, slot = 64;
  const int64_t encoder = (d * e + e) + 4 * (e * e + e) + (e * wide + wide) + (wide * e + e) + 2 * (2 * e);
  const int64_t generator = ((e + slot) * hidden + hidden) + (hidden + 1) * (2 * d * m + m + d);
  const struct {
    const char* name;
    int64_t per_task, meta;
  } cases[] = {
      {"adapter_tuning", adapters, 0}, {"lora", 786432, 0},  // 24 layers, query and value, 2 r D
      {"prompt_tuning", 20480, 0},                           // 20 D
      {"full_finetuning", all, 0},     {"maml_ft", all, all},
      {"frozen_prototypes", 0, 0},     {"gbmoa", adapters, encoder + 2 * layers * slot + generator},
  };
  EXPECT_EQ(layers * 2 * 2 * r * d, 786432);
  for (const auto& test : cases) {
    const ParameterCounts counts = MakeLearner(test.name, backbone, {})->CountParameters(classes);
    EXPECT_EQ(counts.per_task, test.per_task) << test.name;
    EXPECT_EQ(counts.meta, test.meta) << test.name;
    EXPECT_EQ(counts.head, classes * (d + 1)) << test.name;
    EXPECT_EQ(counts.backbone, all) << test.name;
  }

  const struct {
    const char *name, *option, *value;
    int64_t per_task, head;
  } more[] = {
      // A of 5 D + F and B of 5 D + F numbers a rank.
      {"lora", "lora_targets", "query,key,value,attention_output,intermediate,output", layers * r * (10 * d + 2 * f),
       classes * (d + 1)},
      {"adapter_tuning", "train_layer_norms", "true", adapters + layers * 4 * d, classes * (d + 1)},
      {"adapter_tuning", "head", "tanh", adapters, d * (d + 1) + classes * (d + 1)},
  };
  for (const auto& test : more) {
    const ParameterCounts counts =
        MakeLearner(test.name, backbone, {{test.option, test.value}})->CountParameters(classes);
    EXPECT_EQ(counts.per_task, test.per_task) << test.option;
    EXPECT_EQ(counts.head, test.head) << test.option;
  }
}

// Values that are in range, but not for this method or not together.
TEST(MethodsTest, RefusesOptionsThatDoNotFit) {
  const auto backbone = Backbone::FromWeights(TinyConfig(), TinyWeights(), Precision::kFloat64);
  const struct {
    const char *learner, *option, *value;
  } cases[] = {
      {"maml_ft", "tasks_per_step", "2"},       // full weights take one task at a time
      {"gbmoa", "task_embedding_dim", "6"},     // no multiple of the task encoder's four heads
      {"prompt_tuning", "prompt_tokens", "9"},  // more than half of the 16 positions
      {"gbmoa", "meta_gradient", "no_such"},
      {"lora", "bottleneck_dim", "8"},  // another method's
      {"gbmoa", "head", "tanh"},
      {"maml_ft", "head", "tanh"},  // ψ is trained with unit_mean
      {"lora", "lora_targets", "query,q"},
      {"lora", "lora_dropout", "1"},
      {"lora", "warm_up", "1"},
      {"adapter_tuning", "activation", "tanh"},
  };
  for (const auto& test : cases) {
    EXPECT_THAT(LearnerRegistry::Global().Create(test.learner, backbone, {{test.option, test.value}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("option ", test.option, " = '", test.value, "'"))))
        << test.learner;
  }
}

}  // namespace
}  // namespace gbmoa
