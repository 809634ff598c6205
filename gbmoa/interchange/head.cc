#include "gbmoa/interchange/head.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gbmoa/backbone/checkpoint_files.h"
#include "gbmoa/base/file.h"
#include "gbmoa/base/safetensors.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kHeadConfigFile[] = "head.json";
constexpr char kHeadFile[] = "head.safetensors";

constexpr char kUnitMeanFormula[] =
    "logits = 10 (W f + b); f is the mean of the last hidden states over the real tokens, [CLS] and [SEP] included and "
    "a soft prompt left out, divided by its Euclidean norm; W is weight and b is bias of head.safetensors";
constexpr char kTanhFormula[] =
    "logits = W tanh(U h + u) + b; h is the last hidden state at the first position; the tensors are the library's own "
    "head";

absl::Status TakePooler(const InterchangeBackbone& backbone, SavedTask& task) {
  const int64_t d = backbone.config.hidden_size();
  GBMOA_ASSIGN_OR_RETURN(const CheckpointFiles checkpoint, CheckpointFiles::Open(backbone.folder));
  for (const std::string& prefix : {std::string(), FamilyPrefix(backbone.config)}) {
    const std::string name = prefix + "pooler.dense";
    const std::string path = checkpoint.PathOf(name + ".weight");
    if (path.empty()) continue;
    // The rest of the file is the encoder's, so nobody asks Finish() about tensors that are left.
    GBMOA_ASSIGN_OR_RETURN(TensorReader reader, TensorReader::Open(path));
    std::vector<float> weight = reader.Take(name + ".weight", {d, d}), bias = reader.Take(name + ".bias", {d});
    if (weight.empty() || bias.empty()) {
      return absl::DataLossError(
          absl::StrCat(path, ": ", name, ": wanted finite weight [", d, ", ", d, "] and bias [", d, "]"));
    }
    task.parameters["head.dense.weight"] = std::move(weight);
    task.parameters["head.dense.bias"] = std::move(bias);
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(backbone.folder, ": has no pooler, which the head needs that is to be imported"));
}

}  // namespace

std::string FamilyName(const BackboneConfig& config) {
  return config.family() == BackboneConfig::ROBERTA ? "roberta" : "bert";
}
std::string FamilyPrefix(const BackboneConfig& config) { return FamilyName(config) + "."; }

std::string LayerPrefix(int layer) { return absl::StrCat("encoder.layer.", layer, "."); }

const std::vector<float>& ParameterOf(const SavedTask& task, const std::string& name) {
  const auto found = task.parameters.find(name);
  CHECK(found != task.parameters.end()) << name;
  return found->second;
}

void NumberLabels(int64_t num_classes, SavedTask& task) {
  task.labels.clear();
  for (int64_t c = 0; c < num_classes; ++c) task.labels.push_back(absl::StrCat(c));
}

absl::Status TakeTanhHead(const std::string& dense, const std::string& output, const InterchangeBackbone& backbone,
                          TensorReader& reader, SavedTask& task) {
  const int64_t d = backbone.config.hidden_size(), classes = reader.Rows(output + ".weight");
  task.options["head"] = "tanh";
  task.parameters["head.weight"] = reader.Take(output + ".weight", {classes, d});
  task.parameters["head.bias"] = reader.Take(output + ".bias", {classes});
  NumberLabels(static_cast<int64_t>(task.parameters["head.bias"].size()), task);  // `classes` is only what a file says
  if (dense.empty()) return TakePooler(backbone, task);
  task.parameters["head.dense.weight"] = reader.Take(dense + ".weight", {d, d});
  task.parameters["head.dense.bias"] = reader.Take(dense + ".bias", {d});
  return absl::OkStatus();
}

void AddTanhHead(const SavedTask& task, const std::string& dense, const std::string& output, TensorWriter& writer) {
  const int64_t d = static_cast<int64_t>(ParameterOf(task, "head.dense.bias").size());
  writer.Add(dense + ".weight", {d, d}, ParameterOf(task, "head.dense.weight"));
  writer.Add(dense + ".bias", {d}, ParameterOf(task, "head.dense.bias"));
  writer.Add(output + ".weight", {task.num_classes(), d}, ParameterOf(task, "head.weight"));
  writer.Add(output + ".bias", {task.num_classes()}, ParameterOf(task, "head.bias"));
}

