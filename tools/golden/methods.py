#!/usr/bin/env python3
"""Writes baselines/testdata/{bert,roberta}_methods.safetensors: what the libraries make of the baselines.

  tools/golden/methods.py baselines/testdata

Made with torch 2.11.0, transformers 4.57.6 (eager attention), peft 0.21.2 and adapters 1.3.0, float32, one thread. A
tiny encoder with random weights, six examples, and for each CASE = METHOD.HEAD of `cases` below one training step's
outputs and the losses of a few steps on the same examples: torch's AdamW with Hugging Face's rule for weight decay, its
linear schedule with warm-up and gradient clipping. No dropout.

  config (metadata)    the encoder's config.json
  parameter/SLICE      every number, by the names that this project has for them; shared by all cases
  ids, type_ids        [N] the tokens, packed
  offsets, labels      [S + 1] where each text begins, [S]
  CASE/logits          [S, C]
  CASE/losses          [4] before each step, mean nats per example; the first step's rate is 0
  CASE/gradient/SLICE  of the first loss, for every trained slice
  linear/STEPS/SHARE   [STEPS] factors of the schedule with that share of warm-up; constant/... likewise

Heads: tanh is the library's own (BertForSequenceClassification with its pooler trained,
RobertaForSequenceClassification, AdapterHub's ClassificationHead of two layers), unit_mean is computed here on the
library's hidden states.
"""

import math
import re
import sys

sys.path.pop(0)  # the standard library's statistics, not the script of that name beside this one

import adapters
import numpy as np
import peft
import torch
import transformers
from safetensors.numpy import save_file
from transformers.pytorch_utils import ALL_LAYERNORM_LAYERS
from transformers.trainer_pt_utils import get_parameter_names

WIDTH, BOTTLENECK, CLASSES, PROMPT = 16, 4, 3, 3
LENGTHS, LABELS = [5, 3, 8, 4, 6, 2], [0, 1, 2, 1, 0, 2]
# The same numbers stand in baselines/golden_test.cc.
RATE, DECAY, CLIP, STEPS, WARM_UP, SEEN_STEPS = 0.01, 0.01, 1.0, 4, 0.25, 4
SCHEDULES = [(8, 0.25), (7, 0.3), (5, 0.0), (3, 0.9), (1, 0.5)]

TARGETS = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
}
HEAD = {
    "pooler.dense": "head.dense",
    "classifier": "head",
    "classifier.dense": "head.dense",
    "classifier.out_proj": "head",
    "heads.a.1": "head.dense",
    "heads.a.4": "head",
    "unit_mean": "head",
}


def our_name(name):
    """This project's name of a library's parameter."""
    name = re.sub(r"^(model\.)?(base_model\.)?(model\.)?((bert|roberta)\.)?", "", name)
    name = name.replace(".base_layer", "").replace(".modules_to_save.default", "")
    if name == "prompt_encoder.default.embedding.weight":
        return "prompt"
    lora = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)\.lora_([AB])\.default\.weight", name)
    if lora:
        return f"layer.{lora[1]}.{TARGETS[lora[2]]}.lora.{lora[3].lower()}"
    slot = r"encoder\.layer\.(\d+)\.(attention\.)?output\.adapters\.a\.adapter_(down|up)(?:\.0)?\.(\w+)"
    adapter = re.fullmatch(slot, name)
    if adapter:
        return f"layer.{adapter[1]}.{'attention' if adapter[2] else 'feed_forward'}.adapter.{adapter[3]}.{adapter[4]}"
    module, _, kind = name.rpartition(".")
    return f"{HEAD[module]}.{kind}" if module in HEAD else name


def make_config(family):
    sizes = dict(
        vocab_size=40,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=20,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
    )
    if family == "bert":
        config = transformers.BertConfig(type_vocab_size=2, **sizes)
    else:
        config = transformers.RobertaConfig(type_vocab_size=1, layer_norm_eps=1e-5, **sizes)
    config._attn_implementation = "eager"
    return config


def classifier(config):
    if config.model_type == "bert":
        return transformers.BertForSequenceClassification(config)
    return transformers.RobertaForSequenceClassification(config)


def with_peft(config, peft_config):
    return peft.get_peft_model(classifier(config), peft_config)


def lora(config, targets):
    pattern = r".*encoder\.layer\.\d+\.(%s)" % "|".join(re.escape(target) for target in targets)
    options = dict(task_type="SEQ_CLS", r=2, lora_alpha=3, lora_dropout=0.0, target_modules=pattern)
    return with_peft(config, peft.LoraConfig(**options))


def bottleneck(config, activation):
    model = (adapters.BertAdapterModel if config.model_type == "bert" else adapters.RobertaAdapterModel)(config)
    model.add_adapter(
        "a", config=adapters.DoubleSeqBnConfig(non_linearity=activation, reduction_factor=WIDTH / BOTTLENECK)
    )
    model.add_classification_head("a", num_labels=CLASSES, layers=2, activation_function="tanh", use_pooler=False)
    model.train_adapter("a")
    return model


# METHOD -> (model, which of our names are trained beside the head)
METHODS = {
    "full": (classifier, r"(embeddings|encoder)\..*"),
    "adapters_relu": (lambda c: bottleneck(c, "relu"), r"layer\..*\.adapter\..*"),
    "adapters_swish_norms": (
        lambda c: bottleneck(c, "swish"),
        r"layer\..*\.adapter\..*|encoder\.layer\..*\.LayerNorm\..*",
    ),
    "lora": (lambda c: lora(c, ["attention.self.query", "attention.self.value"]), r"layer\..*\.lora\..*"),
    "lora_all": (lambda c: lora(c, list(TARGETS)), r"layer\..*\.lora\..*"),
    "prompt": (
        lambda c: with_peft(c, peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=PROMPT)),
        r"prompt",
    ),
}


