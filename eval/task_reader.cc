#include "eval/task_reader.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gbmoa {
namespace {

constexpr int kNamedClasses = 20;  // in a message

std::string ClassValues(const FileTask& task) {
  std::vector<std::string> values;
  for (int i = 0; i < std::min(task.classes_size(), kNamedClasses); ++i) values.push_back(task.classes(i).value());
  std::string text = absl::StrJoin(values, ", ");
  if (task.classes_size() > kNamedClasses)
    absl::StrAppend(&text, " and ", task.classes_size() - kNamedClasses, " more");
  return text;
}

}  // namespace

absl::Status BadRows::Add(const absl::Status& error) {
  if (count_ == 0) first_ = std::string(error.message());
  ++count_;
  if (count_ <= limit_) return absl::OkStatus();
  if (limit_ == 0) return error;
  return absl::Status(error.code(), absl::StrCat(error.message(), " (bad row ", count_, ", ", limit_,
                                                 " may be left out; the first: ", first_, ")"));
}

bool HasField(const FileTask& task, const std::string& field) {
  const auto has = [&](const FileTask::Split& split) { return split.fields().contains(field); };
  return task.fields().contains(field) || std::any_of(task.splits().begin(), task.splits().end(), has);
}

absl::Status ReadLabel(const FileTask& task, absl::string_view value, Example* example) {
  // A long value is a text in the wrong place; its beginning says so.
  const std::string found = absl::StrCat(", found '", value.substr(0, 100), "'");
  if (task.has_range()) {
    double target = 0;
    // Written so that NaN fails too.
    if (!absl::SimpleAtod(value, &target) || !(target >= task.range().low() && target <= task.range().high())) {
      return absl::DataLossError(
          absl::StrCat("label: expected a number of ", task.range().low(), " to ", task.range().high(), found));
    }
    example->target = target;
    return absl::OkStatus();
  }
  for (int i = 0; i < task.classes_size(); ++i) {
    if (task.classes(i).value() == value) {
      example->label = i;
      return absl::OkStatus();
    }
  }
  return absl::DataLossError(absl::StrCat("label: expected one of ", ClassValues(task), found));
}

}  // namespace gbmoa
