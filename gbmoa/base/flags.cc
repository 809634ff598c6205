#include "gbmoa/base/flags.h"

#include <algorithm>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "glog/logging.h"

namespace gbmoa {

absl::StatusOr<std::vector<std::string>> ParseFlags(absl::Span<const std::string> arguments,
                                                    absl::Span<const std::string> allowed) {
  const auto find = [&](absl::string_view name) -> absl::CommandLineFlag* {
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) return nullptr;
    absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    CHECK(flag != nullptr) << "no ABSL_FLAG is named " << name;
    return flag;
  };
  std::vector<std::string> rest;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "--") {
      rest.insert(rest.end(), arguments.begin() + i + 1, arguments.end());
      break;
    }
    if (argument == "-" || !absl::ConsumePrefix(&argument, "-")) {
      rest.push_back(arguments[i]);
      continue;
    }
    absl::ConsumePrefix(&argument, "-");
    const size_t equals = argument.find('=');
    absl::string_view name = argument.substr(0, equals);
    bool has_value = equals != absl::string_view::npos;
    std::string value = has_value ? std::string(argument.substr(equals + 1)) : "";

    absl::CommandLineFlag* flag = find(name);
    if (flag == nullptr && !has_value && absl::ConsumePrefix(&name, "no")) {
      flag = find(name);
      if (flag != nullptr && !flag->IsOfType<bool>()) flag = nullptr;
      has_value = true;
      value = "false";
    }
    if (flag == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", arguments[i].substr(0, arguments[i].find('=')),
                       "; known: ", allowed.empty() ? "none" : absl::StrCat("--", absl::StrJoin(allowed, ", --"))));
    }
    if (!has_value) {
      if (flag->IsOfType<bool>()) {
        value = "true";
      } else if (++i < arguments.size()) {
        value = arguments[i];
      } else {
        return absl::InvalidArgumentError(absl::StrCat("--", name, ": needs a value"));
      }
    }
    std::string error;
    if (!flag->ParseFrom(value, &error)) return absl::InvalidArgumentError(absl::StrCat("--", name, ": ", error));
  }
  return rest;
}

std::string DescribeFlags(absl::Span<const std::string> names) {
  size_t width = 0;
  for (const std::string& name : names) width = std::max(width, name.size());
  std::string text;
  for (const std::string& name : names) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    CHECK(flag != nullptr) << "no ABSL_FLAG is named " << name;
    const std::string standard = flag->DefaultValue();
    absl::StrAppendFormat(&text, "  --%-*s  %s%s\n", static_cast<int>(width), name, flag->Help(),
                          standard.empty() ? "" : absl::StrCat("; default: ", standard));
  }
  return text;
}

}  // namespace gbmoa