absl::Status WriteOwnHead(const SavedTask& task, int64_t width, const std::string& folder) {
  const bool is_unit_mean = HeadName(task) == "unit_mean";
  if (is_unit_mean) {
    TensorWriter writer;
    writer.Add("weight", {task.num_classes(), width}, ParameterOf(task, "head.weight"));
    writer.Add("bias", {task.num_classes()}, ParameterOf(task, "head.bias"));
    GBMOA_RETURN_IF_ERROR(writer.Write(JoinPath(folder, kHeadFile)));
  }
  nlohmann::ordered_json object;
  object["head"] = HeadName(task);
  object["labels"] = task.labels;
  object["formula"] = is_unit_mean ? kUnitMeanFormula : kTanhFormula;
  return WriteFileAtomically(JoinPath(folder, kHeadConfigFile), object.dump(2) + "\n");
}

bool HasOwnHead(const std::string& folder) { return FileExists(JoinPath(folder, kHeadConfigFile)); }

absl::Status ReadOwnHead(const std::string& folder, int64_t width, SavedTask& task, bool* is_unit_mean) {
  const std::string path = JoinPath(folder, kHeadConfigFile);
  GBMOA_ASSIGN_OR_RETURN(const json object, LoadJson(path));
  const auto bad = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  if (!object.is_object()) return bad("wanted an object");
  const json head = object.value("head", json()), labels = object.value("labels", json());
  if (head != "unit_mean" && head != "tanh") {
    return bad(absl::StrCat("head: wanted \"unit_mean\" or \"tanh\", got ", head.dump().substr(0, 100)));
  }
  std::set<std::string> distinct;
  for (const json& label : labels) {
    if (label.is_string() && !label.get<std::string>().empty()) distinct.insert(label.get<std::string>());
  }
  if (!labels.is_array() || distinct.size() != labels.size() || labels.size() < 2) {
    return bad("labels: wanted an array of two or more different texts");
  }
  task.labels = labels.get<std::vector<std::string>>();
  *is_unit_mean = head == "unit_mean";
  if (!*is_unit_mean) return absl::OkStatus();
  GBMOA_ASSIGN_OR_RETURN(TensorReader reader, TensorReader::Open(JoinPath(folder, kHeadFile)));
  task.parameters["head.weight"] = reader.Take("weight", {task.num_classes(), width});
  task.parameters["head.bias"] = reader.Take("bias", {task.num_classes()});
  return reader.Finish();
}

absl::Status WriteReadme(const SavedTask& task, const std::string& library, const std::string& load,
                         const std::string& forward, const std::string& folder) {
  const bool is_unit_mean = HeadName(task) == "unit_mean";
  std::string text = absl::StrCat("# A task for ", library, "\n\nMade by `gbmoa export` from a task of method `",
                                  task.method, "` on the encoder `", task.backbone.name,
                                  "` (SHA-256 of its weights: ", task.backbone.hashes.weights,
                                  "). Classes, in the order of the logits:\n\n");
  for (size_t c = 0; c < task.labels.size(); ++c) absl::StrAppend(&text, c, ". ", json(task.labels[c]).dump(), "\n");
  absl::StrAppend(
      &text, "\n",
      is_unit_mean ? "The head is none of the library's. It is in head.safetensors; these lines compute it."
                   : "The head is the library's own.",
      " `backbone` is the encoder's folder, `folder` this\none, `texts` a list of texts or of pairs of texts.\n\n"
      "```python\nimport torch\nfrom transformers import AutoTokenizer\n");
  absl::StrAppend(
      &text, load,
      "\nbatch = AutoTokenizer.from_pretrained(backbone)(\n    texts, padding=True, truncation=True, max_length=",
      task.max_tokens, ", return_tensors=\"pt\"\n)\nwith torch.no_grad():\n", forward);
  if (is_unit_mean) {
    absl::StrAppend(&text,
                    "head = load_file(f\"{folder}/head.safetensors\")\n"
                    "mask = batch[\"attention_mask\"].unsqueeze(-1)\n"
                    "mean = (hidden * mask).sum(1) / mask.sum(1)\n"
                    "feature = mean / mean.norm(dim=1, keepdim=True)\n"
                    "logits = 10 * (feature @ head[\"weight\"].T + head[\"bias\"])\n");
  }
  absl::StrAppend(&text, "```\n");
  return WriteFileAtomically(JoinPath(folder, "README.md"), text);
}

}  // namespace gbmoa
