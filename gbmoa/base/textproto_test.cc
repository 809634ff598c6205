#include "gbmoa/base/textproto.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

// A message with numbers, enums, strings, bytes and messages inside messages that every protobuf has.
using Message = ::google::protobuf::DescriptorProto;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<Message> Parse(absl::string_view text) {
  Message message;
  const absl::Status status = ParseTextproto("f.textproto", text, &message);
  if (!status.ok()) return status;
  return message;
}

std::string Nested(int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += "nested_type {";
  return text + std::string(levels, '}');
}

TEST(TextprotoTest, Reads) {
  const absl::StatusOr<Message> message =
      Parse("# comment\nname: 'caf\u00e9'\nfield { number: 7 label: LABEL_REPEATED }");
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->name(), "caf\u00e9");
  EXPECT_EQ(message->field(0).number(), 7);
  EXPECT_THAT(Parse(""), IsOk());
  EXPECT_THAT(Parse(Nested(100)), IsOk());
}

TEST(TextprotoTest, Refuses) {
  const struct {
    std::string name, text, message;
  } kCases[] = {
      {"syntax", "name: 'a'\nfield {\n  number: }\n", "f.textproto:3:11: Expected integer, got: }"},
      {"not closed", "field {", "f.textproto:1:"},
      {"unknown field", "name: 'a'\n  nam: 'b'", "has no field named \"nam\""},
      {"unknown field's place", "name: 'a'\n  nam: 'b'", "f.textproto:2:"},
      {"field twice", "name: 'a'\nname: 'b'", "f.textproto:2:"},
      {"int overflow", "field { number: 2147483648 }", "f.textproto:1:17: Integer out of range"},
      {"int overflow downwards", "field { number: -2147483649 }", "Integer out of range"},
      {"float for an int", "field { number: 1.5 }", "Expected integer"},
      {"unknown enum value", "field { label: LABEL_NONE }", "LABEL_NONE"},
      {"string for an int", "field { number: '1' }", "Expected integer"},
      {"number for a string", "name: 1", "f.textproto:1:7: Expected string"},
      {"bytes that are no UTF-8", "name: 'a'\n# \xff", "f.textproto:2:3: not UTF-8"},
      {"escape that is no UTF-8", "name: '\\xff'", "f.textproto: name: the string is not UTF-8"},
      {"escape below", "field { name: 'a' } field { name: '\\303' }",
       "f.textproto: field[1].name: the string is not UTF-8"},
      {"101 levels", Nested(101), "too deep"},
      {"10,000 levels", Nested(10'000), "too deep"},
      {"unfinished string", "name: 'a", "f.textproto:1:"},
      {"NUL", absl::StrCat("name: 'a'", std::string(1, '\0')), "f.textproto:1:10"},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<Message> message = Parse(c.text);
    EXPECT_THAT(message, StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("f.textproto:"))) << c.name;
    EXPECT_THAT(message, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message))) << c.name;
  }
}

// RELIABILITY.md R22.
TEST(TextprotoTest, NamesTheField) {
  const struct {
    std::string name, text, message;
  } kCases[] = {
      {"syntax", "name: 'a'\nfield {\n  number: }\n", "f.textproto:3:11: Expected integer, got: } (in field.number)"},
      {"overflow", "field { name: 'a' } field { number: 2147483648 name: 'b' }",
       "f.textproto:1:37: Integer out of range (2147483648) (in field.number)"},
      {"below", "nested_type { field { label: 'x' } }",
       "f.textproto:1:30: Expected integer or identifier, got: 'x' (in nested_type.field.label)"},
      {"after a message", "field { number: 1 }\nname: 3", "f.textproto:2:7: Expected string, got: 3 (in name)"},
      {"negative", "field { number: -2147483649 }",
       "f.textproto:1:18: Integer out of range (2147483649) (in field.number)"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Parse(c.text), StatusIs(absl::StatusCode::kInvalidArgument, c.message)) << c.name;
  }
}

TEST(TextprotoTest, RefusesNumbersThatAreNoneAndKeysTwice) {
  google::protobuf::Struct message;
  const struct {
    std::string text, message;
  } kCases[] = {
      {"fields { key: 'lr' value { number_value: nan } }",
       "f.textproto: fields[0].value.number_value: expected a finite number, found nan"},
      {"fields { key: 'lr' value { number_value: -inf } }",
       "f.textproto: fields[0].value.number_value: expected a finite number, found -inf"},
      {"fields { key: 'lr' value { number_value: 1e999 } }",
       "f.textproto: fields[0].value.number_value: expected a finite number, found inf"},
      {"fields { key: 'lr' value { number_value: 1 } } fields { key: 'lr' value { number_value: 2 } }",
       "f.textproto: fields[1]: key 'lr' comes twice"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(ParseTextproto("f.textproto", c.text, &message),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message))
        << c.text;
  }
  ASSERT_THAT(
      ParseTextproto("f.textproto", "fields { key: 'a' } fields { key: 'b' value { number_value: 3 } }", &message),
      IsOk());
  EXPECT_EQ(message.fields().at("b").number_value(), 3);
}

// Protobuf's own serialization orders a map by a seed that differs from map to map: of these copies some would differ.
TEST(TextprotoTest, DeterministicBytesDoNotDependOnTheMap) {
  google::protobuf::Struct first;
  for (int i = 0; i < 20; ++i) (*first.mutable_fields())[absl::StrCat("key", i)].set_number_value(i);
  const std::string bytes = DeterministicBytes(first);
  for (int copy = 0; copy < 20; ++copy) {
    google::protobuf::Struct other;
    for (int i = 19; i >= 0; --i) (*other.mutable_fields())[absl::StrCat("key", i)].set_number_value(i);
    EXPECT_EQ(DeterministicBytes(other), bytes);
  }
  google::protobuf::Struct parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  EXPECT_EQ(parsed.fields().size(), 20u);
  EXPECT_EQ(DeterministicBytes(google::protobuf::Struct()), "");
}

TEST(TextprotoTest, LoadNamesTheFile) {
  EXPECT_THAT(LoadTextproto<Message>("/nowhere/x.textproto"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/x.textproto")));
  const std::string path = absl::StrCat(::testing::TempDir(), "/textproto_test", getpid());
  ASSERT_THAT(WriteFileAtomically(path, "name: 'x'"), IsOk());
  const absl::StatusOr<Message> message = LoadTextproto<Message>(path);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->name(), "x");
  ASSERT_THAT(WriteFileAtomically(path, "x"), IsOk());
  EXPECT_THAT(LoadTextproto<Message>(path), StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(path + ":1:")));
  ASSERT_THAT(WriteFileAtomically(path, std::string((1 << 20) + 1, ' ')), IsOk());
  EXPECT_THAT(LoadTextproto<Message>(path),
              StatusIs(absl::StatusCode::kInvalidArgument, path + ": longer than the limit of 1048576 bytes"));
  unlink(path.c_str());
}

}  // namespace
}  // namespace gbmoa
