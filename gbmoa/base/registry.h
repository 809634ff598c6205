// Registry<T>: name -> factory of T. A file that ends in a GBMOA_REGISTER_* line makes itself known; nobody keeps a
// list.
#ifndef GBMOA_BASE_REGISTRY_H_
#define GBMOA_BASE_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "glog/logging.h"

namespace gbmoa {

// Filled before main() by static initialisers, read-only afterwards. `Args` are what every factory is called with.
template <typename T, typename... Args>
class Registry {
 public:
  using Factory = std::function<absl::StatusOr<std::unique_ptr<T>>(Args...)>;

  static Registry& Global() {
    static Registry* registry = new Registry;
    return *registry;
  }

  // CHECKs that the name is new. Returns true, so that it can initialise a static.
  bool Register(absl::string_view name, Factory factory) {
    CHECK(factories_.emplace(std::string(name), std::move(factory)).second) << "registered twice: " << name;
    return true;
  }

  // Errors: InvalidArgument, naming what there is: names come from flags and profiles.
  absl::StatusOr<std::unique_ptr<T>> Create(absl::string_view name, Args... args) const {
    const auto found = factories_.find(std::string(name));
    if (found == factories_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown name '", name, "'; known: ", absl::StrJoin(Names(), ", ")));
    }
    return found->second(std::forward<Args>(args)...);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, factory] : factories_) names.push_back(name);
    return names;
  }

 private:
  std::map<std::string, Factory> factories_;
};

}  // namespace gbmoa

#endif  // GBMOA_BASE_REGISTRY_H_
