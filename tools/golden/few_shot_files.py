"""Writes eval/testdata/few_shot_files.json: what the few-shot suite's files hold, read without any of our code.

    GBMOA_DATA=FOLDER python3 tools/golden/few_shot_files.py > eval/testdata/few_shot_files.json

Per task, of the splits that support and query sets are drawn from: how many examples there are, and a SHA-256 over
text_a, text_b and the class index of all of them, each with a line end behind it. No text of the data gets into the
file.
"""

import csv
import hashlib
import json
import os
import re
import sys

ROOT = os.path.join(os.environ["GBMOA_DATA"], "fewshot")
SEEDS = (13, 21, 42, 87, 100)


def text(path, encoding="utf-8"):
    with open(os.path.join(ROOT, path), encoding=encoding, newline="") as file:
        return file.read()


def lines(path, encoding="utf-8"):
    return text(path, encoding).replace("\r\n", "\n").rstrip("\n").split("\n")


def label_first(path, encoding="utf-8"):
    rows = [line.split(" ", 1) for line in lines(path, encoding)]
    return [(row[1], "", int(row[0])) for row in rows if row[1].strip()]


def label_last(paths):
    rows = [line.rsplit("\t", 1) for path in paths for line in lines(path)[1:]]
    return [(row[0], "", int(row[1])) for row in rows]


def parallel(folder, texts, labels, classes=None):
    rows = zip(lines("%s/%s" % (folder, texts)), lines("%s/%s" % (folder, labels)), strict=True)
    if classes is None:
        return [(a, "", int(label)) for a, label in rows]
    return [(a, "", classes.index(label)) for a, label in rows if label in classes]


def intents(folder):
    known = [set(lines("%s/%s/label" % (folder, split))) for split in ("train", "test")]
    classes = sorted(label for label in known[0] & known[1] if "#" not in label)
    return [parallel(folder, split + "/seq.in", split + "/label", classes) for split in ("train", "test")]


def tweets(folder):
    return [parallel(folder, split + "_text.txt", split + "_labels.txt") for split in ("train", "test")]


def members(path, names, classes):
    return [
        (row[names[0]], row[names[1]] if len(names) > 1 else "", classes.index(row["label"]))
        for row in json.loads(text(path)).values()
    ]


def clinc(split):
    rows = json.loads(text("CLINC150/data_full.json"))
    classes = sorted({label for _, label in rows["train"]})
    return [(a, "", classes.index(label)) for a, label in rows[split]]


def pointwise(question, choices, right):
    return [(question, choice, int(i == right)) for i, choice in enumerate(choices)]


def arc(path):
    examples = []
    with open(os.path.join(ROOT, path), newline="", encoding="utf-8") as file:
        for question, *choices, answer in csv.reader(file):
            choices = [choice for choice in choices if choice]
            if choices and answer in "ABCD"[: len(choices)]:
                examples += pointwise(question, choices, "ABCD".index(answer))
    return examples


def openbookqa(path):
    examples = []
    for line in lines(path)[1:]:
        _, question, choices, _, answer = line.split("\t")
        found = re.fullmatch(r"\(A\) (.*?) \(B\) (.*?) \(C\) (.*?) \(D\) (.*)", choices)
        examples += pointwise(question, found.groups(), "ABCD".index(answer))
    return examples


def divided(examples, classes):
    """Every fifth example of a class is a test example."""
    seen, train, test = [0] * classes, [], []
    for example in examples:
        seen[example[2]] += 1
        (test if seen[example[2]] % 5 == 0 else train).append(example)
    return train, test


def climate_fever():
    classes = ["SUPPORTS", "REFUTES", "NOT_ENOUGH_INFO", "DISPUTED"]
    rows = [json.loads(line) for line in lines("climate_fever/climate-fever.jsonl")]
    return [(row["claim"], "", classes.index(row["claim_label"])) for row in rows]


def wellformed(path):
    return [(a, "", int(float(rating) >= 0.8)) for a, rating in (line.split("\t") for line in lines(path))]


def verses(path):
    rows = [line.split("\t") for line in lines(path)]
    return [(a, "", int(label) + 1) for _, a, label in rows if label != "2"]


NLI = ["entailment", "neutral", "contradiction"]
TASKS = {
    "ag_news": [members("AG_News/subset1k/%s.json" % split, ["ori"], list("0123")) for split in ("dev", "test")],
    "arc_challenge": [arc("ARC-Challenge/arc_challenge_%s.csv" % split) for split in ("dev", "test")],
    "arc_easy": [arc("ARC-Easy/arc_easy_%s.csv" % split) for split in ("dev", "test")],
    "atis": intents("ATIS"),
    "climate_fever": divided(climate_fever(), 4),
    "clinc150": [clinc("train"), clinc("test")],
    "cr": divided(label_first("CR/custrev.all"), 2),
    "dbpedia14": [
        label_last(["DBpedia14-16shot/16-%d/%s.tsv" % (seed, split) for seed in SEEDS]) for split in ("train", "dev")
    ],
    "hwu64": intents("HWU64"),
    "mr": divided(label_first("MR/rt-polarity.all", "latin-1"), 2),
    "openbookqa": [openbookqa("OpenBookQA/%s.tsv" % split) for split in ("train", "test")],
    "poem_sentiment": [verses("poem_sentiment/%s.tsv" % split) for split in ("train", "test")],
    "query_wellformedness": [wellformed("query-wellformedness/%s.tsv" % split) for split in ("train", "test")],
    "snips": intents("SNIPS"),
    "snli": [members("SNLI/subset10k/%s.json" % split, ["text_a", "text_b"], NLI) for split in ("train", "dev")],
    "sst5": [label_first("SST-5/stsa.fine." + split) for split in ("train", "test")],
    "subj": divided(label_first("SUBJ/subj.all", "latin-1"), 2),
    "tweet_emotion": tweets("tweeteval-emotion"),
    "tweet_offensive": tweets("tweeteval-offensive"),
    "tweet_stance_climate": tweets("tweeteval-stance-climate"),
    "tweet_stance_feminist": tweets("tweeteval-stance-feminist"),
}


def digest(examples):
    sha = hashlib.sha256()
    for example in examples:
        sha.update(("%s\n%s\n%d\n" % example).encode())
    return {"examples": len(examples), "sha256": sha.hexdigest()}


golden = {"fewshot/" + task: {"train": digest(train), "test": digest(test)} for task, (train, test) in TASKS.items()}
json.dump(golden, sys.stdout, indent=1)
print()
