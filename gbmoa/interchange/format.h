// Tasks from and for other libraries: a folder that peft or AdapterHub wrote becomes one of ours (task_folder.h), and
// the other way round. A format is one file that ends in GBMOA_REGISTER_INTERCHANGE_FORMAT. No LibTorch in here.
//
// Two heads are to be had (adapter/adapted_encoder.h). "tanh" is the libraries' own, and goes where theirs goes.
// "unit_mean" is ours: it lies beside the adapter in head.safetensors (weight [C, D], bias [C]) and head.json, and the
// folder's README.md has the lines of Python that compute its logits.
#ifndef GBMOA_INTERCHANGE_FORMAT_H_
#define GBMOA_INTERCHANGE_FORMAT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gbmoa/backbone/backbone_config.pb.h"
#include "gbmoa/base/json.h"
#include "gbmoa/base/registry.h"
#include "gbmoa/base/status_macros.h"
#include "gbmoa/task_folder.h"

namespace gbmoa {

struct InterchangeBackbone {
  std::string folder;
  BackboneConfig config;
};

class InterchangeFormat {
 public:
  virtual ~InterchangeFormat() = default;

  // Whether this adapter_config.json is of the format.
  virtual bool Recognizes(const nlohmann::json& adapter_config) const = 0;

  // Fills the task's method, options and parameters, and its labels where the folder has them; else they are "0", "1",
  // ... Errors: as ImportTask.
  virtual absl::Status Import(const std::string& folder, const nlohmann::json& adapter_config,
                              const InterchangeBackbone& backbone, SavedTask& task) const = 0;

  // Writes the files into a folder that is there. Errors: as ExportTask.
  virtual absl::Status Export(const SavedTask& task, const BackboneConfig& backbone, const std::string& name,
                              const std::string& folder) const = 0;
};

using InterchangeRegistry = Registry<InterchangeFormat>;

// At the end of a format's file: GBMOA_REGISTER_INTERCHANGE_FORMAT("peft", PeftFormat);
#define GBMOA_REGISTER_INTERCHANGE_FORMAT(name, Class)                            \
  [[maybe_unused]] static const bool GBMOA_CONCAT_(gbmoa_registered_, __LINE__) = \
      ::gbmoa::InterchangeRegistry::Global().Register(                            \
          name,                                                                   \
          []() -> absl::StatusOr<std::unique_ptr<::gbmoa::InterchangeFormat>> { return std::make_unique<Class>(); })

// The task in a folder of any known format: method, options, labels and parameters; the rest is the caller's. `labels`,
// where there are any, take the place of the folder's own.
// Errors: NotFound; DataLoss for a file that is malformed or tensors that do not fit (all of them named); Unimplemented
// for what we do not have, by its field's name; InvalidArgument for labels of another number than the head's classes;
// FailedPrecondition for weights in a pickle, or for a head that needs a pooler the backbone does not have.
absl::StatusOr<SavedTask> ImportTask(const std::string& folder, const InterchangeBackbone& backbone,
                                     const std::vector<std::string>& labels);

// Writes the task into a folder that is there. `name` is what the adapter is called in it where the format has names;
// letters, digits, _ and -. The task's parameters must be its method's: Learner::Restore has taken them.
// Errors: InvalidArgument for an unknown format, and for a task that does not fit it, naming what does; those of
// AtomicFile.
absl::Status ExportTask(const SavedTask& task, const std::string& format, const BackboneConfig& backbone,
                        const std::string& name, const std::string& folder);

// What a task's head is in another library: "tanh" is native, "unit_mean" is not.
std::string HeadName(const SavedTask& task);

}  // namespace gbmoa

#endif  // GBMOA_INTERCHANGE_FORMAT_H_
