#include "repro/event_file.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "repro/event.pb.h"

namespace gbmoa {
namespace {

using ::testing::HasSubstr;

TEST(Crc32cTest, TheVectorsOfTheRfc) {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<char>(i));
    descending.push_back(static_cast<char>(31 - i));
  }
  const struct {
    const char* name;
    std::string bytes;
    uint32_t crc;
  } kCases[] = {
      {"digits", "123456789", 0xe3069283u},           // the check value of catalogues
      {"zeros", std::string(32, '\0'), 0x8a9136aau},  // RFC 3720, B.4, and those below
      {"ones", std::string(32, '\xff'), 0x62a8ab43u}, {"ascending", ascending, 0x46dd794eu},
      {"descending", descending, 0x113fdb5cu},        {"nothing", "", 0},
  };
  for (const auto& c : kCases) EXPECT_EQ(Crc32c(c.bytes), c.crc) << c.name;
}

// Bit by bit, without a table, and with the polynomial not reflected: another way to the same number.
uint32_t SlowMaskedCrc(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t in = static_cast<uint8_t>(c) >> bit & 1;
      const uint32_t out = crc >> 31;
      crc = (crc << 1) ^ (in != out ? 0x1edc6f41u : 0);
    }
  }
  uint32_t reflected = 0;
  for (int bit = 0; bit < 32; ++bit) reflected |= (~crc >> bit & 1) << (31 - bit);
  return static_cast<uint32_t>((uint64_t{reflected} << 32 | reflected) >> 15) + 0xa282ead8u;
}

uint64_t Number(const std::string& bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes.at(at + i));
  return value;
}

// The data of all whole records; the rest, if there is one, goes to `rest`.
std::vector<std::string> Records(const std::string& bytes, std::string* rest) {
  std::vector<std::string> records;
  size_t at = 0;
  while (bytes.size() - at >= 12) {
    const uint64_t length = Number(bytes, at, 8);
    if (bytes.size() - at < 16 + length) break;
    EXPECT_EQ(Number(bytes, at + 8, 4), SlowMaskedCrc(bytes.substr(at, 8))) << "length of record " << records.size();
    records.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(Number(bytes, at + 12 + length, 4), SlowMaskedCrc(records.back())) << "record " << records.size() - 1;
    at += 16 + length;
  }
  *rest = bytes.substr(at);
  return records;
}

class EventFileTest : public testing::Test {
 protected:
  EventFileTest() {
    std::string pattern = JoinPath(testing::TempDir(), "event_file_test.XXXXXX");
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  static std::string Read(const std::string& path) {
    const absl::StatusOr<std::string> text = ReadFile(path, 1 << 20);
    EXPECT_THAT(text, IsOk());
    return text.ok() ? *text : "";
  }

  std::string folder_;
};

TEST_F(EventFileTest, ScalarsComeBack) {
  absl::StatusOr<std::unique_ptr<EventFileWriter>> writer = EventFileWriter::Create(JoinPath(folder_, "new/events"));
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->path(), HasSubstr("/new/events/events.out.tfevents.1"));
  EXPECT_THAT((*writer)->AddScalars(7, 1.5e9, {{"loss", 0.25f}, {"Größe", -3}}), IsOk());
  EXPECT_THAT((*writer)->AddScalars(0, 1.0, {{"loss", 0}}), IsOk());
  EXPECT_THAT((*writer)->Close(), IsOk());
  EXPECT_THAT((*writer)->Close(), IsOk());
  EXPECT_THAT((*writer)->AddScalars(1, 1, {}), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is closed")));

  std::string rest;
  const std::vector<std::string> records = Records(Read((*writer)->path()), &rest);
  EXPECT_EQ(rest, "");
  ASSERT_EQ(records.size(), 3);
  tensorboard::Event event;
  ASSERT_TRUE(event.ParseFromString(records[0]));
  EXPECT_EQ(event.file_version(), "brain.Event:2");
  EXPECT_GT(event.wall_time(), 1.6e9);  // seconds since 1970, of this decade or a later one
  ASSERT_TRUE(event.ParseFromString(records[1]));
  EXPECT_EQ(event.step(), 7);
  EXPECT_EQ(event.wall_time(), 1.5e9);
  ASSERT_EQ(event.summary().value_size(), 2);
  EXPECT_EQ(event.summary().value(0).tag(), "loss");
  EXPECT_EQ(event.summary().value(0).simple_value(), 0.25f);
  EXPECT_EQ(event.summary().value(1).tag(), "Größe");
  // Byte by byte, as protobuf's encoding and TensorBoard's field numbers have it: field 1, double 1.0; field 5, a
  // summary whose value has field 1 "loss" and field 2, a float that is 0 and there. Step 0 is not written.
  EXPECT_EQ(records[2], std::string("\x09\0\0\0\0\0\0\xf0\x3f"
                                    "\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\0\0",
                                    24));
}

TEST_F(EventFileTest, AKilledRunLeavesWholeRecords) {
  absl::StatusOr<std::unique_ptr<EventFileWriter>> writer = EventFileWriter::Create(folder_);
  ASSERT_THAT(writer, IsOk());
  for (int step = 1; step <= 3; ++step) {
    EXPECT_THAT((*writer)->AddScalars(step, step, {{"loss", 1.0f / step}}), IsOk());
    std::string rest;
    EXPECT_EQ(Records(Read((*writer)->path()), &rest).size(), 1 + step);  // the writer is still open
    EXPECT_EQ(rest, "");
  }
  // A machine that went down may have cut the last record; those before it are still read.
  const std::string bytes = Read((*writer)->path());
  for (const size_t cut : {1, 4, 15, 20}) {
    std::string rest;
    EXPECT_EQ(Records(bytes.substr(0, bytes.size() - cut), &rest).size(), 3) << cut;
    EXPECT_NE(rest, "") << cut;
  }
}

TEST_F(EventFileTest, WritersOfOneSecondHaveFilesOfTheirOwn) {
  const absl::StatusOr<std::unique_ptr<EventFileWriter>> a = EventFileWriter::Create(folder_);
  const absl::StatusOr<std::unique_ptr<EventFileWriter>> b = EventFileWriter::Create(folder_);
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_NE((*a)->path(), (*b)->path());
}

TEST_F(EventFileTest, Errors) {
  const std::string file = JoinPath(folder_, "file");
  std::ofstream(file) << "";
  EXPECT_THAT(EventFileWriter::Create(file),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("file: cannot make the folder")));
  EXPECT_THAT(EventFileWriter::Create(JoinPath(file, "below")),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("file/below: cannot make the folder")));
}

}  // namespace
}  // namespace gbmoa
