#include "gbmoa/hypernet/hypernetwork.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

// Small enough for central differences in every number of ψ.
HypernetworkOptions TinyOptions() {
  HypernetworkOptions options;
  options.feature_dim = 6;
  options.task_embedding_dim = 4;
  options.task_encoder_heads = 2;
  options.task_encoder_hidden = 5;
  options.slots = 4;
  options.slot_embedding_dim = 3;
  options.hidden_dim = 5;
  options.bottleneck_dim = 2;
  return options;
}

at::Tensor UnitRows(int64_t rows, int64_t columns, uint64_t seed) {
  const at::Tensor x = RandomNormal({rows, columns}, seed);
  return x / x.norm(2, {1}, true);
}

at::Tensor Start(const Hypernetwork& hypernetwork) {
  return hypernetwork.Initialize(RandomStream(1, "hypernetwork")).to(at::kDouble);
}

// The layout that the encoder reads φ with.
ParameterLayout AdapterLayout(const HypernetworkOptions& options) {
  BackboneConfig config;
  config.set_hidden_size(static_cast<int32_t>(options.feature_dim));
  config.set_num_hidden_layers(static_cast<int32_t>(options.slots / 2));
  ParameterLayout layout;
  BottleneckAdapter(options.bottleneck_dim).AddSlices(config, layout);
  return layout;
}

TEST(HypernetworkTest, StartsAtTheStandardAdapterStart) {
  HypernetworkOptions options;
  options.feature_dim = 64;
  options.bottleneck_dim = 16;
  options.slots = 4;
  const at::Tensor features = UnitRows(6, 64, 2);
  const std::vector<int64_t> offsets = {0, 2, 6};
  const auto generate = [&](double scale) {
    options.near_identity_scale = scale;
    const Hypernetwork hypernetwork(options);
    return hypernetwork.Generate(Start(hypernetwork), features, offsets);  // [2, P]
  };
  const ParameterLayout layout = AdapterLayout(options);
  const at::Tensor standard = generate(0);
  ASSERT_EQ(standard.size(1), layout.size());
  const std::vector<at::Tensor> slices = layout.Split(standard);
  for (size_t i = 0; i < slices.size(); ++i) {
    const std::string& name = layout.slices()[i].name;
    if (name.find("down.weight") != std::string::npos) {
      // Normal(0, 1/√D) as in BottleneckAdapter: 1024 numbers know their deviation to 2.2 % (1 / √(2 · 1024)).
      EXPECT_NEAR(slices[i][0].std().item<double>() * 8, 1, 0.09) << name;
      EXPECT_NEAR(slices[i][0].mean().item<double>() * 8, 0, 0.13) << name;  // four times 1 / √1024
    } else {
      EXPECT_EQ(slices[i].abs().max().item<double>(), 0) << name;
    }
  }
  // Away from it in proportion to the scale, by task and by slot.
  const at::Tensor tenth = generate(0.1) - standard, whole = generate(1) - standard;
  EXPECT_LT(RelativeError(10 * tenth, whole), 1e-6);  // ψ starts as float32
  // |weight| < s/√h each and about half of the h hidden units are on, at O(1): far below the down-projection's 1/√D.
  EXPECT_LT(tenth.square().mean().sqrt().item<double>(), 0.1);
  EXPECT_GT(tenth.square().mean().sqrt().item<double>(), 0.001);
  EXPECT_GT(MaxAbsError(tenth[0], tenth[1]), 1e-3) << "two tasks have the same start";
  const at::Tensor by_slot = tenth[0].view({4, -1});
  for (int64_t slot = 1; slot < 4; ++slot) EXPECT_GT(MaxAbsError(by_slot[0], by_slot[slot]), 1e-3) << slot;
}

// ψ such that every number of φ says where it was made: slot s, position j within it -> 1000 (s + 1) + j.
TEST(HypernetworkTest, SlotsAndSlicesAreInTheAdaptersOrder) {
  const HypernetworkOptions options = TinyOptions();
  const Hypernetwork hypernetwork(options);
  at::Tensor psi = at::zeros({hypernetwork.layout().size()}, at::kDouble);
  const auto slice = [&](const std::string& name) {
    return hypernetwork.layout().Split(psi)[hypernetwork.layout().IndexOf(name)];
  };
  const int64_t e = options.task_embedding_dim;
  for (int64_t s = 0; s < options.slots; ++s) slice("slot_embeddings")[s][1] = static_cast<double>(s + 1);
  slice("generator.hidden.weight")[2][e + 1] = 1;  // hidden unit 2 is the slot's number
  slice("generator.output.weight").select(1, 2).fill_(1000);
  slice("generator.output.bias").copy_(at::arange(hypernetwork.slot_size(), at::kDouble));
  const at::Tensor phi = hypernetwork.Generate(psi, UnitRows(2, 6, 1), {0, 2})[0];

  const ParameterLayout layout = AdapterLayout(options);
  ASSERT_EQ(layout.size(), options.slots * hypernetwork.slot_size());
  const int64_t m = options.bottleneck_dim, d = options.feature_dim;
  const struct {
    const char* name;
    int64_t first, size;
  } parts[] = {{"down.weight", 0, m * d},
               {"down.bias", m * d, m},
               {"up.weight", m * d + m, d * m},
               {"up.bias", 2 * m * d + m, d}};
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const int64_t feed_forward : {0, 1}) {
      for (const auto& part : parts) {
        const std::string name =
            absl::StrCat("layer.", layer, feed_forward == 1 ? ".feed_forward" : ".attention", ".adapter.", part.name);
        const at::Tensor expected = 1000.0 * static_cast<double>(2 * layer + feed_forward + 1) +
                                    at::arange(part.first, part.first + part.size, at::kDouble);
        EXPECT_EQ(MaxAbsError(layout.Split(phi)[layout.IndexOf(name)].reshape({-1}), expected), 0) << name;
      }
    }
  }
}

