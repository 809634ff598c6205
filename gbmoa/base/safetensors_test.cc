#include "gbmoa/base/safetensors.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/resident_memory.h"
#include "gbmoa/base/runfiles.h"
#include "gbmoa/base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gbmoa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

std::string Length(uint64_t n) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i));
  return bytes;
}

std::string File(absl::string_view header, absl::string_view data = "") {
  return absl::StrCat(Length(header.size()), header, data);
}

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/safetensors", getpid(), ".", name);
}

template <typename T>
std::vector<T> Values(const SafetensorsFile& file, absl::string_view name) {
  const SafetensorsView* view = file.Find(name);
  if (view == nullptr) return {};
  std::vector<T> values(view->data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), view->data.data(), view->data.size());
  return values;
}

TEST(SafetensorsTest, ReadsWhatTheReferenceWrote) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/gbmoa/base/testdata/reference.safetensors");
  ASSERT_THAT(path, IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(*path);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(file->metadata(), UnorderedElementsAre(Pair("format", "pt"), Pair("\u00fc", "\u2713")));
  std::vector<std::string> names, types;
  for (const SafetensorsView& view : file->tensors()) {
    names.emplace_back(view.name);
    types.push_back(absl::StrCat(DtypeName(view.dtype), "[", absl::StrJoin(view.shape, ","), "]"));
  }
  EXPECT_THAT(names, ElementsAre("a.int64", "b.float32", "c.uint8", "nothing", "quoted \"n\u00e4me\"\n", "scalar"));
  EXPECT_THAT(types, ElementsAre("I64[2]", "F32[2,3]", "U8[5]", "F16[3,0,2]", "BOOL[2]", "I16[]"));
  EXPECT_THAT(Values<float>(*file, "b.float32"),
              ElementsAre(1.5f, -2.0f, 3.25f, 0.0f, 1e-30f, std::numeric_limits<float>::infinity()));
  EXPECT_THAT(Values<int64_t>(*file, "a.int64"), ElementsAre(INT64_MIN, INT64_MAX));
  EXPECT_THAT(Values<int16_t>(*file, "scalar"), ElementsAre(7));
  EXPECT_THAT(Values<uint8_t>(*file, "c.uint8"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Values<uint8_t>(*file, "quoted \"n\u00e4me\"\n"), ElementsAre(1, 0));
  EXPECT_EQ(file->Find("nothing")->num_elements(), 0);
  EXPECT_EQ(file->Find("absent"), nullptr);
}

TEST(SafetensorsTest, ReadsWhatItWrote) {
  const std::vector<float> floats = {1, -0.0f, std::numeric_limits<float>::quiet_NaN(), 4};
  const std::vector<int64_t> integers = {-1, 1LL << 40};
  const std::vector<char> bytes = {1, 2, 3};
  const std::string path = TempPath("round_trip");
  ASSERT_THAT(WriteSafetensors(path,
                               {{"bytes", SafetensorsDtype::kUint8, {3}, bytes},
                                {"floats", SafetensorsDtype::kFloat32, {2, 2}, AsBytes<float>(floats)},
                                {"integers \"\\\n\u00e9", SafetensorsDtype::kInt64, {2}, AsBytes<int64_t>(integers)},
                                {"empty", SafetensorsDtype::kFloat64, {0, 9}, {}},
                                {"one", SafetensorsDtype::kBfloat16, {}, absl::MakeConstSpan(bytes).subspan(0, 2)}},
                               {{"made_by", "test"}}),
              IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->tensors().size(), 5u);
  EXPECT_THAT(file->metadata(), ElementsAre(Pair("made_by", "test")));
  EXPECT_EQ(std::memcmp(file->Find("floats")->data.data(), floats.data(), 16), 0);
  EXPECT_EQ(Values<int64_t>(*file, "integers \"\\\n\u00e9"), integers);
  EXPECT_EQ(Values<char>(*file, "bytes"), bytes);
  EXPECT_THAT(file->Find("empty")->shape, ElementsAre(0, 9));
  EXPECT_THAT(file->Find("one")->shape, IsEmpty());
  for (const SafetensorsView& view : file->tensors()) {
    if (view.data.empty()) continue;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data.data()) % DtypeBytes(view.dtype), 0) << view.name;
  }
  unlink(path.c_str());
}

