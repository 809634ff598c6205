// AdapterHub's library: bottleneck adapters of the kind double_seq_bn (Houlsby et al. 2019), as save_adapter(...,
// use_safetensors=True) writes them (adapter_config.json, adapter.safetensors, head_config.json,
// model_head.safetensors). Source of names and meanings: adapters 1.3.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gbmoa/base/file.h"
#include "gbmoa/interchange/config_reader.h"
#include "gbmoa/interchange/format.h"
#include "gbmoa/interchange/head.h"
#include "gbmoa/interchange/tensors.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter.safetensors";
constexpr char kPickleFile[] = "pytorch_adapter.bin";
constexpr char kHeadConfigFile[] = "head_config.json";
constexpr char kHeadFile[] = "model_head.safetensors";
constexpr char kHeadPickleFile[] = "pytorch_model_head.bin";
constexpr char kVersion[] = "adapters.1.3.0";  // whose format we write

// The two places of a layer, in our words and in theirs, and what a place has.
constexpr std::pair<const char*, const char*> kPlaces[] = {{"attention", "attention.output"},
                                                           {"feed_forward", "output"}};
struct Factor {
  const char *slice, *tensor;
  bool is_weight, goes_down;
};
constexpr Factor kFactors[] = {{"down.weight", "adapter_down.0.weight", true, true},
                               {"down.bias", "adapter_down.0.bias", false, true},
                               {"up.weight", "adapter_up.weight", true, false},
                               {"up.bias", "adapter_up.bias", false, false}};

std::vector<int64_t> ShapeOf(const Factor& factor, int64_t d, int64_t m) {
  const int64_t rows = factor.goes_down ? m : d, columns = factor.goes_down ? d : m;
  return factor.is_weight ? std::vector<int64_t>{rows, columns} : std::vector<int64_t>{rows};
}

// Calls `visit` with our slice's name and their tensor's for all numbers of the adapters.
template <typename Visit>
void ForEachFactor(const std::string& prefix, const std::string& name, int layers, const Visit& visit) {
  for (int layer = 0; layer < layers; ++layer) {
    for (const auto& [ours, theirs] : kPlaces) {
      for (const Factor& factor : kFactors) {
        visit(absl::StrCat("layer.", layer, ".", ours, ".adapter.", factor.slice),
              absl::StrCat(prefix, LayerPrefix(layer), theirs, ".adapters.", name, ".", factor.tensor), factor);
      }
    }
  }
}

// What the library makes of it: int(D // factor) in Python, at least 1.
int64_t BottleneckDim(int64_t d, double factor) {
  const double width = static_cast<double>(d);
  return std::max<int64_t>(1, std::llround((width - std::fmod(width, factor)) / factor));
}

// A factor that the library turns into this bottleneck; a whole one where there is one.
json ReductionFactor(int64_t d, int64_t m) {
  if (d % m == 0) return d / m;
  return static_cast<double>(d) / (static_cast<double>(m) + 0.5);
}

// The bottleneck M, one number for all layers; 0 with a problem.
int64_t ReadBottleneckDim(ConfigReader& reader, int64_t d, int layers) {
  const json* factor = reader.Find("reduction_factor");
  std::set<int64_t> found;
  for (int layer = 0; layer < layers && factor != nullptr; ++layer) {
    const json* value = factor;
    if (factor->is_object()) {
      auto of_layer = factor->find(absl::StrCat(layer));
      if (of_layer == factor->end()) of_layer = factor->find("default");
      value = of_layer == factor->end() ? nullptr : &*of_layer;
    }
    // Not "<= 0", which NaN would pass; the bound keeps the bottleneck a number that can be.
    if (value == nullptr || !value->is_number() || !(value->get<double>() >= 1e-4)) break;
    found.insert(BottleneckDim(d, value->get<double>()));
  }
  if (found.size() > 1) {
    reader.Unsupported("reduction_factor", "layers of different sizes are not supported");
  } else if (found.empty()) {
    reader.Bad("reduction_factor", absl::StrCat("wanted a number above 0 for every layer, got ",
                                                factor == nullptr ? "none" : factor->dump().substr(0, 100)));
  } else {
    return *found.begin();
  }
  return 0;
}

