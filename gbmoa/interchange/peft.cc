// Hugging Face peft: LoRA and prompt tuning, as save_pretrained writes them (adapter_config.json,
// adapter_model.safetensors) for AutoModelForSequenceClassification. Source of names and meanings: peft 0.21.
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gbmoa/base/file.h"
#include "gbmoa/interchange/config_reader.h"
#include "gbmoa/interchange/format.h"
#include "gbmoa/interchange/head.h"
#include "gbmoa/interchange/tensors.h"
#include "glog/logging.h"

namespace gbmoa {
namespace {

using ::nlohmann::json;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr char kPickleFile[] = "adapter_model.bin";
constexpr char kClassification[] = "SEQ_CLS";
constexpr char kDefaultAlpha[] = "16";  // the learner's own

// A projection that LoRA may change: our name of it, the module's name inside a layer, the slice's inside a layer, and
// what it reads and writes: D, or the intermediate width F.
struct Target {
  const char *option, *module, *slice;
  bool reads_intermediate, writes_intermediate;
};
constexpr Target kTargets[] = {
    {"query", "attention.self.query", "attention.query", false, false},
    {"key", "attention.self.key", "attention.key", false, false},
    {"value", "attention.self.value", "attention.value", false, false},
    {"attention_output", "attention.output.dense", "attention.output", false, false},
    {"intermediate", "intermediate.dense", "intermediate", false, true},
    {"output", "output.dense", "output", true, false},
};

std::string Slice(int layer, const Target& target, const char* factor) {
  return absl::StrCat("layer.", layer, ".", target.slice, ".lora.", factor);
}

int64_t Reads(const Target& target, const BackboneConfig& config) {
  return target.reads_intermediate ? config.intermediate_size() : config.hidden_size();
}
int64_t Writes(const Target& target, const BackboneConfig& config) {
  return target.writes_intermediate ? config.intermediate_size() : config.hidden_size();
}

// As peft matches: the whole name, or its end after a dot.
bool Matches(const std::string& module, const std::string& target) {
  return module == target || absl::EndsWith(module, "." + target);
}

// Texts of a list; false if it is none.
bool ReadTexts(const json& list, std::vector<std::string>& texts) {
  if (!list.is_array()) return false;
  for (const json& text : list) {
    if (!text.is_string()) return false;
    texts.push_back(text.get<std::string>());
  }
  return true;
}

// The targets that the configuration names, which must be the same in all layers. A pattern is Python's own kind of
// regular expression: there the tensors tell.
std::vector<Target> ReadTargets(ConfigReader& reader, const std::string& model, const BackboneConfig& config,
                                const TensorReader& tensors) {
  std::vector<Target> found;
  const json* value = reader.Find("target_modules");
  std::vector<std::string> names;
  if (value == nullptr) {
    reader.Bad("target_modules", "is missing");
  } else if (value->is_string()) {
    for (const Target& target : kTargets) {
      const std::string name =
          absl::StrCat("base_model.model.", model, LayerPrefix(0), target.module, ".lora_A.weight");
      if (tensors.Has(name)) found.push_back(target);
    }
  } else if (!ReadTexts(*value, names)) {
    reader.Bad("target_modules", absl::StrCat("wanted a list of names, got ", value->dump().substr(0, 100)));
  } else {
    for (const Target& target : kTargets) {
      int layers = 0;
      for (int layer = 0; layer < config.num_hidden_layers(); ++layer) {
        const std::string module = absl::StrCat(model, LayerPrefix(layer), target.module);
        bool matches = false;
        for (const std::string& name : names) matches = matches || Matches(module, name);
        layers += matches ? 1 : 0;
      }
      if (layers > 0) found.push_back(target);
      if (layers > 0 && layers < config.num_hidden_layers()) {
        reader.Unsupported("target_modules", absl::StrCat(target.module, " in ", layers, " of ",
                                                          config.num_hidden_layers(), " layers is not supported"));
      }
    }
  }
  if (found.empty() && value != nullptr) {
    reader.Unsupported("target_modules",
                       absl::StrCat(value->dump().substr(0, 100), " names none of the encoder's ", "projections"));
  }
  return found;
}

// What both methods may say without changing the model, or must not say.
void ReadCommon(ConfigReader& reader) {
  reader.Ignore({"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision"});
}

void ReadLoraConfig(ConfigReader& reader) {
  // How it was trained, and what belongs to something else that Finish() finds switched on.
  reader.Ignore({"corda_config", "ensure_weight_tying", "eva_config", "loftq_config", "lora_dropout", "lora_ga_config",
                 "megatron_core", "qalora_group_size"});
  reader.Expect("bias", "none");
  // Others change the frozen weights, too.
  const json* init = reader.Find("init_lora_weights");
  if (init != nullptr && !init->is_boolean() && *init != "gaussian" && *init != "orthogonal" && *init != "eva") {
    reader.Unsupported("init_lora_weights", absl::StrCat(init->dump().substr(0, 100),
                                                         " changes the encoder's weights, which is not supported"));
  }
}

void WriteCommon(nlohmann::ordered_json& object, const BackboneConfig& config, const SavedTask& task, bool native) {
  object["task_type"] = native ? kClassification : "FEATURE_EXTRACTION";
  const std::string& encoder = task.backbone.folder.empty() ? task.backbone.name : task.backbone.folder;
  object["base_model_name_or_path"] = encoder;
  object["inference_mode"] = true;
  object["modules_to_save"] = nullptr;
  // The names that peft itself adds for this kind of task, after the one of BERT's pooler, which it leaves frozen.
  if (native && config.family() == BackboneConfig::ROBERTA) object["modules_to_save"] = {"classifier", "score"};
  if (native && config.family() != BackboneConfig::ROBERTA) {
    object["modules_to_save"] = {"pooler", "classifier", "score"};
  }
}

class PeftFormat : public InterchangeFormat {
 public:
  bool Recognizes(const json& config) const override { return config.is_object() && config.contains("peft_type"); }

