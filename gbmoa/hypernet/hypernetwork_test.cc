#include "gbmoa/hypernet/hypernetwork.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/adapter/bottleneck_adapter.h"
#include "gbmoa/base/tensor_testing.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using Kind = HypernetworkOptions::Kind;

const char* Name(Kind kind) { return kind == Kind::kFull ? "full" : "shared"; }

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

class HypernetworkKindTest : public testing::TestWithParam<Kind> {};

TEST_P(HypernetworkKindTest, StartsAtTheStandardAdapterStart) {
  HypernetworkOptions options;
  options.kind = GetParam();
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
  // Slots of 'shared' have one bias between them; those of 'full' have random numbers of their own.
  const at::Tensor starts = standard[0].view({4, -1}).narrow(1, 0, 16 * 64) * 8;
  for (int64_t slot = 1; slot < 4; ++slot) {
    const double product = (starts[0] * starts[slot]).mean().item<double>();
    EXPECT_NEAR(product, GetParam() == Kind::kFull ? 0 : starts[0].square().mean().item<double>(), 0.13) << slot;
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

// The last layer's weight is uniform in ±s/√h, all others in ±1/√in; norms are the identity, embeddings standard
// normal.
TEST_P(HypernetworkKindTest, InitializesEverySliceAtItsScale) {
  HypernetworkOptions options;
  options.kind = GetParam();
  options.feature_dim = 64;
  options.bottleneck_dim = 4;
  options.slots = 4;
  options.near_identity_scale = 0.25;
  const Hypernetwork hypernetwork(options);
  const std::vector<at::Tensor> parts = hypernetwork.layout().Split(Start(hypernetwork));
  double fan_in = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string& name = hypernetwork.layout().slices()[i].name;
    const double rms = parts[i].square().mean().sqrt().item<double>(), largest = parts[i].abs().max().item<double>();
    const double count = static_cast<double>(parts[i].numel());
    if (parts[i].dim() == 2) fan_in = static_cast<double>(parts[i].size(1));
    if (name.find("norm.weight") != std::string::npos) {
      EXPECT_TRUE(at::equal(parts[i], at::ones_like(parts[i]))) << name;
    } else if (name.find("norm.bias") != std::string::npos) {
      EXPECT_EQ(largest, 0) << name;
    } else if (name == "slot_embeddings") {
      EXPECT_NEAR(rms, 1, 4 / std::sqrt(2 * count)) << name;  // four standard deviations
    } else if (name != "generator.output.bias") {
      const double bound = (name == "generator.output.weight" ? 0.25 : 1) / std::sqrt(fan_in);
      EXPECT_LE(largest, bound * (1 + 1e-7)) << name;  // float32
      // x² of a uniform x has variance 4/45 of its bound: relative deviation of the rms √(4/45) · 3/2 / √n = .45 / √n.
      EXPECT_NEAR(rms, bound / std::sqrt(3.0), 4 * 0.45 * bound / std::sqrt(3 * count)) << name;
    }
  }
}

// e and φ₀ in plain loops over ψ's numbers, tensors addressed by name.
class PlainLoops {
 public:
  using Rows = std::vector<std::vector<double>>;

  PlainLoops(const HypernetworkOptions& options, const Hypernetwork& hypernetwork, const at::Tensor& psi)
      : options_(options), slot_size_(hypernetwork.slot_size()) {
    const double* data = psi.const_data_ptr<double>();
    for (const ParameterLayout::Slice& slice : hypernetwork.layout().slices()) {
      numbers_[slice.name] = std::vector<double>(data + slice.offset, data + slice.offset + slice.size);
    }
  }

  std::vector<double> Embed(const Rows& features) const {
    const double scale = std::sqrt(static_cast<double>(options_.feature_dim));
    Rows x;
    for (std::vector<double> row : features) {
      for (double& value : row) value *= scale;
      x.push_back(Linear("task_encoder.project", row));
    }
    const size_t n = x.size(), e = options_.task_embedding_dim, dim = e / options_.task_encoder_heads;
    Rows qkv, y;
    for (const std::vector<double>& row : x) qkv.push_back(Linear("task_encoder.attention.query_key_value", row));
    for (size_t i = 0; i < n; ++i) {
      std::vector<double> attended(e, 0);
      for (size_t first = 0; first < e; first += dim) {
        std::vector<double> weight(n, 0);
        double sum = 0;
        for (size_t j = 0; j < n; ++j) {
          for (size_t c = first; c < first + dim; ++c) weight[j] += qkv[i][c] * qkv[j][e + c];
          weight[j] = std::exp(weight[j] / std::sqrt(static_cast<double>(dim)));
          sum += weight[j];
        }
        for (size_t j = 0; j < n; ++j) {
          for (size_t c = first; c < first + dim; ++c) attended[c] += weight[j] / sum * qkv[j][2 * e + c];
        }
      }
      y.push_back(Norm("task_encoder.attention.norm", Sum(x[i], Linear("task_encoder.attention.output", attended))));
    }
    std::vector<double> mean(e, 0);
    for (const std::vector<double>& row : y) {
      const std::vector<double> inner =
          Linear("task_encoder.feed_forward.output", Relu(Linear("task_encoder.feed_forward.intermediate", row)));
      const std::vector<double> out = Norm("task_encoder.feed_forward.norm", Sum(row, inner));
      for (size_t c = 0; c < e; ++c) mean[c] += out[c] / static_cast<double>(n);
    }
    return mean;
  }

  std::vector<double> Generate(const Rows& features) const {
    const std::vector<double> e = options_.use_task_embedding ? Embed(features) : numbers_.at("task_embedding");
    if (options_.kind == Kind::kFull) return Linear("generator.output", Relu(Linear("generator.hidden", e)));
    std::vector<double> phi;
    const std::vector<double>& z = numbers_.at("slot_embeddings");
    for (int64_t slot = 0; slot < options_.slots; ++slot) {
      std::vector<double> input = e;
      for (int64_t c = 0; c < options_.slot_embedding_dim; ++c) {
        input.push_back(z[slot * options_.slot_embedding_dim + c]);
      }
      for (const double value : Linear("generator.output", Relu(Linear("generator.hidden", input)))) {
        phi.push_back(value);
      }
    }
    EXPECT_EQ(phi.size(), options_.slots * slot_size_);
    return phi;
  }

 private:
  std::vector<double> Linear(const std::string& name, const std::vector<double>& x) const {
    const std::vector<double>& weight = numbers_.at(name + ".weight");
    std::vector<double> y = numbers_.at(name + ".bias");
    EXPECT_EQ(weight.size(), x.size() * y.size()) << name;
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) y[i] += weight[i * x.size() + j] * x[j];
    }
    return y;
  }

  std::vector<double> Norm(const std::string& name, const std::vector<double>& x) const {
    const double n = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    for (const double value : x) mean += value / n;
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    std::vector<double> y;
    for (size_t i = 0; i < x.size(); ++i) {
      y.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * numbers_.at(name + ".weight")[i] +
                  numbers_.at(name + ".bias")[i]);
    }
    return y;
  }

  static std::vector<double> Relu(std::vector<double> x) {
    for (double& value : x) value = value > 0 ? value : 0;
    return x;
  }

  static std::vector<double> Sum(std::vector<double> x, const std::vector<double>& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    return x;
  }

  HypernetworkOptions options_;
  int64_t slot_size_;
  std::map<std::string, std::vector<double>> numbers_;
};

