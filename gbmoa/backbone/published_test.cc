#include "gbmoa/backbone/published.h"

#include <string>

#include "gbmoa/backbone/backbone.h"
#include "gbmoa/backbone/backbone_config.h"
#include "gbmoa/backbone/encoder_weights.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gbmoa/base/torch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Whatever lies in configs/.
TEST(PublishedTest, EveryConfigIsValidAndHasThePublishedSize) {
  ASSERT_GE(PublishedBackboneNames().size(), 11u);
  for (const std::string& name : PublishedBackboneNames()) {
    const absl::StatusOr<BackboneConfig> config = PublishedBackboneConfig(name);
    ASSERT_THAT(config, IsOk()) << name;
    EXPECT_THAT(ValidateBackboneConfig(*config), IsOk()) << name;
    EXPECT_EQ(config->name(), name);
    EXPECT_EQ(config->position_offset(), config->family() == BackboneConfig::ROBERTA ? config->pad_token_id() + 1 : 0)
        << name;
    const int64_t d = config->hidden_size(), pooler = d * d + d;
    EXPECT_EQ(config->published_parameters(), CountParameters(*config) + pooler) << name;
  }
}

// Counted by transformers (tools/golden/published_parameters.py).
TEST(PublishedTest, PublishedSizes) {
  const struct {
    const char* name;
    int64_t parameters;
  } kCases[] = {
      {"bert-tiny", 4'385'920},
      {"bert-mini", 11'170'560},
      {"bert-small", 28'763'648},
      {"bert-medium", 41'373'184},
      {"bert-base-uncased", 109'482'240},
      {"bert-base-cased", 108'310'272},
      {"bert-large-uncased", 335'141'888},
      {"bert-large-cased", 333'579'264},
      {"roberta-base", 124'645'632},
      {"roberta-large", 355'359'744},
      {"minilm-l6", 22'713'216},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<BackboneConfig> config = PublishedBackboneConfig(c.name);
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->published_parameters(), c.parameters) << c.name;
  }
}

TEST(PublishedTest, MiniLmIsTheBundledOne) {
  const absl::StatusOr<std::string> folder = BundledBackboneFolder();
  ASSERT_THAT(folder, IsOk());
  absl::StatusOr<BackboneConfig> bundled = ReadBackboneConfig(*folder),
                                 published = PublishedBackboneConfig("minilm-l6");
  ASSERT_THAT(bundled, IsOk());
  ASSERT_THAT(published, IsOk());
  bundled->set_name(published->name());
  published->clear_published_parameters();
  EXPECT_EQ(bundled->DebugString(), published->DebugString());
}

TEST(PublishedTest, UnknownName) {
  for (const std::string name : {"bert", "", "../configs/bert-tiny", "bert-tiny.textproto"}) {
    EXPECT_THAT(PublishedBackboneConfig(name),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("unknown backbone '" + name + "'; known: "), HasSubstr("roberta-large"))));
  }
}

TEST(BackboneTest, WithoutWeightsCounts) {
  const absl::StatusOr<BackboneConfig> config = PublishedBackboneConfig("roberta-large");
  ASSERT_THAT(config, IsOk());
  const std::shared_ptr<const Backbone> backbone = Backbone::WithoutWeights(*config);
  EXPECT_EQ(backbone->num_parameters(), 354'310'144);
  EXPECT_EQ(backbone->config().hidden_size(), 1024);
  EXPECT_THAT(backbone->Encode(PackedTokens()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "roberta-large was made without weights"));
  EXPECT_DEATH(backbone->transformer(), "roberta-large was made without weights");
}

}  // namespace
}  // namespace gbmoa