TEST(HypernetworkTest, TaskEmbeddingIsOfASet) {
  const Hypernetwork hypernetwork({});
  const at::Tensor psi = hypernetwork.Initialize(RandomStream(1, "hypernetwork"));
  const at::Tensor features = UnitRows(9, 384, 2).to(at::kFloat);
  const at::Tensor embeddings = hypernetwork.EmbedTasks(psi, features, {0, 5, 9});  // [2, E]
  ASSERT_EQ(embeddings.size(1), 128);
  // Means in another order, float32.
  const at::Tensor reordered = features.index_select(0, at::tensor(std::vector<int64_t>{3, 0, 4, 2, 1, 8, 7, 6, 5}));
  EXPECT_LT(MaxAbsError(hypernetwork.EmbedTasks(psi, reordered, {0, 5, 9}), embeddings), 1e-6);
  // A task does not see its neighbours.
  const at::Tensor first = hypernetwork.EmbedTasks(psi, features.narrow(0, 0, 5), {0, 5});
  const at::Tensor second = hypernetwork.EmbedTasks(psi, features.narrow(0, 5, 4), {0, 4});
  EXPECT_LT(MaxAbsError(first[0], embeddings[0]), 1e-6);
  EXPECT_LT(MaxAbsError(second[0], embeddings[1]), 1e-6);
  // And is told from them by what it does see.
  EXPECT_GT(MaxAbsError(embeddings[0], embeddings[1]), 0.1);
  EXPECT_GT(MaxAbsError(hypernetwork.EmbedTasks(psi, features.narrow(0, 0, 4), {0, 4}), first), 0.01);
}

TEST(HypernetworkTest, ConstantEmbeddingReadsNoFeatures) {
  HypernetworkOptions options = TinyOptions();
  options.use_task_embedding = false;
  const Hypernetwork hypernetwork(options);
  const at::Tensor psi = Start(hypernetwork);
  const at::Tensor constant = hypernetwork.layout().Split(psi)[hypernetwork.layout().IndexOf("task_embedding")];
  const at::Tensor embeddings = hypernetwork.EmbedTasks(psi, {}, {0, 2, 7});
  EXPECT_EQ(MaxAbsError(embeddings, constant.expand({2, 4})), 0);
  EXPECT_GT(constant.abs().max().item<double>(), 0);
  const at::Tensor phi = hypernetwork.Generate(psi, {}, {0, 2, 7});
  EXPECT_EQ(MaxAbsError(phi[0], phi[1]), 0);
  // Not one number of a task encoder.
  const int64_t generator = (4 + 3) * 5 + 5 + (5 + 1) * hypernetwork.slot_size();
  EXPECT_EQ(hypernetwork.layout().size(), 4 + 4 * 3 + generator);
}

TEST(HypernetworkTest, GradientEqualsCentralDifferences) {
  for (const bool use_task_embedding : {true, false}) {
    HypernetworkOptions options = TinyOptions();
    options.use_task_embedding = use_task_embedding;
    options.near_identity_scale = 1;
    const Hypernetwork hypernetwork(options);
    const std::vector<int64_t> offsets = {0, 3, 5};
    const at::Tensor features = UnitRows(5, 6, 2);
    const at::Tensor weights = RandomNormal({2, options.slots * hypernetwork.slot_size()}, 3);
    const auto f = [&](const at::Tensor& psi) {
      return (weights * hypernetwork.Generate(psi, features, offsets)).sum();
    };
    const at::Tensor psi =
        (Start(hypernetwork) + 0.1 * RandomNormal({hypernetwork.layout().size()}, 4)).requires_grad_();
    const at::Tensor gradient = torch::autograd::grad({f(psi)}, {psi})[0];
    // h = 1e-5: the error is h² = 1e-10 times third derivatives, and rounding 1e-16 / h = 1e-11.
    const at::Tensor expected = CentralDifference(
        [&](const at::Tensor& x) {
          const at::NoGradGuard no_grad;
          return f(x).item<double>();
        },
        psi.detach(), 1e-5);
    const std::vector<at::Tensor> actual = hypernetwork.layout().Split(gradient);
    const std::vector<at::Tensor> wanted = hypernetwork.layout().Split(expected);
    for (size_t i = 0; i < actual.size(); ++i) {
      const std::string& name = hypernetwork.layout().slices()[i].name;
      EXPECT_LT(RelativeError(actual[i], wanted[i]), 1e-7) << name;
      EXPECT_GT(wanted[i].norm().item<double>(), 0) << name << " has no part in φ";
    }
  }
}

}  // namespace
}  // namespace gbmoa
