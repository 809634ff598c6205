// The encoder against another implementation, the Hugging Face one (tools/golden/hidden_states.py), and against itself.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gbmoa/backbone/backbone.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/safetensors.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/task/episode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

template <typename T>
std::vector<T> Values(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsView* view = file.Find(name);
  EXPECT_NE(view, nullptr) << name;
  if (view == nullptr) return {};
  std::vector<T> values(view->num_elements());
  EXPECT_EQ(view->data.size(), values.size() * sizeof(T)) << name;
  std::memcpy(values.data(), view->data.data(), view->data.size());
  return values;
}

PackedTokens Sequence(const PackedTokens& tokens, int64_t s) {
  PackedTokens one;
  one.Append(tokens, s);
  return one;
}

double MaxDifference(const float* a, const float* b, int64_t size) {
  double max = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (!std::isfinite(a[i])) return INFINITY;
    max = std::max(max, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return max;
}

class HiddenStatesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<std::string> path = RunfilePath("gbmoa/gbmoa/backbone/testdata/minilm_hidden.safetensors");
    ASSERT_THAT(path, IsOk());
    absl::StatusOr<SafetensorsFile> golden = SafetensorsFile::Open(*path);
    ASSERT_THAT(golden, IsOk());
    golden_ = std::make_unique<SafetensorsFile>(*std::move(golden));
    for (const uint16_t id : Values<uint16_t>(*golden_, "ids")) tokens_.ids.push_back(id);
    for (const uint8_t type : Values<uint8_t>(*golden_, "type_ids")) tokens_.type_ids.push_back(type);
    tokens_.offsets = Values<int64_t>(*golden_, "offsets");
    ASSERT_GE(tokens_.num_sequences(), 200);
    const absl::StatusOr<std::string> folder = BundledBackboneFolder();
    ASSERT_THAT(folder, IsOk());
    absl::StatusOr<std::shared_ptr<const Backbone>> backbone = Backbone::Load(*folder, Precision::kFloat32);
    ASSERT_THAT(backbone, IsOk());
    backbone_ = *std::move(backbone);
    width_ = backbone_->config().hidden_size();
  }

  std::unique_ptr<SafetensorsFile> golden_;
  PackedTokens tokens_;
  std::shared_ptr<const Backbone> backbone_;
  int64_t width_ = 0;
};

TEST_F(HiddenStatesTest, EqualTheReference) {
  const absl::StatusOr<std::vector<float>> hidden = backbone_->Encode(tokens_);
  ASSERT_THAT(hidden, IsOk());
  ASSERT_EQ(hidden->size(), tokens_.num_tokens() * width_);
  // float32 through 6 layers of sums in another order: differences measured are below 1e-5.
  constexpr double kTolerance = 2e-5;

  const std::vector<int64_t> row_indices = Values<int64_t>(*golden_, "row_indices");
  const std::vector<float> rows = Values<float>(*golden_, "rows");
  for (size_t r = 0; r < row_indices.size(); ++r) {
    EXPECT_LE(MaxDifference(&(*hidden)[row_indices[r] * width_], &rows[r * width_], width_), kTolerance)
        << "token " << row_indices[r];
  }
  // The direction has unit length, so errors that are independent project onto it at their own size.
  const std::vector<float> direction = Values<float>(*golden_, "direction");
  const std::vector<float> projections = Values<float>(*golden_, "projections");
  ASSERT_EQ(projections.size(), tokens_.num_tokens());
  double worst = 0;
  for (int64_t t = 0; t < tokens_.num_tokens(); ++t) {
    double sum = 0;
    for (int64_t d = 0; d < width_; ++d) sum += static_cast<double>((*hidden)[t * width_ + d]) * direction[d];
    ASSERT_TRUE(std::isfinite(sum)) << "token " << t;
    worst = std::max(worst, std::abs(sum - projections[t]));
  }
  EXPECT_LE(worst, kTolerance);
}

// Sequences must not see each other.
TEST_F(HiddenStatesTest, PackedEqualsOneByOne) {
  const absl::StatusOr<std::vector<float>> packed = backbone_->Encode(tokens_);
  ASSERT_THAT(packed, IsOk());
  for (int64_t s = 0; s < tokens_.num_sequences(); ++s) {
    const absl::StatusOr<std::vector<float>> alone = backbone_->Encode(Sequence(tokens_, s));
    ASSERT_THAT(alone, IsOk());
    // Products of other sizes sum in another order: half the tolerance against the reference.
    EXPECT_LE(
        MaxDifference(&(*packed)[tokens_.offsets[s] * width_], alone->data(), static_cast<int64_t>(alone->size())),
        1e-5)
        << "sequence " << s;
  }
}

}  // namespace
}  // namespace gbmoa
