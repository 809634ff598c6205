#!/usr/bin/env python3
"""Writes gbmoa/interchange/testdata: tiny random encoders, tasks that peft and AdapterHub saved, and their logits.

  tools/golden/interchange.py gbmoa/interchange/testdata

Made with torch 2.11.0, transformers 4.57.6, peft 0.21.2 and adapters 1.3.0. For each of bert and roberta:

  FAMILY/backbone            config.json, model.safetensors (with a pooler)
  FAMILY/CASE                what save_pretrained or save_adapter wrote, without the model card
  FAMILY/golden.safetensors  ids, type_ids [N], offsets [S + 1]: four token sequences, packed; and CASE [S, C]:
                             the logits of the library's own forward pass, eager attention, float32, one by one
"""

import sys

sys.path.pop(0)  # the standard library's statistics, not the script of that name beside this one

import os
import shutil

import adapters
import torch
import transformers
from adapters import AutoAdapterModel, DoubleSeqBnConfig
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import save_file

CLASSES = 3
LENGTHS = [3, 9, 5, 7]


def randomize(parameters, sd):
    for parameter in parameters:
        with torch.no_grad():
            parameter.normal_(0, sd)


def make_backbone(family, folder):
    sizes = dict(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    if family == "bert":
        model = transformers.BertModel(transformers.BertConfig(type_vocab_size=2, **sizes))
    else:
        model = transformers.RobertaModel(transformers.RobertaConfig(type_vocab_size=1, pad_token_id=1, **sizes))
    # Livelier than the usual start, so that every part of the encoder shows in the logits.
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            parameter.normal_(1 if "LayerNorm.weight" in name else 0, 0.3)
    model.save_pretrained(folder)


def classifier(backbone):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        backbone, num_labels=CLASSES, attn_implementation="eager"
    )
    model.config._name_or_path = "tiny"
    return model


def save_peft(model, config, folder):
    model = get_peft_model(model, config)
    randomize([p for p in model.parameters() if p.requires_grad], 0.3)
    model.peft_config["default"].base_model_name_or_path = "tiny"
    model.save_pretrained(folder, save_embedding_layers=False)
    os.remove(f"{folder}/README.md")
    return model


def save_adapter(model, activation, factor, folder):
    model.config._name_or_path = "tiny"
    model.add_adapter("task", config=DoubleSeqBnConfig(reduction_factor=factor, non_linearity=activation))
    model.set_active_adapters("task")
    randomize([p for name, p in model.named_parameters() if ".adapters." in name], 0.3)
    heads = [p for name, p in model.named_parameters() if name.startswith(("heads.", "classifier."))]
    assert heads
    randomize(heads, 0.3)
    model.save_adapter(folder, "task", use_safetensors=True)
    return model


def flexible(backbone, **head):
    model = AutoAdapterModel.from_pretrained(backbone, attn_implementation="eager")
    model.add_classification_head("task", num_labels=CLASSES, id2label={0: "bad", 1: "fine", 2: "good"}, **head)
    return model


def plain(backbone):
    model = classifier(backbone)
    model.config.id2label = {0: "bad", 1: "fine", 2: "good"}
    model.config.label2id = {"bad": 0, "fine": 1, "good": 2}
    adapters.init(model)
    return model


def make_cases(family, folder):
    backbone = f"{folder}/backbone"
    lora = dict(task_type="SEQ_CLS", lora_dropout=0.1)
    pooler = dict(modules_to_save=["pooler"]) if family == "bert" else {}
    prompt = PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=4, **pooler)
    yield "peft_prompt", save_peft(classifier(backbone), prompt, f"{folder}/peft_prompt")
    if family == "bert":
        config = LoraConfig(r=4, lora_alpha=6, target_modules=["query", "value"], **lora, **pooler)
        yield "peft_lora", save_peft(classifier(backbone), config, f"{folder}/peft_lora")
        # Without modules_to_save: the pooler stays the encoder's own.
        config = LoraConfig(r=2, lora_alpha=5, target_modules=["key"], **lora)
        yield "peft_lora_frozen_pooler", save_peft(classifier(backbone), config, f"{folder}/peft_lora_frozen_pooler")
        model = flexible(backbone, layers=1, use_pooler=True)
        yield "adapterhub_pooler", save_adapter(model, "swish", 2, f"{folder}/adapterhub_pooler")
        yield "adapterhub", save_adapter(flexible(backbone), "relu", 4, f"{folder}/adapterhub")
    else:
        targets = ["query", "key", "attention.output.dense", "intermediate.dense", "output.dense"]
        config = LoraConfig(r=3, lora_alpha=6, target_modules=targets, **lora)
        yield "peft_lora", save_peft(classifier(backbone), config, f"{folder}/peft_lora")
        yield "adapterhub_plain", save_adapter(plain(backbone), "swish", 2, f"{folder}/adapterhub_plain")
        yield "adapterhub", save_adapter(flexible(backbone), "gelu", 3, f"{folder}/adapterhub")


def main():
    (out,) = sys.argv[1:]
    torch.set_num_threads(1)
    for family in ["bert", "roberta"]:
        torch.manual_seed(1)
        folder = f"{out}/{family}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make_backbone(family, f"{folder}/backbone")
        ids = [torch.randint(5, 60, (1, length)) for length in LENGTHS]
        types = [torch.zeros_like(i) for i in ids]
        if family == "bert":
            types[1][0, 5:] = 1
        golden = {
            "ids": torch.cat(ids, 1)[0].int(),
            "type_ids": torch.cat(types, 1)[0].int(),
            "offsets": torch.tensor([0] + LENGTHS).cumsum(0),
        }
        for case, model in make_cases(family, folder):
            model.eval()
            with torch.no_grad():
                rows = [
                    model(input_ids=i, token_type_ids=t, attention_mask=torch.ones_like(i)).logits
                    for i, t in zip(ids, types)
                ]
            golden[case] = torch.cat(rows).contiguous()
            print(family, case, golden[case][0].tolist(), "spread", golden[case].std(0).tolist())
        save_file(golden, f"{folder}/golden.safetensors")


if __name__ == "__main__":
    main()
