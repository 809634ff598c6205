#include "gbmoa/meta/support_jacobian_by_layer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "gbmoa/base/shape.h"
#include "gbmoa/base/torch.h"

namespace gbmoa {
namespace {

struct Layer {
  at::Tensor x;      // [N, in]
  at::Tensor delta;  // [N, r, out]
  int64_t weight, bias;
  std::vector<int64_t> rows;  // [n + 1]
  at::Tensor row_examples;    // [N] int64

  int64_t in() const { return x.size(1); }
  int64_t out() const { return delta.size(2); }
};

// A task's share of a layer.
struct Part {
  at::Tensor x;               // [N_b, in]
  at::Tensor delta;           // [N_b, r, out]
  std::vector<int64_t> rows;  // [n_b + 1], from 0
  at::Tensor row_examples;    // [N_b], from 0
};

// The value that all of d has, if it has one.
std::optional<double> Constant(const at::Tensor& d) {
  const auto [low, high] = at::aminmax(d);
  if (low.item<double>() == high.item<double>()) return low.item<double>();
  return std::nullopt;
}

// Σ over the rows of each example: [N, ...] -> [n, ...].
at::Tensor SumOverRows(const at::Tensor& values, const at::Tensor& row_examples, int64_t num_examples) {
  std::vector<int64_t> shape = values.sizes().vec();
  shape[0] = num_examples;
  return at::zeros(shape, values.options()).index_add_(0, row_examples, values);
}

class LayerwiseSupportJacobian : public SupportJacobian {
 public:
  // remainders: δ of the curvature's remainder in each product, [N, out], or empty.
  LayerwiseSupportJacobian(const at::Tensor& phi, const std::vector<int64_t>& examples, std::vector<Layer> layers,
                           const at::Tensor& coefficients, const std::vector<at::Tensor>& remainders)
      : num_parameters_(phi.size(1)),
        options_(phi.options().requires_grad(false)),
        rank_(coefficients.size(1)),
        examples_(examples),
        layers_(std::move(layers)) {
    support_gradient_ = Transposed(coefficients);
    for (size_t l = 0; l < remainders.size(); ++l) AddWeightGradients(layers_[l], remainders[l], support_gradient_);
    // Measured with adapters on 25 texts of five classes, r = 4: a pass of activations is half a gradient, the matrix
    // of the small system 0.7 to 1, all else 0.3.
    gradient_evaluations_ = 1.0 / 3 + 0.5 * static_cast<double>(rank_ + (remainders.empty() ? 0 : 1)) + 1;
  }

  int64_t rank() const override { return rank_; }
  const std::vector<int64_t>& examples() const override { return examples_; }
  at::Tensor support_gradient() const override { return support_gradient_; }
  double gradient_evaluations() const override { return gradient_evaluations_; }

  at::Tensor Times(const at::Tensor& v) const override {
    CHECK_SHAPE(v, {num_tasks(), num_parameters_});
    at::Tensor result = at::zeros({examples_.back(), rank_}, at::kDouble);
    for (const Layer& layer : layers_) {
      std::vector<at::Tensor> changes;  // of y, as φ moves along v
      for (int64_t b = 0; b < num_tasks(); ++b) {
        const at::Tensor x = PartOf(layer, b).x;
        const at::Tensor weight = v[b].narrow(0, layer.weight, layer.out() * layer.in()).view({layer.out(), -1});
        changes.push_back(layer.bias < 0 ? at::mm(x, weight.t())
                                         : at::addmm(v[b].narrow(0, layer.bias, layer.out()), x, weight.t()));
      }
      const at::Tensor change = changes.size() == 1 ? changes[0] : at::cat(changes);                  // [N, out]
      const at::Tensor along = at::bmm(change.unsqueeze(1), layer.delta.transpose(1, 2)).squeeze(1);  // [N, r]
      result.index_add_(0, layer.row_examples, along.to(at::kDouble));
    }
    return result;
  }