  absl::Status Import(const std::string& folder, const json& config, const InterchangeBackbone& backbone,
                      SavedTask& task) const override {
    ConfigReader reader(JoinPath(folder, kConfigFile), config);
    const std::string type = reader.Text("peft_type", "");
    if (type != "LORA" && type != "PROMPT_TUNING") {
      reader.Unsupported("peft_type", absl::StrCat("'", type, "' is not supported, only LORA, PROMPT_TUNING"));
      reader.Ignore(Names(config));
      return reader.Finish();
    }
    ReadCommon(reader);
    const std::string task_type = reader.Text("task_type", "");
    const bool native = task_type == kClassification;
    if (!native && !HasOwnHead(folder)) {
      reader.Unsupported("task_type",
                         absl::StrCat("'", task_type, "' has no head of classes, only ", kClassification, " has"));
    }
    GBMOA_ASSIGN_OR_RETURN(TensorReader tensors,
                           TensorReader::Open(JoinPath(folder, kWeightsFile), JoinPath(folder, kPickleFile)));
    // A model without a head is the encoder itself, whose modules have no prefix.
    const std::string model = native ? FamilyPrefix(backbone.config) : "";
    if (type == "LORA") {
      GBMOA_RETURN_IF_ERROR(ImportLora(reader, model, backbone.config, tensors, task));
    } else {
      GBMOA_RETURN_IF_ERROR(ImportPrompt(reader, backbone.config, tensors, task));
    }
    const std::string prefix = type == "LORA" ? "base_model.model." : "base_model.";
    if (native) {
      GBMOA_RETURN_IF_ERROR(ImportHead(config, prefix, model, backbone, tensors, task));
    }
    GBMOA_RETURN_IF_ERROR(tensors.Finish());
    if (!HasOwnHead(folder)) return absl::OkStatus();
    bool is_unit_mean;
    GBMOA_RETURN_IF_ERROR(ReadOwnHead(folder, backbone.config.hidden_size(), task, &is_unit_mean));
    return CheckOwnHead(folder, native, is_unit_mean, task);
  }

  absl::Status Export(const SavedTask& task, const BackboneConfig& config, const std::string&,
                      const std::string& folder) const override {
    if (task.method != "lora" && task.method != "prompt_tuning") {
      return absl::InvalidArgumentError(
          absl::StrCat("the format peft takes lora and prompt_tuning, the task's method is ", task.method));
    }
    const bool native = HeadName(task) == "tanh", is_lora = task.method == "lora";
    const std::string model = native ? FamilyPrefix(config) : "";
    TensorWriter tensors;
    nlohmann::ordered_json object;
    object["peft_type"] = is_lora ? "LORA" : "PROMPT_TUNING";
    WriteCommon(object, config, task, native);
    if (is_lora) {
      GBMOA_RETURN_IF_ERROR(ExportLora(task, model, config, object, tensors));
    } else {
      const std::vector<float>& prompt = ParameterOf(task, "prompt");
      const int64_t d = config.hidden_size(), length = static_cast<int64_t>(prompt.size()) / d;
      object["num_virtual_tokens"] = length;
      object["token_dim"] = d;
      object["num_layers"] = config.num_hidden_layers();
      object["num_attention_heads"] = config.num_attention_heads();
      object["num_transformer_submodules"] = 1;
      object["prompt_tuning_init"] = "RANDOM";
      tensors.Add("prompt_embeddings", {length, d}, prompt);
    }
    if (native) {
      const std::string prefix = is_lora ? "base_model.model." : "base_model.";
      const bool is_roberta = config.family() == BackboneConfig::ROBERTA;
      AddTanhHead(task, is_roberta ? prefix + "classifier.dense" : absl::StrCat(prefix, model, "pooler.dense"),
                  prefix + (is_roberta ? "classifier.out_proj" : "classifier"), tensors);
    }
    GBMOA_RETURN_IF_ERROR(tensors.Write(JoinPath(folder, kWeightsFile)));
    GBMOA_RETURN_IF_ERROR(WriteOwnHead(task, config.hidden_size(), folder));
    GBMOA_RETURN_IF_ERROR(ExportReadme(task, native, is_lora, folder));
    return WriteFileAtomically(JoinPath(folder, kConfigFile), object.dump(2) + "\n");
  }

