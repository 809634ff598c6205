#include "gbmoa/task/option_reader.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace gbmoa {

const std::string* OptionReader::Find(const std::string& name) {
  known_.insert(name);
  const auto found = options_.find(name);
  return found == options_.end() ? nullptr : &found->second;
}

void OptionReader::Complain(const std::string& name, const std::string& value, const std::string& wanted) {
  status_.Update(absl::InvalidArgumentError(absl::StrCat("option ", name, " = '", value, "': wanted ", wanted)));
}

double OptionReader::Number(const std::string& name, double fallback, double min, double max) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  double value = 0;
  // The comparison is false for NaN, too.
  if (!absl::SimpleAtod(*text, &value) || !(value >= min && value <= max)) {
    Complain(name, *text, absl::StrCat("a number in [", min, ", ", max, "]"));
    return fallback;
  }
  return value;
}

double OptionReader::Share(const std::string& name, double fallback) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  double value = 0;
  if (!absl::SimpleAtod(*text, &value) || !(value >= 0 && value < 1)) {
    Complain(name, *text, "a number in [0, 1)");
    return fallback;
  }
  return value;
}

int64_t OptionReader::Integer(const std::string& name, int64_t fallback, int64_t min, int64_t max) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  int64_t value = 0;
  if (!absl::SimpleAtoi(*text, &value) || value < min || value > max) {
    Complain(name, *text, absl::StrCat("an integer in [", min, ", ", max, "]"));
    return fallback;
  }
  return value;
}

bool OptionReader::Bool(const std::string& name, bool fallback) {
  return Choice(name, fallback ? "true" : "false", {"true", "false"}) == "true";
}

std::string OptionReader::Choice(const std::string& name, const std::string& fallback,
                                 const std::vector<std::string>& choices) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  if (std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  Complain(name, *text, absl::StrCat("one of ", absl::StrJoin(choices, ", ")));
  return fallback;
}

std::vector<std::string> OptionReader::Subset(const std::string& name, const std::vector<std::string>& fallback,
                                              const std::vector<std::string>& choices) {
  const std::string* text = Find(name);
  if (text == nullptr) return fallback;
  const std::vector<std::string> given = absl::StrSplit(*text, ',');
  std::vector<std::string> subset;
  for (const std::string& choice : choices) {
    if (std::find(given.begin(), given.end(), choice) != given.end()) subset.push_back(choice);
  }
  // As many as were found: none was unknown, none came twice.
  if (subset.size() == given.size()) return subset;
  Complain(name, *text, absl::StrCat("some of ", absl::StrJoin(choices, ", "), ", comma-separated, none twice"));
  return fallback;
}

absl::Status OptionReader::Finish() const {
  if (!status_.ok()) return status_;
  for (const auto& [name, value] : options_) {
    if (known_.count(name) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option ", name, " = '", value, "'; known: ", absl::StrJoin(known_, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace gbmoa
