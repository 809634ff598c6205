#include "gbmoa/base/textproto.h"

#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/base/utf8.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
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

// What protobuf lets pass although no configuration means it: a string that is not UTF-8, which an escape such as
// "\xff" can bring and which could not be written and read again; a number that is none, "nan", or has overflowed to
// one that is infinite; a key twice in a map, of which the last value would silently win. "PATH: what" of the first
// one, or "".
std::string FindBadValue(const Message& message);

// The same of one field, `i` the index if it is repeated.
std::string FindBadValue(const Message& message, const FieldDescriptor* field, int i) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const bool repeated = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      if (field->type() != FieldDescriptor::TYPE_STRING) return "";  // bytes are free
      const std::string value =
          repeated ? reflection.GetRepeatedString(message, field, i) : reflection.GetString(message, field);
      return FindInvalidUtf8(value) == absl::string_view::npos ? "" : ": the string is not UTF-8";
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      double value;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
        value = repeated ? reflection.GetRepeatedDouble(message, field, i) : reflection.GetDouble(message, field);
      } else {
        value = repeated ? reflection.GetRepeatedFloat(message, field, i) : reflection.GetFloat(message, field);
      }
      return std::isfinite(value) ? "" : absl::StrCat(": expected a finite number, found ", value);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const std::string below = FindBadValue(repeated ? reflection.GetRepeatedMessage(message, field, i)
                                                      : reflection.GetMessage(message, field));
      return below.empty() ? "" : absl::StrCat(".", below);
    }
    default:
      return "";
  }
}

std::string FindBadValue(const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    std::set<std::string> keys;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const std::string name = field->is_repeated() ? absl::StrCat(field->name(), "[", i, "]") : field->name();
      const std::string bad = FindBadValue(message, field, i);
      if (!bad.empty()) return absl::StrCat(name, bad);
      if (!field->is_map() || field->message_type()->map_key()->type() != FieldDescriptor::TYPE_STRING) continue;
      const Message& entry = reflection.GetRepeatedMessage(message, field, i);
      const std::string key = entry.GetReflection()->GetString(entry, field->message_type()->map_key());
      if (!keys.insert(key).second) return absl::StrCat(name, ": key '", key, "' comes twice");
    }
  }
  return "";
}

// Discards what the tokenizer says; the parser has said it better.
class NoErrors : public google::protobuf::io::ErrorCollector {
  void AddError(int line, int column, const std::string& message) override {}
};

// The field that stands at a place, counted from 0, of a textproto that was parsed up to there: "wordnet.classes.name".
std::string FieldAt(absl::string_view text, int line, int column) {
  using Tokenizer = google::protobuf::io::Tokenizer;
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  NoErrors errors;
  Tokenizer tokenizer(&stream, &errors);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  std::vector<std::string> messages;  // names of those that are open
  std::string name;                   // of the field, once it was read
  bool in_value = false;
  while (tokenizer.Next()) {
    const Tokenizer::Token& token = tokenizer.current();
    const bool behind = std::pair(token.line, token.column) > std::pair(line, column);
    if (behind) break;
    if (token.text == "{" || token.text == "<") {
      messages.push_back(name);
      name.clear();
      in_value = false;
    } else if (token.text == "}" || token.text == ">") {
      // An error here is one of the message that ends, or of the last field in it.
      if (std::pair(token.line, token.column) == std::pair(line, column)) break;
      if (messages.empty()) break;
      messages.pop_back();
      name.clear();
      in_value = false;
    } else if (token.text == ":") {
      in_value = true;
    } else if (in_value) {
      // A sign stands before its number, and strings beside each other are one.
      in_value = token.text == "-" || token.text == "[";
    } else if (token.type == Tokenizer::TYPE_IDENTIFIER) {
      name = token.text;
    }
  }
  if (!name.empty()) messages.push_back(name);
  const std::string path = absl::StrJoin(messages, ".");
  return path.size() <= 200 ? path : absl::StrCat("...", path.substr(path.size() - 200));
}

// Keeps the first error: later ones are mostly its consequences.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  FirstError(absl::string_view name, absl::string_view text) : name_(name), text_(text) {}

  void AddError(int line, int column, const std::string& message) override {
    if (!status_.ok()) return;
    // Lines and columns come counted from 0, and -1 stands for the file as a whole.
    if (line < 0) {
      status_ = absl::InvalidArgumentError(absl::StrCat(name_, ": ", message));
      return;
    }
    const std::string field = FieldAt(text_, line, column);
    status_ = absl::InvalidArgumentError(absl::StrCat(name_, ":", line + 1, ":", column + 1, ": ", message,
                                                      field.empty() ? "" : absl::StrCat(" (in ", field, ")")));
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::string_view name_, text_;
  absl::Status status_;
};

}  // namespace

absl::Status ParseTextproto(absl::string_view name, absl::string_view text, Message* message) {
  const size_t bad_byte = FindInvalidUtf8(text);
  if (bad_byte != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":", LineAndColumn(text, bad_byte), ": not UTF-8"));
  }
  FirstError errors(name, text);
  google::protobuf::TextFormat::Parser parser;
  parser.SetRecursionLimit(kMaxDepth);
  parser.RecordErrorsTo(&errors);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, message)) {
    if (errors.status().ok()) return absl::InvalidArgumentError(absl::StrCat(name, ": not a textproto"));
    return errors.status();
  }
  const std::string bad_value = FindBadValue(*message);
  if (!bad_value.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": ", bad_value));
  return absl::OkStatus();
}

std::string DeterministicBytes(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }  // which flushes
  return bytes;
}

absl::Status LoadTextproto(const std::string& path, Message* message) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  // For ReadFile a file that is too long is bad data; here it is bad configuration.
  if (absl::IsOutOfRange(text.status())) return absl::InvalidArgumentError(text.status().message());
  GBMOA_RETURN_IF_ERROR(text.status());
  return ParseTextproto(path, *text, message);
}

}  // namespace gbmoa