 private:
  static std::vector<std::string> Names(const json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items()) names.push_back(name);
    return names;
  }

  static absl::Status CheckOwnHead(const std::string& folder, bool native, bool is_unit_mean, SavedTask& task) {
    if (native != is_unit_mean && task.parameters["head.bias"].size() == task.labels.size()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(folder, ": head.json does not fit the adapter's head"));
  }

  static absl::Status ImportLora(ConfigReader& reader, const std::string& model, const BackboneConfig& config,
                                 TensorReader& tensors, SavedTask& task) {
    const int64_t rank = reader.Integer("r", 1, 1 << 20);
    const double alpha = reader.Number("lora_alpha", 8);  // peft's default
    if (!(alpha > 0)) reader.Bad("lora_alpha", absl::StrCat(alpha, " is not above 0"));
    reader.Ignore({"modules_to_save"});  // the tensors tell
    ReadLoraConfig(reader);
    const std::vector<Target> targets = ReadTargets(reader, model, config, tensors);
    GBMOA_RETURN_IF_ERROR(reader.Finish());
    task.method = "lora";
    task.options["lora_rank"] = absl::StrCat(rank);
    // The shortest text that is read as the same number.
    task.options["lora_alpha"] = json(alpha).dump();
    task.options["lora_targets"] =
        absl::StrJoin(targets, ",", [](std::string* out, const Target& t) { absl::StrAppend(out, t.option); });
    for (int layer = 0; layer < config.num_hidden_layers(); ++layer) {
      for (const Target& target : targets) {
        const std::string module = absl::StrCat("base_model.model.", model, LayerPrefix(layer), target.module);
        task.parameters[Slice(layer, target, "a")] =
            tensors.Take(module + ".lora_A.weight", {rank, Reads(target, config)});
        task.parameters[Slice(layer, target, "b")] =
            tensors.Take(module + ".lora_B.weight", {Writes(target, config), rank});
      }
    }
    return absl::OkStatus();
  }

  static absl::Status ImportPrompt(ConfigReader& reader, const BackboneConfig& config, TensorReader& tensors,
                                   SavedTask& task) {
    const int64_t length = reader.Integer("num_virtual_tokens", 1, config.max_position_embeddings());
    reader.Ignore({"modules_to_save", "num_attention_heads", "num_layers", "prompt_tuning_init",
                   "prompt_tuning_init_text", "tokenizer_kwargs", "tokenizer_name_or_path"});
    reader.Expect("num_transformer_submodules", 1);
    reader.Expect("token_dim", config.hidden_size());
    GBMOA_RETURN_IF_ERROR(reader.Finish());
    task.method = "prompt_tuning";
    task.options["prompt_tokens"] = absl::StrCat(length);
    task.parameters["prompt"] = tensors.Take("prompt_embeddings", {length, config.hidden_size()});
    return absl::OkStatus();
  }

  static absl::Status ImportHead(const json& config, const std::string& prefix, const std::string& model,
                                 const InterchangeBackbone& backbone, TensorReader& tensors, SavedTask& task) {
    if (backbone.config.family() == BackboneConfig::ROBERTA) {
      return TakeTanhHead(prefix + "classifier.dense", prefix + "classifier.out_proj", backbone, tensors, task);
    }
    // BERT's pooler is trained and saved only where modules_to_save asks for it; else it is the encoder's.
    const std::string pooler = absl::StrCat(prefix, model, "pooler.dense");
    std::vector<std::string> saved;
    ReadTexts(config.value("modules_to_save", json()), saved);
    bool in_file = tensors.Has(pooler + ".weight");
    for (const std::string& name : saved) in_file = in_file || absl::EndsWith(model + "pooler", name);
    return TakeTanhHead(in_file ? pooler : "", prefix + "classifier", backbone, tensors, task);
  }

