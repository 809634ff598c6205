#include "gbmoa/meta/curriculum.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "glog/logging.h"

namespace gbmoa {

double NormalizedEntropy(const float* probabilities, int num_classes) {
  if (num_classes < 2) return 0;
  double entropy = 0;
  for (int c = 0; c < num_classes; ++c) {
    const double p = probabilities[c];
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy / std::log(static_cast<double>(num_classes));
}

std::vector<int64_t> CurriculumOrder(const std::vector<double>& difficulty, const CurriculumOptions& options,
                                     const RandomStream& stream) {
  CHECK_GT(options.initial_share, 0);
  CHECK_LE(options.initial_share, 1);
  const int64_t num_tasks = static_cast<int64_t>(difficulty.size());
  std::vector<int64_t> by_difficulty(num_tasks);
  std::iota(by_difficulty.begin(), by_difficulty.end(), 0);
  std::stable_sort(by_difficulty.begin(), by_difficulty.end(),
                   [&](int64_t a, int64_t b) { return difficulty[a] < difficulty[b]; });

  std::vector<int64_t> open, order;  // `open`: unvisited tasks of the open share
  int64_t opened = 0;
  for (int64_t draw = 0; draw < num_tasks; ++draw) {
    const double t = static_cast<double>(draw) / static_cast<double>(num_tasks);
    const double share = options.initial_share + (1 - options.initial_share) * 0.5 * (1 - std::cos(M_PI * t));
    // The cosine lies below the diagonal at first: a small s₀ could run dry, then the next task opens early.
    const int64_t target =
        std::clamp<int64_t>(std::llround(share * static_cast<double>(num_tasks)), draw + 1, num_tasks);
    for (; opened < target; ++opened) open.push_back(by_difficulty[opened]);
    const size_t pick = stream.Below(open.size(), draw);
    order.push_back(open[pick]);
    open.erase(open.begin() + static_cast<int64_t>(pick));
  }
  return order;
}

}  // namespace gbmoa
