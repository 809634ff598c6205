#include "gbmoa/base/textproto.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"

namespace gbmoa {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

constexpr int64_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 100;

// Keeps the first error: later ones are mostly its consequences.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(absl::string_view name) : name_(name) {}

  void AddError(int line, int column, const std::string& message) override {
    if (!status_.ok()) return;
    // Lines and columns come counted from 0, and -1 stands for the file as a whole.
    const std::string place = line < 0 ? "" : absl::StrCat(":", line + 1, ":", column + 1);
    status_ = absl::InvalidArgumentError(absl::StrCat(name_, place, ": ", message));
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::string_view name_;
  absl::Status status_;
};

// The path of a string field that holds no UTF-8, which an escape such as "\xff" can bring; "" if there is none. Such a
// message could not be written and read again.
std::string FindBadString(const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const std::string name = field->is_repeated() ? absl::StrCat(field->name(), "[", i, "]") : field->name();
      if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string value = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                       : reflection.GetString(message, field);
        if (FindInvalidUtf8(value) != absl::string_view::npos) return name;
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const std::string below = FindBadString(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                                     : reflection.GetMessage(message, field));
        if (!below.empty()) return absl::StrCat(name, ".", below);
      }
    }
  }
  return "";
}

}  // namespace

absl::Status ParseTextproto(absl::string_view name, absl::string_view text, Message* message) {
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":", LineAndColumn(text, bad_byte), ": not UTF-8"));
  }
  FirstError errors(name);
  google::protobuf::TextFormat::Parser parser;
  parser.SetRecursionLimit(kMaxDepth);
  parser.RecordErrorsTo(&errors);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, message)) {
    if (errors.status().ok()) return absl::InvalidArgumentError(absl::StrCat(name, ": not a textproto"));
    return errors.status();
  }
  const std::string bad_field = FindBadString(*message);
  if (!bad_field.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", bad_field, ": the string is not UTF-8"));
  }
  return absl::OkStatus();
}

absl::Status LoadTextproto(const std::string& path, Message* message) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  // For ReadFile a file that is too long is bad data; here it is bad configuration.
  if (absl::IsOutOfRange(text.status())) return absl::InvalidArgumentError(text.status().message());
  GBMOA_RETURN_IF_ERROR(text.status());
  return ParseTextproto(path, *text, message);
}

}  // namespace gbmoa
