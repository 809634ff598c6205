// Configuration files of other libraries: what is asked for is read, and what nobody asked for must not matter.
#ifndef GBMOA_INTERCHANGE_CONFIG_READER_H_
#define GBMOA_INTERCHANGE_CONFIG_READER_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gbmoa/base/json.h"

namespace gbmoa {

// Every call notes its field; problems are kept, and Finish() tells them all. Null counts as absent.
class ConfigReader {
 public:
  // Errors call the object `path`; `object` must outlive the reader and be an object, else that is the problem.
  ConfigReader(std::string path, const nlohmann::json& object);

  const nlohmann::json* Find(const std::string& field);
  // A whole number in [min, max]; min with a problem.
  int64_t Integer(const std::string& field, int64_t min, int64_t max);
  double Number(const std::string& field, double fallback);
  std::string Text(const std::string& field, absl::string_view fallback);
  // The field, where it is there, must have this value: another one changes the model in a way that we do not have.
  void Expect(const std::string& field, const nlohmann::json& value);
  // Fields that do not change what the model computes.
  void Ignore(const std::vector<std::string>& fields);

  // A field that is malformed, and a field's value that we do not support.
  void Bad(const std::string& field, absl::string_view what);
  void Unsupported(const std::string& field, absl::string_view what);

  // Errors: DataLoss if something is malformed, else Unimplemented for what is not supported: "PATH: FIELD: what; ...".
  // A field that nobody asked for is not supported unless it is null, false, 0 or empty: it may change the model.
  absl::Status Finish();

 private:
  std::string path_;
  const nlohmann::json& object_;
  std::set<std::string> known_;
  std::vector<std::string> problems_;
  bool malformed_ = false;
};

}  // namespace gbmoa

#endif  // GBMOA_INTERCHANGE_CONFIG_READER_H_