TEST(SafetensorsTest, OpenNamesTheFile) {
  EXPECT_THAT(SafetensorsFile::Open("/nowhere/x.safetensors"),
              StatusIs(absl::StatusCode::kNotFound, "/nowhere/x.safetensors: cannot open: No such file or directory"));
  const std::string path = TempPath("short");
  std::ofstream(path) << "abc";
  EXPECT_THAT(SafetensorsFile::Open(path),
              StatusIs(absl::StatusCode::kDataLoss, path + ": not a safetensors file: only 3 bytes"));
  unlink(path.c_str());
}

TEST(SafetensorsTest, Accepts) {
  const struct {
    std::string name, header, data;
    int num_tensors;
  } kCases[] = {
      {"no tensors", "{}", "", 0},
      {"padding", "{}      ", "", 0},
      {"white space inside", "{ \"a\" : { \"dtype\" : \"U8\" , \"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 1 ] } }",
       "x", 1},
      {"fields in another order", R"({"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}})", "x", 1},
      {"header not in the order of the offsets",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       "xy", 2},
      {"rank 0", R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", "1234", 1},
      {"zero size", R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", "", 1},
      {"zero sizes between others",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"z":{"dtype":"F32","shape":[5,0],"data_offsets":[1,1]},)"
       R"("y":{"dtype":"F64","shape":[0],"data_offsets":[1,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       "xy", 4},
      {"a zero beside what would overflow",
       R"({"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,0],"data_offsets":[0,0]}})", "", 1},
      {"empty name", R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x", 1},
      {"escaped name", R"({"\u00e9\ud83d\ude00":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x", 1},
      {"no metadata in it", R"({"__metadata__":{}})", "", 0},
      {"unaligned",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
       "x1234", 2},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse("f", File(c.header, c.data));
    ASSERT_THAT(file, IsOk()) << c.name;
    EXPECT_EQ(file->tensors().size(), c.num_tensors) << c.name;
  }
}