  at::Tensor Transposed(const at::Tensor& y) const override {
    CHECK_SHAPE(y, {examples_.back(), rank_});
    at::Tensor result = at::zeros({num_tasks(), num_parameters_}, options_);
    const at::Tensor typed = y.to(options_);
    for (const Layer& layer : layers_) {
      const at::Tensor of_rows = typed.index_select(0, layer.row_examples);                      // [N, r]
      AddWeightGradients(layer, at::bmm(of_rows.unsqueeze(1), layer.delta).squeeze(1), result);  // of [N, out]
    }
    return result;
  }

  std::vector<at::Tensor> Gram(const at::Tensor& d) const override {
    CHECK_SHAPE(d, {num_parameters_});
    std::vector<at::Tensor> grams;
    for (int64_t b = 0; b < num_tasks(); ++b) {
      const int64_t size = (examples_[b + 1] - examples_[b]) * rank_;
      grams.push_back(at::zeros({size, size}, at::kDouble));
    }
    for (const Layer& layer : layers_) {
      const at::Tensor of_weight = d.narrow(0, layer.weight, layer.out() * layer.in());
      const at::Tensor of_bias = d.narrow(0, std::max<int64_t>(layer.bias, 0), layer.bias < 0 ? 0 : layer.out());
      const std::optional<double> weight = Constant(of_weight);
      const std::optional<double> bias = layer.bias < 0 ? 0 : Constant(of_bias);
      for (int64_t b = 0; b < num_tasks(); ++b) {
        const Part part = PartOf(layer, b);
        if (weight.has_value() && bias.has_value() && RowProductsAreCheaper(part)) {
          AddByRowProducts(part, *weight, *bias, grams[b]);
          continue;
        }
        AddByExplicitRows(part, of_weight.view({layer.out(), layer.in()}), weight, grams[b]);
        if (layer.bias < 0) continue;
        // A bias's rows are Σ_t δᵃ_t: [m, out].
        const at::Tensor rows =
            (SumOverRows(part.delta, part.row_examples, examples_[b + 1] - examples_[b]) * of_bias.sqrt())
                .flatten(0, 1);
        grams[b] += at::mm(rows, rows.t());
      }
    }
    // Row products fill the upper triangle only.
    for (at::Tensor& gram : grams) gram = gram.triu() + gram.triu(1).t();
    return grams;
  }

 private:
  int64_t num_tasks() const { return static_cast<int64_t>(examples_.size()) - 1; }

  Part PartOf(const Layer& layer, int64_t b) const {
    const int64_t first = examples_[b], last = examples_[b + 1];
    const int64_t begin = layer.rows[first], count = layer.rows[last] - begin;
    Part part;
    part.x = layer.x.narrow(0, begin, count);
    part.delta = layer.delta.narrow(0, begin, count);
    for (int64_t i = first; i <= last; ++i) part.rows.push_back(layer.rows[i] - begin);
    part.row_examples = layer.row_examples.narrow(0, begin, count) - first;
    return part;
  }

  // into [B, P] += δᵀ x and Σ_t δ_t in the places of weight and bias.
  void AddWeightGradients(const Layer& layer, const at::Tensor& delta, at::Tensor& into) const {
    for (int64_t b = 0; b < num_tasks(); ++b) {
      const int64_t begin = layer.rows[examples_[b]], count = layer.rows[examples_[b + 1]] - begin;
      const at::Tensor of_task = delta.narrow(0, begin, count);
      into[b]
          .narrow(0, layer.weight, layer.out() * layer.in())
          .view({layer.out(), layer.in()})
          .addmm_(of_task.t(), layer.x.narrow(0, begin, count));
      if (layer.bias >= 0) into[b].narrow(0, layer.bias, layer.out()).add_(of_task.sum(0));
    }
  }

