#!/usr/bin/env python3
"""Compares tasks in gbmoa and in peft and adapters, both ways, on a real encoder.

  tools/golden/compare_interchange.py GBMOA_PROGRAM MODEL_FOLDER

Out: `gbmoa adapt` with every method and head, `gbmoa export`, then the lines of Python of the exported README.md, as
they are: their logits against `gbmoa predict --logits`. In: tasks with random weights made with the libraries, saved
with their own functions, `gbmoa import`: `gbmoa predict --logits` against the libraries' logits. Fails if a logit
differs by more than 1e-5, or 1e-5 of the largest one where that is more.
"""

import sys

sys.path.pop(0)  # the standard library's statistics, not the script of that name beside this one

import json
import re
import subprocess
import tempfile

import torch
from adapters import AutoAdapterModel, DoubleSeqBnConfig
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TOLERANCE = 1e-5  # float32 through a dozen products, sums in another order

FOOD = ["fresh bread with butter", "a bowl of hot soup", "she fried two eggs", "apples and sweet pears"]
TRAFFIC = ["the bus was late again", "cars waited at the lights", "the motorway is closed", "he parked the lorry"]
TEXTS = [
    "a plate of noodles",
    "two lanes and a roundabout",
    ("the cake needs sugar", "and a little salt"),
    "",
    "a train to the city " * 20,
    ("rice, beans and cheese", "the bridge is jammed, and so is the tunnel"),
]


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def our_logits(program, task, folder):
    with open(f"{folder}/in.txt", "w") as file:
        for text in TEXTS:
            print(text if isinstance(text, str) else "\t".join(text), file=file)
    rows = run(program, "predict", "--logits", f"--task={task}", f"--input={folder}/in.txt")
    return torch.tensor([list(json.loads(row)["logits"].values()) for row in rows.splitlines()])


def as_pairs():
    # The tokenizers take lists of one kind only.
    return [[t for t in TEXTS if isinstance(t, str)], [t for t in TEXTS if not isinstance(t, str)]]


def in_order(singles, pairs):
    singles, pairs = list(singles), list(pairs)
    return torch.stack([(singles if isinstance(t, str) else pairs).pop(0) for t in TEXTS])


def report(name, got, want):
    scale = float(want.abs().max())
    worst = float((got - want).abs().max())
    print(f"{name:60s} logits up to {scale:7.3f}, largest difference {worst:.2e}")
    return worst <= TOLERANCE * max(1, scale)


def outwards(program, backbone, folder):
    with open(f"{folder}/train.tsv", "w") as file:
        for label, texts in [("food", FOOD), ("traffic", TRAFFIC)]:
            for text in texts:
                print(text, label, sep="\t", file=file)
    cases = [
        ("lora", "", "peft"),
        ("lora", "lora_rank=3,lora_alpha=7,lora_targets=key,attention_output,intermediate,output", "peft"),
        ("lora", "lora_targets=output", "peft"),
        ("prompt_tuning", "prompt_tokens=5", "peft"),
        ("adapter_tuning", "bottleneck_dim=16", "adapterhub"),
        ("adapter_tuning", "bottleneck_dim=50,activation=gelu", "adapterhub"),
        ("adapter_tuning", "bottleneck_dim=8,activation=swish", "adapterhub"),
    ]
    number = 0
    for method, options, form in cases:
        for head in ["unit_mean", "tanh"]:
            number += 1
            task, out = f"{folder}/task{number}", f"{folder}/out{number}"
            joined = ",".join(filter(None, [options, f"head={head}", "learning_rate=0.002"]))
            run(program, "adapt", f"--train={folder}/train.tsv", f"--backbone={backbone}", f"--method={method}",
                f"--options={joined}", "--steps=10", f"--out={task}")
            run(program, "export", f"--task={task}", f"--format={form}", f"--out={out}")
            with open(f"{out}/README.md") as file:
                (lines,) = re.findall(r"```python\n(.*?)```", file.read(), re.S)
            parts = []
            for texts in as_pairs():
                names = {"backbone": backbone, "folder": out, "texts": texts}
                exec(lines, names)
                parts.append(names["logits"])
            yield report(f"out: {method} {joined}", our_logits(program, task, folder), in_order(*parts))


def randomize(parameters, sd):
    for parameter in parameters:
        with torch.no_grad():
            parameter.normal_(0, sd)


def inwards(program, backbone, folder):
    tokenizer = AutoTokenizer.from_pretrained(backbone)

    def classifier(config):
        base = AutoModelForSequenceClassification.from_pretrained(backbone, num_labels=3)
        model = get_peft_model(base, config)
        randomize([p for p in model.parameters() if p.requires_grad], 0.05)
        return model

    def adapters(activation, factor):
        model = AutoAdapterModel.from_pretrained(backbone)
        model.add_adapter("mine", config=DoubleSeqBnConfig(reduction_factor=factor, non_linearity=activation))
        model.add_classification_head("mine", num_labels=3)
        model.set_active_adapters("mine")
        randomize([p for name, p in model.named_parameters() if ".adapters." in name or "heads." in name], 0.05)
        return model

    query_value, everything = ["query", "value"], ["query", "key", "value", "dense"]
    made = {
        "peft LoRA of query, value": lambda: classifier(
            LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=query_value, modules_to_save=["pooler"])
        ),
        "peft LoRA of everything": lambda: classifier(
            LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=3, target_modules=everything, modules_to_save=["pooler"])
        ),
        "peft LoRA, the pooler frozen": lambda: classifier(
            LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=3, target_modules=["query"])
        ),
        "peft prompt tuning": lambda: classifier(
            PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=7, modules_to_save=["pooler"])
        ),
        "AdapterHub double_seq_bn, swish": lambda: adapters("swish", 16),
        "AdapterHub double_seq_bn, gelu": lambda: adapters("gelu", 7),
    }
    for number, (name, make) in enumerate(made.items()):
        torch.manual_seed(number)
        model = make().eval()
        saved, task = f"{folder}/saved{number}", f"{folder}/in{number}"
        if name.startswith("peft"):
            model.save_pretrained(saved)
        else:
            model.save_adapter(saved, "mine", use_safetensors=True)
        room = 512 - (7 if "prompt" in name else 0)
        parts = []
        for texts in as_pairs():
            batch = tokenizer(texts, padding=True, truncation=True, max_length=room, return_tensors="pt")
            with torch.no_grad():
                parts.append(model(**batch).logits)
        run(program, "import", f"--from={saved}", f"--backbone={backbone}", f"--out={task}")
        yield report(f"in: {name}", our_logits(program, task, folder), in_order(*parts))


def main():
    program, backbone = sys.argv[1:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = [*outwards(program, backbone, folder), *inwards(program, backbone, folder)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
