#include "repro/progress.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ProgressTest, LogsEveryTenSecondsAndAtTheEnd) {
  double now = 0;
  std::vector<std::string> lines;
  Progress progress({false, 2, [&] { return now; }, [&](const std::string& text) { lines.push_back(text); }});
  progress.AddJobs("lora", 5);
  for (int i = 0; i < 4; ++i) {
    now += 6;
    progress.Finished("lora", 12, i == 1);
  }
  now += 1;
  progress.Finished("lora", 12, false);
  // Two workers: four jobs of 12 s left are 24 s.
  EXPECT_THAT(lines, ElementsAre("1 of 5 jobs, about 24 s left (lora)", "3 of 5 jobs, 1 failed, about 12 s left (lora)",
                                 "5 of 5 jobs, 1 failed, about 0 s left (lora)"));
}

TEST(ProgressTest, BarOnATerminal) {
  double now = 0;
  std::string shown;
  Progress progress({true, 1, [&] { return now; }, [&](const std::string& text) { shown = text; }});
  progress.AddJobs("lora", 2);
  progress.Finished("lora", 3, false);
  EXPECT_THAT(shown, StartsWith("\r[############............] 1 of 2 jobs, about 3 s left"));
  progress.Close();
  EXPECT_EQ(shown, "\n");
}

TEST(ProgressTest, TimeLeft) {
  Progress progress({false, 1, nullptr, [](const std::string&) {}});
  progress.AddJobs("meta gbmoa", 1);
  progress.AddJobs("lora", 10);
  progress.AddJobs("full", 10);
  EXPECT_EQ(progress.TimeLeft(), "");
  progress.Running("gbmoa", "meta gbmoa", 0.25, 30, "");  // 90 s to go; nothing is known of the others
  EXPECT_EQ(progress.TimeLeft(), "about 2 min left");
  progress.Finished("lora", 6, false);  // nine more, and full is taken to last as long: 90 + 54 + 60 s
  EXPECT_EQ(progress.TimeLeft(), "about 3 min left");
}

TEST(ProgressTest, WhatIsNotNeededIsNotWaitedFor) {
  double now = 0;
  std::vector<std::string> lines;
  Progress progress({false, 1, [&] { return now; }, [&](const std::string& text) { lines.push_back(text); }});
  progress.AddJobs("lora", 4);
  progress.Finished("lora", 6, false);
  progress.NotNeeded("lora");
  EXPECT_EQ(progress.TimeLeft(), "about 12 s left");
  now += 20;
  progress.Finished("lora", 6, false);
  EXPECT_EQ(lines.back(), "2 of 3 jobs, about 6 s left (lora)");
}

TEST(ProgressTest, AnUnknownKindIsLikeOthersOfItsSort) {
  Progress progress({false, 1, nullptr, [](const std::string&) {}});
  progress.AddJobs("meta gbmoa", 2, "meta");
  progress.AddJobs("meta maml", 1, "meta");
  progress.AddJobs("lora", 11, "task");
  progress.AddJobs("gbmoa", 10, "task");
  progress.Finished("lora", 6, false);
  progress.Running("gbmoa", "meta gbmoa", 0.25, 300, "");
  // 900 s of the one that runs, 1200 s each of two meta-trainings, 20 adaptations of 6 s.
  EXPECT_EQ(progress.TimeLeft(), "about 57 min left");
}

TEST(DurationTextTest, Units) {
  EXPECT_EQ(DurationText(0.4), "0 s");
  EXPECT_EQ(DurationText(59.4), "59 s");
  EXPECT_EQ(DurationText(150), "3 min");
  EXPECT_EQ(DurationText(7800), "2 h 10 min");
}

}  // namespace
}  // namespace gbmoa