  // FLOPs of the two ways, m = n_b r. Explicit rows: n_b products for the rows and one of the rows with themselves.
  // Row products: N² of x, then, for one triangle of the result, a product of these with δ and one more.
  bool RowProductsAreCheaper(const Part& part) const {
    const double n = static_cast<double>(part.x.size(0)), in = static_cast<double>(part.x.size(1));
    const double out = static_cast<double>(part.delta.size(2)), r = static_cast<double>(rank_);
    const double m = static_cast<double>(part.rows.size() - 1) * r;
    return 2 * n * n * in + n * n * r * out + n * r * m * out < 2 * r * n * in * out + 2 * m * m * in * out;
  }

  // weight, bias: d there. A bias is the weight of one more x that is always 1.
  void AddByRowProducts(const Part& part, double weight, double bias, at::Tensor& gram) const {
    const int64_t num_examples = static_cast<int64_t>(part.rows.size()) - 1, out = part.delta.size(2);
    const at::Tensor products = at::mm(part.x, part.x.t()).mul_(weight).add_(bias);  // [N, N]
    at::parallel_for(0, num_examples, 1, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        // 0, n − 1, 1, n − 2 ...: the work grows with j, and each thread gets a stretch of k.
        const int64_t j = k % 2 == 0 ? k / 2 : num_examples - 1 - k / 2;
        const int64_t begin = part.rows[j], count = part.rows[j + 1] - begin, end = begin + count;
        // S's rows of example j, applied to the x of examples 0 ... j: the upper triangle.
        const at::Tensor applied = at::mm(products.narrow(0, 0, end).narrow(1, begin, count),
                                          part.delta.narrow(0, begin, count).view({count, rank_ * out}))
                                       .view({end, rank_, out});
        const at::Tensor by_row = at::bmm(part.delta.narrow(0, 0, end), applied.transpose(1, 2));  // [t, a, b]
        gram.narrow(0, 0, (j + 1) * rank_)
            .narrow(1, j * rank_, rank_)
            .add_(SumOverRows(by_row, part.row_examples.narrow(0, 0, end), j + 1).flatten(0, 1));
      }
    });
  }

  // A few rows of the matrix at a time, so that m of them stay in a core's cache.
  void AddByExplicitRows(const Part& part, const at::Tensor& d, std::optional<double> constant,
                         at::Tensor& gram) const {
    constexpr int64_t kBlockBytes = 1 << 21;
    const int64_t num_examples = static_cast<int64_t>(part.rows.size()) - 1;
    const int64_t out = part.delta.size(2), in = part.x.size(1), size = num_examples * rank_;
    const int64_t height =
        std::clamp<int64_t>(kBlockBytes / (size * in * static_cast<int64_t>(part.x.element_size())), 1, out);
    const int64_t num_blocks = (out + height - 1) / height;
    at::Tensor partial = at::empty({num_blocks, size, size}, part.x.options());
    at::parallel_for(0, num_blocks, 1, [&](int64_t first, int64_t last) {
      at::Tensor rows = at::empty({num_examples, rank_ * height, in}, part.x.options());
      for (int64_t block = first; block < last; ++block) {
        const int64_t top = block * height, h = std::min(height, out - top);
        at::Tensor here = rows.narrow(1, 0, rank_ * h);
        if (h < height) here = rows = at::empty({num_examples, rank_ * h, in}, part.x.options());
        const at::Tensor delta = part.delta.narrow(2, top, h).contiguous().view({-1, rank_ * h});  // [N, r h]
        for (int64_t i = 0; i < num_examples; ++i) {
          const int64_t begin = part.rows[i], count = part.rows[i + 1] - begin;
          at::Tensor of_example = here[i];
          at::mm_out(of_example, delta.narrow(0, begin, count).t(), part.x.narrow(0, begin, count));
        }
        at::Tensor matrix = here.view({size, h * in});
        if (!constant.has_value()) matrix.mul_(d.narrow(0, top, h).reshape({1, -1}).sqrt());
        at::Tensor product = partial[block];
        at::mm_out(product, matrix, matrix.t());
      }
    });
    gram += partial.sum(0, /*keepdim=*/false, at::kDouble) * constant.value_or(1);
  }