TEST(SafetensorsTest, RefusesWhatTheFormatForbids) {
  const std::string kGood = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  // A header with one tensor 'a'.
  const auto tensor = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const auto shape = [&](const std::string& s) { return tensor(R"("dtype":"F32","data_offsets":[0,4],"shape":)" + s); };
  const auto offsets = [&](const std::string& o) { return tensor(R"("dtype":"F32","shape":[1],"data_offsets":)" + o); };
  const struct {
    std::string name, bytes, message;
  } kCases[] = {
      {"no bytes", "", "not a safetensors file: only 0 bytes"},
      {"seven bytes", "1234567", "not a safetensors file: only 7 bytes"},
      {"n = 0", Length(0), "header: does not begin with {"},
      {"n one too big", Length(3) + "{}", "cut short: the header has 3 bytes, the file has 2 after the length"},
      {"n = 2^63", Length(1ULL << 63) + "{}",
       "not a safetensors file: the header's length is 9223372036854775808, more than the limit of 100000000"},
      {"n = 2^64 - 1", Length(~0ULL) + "{}", "the header's length is 18446744073709551615, more than"},
      {"n over the limit", Length(100'000'001) + "{}",
       "the header's length is 100000001, more than the limit of 100000000"},
      {"n at the limit", Length(100'000'000) + "{}", "cut short: the header has 100000000 bytes, the file has 2"},
      {"n ends inside", Length(1) + "{}", "header: byte 2: syntax error"},
      {"not JSON", File("{x}"), "header: byte 2: syntax error while parsing object key"},
      {"open object", File("{"), "header: byte 2: syntax error"},
      {"a list", File("[]"), "header: does not begin with {"},
      {"leading white space", File(" {}"), "header: does not begin with {"},
      {"byte order mark", File("\xef\xbb\xbf{}"), "header: does not begin with {"},
      {"two values", File("{}{}"),
       "header: byte 3: syntax error while parsing value - unexpected '{'; expected end of input"},
      {"NUL after it", File(absl::string_view("{}\0x", 4)), "header: byte 2: NUL"},
      {"NUL in a string", File(absl::string_view("{\"a\0\":1}", 8)), "header: byte 3: NUL"},
      {"NUL after a backslash", File(absl::string_view("{\"a\\\0\":1}", 9)), "header: byte 4: NUL"},
      {"bad UTF-8", File("{\"\xff\":" + kGood + "}", "x"), "header: byte 2: not UTF-8"},
      {"overlong UTF-8", File("{\"ab\xc0\x80\":" + kGood + "}", "x"), "header: byte 4: not UTF-8"},
      {"lone surrogate", File("{\"\\ud800\":" + kGood + "}", "x"), "surrogate"},
      {"comment", File("{/**/}"), "header: byte 2: syntax error"},
      {"trailing comma", File("{\"a\":" + kGood + ",}", "x"), "syntax error"},
      {"NaN", File(offsets("[NaN,4]"), "1234"), "syntax error"},
      {"tensor is a number", File("{\"a\":1}"), "header: tensor 'a': wanted an object, got 1"},
      {"tensor is null", File("{\"a\":null}"), "header: tensor 'a': wanted an object, got null"},
      {"tensor is a list", File("{\"a\":[]}"), "header: tensor 'a': wanted an object, got an array"},
      {"long name in a message", File("{\"" + std::string(5000, 'n') + "\":1}"),
       "header: tensor '" + std::string(100, 'n') + "...': wanted an object"},
      {"same name twice", File("{\"a\":" + kGood + R"(,"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xy"),
       "tensor 'a' comes twice"},
      {"same name twice, escaped",
       File("{\"a\":" + kGood + R"(,"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xy"),
       "tensor 'a' comes twice"},
      {"no dtype", File(tensor(R"("shape":[1],"data_offsets":[0,4])"), "1234"), "header: tensor 'a': dtype is missing"},
      {"no shape", File(tensor(R"("dtype":"F32","data_offsets":[0,4])"), "1234"),
       "header: tensor 'a': shape is missing"},
      {"no offsets", File(tensor(R"("dtype":"F32","shape":[1])"), "1234"),
       "header: tensor 'a': data_offsets is missing"},
      {"nothing at all", File(tensor("")), "header: tensor 'a': dtype is missing"},
      {"field twice", File(tensor(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), "1234"),
       "header: tensor 'a': dtype: comes twice"},
      {"unknown field", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1])"), "1234"),
       "header: tensor 'a': unknown field 'strides'"},
      {"unknown dtype", File(tensor(R"("dtype":"F128","shape":[1],"data_offsets":[0,16])"), "0123456789abcdef"),
       "header: tensor 'a': dtype: 'F128' is unknown"},
      {"dtype in small letters", File(tensor(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), "1234"),
       "header: tensor 'a': dtype: 'f32' is unknown"},
      {"dtype is a number", File(tensor(R"("dtype":32,"shape":[1],"data_offsets":[0,4])"), "1234"),
       "header: tensor 'a': dtype: wanted a string, got 32"},
      {"shape is a number", File(shape("1"), "1234"), "header: tensor 'a': shape: wanted an array, got 1"},
      {"negative dimension", File(shape("[-1]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got -1"},
      {"float dimension", File(shape("[1.0]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got '1.0'"},
      {"exponent", File(shape("[1e0]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got '1e0'"},
      {"dimension of 2^63", File(shape("[9223372036854775808]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got 9223372036854775808"},
      {"dimension of 2^64", File(shape("[18446744073709551616]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got '18446744073709551616'"},
      {"dimension is a string", File(shape("[\"1\"]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got '1'"},
      {"dimension is true", File(shape("[true]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got true"},
      {"list in the shape", File(shape("[[1]]"), "1234"),
       "header: tensor 'a': shape: wanted integers from 0 to 2^63 - 1, got an array"},
      {"rank", File(shape("[1,1,1,1,1,1,1,1,1]"), "1234"), "header: tensor 'a': shape: more than 8 dimensions"},
      {"product overflows", File(shape("[4294967296,4294967296]"), "1234"),
       "tensor 'a': F32 [4294967296, 4294967296] has more bytes than fit into 64 bits"},
      {"product wraps to 4", File(shape("[4611686018427387905]"), "1234"),
       "tensor 'a': F32 [4611686018427387905] has more bytes than fit"},
      {"size mismatch", File(shape("[2]"), "1234"), "tensor 'a': data_offsets [0, 4] are 4 bytes, but F32 [2] has 8"},
      {"zero size with bytes", File(shape("[0]"), "1234"),
       "tensor 'a': data_offsets [0, 4] are 4 bytes, but F32 [0] has 0"},
      {"negative offset", File(offsets("[-1,3]"), "1234"),
       "header: tensor 'a': data_offsets: wanted integers from 0 to 2^64 - 1, got -1"},
      {"float offset", File(offsets("[0,4.0]"), "1234"),
       "header: tensor 'a': data_offsets: wanted integers from 0 to 2^64 - 1, got '4.0'"},
      {"one offset", File(offsets("[0]"), "1234"), "header: tensor 'a': data_offsets: wanted two numbers, got 1"},
      {"no offset", File(offsets("[]"), "1234"), "header: tensor 'a': data_offsets: wanted two numbers, got 0"},
      {"three offsets", File(offsets("[0,4,4]"), "1234"),
       "header: tensor 'a': data_offsets: wanted two numbers, got 4"},
      {"offsets are an object", File(offsets("{}"), "1234"),
       "header: tensor 'a': data_offsets: wanted an array, got an object"},
      {"end before beginning", File(offsets("[4,0]"), "1234"),
       "tensor 'a': data_offsets [4, 0]: the end is before the beginning"},
      {"beyond the file", File(offsets("[4,8]"), "1234"),
       "tensor 'a': data_offsets [4, 8]: the file has 4 bytes of data"},
      {"far beyond", File(offsets("[18446744073709551611,18446744073709551615]"), "1234"),
       "the file has 4 bytes of data"},
      {"hole before the first", File(offsets("[1,5]"), "12345"),
       "tensor 'a': data_offsets [1, 5]: bytes 0 to 1 before it belong to no tensor"},
      {"hole between", File("{\"a\":" + kGood + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})", "xyz"),
       "tensor 'b': data_offsets [2, 3]: bytes 1 to 2 before it"},
      {"overlap",
       File(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
           "xyz"),
       "tensor 'b': data_offsets [1, 3]: overlaps the tensor that ends at 2"},
      {"shared bytes", File("{\"a\":" + kGood + ",\"b\":" + kGood + "}", "x"), "overlaps the tensor that ends at 1"},
      {"trailing bytes", File("{\"a\":" + kGood + "}", "xy"),
       "the tensors end at byte 1 of the data, the file goes on to 2"},
      {"bytes without a tensor", File("{}", "x"), "the tensors end at byte 0 of the data, the file goes on to 1"},
      {"metadata is a string", File(R"({"__metadata__":"x"})"), "header: __metadata__: wanted an object, got 'x'"},
      {"metadata is null", File(R"({"__metadata__":null})"), "header: __metadata__: wanted an object, got null"},
      {"metadata value is a number", File(R"({"__metadata__":{"k":1}})"),
       "header: __metadata__: 'k': wanted a string, got 1"},
      {"metadata value is an object", File(R"({"__metadata__":{"k":{}}})"),
       "header: __metadata__: 'k': wanted a string, got an object"},
      {"metadata value is a list", File(R"({"__metadata__":{"k":["v"]}})"),
       "header: __metadata__: 'k': wanted a string, got an array"},
      {"metadata twice", File(R"({"__metadata__":{},"__metadata__":{}})"), "header: __metadata__ comes twice"},
      {"metadata key twice", File(R"({"__metadata__":{"k":"v","k":"w"}})"), "header: __metadata__: 'k' comes twice"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(SafetensorsFile::Parse("f", c.bytes), StatusIs(absl::StatusCode::kDataLoss, StartsWith("f: ")))
        << c.name;
    EXPECT_THAT(SafetensorsFile::Parse("f", c.bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(c.message)))
        << c.name;
  }
}

// Cut anywhere, with and without the length saying so, it is refused.
TEST(SafetensorsTest, TruncatedAnywhere) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/gbmoa/base/testdata/reference.safetensors");
  ASSERT_THAT(path, IsOk());
  const absl::StatusOr<std::string> whole = ReadFile(*path, 1 << 20);
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(SafetensorsFile::Parse("f", *whole), IsOk());
  for (size_t size = 0; size < whole->size(); ++size) {
    EXPECT_THAT(SafetensorsFile::Parse("f", whole->substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, StartsWith("f: ")))
        << size;
    if (size >= 8) {
      const std::string honest = Length(size - 8) + whole->substr(8, size - 8);
      EXPECT_THAT(SafetensorsFile::Parse("f", honest), StatusIs(absl::StatusCode::kDataLoss, StartsWith("f: ")))
          << size;
    }
  }
}

// Every one-bit error in the header either shows or changes nothing but names, values that stay in range and white
// space.
TEST(SafetensorsTest, FlippedBitsNeverCrash) {
  const absl::StatusOr<std::string> path = RunfilePath("gbmoa/gbmoa/base/testdata/reference.safetensors");
  ASSERT_THAT(path, IsOk());
  const absl::StatusOr<std::string> whole = ReadFile(*path, 1 << 20);
  ASSERT_THAT(whole, IsOk());
  for (size_t bit = 0; bit < whole->size() * 8; ++bit) {
    std::string flipped = *whole;
    flipped[bit / 8] ^= static_cast<char>(1 << bit % 8);
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse("f", flipped);
    if (!file.ok()) {
      EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss);
      continue;
    }
    for (const SafetensorsView& view : file->tensors()) {
      EXPECT_GE(view.data.data(), flipped.data());
      EXPECT_LE(view.data.data() + view.data.size(), flipped.data() + flipped.size());
    }
  }
}

TEST(SafetensorsTest, HostileHeadersCostLittle) {
  const auto repeat = [](int64_t times, const std::string& before, const std::string& unit, const std::string& after) {
    std::string text = before;
    text.reserve(before.size() + times * unit.size() + after.size());
    for (int64_t i = 0; i < times; ++i) text += unit;
    return text + after;
  };
  const auto tensors = [](int64_t count, absl::string_view shape) {
    std::string text = "{";
    for (int64_t i = 0; i < count; ++i) {
      absl::StrAppend(&text, i == 0 ? "" : ",", "\"", i, R"(":{"dtype":"U8","shape":)", shape, R"(,"data_offsets":[)",
                      i, ",", i + 1, "]}");
    }
    return text + "}";
  };
  const struct {
    std::string name, header, data, message;  // no message: it is fine
  } kCases[] = {
      {"100,000 tensors of rank 0", tensors(100'000, "[]"), std::string(100'000, 'x'), ""},
      {"100,000 tensors of rank 8", tensors(100'000, "[1,1,1,1,1,1,1,1]"), std::string(100'000, 'x'), ""},
      {"1,400,000 tensors", tensors(1'400'000, "[]"), std::string(1'400'000, 'x'), "more than 100000 tensors"},
      {"100,000 levels of lists", repeat(100'000, "{\"a\":", "[", ""), "",
       "tensor 'a': wanted an object, got an array"},
      {"100,000 levels of objects", repeat(100'000, "{", "\"a\":{", ""), "", "unknown field 'a'"},
      {"100,000 levels in the shape", repeat(100'000, "{\"a\":{\"shape\":", "[", ""), "", "got an array"},
      {"a name of 90 MB", repeat(90'000'000, "{\"", "n", "\":1}"), "",
       "byte 2: a string or number of more than 1048576 bytes"},
      {"a number of 90 MB", repeat(90'000'000, "{\"a\":", "1", "}"), "",
       "byte 5: a string or number of more than 1048576 bytes"},
      {"a rank of a million", repeat(1'000'000, "{\"a\":{\"shape\":[", "1,", "1]"), "", "more than 8 dimensions"},
      {"a million entries of metadata", repeat(1'000'000, "{\"__metadata__\":{", "\"a\":\"\",", "\"b\":\"\"}}"), "",
       "'a' comes twice"},
  };
  for (const auto& c : kCases) {
    const std::string path = TempPath("hostile");
    ASSERT_THAT(WriteFileAtomically(path, File(c.header, c.data)), IsOk());
    const int64_t size = static_cast<int64_t>(8 + c.header.size() + c.data.size());
    ResetPeakResident();
    const int64_t before = PeakResidentBytes();
    const std::clock_t start = std::clock();
    {
      const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
      if (c.message.empty()) {
        ASSERT_THAT(file, IsOk()) << c.name;
        EXPECT_EQ(file->tensors().size(), 100'000u) << c.name;
      } else {
        EXPECT_THAT(file, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(c.message))) << c.name;
      }
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const int64_t growth = PeakResidentBytes() - before;
    // The mapped file itself counts as resident where it was read. 2 MB are for the parser's buffers (two of at most
    // kMaxTokenBytes), which only matter to small files.
    EXPECT_LE(growth, 2 * size + (2 << 20)) << c.name << ": " << size << " bytes in the file";
    EXPECT_LT(seconds, 1.0) << c.name;  // of the processor: the machine may be busy
    std::printf("%s: file %.1f MB, peak growth %.1f MB, %.3f s\n", c.name.c_str(), size / 1e6, growth / 1e6, seconds);
    unlink(path.c_str());
  }
}

TEST(SafetensorsTest, LimitsMetadata) {
  std::string header = "{\"__metadata__\":{\"0\":\"\"";
  for (int i = 1; i <= 1000; ++i) absl::StrAppend(&header, ",\"", i, "\":\"\"");
  EXPECT_THAT(SafetensorsFile::Parse("f", File(header + "}}")),
              StatusIs(absl::StatusCode::kDataLoss, "f: header: __metadata__: more than 1000 entries"));
}

TEST(SafetensorsTest, NothingIsWrittenHalf) {
  const std::vector<char> bytes = {1};
  EXPECT_THAT(WriteSafetensors("/nowhere/x", {{"a", SafetensorsDtype::kUint8, {1}, bytes}}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("/nowhere/x: cannot write: No such file or directory")));
}

void WriteWrongSize() { (void)WriteSafetensors(TempPath("dead"), {{"a", SafetensorsDtype::kFloat32, {2}, {}}}); }
void WriteTwice() {
  (void)SafetensorsHeader({{"a", SafetensorsDtype::kUint8, {0}, {}}, {"a", SafetensorsDtype::kUint8, {0}, {}}});
}
void WriteUnaligned() {
  (void)SafetensorsHeader({{"a", SafetensorsDtype::kUint8, {1}, {}}, {"b", SafetensorsDtype::kInt64, {1}, {}}});
}

TEST(SafetensorsDeathTest, WrongEntries) {
  EXPECT_DEATH(WriteWrongSize(), "a has 0 bytes");
  EXPECT_DEATH(WriteTwice(), "cannot write a");
  EXPECT_DEATH(WriteUnaligned(), "b would not be aligned");
}

}  // namespace
}  // namespace gbmoa
