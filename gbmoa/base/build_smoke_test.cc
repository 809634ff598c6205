// Links every library we depend on into one program and uses each once: they share symbols and macros, and this is
// where a clash shows first.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/build_smoke.pb.h"
#include "gbmoa/base/torch.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

absl::StatusOr<BuildSmoke> Parse(const std::string& text) {
  BuildSmoke message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) {
    return absl::InvalidArgumentError(absl::StrCat("not a textproto: ", text));
  }
  return message;
}

TEST(BuildSmokeTest, MatmulAndGradient) {
  const at::Tensor a = at::arange(6, at::kDouble).reshape({2, 3}).requires_grad_();
  const at::Tensor b = at::ones({3, 1}, at::kDouble);
  const at::Tensor loss = at::matmul(a, b).pow(2).sum();
  const at::Tensor gradient = torch::autograd::grad({loss}, {a})[0];
  // d/da Σ_i (Σ_j a_ij)² = 2 Σ_j a_ij; the row sums are 3 and 12. Exact in float64.
  EXPECT_TRUE(at::equal(gradient, at::tensor({6.0, 24.0}, at::kDouble).unsqueeze(1).expand({2, 3})));
}

TEST(BuildSmokeTest, ThreadsAndGuards) {
  at::NoGradGuard no_grad;
  at::Tensor x = at::zeros({1000});
  float* data = x.data_ptr<float>();
  at::parallel_for(0, 1000, 10, [data](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) data[i] = 1;
  });
  EXPECT_EQ(x.sum().item<float>(), 1000);
}

TEST(BuildSmokeTest, ProtoAndStatus) {
  const absl::StatusOr<BuildSmoke> message = Parse("name: 'x' values: [1, 2]");
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_THAT(message->values(), ::testing::ElementsAre(1, 2));
  EXPECT_EQ(Parse("nonsense {").status().code(), absl::StatusCode::kInvalidArgument);
}

// A function, because glog's CHECK has a comma that EXPECT_DEATH would take for its own.
void Die() { CHECK(false) << "the reason"; }

TEST(BuildSmokeDeathTest, GlogCheckDies) {
  LOG(INFO) << "glog and LibTorch agree on LOG";
  CHECK_EQ(1, 1);
  EXPECT_DEATH(Die(), "Check failed: false the reason");
}

}  // namespace
}  // namespace gbmoa