  int64_t num_parameters_;
  at::TensorOptions options_;
  int64_t rank_;
  std::vector<int64_t> examples_;
  std::vector<Layer> layers_;
  at::Tensor support_gradient_;
  double gradient_evaluations_ = 0;
};

bool ShareParameters(const std::vector<TrainedProduct>& products) {
  std::vector<std::pair<int64_t, int64_t>> stretches;  // begin, end
  for (const TrainedProduct& product : products) {
    stretches.emplace_back(product.weight, product.weight + product.y.size(1) * product.x.size(1));
    if (product.bias >= 0) stretches.emplace_back(product.bias, product.bias + product.y.size(1));
  }
  std::sort(stretches.begin(), stretches.end());
  for (size_t i = 1; i < stretches.size(); ++i) {
    if (stretches[i].first < stretches[i - 1].second) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<SupportJacobian> MakeLayerwiseSupportJacobian(const at::Tensor& phi, const at::Tensor& outputs,
                                                              const std::vector<TrainedProduct>& products,
                                                              const std::vector<int64_t>& examples,
                                                              const OutputCurvature& curvature) {
  const int64_t num_examples = outputs.size(0), rank = curvature.factor.size(2);
  CHECK_EQ(examples.back(), num_examples);
  CHECK_SHAPE(curvature.factor, {num_examples, outputs.size(1), rank});
  if (products.empty() || !outputs.requires_grad() || ShareParameters(products)) return nullptr;

  std::vector<at::Tensor> inputs;
  std::vector<Layer> layers;
  for (const TrainedProduct& product : products) {
    CHECK_EQ(product.rows.size(), num_examples + 1);
    CHECK_EQ(product.rows.back(), product.x.size(0));
    inputs.push_back(product.y);
    Layer layer;
    layer.x = product.x.contiguous();
    layer.delta = at::empty({product.x.size(0), rank, product.y.size(1)}, layer.x.options());
    layer.weight = product.weight;
    layer.bias = product.bias;
    layer.rows = product.rows;
    std::vector<int64_t> row_examples(product.x.size(0));
    for (int64_t i = 0; i < num_examples; ++i) {
      std::fill(row_examples.begin() + product.rows[i], row_examples.begin() + product.rows[i + 1], i);
    }
    layer.row_examples = at::tensor(row_examples, at::kLong);
    layers.push_back(std::move(layer));
  }
  // One δ for each product and, while phi is among the inputs, whatever reaches phi by another way.
  inputs.push_back(phi);
  const auto pull_back = [&](const at::Tensor& cotangent) {
    return torch::autograd::grad({outputs}, inputs, {cotangent}, /*retain_graph=*/true, /*create_graph=*/false,
                                 /*allow_unused=*/true);
  };
  for (int64_t a = 0; a < rank; ++a) {
    const std::vector<at::Tensor> deltas = pull_back(curvature.factor.select(2, a));
    if (a == 0) {
      if (deltas.back().defined()) return nullptr;
      inputs.pop_back();
    }
    for (size_t l = 0; l < layers.size(); ++l) {
      if (deltas[l].defined()) {
        layers[l].delta.select(1, a).copy_(deltas[l]);
      } else {
        layers[l].delta.select(1, a).zero_();
      }
    }
  }
  std::vector<at::Tensor> remainders;
  if (curvature.remainder.defined()) {
    remainders = pull_back(curvature.remainder);
    for (size_t l = 0; l < layers.size(); ++l) {
      if (!remainders[l].defined()) remainders[l] = at::zeros_like(products[l].y);
    }
  }
  const at::NoGradGuard no_grad;
  return std::make_unique<LayerwiseSupportJacobian>(phi, examples, std::move(layers), curvature.coefficients,
                                                    remainders);
}

}  // namespace gbmoa
