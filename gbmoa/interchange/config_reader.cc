#include "gbmoa/interchange/config_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

std::string Shown(const json& value) { return value.dump().substr(0, 100); }

bool SaysNothing(const json& value) {
  return value.is_null() || value == false || value == "" || (value.is_structured() && value.empty()) ||
         (value.is_number() && value == 0);
}

}  // namespace

ConfigReader::ConfigReader(std::string path, const json& object) : path_(std::move(path)), object_(object) {
  if (object_.is_object()) return;
  malformed_ = true;
  problems_.push_back(absl::StrCat("wanted an object, got ", Shown(object_)));
}

const json* ConfigReader::Find(const std::string& field) {
  known_.insert(field);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

int64_t ConfigReader::Integer(const std::string& field, int64_t min, int64_t max) {
  const json* value = Find(field);
  if (value == nullptr) {
    Bad(field, "is missing");
  } else if (!value->is_number_integer()) {
    Bad(field, absl::StrCat("wanted a whole number, got ", Shown(*value)));
  } else if (const int64_t number = value->get<int64_t>(); number < min || number > max) {
    Bad(field, absl::StrCat(Shown(*value), " is not in ", min, " to ", max));
  } else {
    return number;
  }
  return min;
}

double ConfigReader::Number(const std::string& field, double fallback) {
  const json* value = Find(field);
  if (value == nullptr) return fallback;
  if (value->is_number()) return value->get<double>();
  Bad(field, absl::StrCat("wanted a number, got ", Shown(*value)));
  return fallback;
}

std::string ConfigReader::Text(const std::string& field, absl::string_view fallback) {
  const json* value = Find(field);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  Bad(field, absl::StrCat("wanted a string, got ", Shown(*value)));
  return std::string(fallback);
}

void ConfigReader::Expect(const std::string& field, const json& wanted) {
  const json* value = Find(field);
  if (value != nullptr && *value != wanted) {
    Unsupported(field, absl::StrCat(Shown(*value), " is not supported, only ", Shown(wanted)));
  }
}

void ConfigReader::Ignore(const std::vector<std::string>& fields) { known_.insert(fields.begin(), fields.end()); }

void ConfigReader::Bad(const std::string& field, absl::string_view what) {
  malformed_ = true;
  problems_.push_back(absl::StrCat(field, ": ", what));
}

void ConfigReader::Unsupported(const std::string& field, absl::string_view what) {
  problems_.push_back(absl::StrCat(field, ": ", what));
}

absl::Status ConfigReader::Finish() {
  if (object_.is_object()) {
    for (const auto& [field, value] : object_.items()) {
      if (known_.count(field) == 0 && !SaysNothing(value)) {
        Unsupported(field, absl::StrCat(Shown(value), " is not supported"));
      }
    }
  }
  if (problems_.empty()) return absl::OkStatus();
  const std::string message = absl::StrCat(path_, ": ", absl::StrJoin(problems_, "; "));
  return malformed_ ? absl::DataLossError(message) : absl::UnimplementedError(message);
}

}  // namespace gbmoa