  static absl::Status ExportLora(const SavedTask& task, const std::string& model, const BackboneConfig& config,
                                 nlohmann::ordered_json& object, TensorWriter& tensors) {
    const int layers = config.num_hidden_layers();
    std::vector<Target> targets;
    for (const Target& target : kTargets) {
      if (task.parameters.count(Slice(0, target, "a")) > 0) targets.push_back(target);
    }
    CHECK(!targets.empty());
    const int64_t rank =
        static_cast<int64_t>(ParameterOf(task, Slice(0, targets[0], "a")).size()) / Reads(targets[0], config);
    const auto alpha = task.options.find("lora_alpha");
    double number;
    if (!absl::SimpleAtod(alpha == task.options.end() ? kDefaultAlpha : alpha->second, &number)) {
      return absl::InvalidArgumentError(absl::StrCat("option lora_alpha = '", alpha->second, "': wanted a number"));
    }
    object["r"] = rank;
    if (number == std::floor(number) && number < 1e15) {
      object["lora_alpha"] = static_cast<int64_t>(number);  // as peft's own type
    } else {
      object["lora_alpha"] = number;
    }
    object["lora_dropout"] = 0.0;
    object["bias"] = "none";
    object["fan_in_fan_out"] = false;
    object["use_rslora"] = false;
    object["use_dora"] = false;
    object["rank_pattern"] = nlohmann::ordered_json::object();
    object["alpha_pattern"] = nlohmann::ordered_json::object();
    object["target_modules"] = nlohmann::ordered_json::array();
    bool attention_output = false;
    for (const Target& target : targets) {
      attention_output = attention_output || absl::string_view(target.option) == "attention_output";
      // Each name matches one projection of a layer, except that "output.dense" is the attention's, too.
      const bool by_layer = absl::string_view(target.option) == "output" && !attention_output;
      if (!by_layer) {
        const std::vector<std::string> words = absl::StrSplit(target.module, '.');
        const bool is_query_key_value = absl::StrContains(target.module, ".self.");
        object["target_modules"].push_back(is_query_key_value ? words.back() : target.module);
      }
      for (int layer = 0; layer < layers; ++layer) {
        const std::string module = absl::StrCat(model, LayerPrefix(layer), target.module);
        if (by_layer) object["target_modules"].push_back(module);
        const std::string name = "base_model.model." + module;
        tensors.Add(name + ".lora_A.weight", {rank, Reads(target, config)},
                    ParameterOf(task, Slice(layer, target, "a")));
        tensors.Add(name + ".lora_B.weight", {Writes(target, config), rank},
                    ParameterOf(task, Slice(layer, target, "b")));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status ExportReadme(const SavedTask& task, bool native, bool is_lora, const std::string& folder) {
    const std::string auto_class = native ? "AutoModelForSequenceClassification" : "AutoModel";
    const std::string load =
        absl::StrCat("from transformers import ", auto_class, "\nfrom peft import PeftModel\n",
                     native ? "" : "from safetensors.torch import load_file\n", "\nbase = ", auto_class,
                     ".from_pretrained(backbone", native ? absl::StrCat(", num_labels=", task.num_classes()) : "",
                     ")\nmodel = PeftModel.from_pretrained(base, folder).eval()\n");
    std::string forward;
    if (native) {
      forward = "    logits = model(**batch).logits\n";
    } else if (is_lora) {
      forward = "    hidden = model(**batch).last_hidden_state\n";
    } else {
      // peft's own forward pass of a model without a head drops the token types.
      forward =
          "    prompt = model.get_prompt(batch_size=len(texts))\n"
          "    words = model.word_embeddings(batch[\"input_ids\"])\n"
          "    ones = torch.ones(prompt.shape[:2], dtype=torch.long)\n"
          "    types = batch.get(\"token_type_ids\", 0 * batch[\"input_ids\"])\n"
          "    hidden = model.base_model(\n"
          "        inputs_embeds=torch.cat([prompt, words], 1),\n"
          "        attention_mask=torch.cat([ones, batch[\"attention_mask\"]], 1),\n"
          "        token_type_ids=torch.cat([0 * ones, types], 1),\n"
          "    ).last_hidden_state[:, prompt.shape[1] :]\n";
    }
    return WriteReadme(task, "Hugging Face peft", load, forward, folder);
  }
};

GBMOA_REGISTER_INTERCHANGE_FORMAT("peft", PeftFormat);

}  // namespace
}  // namespace gbmoa
