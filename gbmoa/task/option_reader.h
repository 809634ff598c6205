// Reads LearnerOptions: typed, with defaults, and nothing overlooked.
#ifndef GBMOA_TASK_OPTION_READER_H_
#define GBMOA_TASK_OPTION_READER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gbmoa/task/learner.h"

namespace gbmoa {

// Every Get notes its name; the first problem is kept, and Finish() tells it, or names an option that nobody asked for.
class OptionReader {
 public:
  explicit OptionReader(const LearnerOptions& options) : options_(options) {}

  // A finite number in [min, max].
  double Number(const std::string& name, double fallback, double min, double max);
  double Share(const std::string& name, double fallback);  // a number in [0, 1)
  int64_t Integer(const std::string& name, int64_t fallback, int64_t min, int64_t max);
  bool Bool(const std::string& name, bool fallback);  // "true" or "false"
  std::string Choice(const std::string& name, const std::string& fallback, const std::vector<std::string>& choices);
  // One or more of `choices`, comma-separated, none twice; in the order of `choices`.
  std::vector<std::string> Subset(const std::string& name, const std::vector<std::string>& fallback,
                                  const std::vector<std::string>& choices);

  // Errors: InvalidArgument naming option and value.
  absl::Status Finish() const;

 private:
  const std::string* Find(const std::string& name);
  void Complain(const std::string& name, const std::string& value, const std::string& wanted);

  const LearnerOptions& options_;
  std::set<std::string> known_;
  absl::Status status_;
};

}  // namespace gbmoa

#endif  // GBMOA_TASK_OPTION_READER_H_