def cases(family):
    for method in METHODS:
        for head in ["tanh", "unit_mean"]:
            # Two gradients of all weights are as large as all else together; this head is not RoBERTa's business.
            if (family, method, head) != ("roberta", "full", "unit_mean"):
                yield method, head


class Values:
    """A slice's numbers, drawn when they are first asked for."""

    def __init__(self, rng):
        self.rng, self.slices = rng, {}

    def get(self, name, shape):
        if name not in self.slices:
            scale = 0.2 if "LayerNorm" in name or name.endswith("bias") else 0.5 if name.startswith("head.") else 0.3
            values = scale * self.rng.standard_normal(tuple(shape)) + (1 if name.endswith("LayerNorm.weight") else 0)
            self.slices[name] = values.astype(np.float32)
        assert self.slices[name].shape == tuple(shape), (name, shape)
        return torch.tensor(self.slices[name])


def padded(texts, types, config):
    width = max(LENGTHS)
    ids = torch.full((len(texts), width), config.pad_token_id)
    type_ids, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, text in enumerate(texts):
        ids[i, : len(text)], type_ids[i, : len(text)], mask[i, : len(text)] = text, types[i], 1
    return dict(input_ids=ids, attention_mask=mask, token_type_ids=type_ids)


def run_case(method, head, config, inputs, labels, values):
    make, pattern = METHODS[method]
    modules = torch.nn.ModuleDict({"model": make(config)})
    if head == "unit_mean":
        modules["unit_mean"] = torch.nn.Linear(WIDTH, CLASSES)
    modules.eval()  # there is no dropout, and nothing else that would differ
    trained = {}
    for name, parameter in modules.named_parameters():
        ours = our_name(name)
        in_head = ours.startswith("head.")
        if "original_module" in name or (in_head and head == "unit_mean" and not name.startswith("unit_mean.")):
            parameter.requires_grad_(False)  # not used
            continue
        if method.startswith("adapters") and "pooler" in name:
            parameter.requires_grad_(False)  # its head has a layer of its own
            continue
        parameter.data = values.get(ours, parameter.shape)
        parameter.requires_grad_(in_head or re.fullmatch(pattern, ours) is not None)
        if parameter.requires_grad:
            assert ours not in trained, (name, ours)
            trained[ours] = (name, parameter)
    parameters = [parameter for _, parameter in trained.values()]

    def logits():
        out = modules["model"](**inputs, output_hidden_states=True)
        if head == "tanh":
            return out.logits
        hidden = out.hidden_states[-1][:, PROMPT if method == "prompt" else 0 :]  # [S, T, D]
        mask = inputs["attention_mask"].unsqueeze(2)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return 10 * modules["unit_mean"](mean / mean.norm(dim=1, keepdim=True))

    # Trainer's rule.
    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    decaying = set(get_parameter_names(modules, ALL_LAYERNORM_LAYERS, forbidden))
    groups = [
        {"params": [p for name, p in trained.values() if name in decaying], "weight_decay": DECAY},
        {"params": [p for name, p in trained.values() if name not in decaying], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, math.ceil(STEPS * WARM_UP), STEPS)
    result, losses, norms = {}, [], []
    for step in range(SEEN_STEPS):
        optimizer.zero_grad()
        outputs = logits()
        loss = torch.nn.functional.cross_entropy(outputs, labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            result["logits"] = outputs.detach().numpy().copy()
            for ours, (name, parameter) in trained.items():
                result[f"gradient/{ours}"] = parameter.grad.numpy().copy()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP).item())
        optimizer.step()
        schedule.step()
    result["losses"] = np.array(losses, np.float64)
    print(config.model_type, method, head, len(trained), "slices, losses", losses, "norms", norms)
    return result


def factors(make, steps, share):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer, math.ceil(steps * share))
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return np.array(rates, np.float64)


def main():
    (folder,) = sys.argv[1:]
    torch.set_num_threads(1)
    for seed, family in enumerate(["bert", "roberta"]):
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        config = make_config(family)
        values = Values(rng)
        # 0 ... 2 are padding and special tokens.
        texts = [torch.tensor(rng.integers(3, config.vocab_size, length)) for length in LENGTHS]
        types = [torch.tensor([int(family == "bert" and t > length // 2) for t in range(length)]) for length in LENGTHS]
        inputs, labels = padded(texts, types, config), torch.tensor(LABELS)
        tensors = {
            "ids": torch.cat(texts).numpy(),
            "type_ids": torch.cat(types).numpy(),
            "offsets": np.cumsum([0] + LENGTHS),
            "labels": labels.numpy(),
        }
        for method, head in cases(family):
            # A configuration of its own: the libraries write into it.
            for name, value in run_case(method, head, make_config(family), inputs, labels, values).items():
                tensors[f"{method}.{head}/{name}"] = value
        for name, value in values.slices.items():
            tensors[f"parameter/{name}"] = value
        for steps, share in SCHEDULES:
            tensors[f"linear/{steps}/{share}"] = factors(
                lambda o, w: transformers.get_linear_schedule_with_warmup(o, w, steps), steps, share
            )
            tensors[f"constant/{steps}/{share}"] = factors(transformers.get_constant_schedule_with_warmup, steps, share)
        save_file(tensors, f"{folder}/{family}_methods.safetensors", {"config": config.to_json_string(use_diff=False)})


if __name__ == "__main__":
    main()