// Our name of the adapters' activation; "" with a problem.
std::string ReadActivation(ConfigReader& reader, bool is_old) {
  const std::string name = reader.Text("non_linearity", "");
  if (name == "relu") return name;
  if (name == "swish" || name == "silu") return "swish";
  // Files from before the library had a version number called the tanh approximation so.
  if (name == (is_old ? "gelu_orig" : "gelu")) return "gelu";
  reader.Unsupported("non_linearity", absl::StrCat("'", name, "'", is_old ? " without a version" : "",
                                                   " is not supported, only relu, gelu, swish"));
  return "";
}

// Labels by class, from {text: class}. Errors: DataLoss unless they are classes 0 to C - 1.
absl::Status ReadLabels(const std::string& path, const json& label2id, SavedTask& task) {
  if (label2id.is_null()) return absl::OkStatus();
  std::map<int64_t, std::string> by_class;
  if (label2id.is_object()) {
    for (const auto& [label, id] : label2id.items()) {
      if (id.is_number_integer() && !label.empty()) by_class[id.get<int64_t>()] = label;
    }
  }
  const auto classes = static_cast<int64_t>(task.labels.size());
  if (classes == 0 || !label2id.is_object() || static_cast<int64_t>(label2id.size()) != classes ||
      static_cast<int64_t>(by_class.size()) != classes || by_class.begin()->first != 0 ||
      by_class.rbegin()->first != classes - 1) {
    return absl::DataLossError(absl::StrCat(path, ": label2id: wanted a text for each of the classes 0 to ",
                                            classes - 1, ", got ", label2id.dump().substr(0, 100)));
  }
  task.labels.clear();
  for (const auto& [id, label] : by_class) task.labels.push_back(label);
  return absl::OkStatus();
}

// The class of the library's models whose heads have names.
std::string ModelClass(const BackboneConfig& config) {
  return config.family() == BackboneConfig::ROBERTA ? "RobertaAdapterModel" : "BertAdapterModel";
}

class AdapterHubFormat : public InterchangeFormat {
 public:
  bool Recognizes(const json& config) const override {
    return config.is_object() && config.contains("config") && config.contains("name");
  }

  absl::Status Import(const std::string& folder, const json& config, const InterchangeBackbone& backbone,
                      SavedTask& task) const override {
    const std::string path = JoinPath(folder, kConfigFile);
    const int64_t d = backbone.config.hidden_size();
    ConfigReader outer(path, config);
    outer.Ignore({"config", "config_id", "model_class", "model_name", "type", "version"});
    outer.Expect("model_type", FamilyName(backbone.config));
    outer.Expect("hidden_size", d);
    const std::string name = outer.Text("name", "");
    if (name.empty()) outer.Bad("name", "is missing");
    GBMOA_RETURN_IF_ERROR(outer.Finish());

    ConfigReader reader(path + ": config", config.at("config"));
    const std::string architecture = reader.Text("architecture", "");
    if (!architecture.empty()) {
      reader.Unsupported("architecture",
                         absl::StrCat("'", architecture, "' is not supported, only bottleneck adapters"));
    }
    const int64_t m = ReadBottleneckDim(reader, d, backbone.config.num_hidden_layers());
    const std::string activation = ReadActivation(reader, !config.contains("version"));
    // Where the adapters are, and what is around them: double_seq_bn's.
    for (const char* field : {"mh_adapter", "output_adapter", "original_ln_after", "residual_before_ln"}) {
      reader.Expect(field, true);
    }
    for (const char* field : {"original_ln_before", "ln_before", "ln_after"}) reader.Expect(field, false);
    reader.Expect("scaling", 1.0);
    // How they started and were trained, and what belongs to something else that Finish() finds switched on.
    reader.Ignore({"adapter_residual_before_ln", "dropout", "factorized_phm_W", "factorized_phm_rule",
                   "hypercomplex_nonlinearity", "init_weights", "init_weights_seed", "inv_adapter_reduction_factor",
                   "learn_phm", "phm_bias", "phm_c_init", "phm_dim", "phm_init_range", "phm_rank", "shared_W_phm",
                   "shared_phm_rule", "stochastic_depth"});
    GBMOA_RETURN_IF_ERROR(reader.Finish());

    GBMOA_ASSIGN_OR_RETURN(TensorReader tensors,
                           TensorReader::Open(JoinPath(folder, kWeightsFile), JoinPath(folder, kPickleFile)));
    task.method = "adapter_tuning";
    task.options["bottleneck_dim"] = absl::StrCat(m);
    task.options["activation"] = activation;
    // An encoder without a place for heads calls its modules without its own name.
    std::string prefix = FamilyPrefix(backbone.config);
    if (!tensors.Has(
            absl::StrCat(prefix, LayerPrefix(0), kPlaces[0].second, ".adapters.", name, ".", kFactors[0].tensor))) {
      if (tensors.Has(absl::StrCat(LayerPrefix(0), kPlaces[0].second, ".adapters.", name, ".", kFactors[0].tensor))) {
        prefix.clear();
      }
    }
    ForEachFactor(prefix, name, backbone.config.num_hidden_layers(),
                  [&](const std::string& slice, const std::string& tensor, const Factor& factor) {
                    task.parameters[slice] = tensors.Take(tensor, ShapeOf(factor, d, m));
                  });
    GBMOA_RETURN_IF_ERROR(tensors.Finish());
    return ImportHead(folder, backbone, task);
  }

