#include "repro/table.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gbmoa/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/testing.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

TEST(LoadTableTest, TheRepositorysTablesAreConsistent) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/repro/tables/table1.textproto");
  ASSERT_TRUE(path.ok()) << path.status();
  const absl::StatusOr<TableDefinition> definition = LoadTable(*path);
  ASSERT_TRUE(definition.ok()) << definition.status();
  EXPECT_EQ(definition->sha256.size(), 64);
  // The paper's table has six rows of five cells.
  int methods = 0, cells = 0;
  for (const Row& row : definition->table.rows()) {
    methods += row.kind() == Row::METHOD;
    cells += static_cast<int>(row.paper().size());
  }
  EXPECT_EQ(methods, 6);
  EXPECT_EQ(cells, 30);
  EXPECT_EQ(FindRow(definition->table, "gbmoa")->paper().at("accuracy"), 91.8);
  EXPECT_EQ(LoadTable(*path + ".missing").status().code(), absl::StatusCode::kNotFound);
}

TEST(ParseTableTest, RefusesContradictions) {
  const std::string good = TestTableText();
  ASSERT_TRUE(ParseTable("t.textproto", good).ok()) << ParseTable("t.textproto", good).status();
  const struct {
    std::string from, to, message;
  } kCases[] = {
      {"name: \"toy\"", "name: \"toy/1\"", "name: 'toy/1' is not a name"},
      {"margin: 2", "margin: 0", "columns[accuracy]: margin 0"},
      {"margin: 2", "margin: nan", "columns[accuracy]: margin nan"},
      {"margin_reason: \"noise\"", "", "columns[accuracy]: a margin needs its reason"},
      {"ratio_row: \"slow\"", "ratio_row: \"fast\"", "ratio_row: no row 'fast'"},
      {"compare_to: \"meta\"", "compare_to: \"mata\"", "compare_to: no row 'mata'"},
      {"id: \"meta\"", "id: \"slow\"", "rows: 'slow' is there twice"},
      {"key: \"accuracy\" value: 84.3", "key: \"acc\" value: 84.3", "rows[slow]: paper cell of no column: acc"},
      {"marks: [ 0, 2, 4 ]", "marks: [0, 4, 2]", "profiles[desk].marks: 2 after 4"},
      {"marks: [ 0, 2, 4 ]", "marks: [0, 2]", "profiles[desk].marks: the last mark is 2, not the last step, 4"},
      {"draws: 3", "draws: 0", "profiles[desk].draws: 0"},
      {"meta_seeds: 1", "meta_seeds: 4", "profiles[desk].meta_seeds: 4 with 3 draws"},
      {"row: \"meta\"\n        expected", "row: \"mata\"\n expected", "profiles[desk].rows[mata]: no such row"},
      {"column: \"accuracy\" mean", "column: \"acc\" mean", "profiles[desk].rows[meta].expected[acc]: no such column"},
      {"sd: 1.5", "sd: -1", "profiles[desk].rows[meta].expected[accuracy]: sd -1"},
      {"source: \"draws 100 to 104\"", "", "where does the value come from"},
      {"compare_to: \"plain_start\"", "compare_to: \"plan\"", "profiles[desk].few_shot.compare_to: no start 'plan'"},
      {"reasons: MISSING_WEIGHTS reasons: HARDWARE", "", "profiles[big].not_attempted: needs a reason"},
      {"columns {", "colums {", "t.textproto:"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(good.find(c.from), std::string::npos) << "not in the table: " << c.from;
    const absl::Status status = ParseTable("t.textproto", absl::StrReplaceAll(good, {{c.from, c.to}})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.from << " -> " << c.to;
  }
}

TEST(ResolveProfileTest, OverridesAndQuick) {
  const Table table = ParseTable("t.textproto", TestTableText())->table;
  const Profile full = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(full.draws(), 3);
  EXPECT_EQ(full.steps(), 4);
  const Profile quick = *ResolveProfile(table, "desk", {{}, {}, true});
  EXPECT_EQ(quick.draws(), 1);
  EXPECT_EQ(quick.steps(), 2);
  EXPECT_EQ(quick.few_shot().episodes(), 2);
  const Profile seeds = *ResolveProfile(table, "desk", {7, 100, false});
  EXPECT_EQ(seeds.draws(), 7);
  EXPECT_EQ(seeds.first_draw(), 100);
  const absl::Status unknown = ResolveProfile(table, "desktop", {}).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("unknown profile 'desktop' of toy; known: desk, big"));
  EXPECT_EQ(ResolveProfile(table, "desk", {0, {}, false}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ResolveProfile(table, "desk", {{}, -1, false}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(NotAttemptedReasonTest, NamesReasons) {
  const Table table = ParseTable("t.textproto", TestTableText())->table;
  EXPECT_EQ(NotAttemptedReason(*ResolveProfile(table, "big", {}), "slow"),
            "MISSING_WEIGHTS, HARDWARE: no such machine here");
  const Profile desk = *ResolveProfile(table, "desk", {});
  EXPECT_EQ(NotAttemptedReason(desk, "slow"), "");
  EXPECT_EQ(NotAttemptedReason(desk, "absent"), "UNDERSPECIFIED: profile desk has no settings for this row");
}

}  // namespace
}  // namespace gbmoa
