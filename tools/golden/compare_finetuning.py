#!/usr/bin/env python3
"""Full fine-tuning of one encoder by transformers and by `gbmoa adapt` with the same recipe: development accuracy.

    compare_finetuning.py --gbmoa=bazel-bin/gbmoa/cli/gbmoa --model=DIR --data=DIR [--tasks=MRPC,RTE] [--seeds=13,21,42]

DIR of --data has glue/TASK/{train,dev}.tsv. The recipe: the whole training set, 3 epochs, batches of 32, at most 128
tokens, pairs as one sequence, AdamW 5e-5, weight decay 0.01 on matrices, linear schedule with a tenth of warm-up,
gradients clipped at norm 1, no dropout, float32; the head on [CLS] is dense, tanh, linear, the dense one drawn from
normal(0, 0.02) and the last one starting from zero. A seed gives both sides the same start of the head and the same order
of the examples, by gbmoa's generator (gbmoa/base/rng.cc), written here once more. What differs is rounding: float32 sums
in another order, and gbmoa's bfloat16 where a product is frozen (none is, in full fine-tuning). Needs torch and
transformers. Prints a line a run and the means.
"""
import sys

sys.path.pop(0)  # the standard library's statistics, not the script of that name beside this one

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import time

EPOCHS, BATCH, LENGTH, RATE, DECAY, WARM_UP, CLIP = 3, 32, 128, 5e-5, 0.01, 0.1, 1.0
COLUMNS = {"MRPC": (3, 4, 0), "RTE": (1, 2, 3)}  # first text, second text, label


MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Stream:
    """RandomStream of gbmoa/base/rng.h."""

    def __init__(self, key):
        self.key = key

    @staticmethod
    def named(seed, name):
        hash_ = 0xCBF29CE484222325
        for byte in name.encode():
            hash_ = ((hash_ ^ byte) * 0x100000001B3) & MASK
        return Stream(mix(mix((seed + GOLDEN) & MASK) ^ hash_))

    def substream(self, index):
        return Stream(mix(mix((self.key + GOLDEN) & MASK) ^ mix((index + 2 * GOLDEN) & MASK)))

    def bits(self, position):
        return mix(mix((position * GOLDEN + self.key) & MASK) ^ self.key)

    def uniform(self, position):
        return (self.bits(position) >> 11) * 2.0**-53

    def normal(self, position):
        return math.sqrt(-2 * math.log(1 - self.uniform(2 * position))) * math.cos(
            2 * math.pi * self.uniform(2 * position + 1))

    def permutation(self, bound):
        order = list(range(bound))
        for i in range(bound):
            j = i + (self.bits(i) * (bound - i) >> 64)
            order[i], order[j] = order[j], order[i]
        return order


def read(path, columns):
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        rows = [line.rstrip("\r\n").split("\t") for line in file][1:]
    return [tuple(row[c] for c in columns) for row in rows]


def transformers_accuracy(model_folder, train, dev, seed):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
    labels = sorted({row[2] for row in train})
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder, num_labels=len(labels), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        classifier_dropout=0.0)
    with torch.no_grad():
        pooler = model.bert.pooler.dense
        # Slice by slice; the encoder's tensors come before the head's.
        encoder = sum(1 for name, _ in model.bert.named_parameters() if not name.startswith("pooler"))
        start = Stream.named(seed, "start").substream(encoder)
        normals = [0.02 * start.normal(i) for i in range(pooler.weight.numel())]
        pooler.weight.copy_(torch.tensor(normals, dtype=torch.float64).reshape(pooler.weight.shape))
        for zero in (pooler.bias, model.classifier.weight, model.classifier.bias):
            zero.zero_()
    decayed = [p for n, p in model.named_parameters() if not n.endswith(".bias") and "LayerNorm" not in n]
    rest = [p for n, p in model.named_parameters() if n.endswith(".bias") or "LayerNorm" in n]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
                                  lr=RATE)
    steps = EPOCHS * math.ceil(len(train) / BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(WARM_UP * steps), steps)

    def encode(rows):
        return tokenizer([r[0] for r in rows], [r[1] for r in rows], truncation=True, max_length=LENGTH, padding=True,
                         return_tensors="pt")

    losses = []
    model.train()
    for epoch in range(EPOCHS):
        order = Stream.named(seed, "support order").substream(epoch).permutation(len(train))
        for begin in range(0, len(order), BATCH):
            rows = [train[i] for i in order[begin:begin + BATCH]]
            loss = model(**encode(rows), labels=torch.tensor([labels.index(r[2]) for r in rows])).loss
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
    model.eval()
    print(f"  first loss {losses[0]:.6f}, last {losses[-1]:.6f}")
    right = 0
    with torch.no_grad():
        for begin in range(0, len(dev), 64):
            rows = dev[begin:begin + 64]
            predicted = model(**encode(rows)).logits.argmax(-1).tolist()
            right += sum(labels[p] == r[2] for p, r in zip(predicted, rows))
    return right / len(dev)


def gbmoa_accuracy(program, model_folder, train, dev, seed):
    steps = EPOCHS * math.ceil(len(train) / BATCH)
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("train", train), ("dev", dev)):
            with open(os.path.join(folder, name + ".tsv"), "w", encoding="utf-8") as file:
                file.writelines("\t".join(row) + "\n" for row in rows)
        options = {"learning_rate": RATE, "head_learning_rate": RATE, "weight_decay": DECAY, "schedule": "linear",
                   "warm_up": WARM_UP, "clip_norm": CLIP, "decay": "matrices", "head": "tanh"}
        task = os.path.join(folder, "task")
        adapted = subprocess.run([program, "adapt", "--backbone=" + model_folder, "--method=full_finetuning",
                        "--train=" + os.path.join(folder, "train.tsv"), "--out=" + task, f"--steps={steps}",
                        f"--batch_size={BATCH}", f"--seed={seed}", f"--max_tokens={LENGTH}",
                        "--options=" + ",".join(f"{k}={v}" for k, v in options.items())],
                       check=True, capture_output=True)
        report = json.loads(adapted.stdout)
        print(f"  first loss {report['first_loss']:.6f}, last {report['last_loss']:.6f}")
        scored = subprocess.run([program, "evaluate", "--task=" + task, "--backbone=" + model_folder,
                                 "--input=" + os.path.join(folder, "dev.tsv")], check=True, capture_output=True)
    return json.loads(scored.stdout)["accuracy"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gbmoa", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tasks", default="MRPC,RTE")
    parser.add_argument("--seeds", default="13,21,42")
    parser.add_argument("--only", choices=["gbmoa", "transformers"], help="run one of the two")
    args = parser.parse_args()
    sides = [args.only] if args.only else ["transformers", "gbmoa"]
    results = {}
    for seed in map(int, args.seeds.split(",")):
        for task in args.tasks.split(","):
            train, dev = (read(os.path.join(args.data, "glue", task, f + ".tsv"), COLUMNS[task])
                          for f in ("train", "dev"))
            for side in sides:
                start = time.time()
                accuracy = (transformers_accuracy(args.model, train, dev, seed) if side == "transformers" else
                            gbmoa_accuracy(args.gbmoa, args.model, train, dev, seed))
                results.setdefault((task, side), []).append(100 * accuracy)
                print(f"{task} seed {seed} {side}: {100 * accuracy:.2f} % in {time.time() - start:.0f} s", flush=True)
    for (task, side), values in results.items():
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(f"{task} {side}: mean {statistics.mean(values):.2f} %, standard deviation {spread:.2f}, {len(values)} seeds")


if __name__ == "__main__":
    main()