  absl::Status Export(const SavedTask& task, const BackboneConfig& config, const std::string& name,
                      const std::string& folder) const override {
    const std::string first = "layer.0.attention.adapter.down.bias";
    if (task.parameters.count(first) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the format adapterhub takes bottleneck adapters (adapter_tuning, gbmoa), the task's method is ",
                       task.method));
    }
    for (const auto& [slice, values] : task.parameters) {
      if (absl::StrContains(slice, "LayerNorm")) {
        return absl::InvalidArgumentError(absl::StrCat("the format adapterhub has no place for trained layer norms (",
                                                       slice, "); a task with train_layer_norms=false fits"));
      }
    }
    const int64_t d = config.hidden_size(), m = static_cast<int64_t>(ParameterOf(task, first).size());
    const auto activation = task.options.find("activation");

    TensorWriter tensors;
    ForEachFactor(FamilyPrefix(config), name, config.num_hidden_layers(),
                  [&](const std::string& slice, const std::string& tensor, const Factor& factor) {
                    tensors.Add(tensor, ShapeOf(factor, d, m), ParameterOf(task, slice));
                  });
    GBMOA_RETURN_IF_ERROR(tensors.Write(JoinPath(folder, kWeightsFile)));

    nlohmann::ordered_json object = Outer(task, config, name);
    object["config"] = {{"mh_adapter", true},
                        {"output_adapter", true},
                        {"reduction_factor", ReductionFactor(d, m)},
                        {"non_linearity", activation == task.options.end() ? "relu" : activation->second},
                        {"original_ln_before", false},
                        {"original_ln_after", true},
                        {"ln_before", false},
                        {"ln_after", false},
                        {"residual_before_ln", true},
                        {"adapter_residual_before_ln", false},
                        {"is_parallel", false},
                        {"scaling", 1.0},
                        {"use_gating", false},
                        {"phm_layer", false},
                        {"dropout", 0.0}};
    const bool native = HeadName(task) == "tanh";
    if (native) {
      GBMOA_RETURN_IF_ERROR(ExportHead(task, config, name, folder));
    } else {
      GBMOA_RETURN_IF_ERROR(WriteOwnHead(task, d, folder));
    }
    GBMOA_RETURN_IF_ERROR(WriteReadme(
        task, "AdapterHub's `adapters`",
        absl::StrCat("from adapters import AutoAdapterModel\n",
                     native ? "" : "from safetensors.torch import load_file\n",
                     "\nmodel = AutoAdapterModel.from_pretrained(backbone)\n"
                     "model.load_adapter(folder, set_active=True, use_safetensors=True)\nmodel.eval()\n"),
        native ? "    logits = model(**batch).logits\n" : "    hidden = model(**batch).last_hidden_state\n", folder));
    return WriteFileAtomically(JoinPath(folder, kConfigFile), object.dump(2) + "\n");
  }

 private:
  static nlohmann::ordered_json Outer(const SavedTask& task, const BackboneConfig& config, const std::string& name) {
    nlohmann::ordered_json object;
    object["name"] = name;
    object["model_type"] = FamilyName(config);
    object["model_class"] = ModelClass(config);
    object["model_name"] = task.backbone.folder.empty() ? task.backbone.name : task.backbone.folder;
    object["hidden_size"] = config.hidden_size();
    object["version"] = kVersion;
    return object;
  }

  static absl::Status ExportHead(const SavedTask& task, const BackboneConfig& config, const std::string& name,
                                 const std::string& folder) {
    TensorWriter tensors;
    // Positions in the library's sequence of dropout, linear, tanh, dropout, linear.
    const std::string head = absl::StrCat("heads.", name, ".");
    AddTanhHead(task, head + "1", head + "4", tensors);
    GBMOA_RETURN_IF_ERROR(tensors.Write(JoinPath(folder, kHeadFile)));
    nlohmann::ordered_json object = Outer(task, config, name), inner;
    inner["head_type"] = "classification";
    inner["num_labels"] = task.num_classes();
    inner["layers"] = 2;
    inner["activation_function"] = "tanh";
    inner["use_pooler"] = false;
    inner["bias"] = true;
    inner["dropout_prob"] = nullptr;
    for (int c = 0; c < task.num_classes(); ++c) inner["label2id"][task.labels[c]] = c;
    object["config"] = inner;
    return WriteFileAtomically(JoinPath(folder, kHeadConfigFile), object.dump(2) + "\n");
  }

  static absl::Status ImportHead(const std::string& folder, const InterchangeBackbone& backbone, SavedTask& task) {
    const std::string path = JoinPath(folder, kHeadConfigFile);
    const int64_t d = backbone.config.hidden_size();
    if (!FileExists(path)) {
      bool is_unit_mean = false;
      if (HasOwnHead(folder)) GBMOA_RETURN_IF_ERROR(ReadOwnHead(folder, d, task, &is_unit_mean));
      if (is_unit_mean) return absl::OkStatus();
      return absl::NotFoundError(absl::StrCat(path, ": is missing; save_adapter(..., with_head=True) writes it"));
    }
    GBMOA_ASSIGN_OR_RETURN(const json config, LoadJson(path));
    ConfigReader outer(path, config);
    outer.Ignore({"config", "config_id", "label2id", "model_name", "num_labels", "version"});
    outer.Expect("model_type", FamilyName(backbone.config));
    outer.Expect("hidden_size", d);
    const std::string model_class = outer.Text("model_class", ""), name = outer.Text("name", "");
    const bool has_name = model_class == ModelClass(backbone.config);
    const bool is_roberta = backbone.config.family() == BackboneConfig::ROBERTA;
    const std::string plain = is_roberta ? "RobertaForSequenceClassification" : "BertForSequenceClassification";
    if (!has_name && model_class != plain) {
      outer.Unsupported("model_class", absl::StrCat("'", model_class, "' is not supported, only ",
                                                    ModelClass(backbone.config), ", ", plain));
    }
    if (has_name && name.empty()) outer.Bad("name", "is missing");
    GBMOA_RETURN_IF_ERROR(outer.Finish());

    // The dense layer before the tanh: the head's own, or the encoder's pooler.
    std::string dense = is_roberta ? "classifier.dense" : "",
                output = is_roberta ? "classifier.out_proj" : "classifier";
    json label2id = config.value("label2id", json());
    if (has_name) {
      const json inner = config.value("config", json());
      ConfigReader reader(path + ": config", inner);
      reader.Ignore({"num_labels", "label2id", "dropout_prob"});
      reader.Expect("head_type", "classification");
      reader.Expect("bias", true);
      const int64_t layers = reader.Integer("layers", 1, 100);
      const json* pooler = reader.Find("use_pooler");
      const bool use_pooler = pooler != nullptr && *pooler == true;
      if (layers != (use_pooler ? 1 : 2)) {
        reader.Unsupported("layers", absl::StrCat(layers, use_pooler ? " after" : " without", " the pooler ",
                                                  "is not supported, only 2 without it and 1 after it"));
      }
      if (use_pooler) {
        reader.Ignore({"activation_function"});  // there is none after the last layer
      } else {
        reader.Expect("activation_function", "tanh");
      }
      GBMOA_RETURN_IF_ERROR(reader.Finish());
      dense = use_pooler ? "" : absl::StrCat("heads.", name, ".1");
      output = absl::StrCat("heads.", name, use_pooler ? ".1" : ".4");
      label2id = inner.value("label2id", json());
    }
    GBMOA_ASSIGN_OR_RETURN(TensorReader tensors,
                           TensorReader::Open(JoinPath(folder, kHeadFile), JoinPath(folder, kHeadPickleFile)));
    GBMOA_RETURN_IF_ERROR(TakeTanhHead(dense, output, backbone, tensors, task));
    GBMOA_RETURN_IF_ERROR(tensors.Finish());
    return ReadLabels(path, label2id, task);
  }
};

GBMOA_REGISTER_INTERCHANGE_FORMAT("adapterhub", AdapterHubFormat);

}  // namespace
}  // namespace gbmoa