TEST_P(HypernetworkKindTest, GeneratesWhatPlainLoopsDo) {
  for (const bool use_task_embedding : {true, false}) {
    HypernetworkOptions options = TinyOptions();
    options.kind = GetParam();
    options.use_task_embedding = use_task_embedding;
    const Hypernetwork hypernetwork(options);
    const at::Tensor psi = Start(hypernetwork) + 0.3 * RandomNormal({hypernetwork.layout().size()}, 4);
    const PlainLoops loops(options, hypernetwork, psi);
    const at::Tensor features = UnitRows(7, 6, 2);
    const std::vector<int64_t> offsets = {0, 3, 4, 7};
    const at::Tensor phi = hypernetwork.Generate(psi, features, offsets);
    ASSERT_TRUE(phi.sizes() == at::IntArrayRef({3, options.slots * hypernetwork.slot_size()})) << phi.sizes();
    for (int64_t task = 0; task < 3; ++task) {
      PlainLoops::Rows rows;
      for (int64_t i = offsets[task]; i < offsets[task + 1]; ++i) {
        const double* row = features.const_data_ptr<double>() + i * options.feature_dim;
        rows.emplace_back(row, row + options.feature_dim);
      }
      // Sums of a few dozen numbers of size 1 in another order.
      EXPECT_LT(RelativeError(phi[task], at::tensor(loops.Generate(rows), at::kDouble)), 1e-12) << task;
    }
  }
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

TEST_P(HypernetworkKindTest, GradientEqualsCentralDifferences) {
  for (const bool use_task_embedding : {true, false}) {
    HypernetworkOptions options = TinyOptions();
    options.kind = GetParam();
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

INSTANTIATE_TEST_SUITE_P(Kinds, HypernetworkKindTest, testing::Values(Kind::kShared, Kind::kFull),
                         [](const testing::TestParamInfo<Kind>& info) { return Name(info.param); });

// RoBERTa-large: D = 1024, 24 layers, M = 64, E = h = 128, Z = 64, F = 256.
HypernetworkOptions RobertaLarge(Kind kind) {
  HypernetworkOptions options;
  options.kind = kind;
  options.feature_dim = 1024;
  options.slots = 48;
  return options;
}

TEST(HypernetworkTest, CountsForRobertaLargeAreThoseByHand) {
  const Hypernetwork shared(RobertaLarge(Kind::kShared)), full(RobertaLarge(Kind::kFull));
  // 2 · 64 · 1024 weights, 64 + 1024 biases, 48 times.
  EXPECT_EQ(full.slot_size(), 132160);
  EXPECT_EQ(48 * full.slot_size(), 6343680);
  // 1024 · 128 + 128 project, 128 · 384 + 384 query_key_value, 128 · 128 + 128 output, 2 · 128 norm, 128 · 256 + 256
  // and 256 · 128 + 128 feed-forward, 2 · 128 norm.
  const int64_t task_encoder = 131200 + 49536 + 16512 + 256 + 33024 + 32896 + 256;
  EXPECT_EQ(task_encoder, 263680);

  const auto size_of = [](const Hypernetwork& hypernetwork, const std::string& name) {
    return hypernetwork.layout().slices()[hypernetwork.layout().IndexOf(name)].size;
  };
  // 6,343,680 · 128 + 6,343,680, after 128 · 128 + 128.
  EXPECT_EQ(size_of(full, "generator.output.weight") + size_of(full, "generator.output.bias"), 818334720);
  EXPECT_EQ(full.layout().size(), task_encoder + 16512 + 818334720);
  EXPECT_EQ(full.layout().size(), 818614912);
  // 132,160 · 128 + 132,160, after 48 · 64 slot embeddings and (128 + 64) · 128 + 128.
  EXPECT_EQ(size_of(shared, "generator.output.weight") + size_of(shared, "generator.output.bias"), 17048640);
  EXPECT_EQ(shared.layout().size(), task_encoder + 3072 + 24704 + 17048640);
  EXPECT_EQ(shared.layout().size(), 17340096);
}

// 6 · 10^15 numbers fit into no memory: whoever counts must not allocate.
TEST(HypernetworkTest, CountingAllocatesNoTensor) {
  HypernetworkOptions options = RobertaLarge(Kind::kFull);
  options.bottleneck_dim = 1 << 20;
  options.hidden_dim = 1 << 16;
  const Hypernetwork hypernetwork(options);
  EXPECT_GT(hypernetwork.layout().size(), int64_t{6000000000000000});
  EXPECT_THROW(hypernetwork.Initialize(RandomStream(1, "hypernetwork")), c10::Error);
}

}  // namespace
}  // namespace gbmoa
