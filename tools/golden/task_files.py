"""Writes eval/testdata/task_files.json: what GLUE's and SuperGLUE's files hold, read without any of our code.

    GBMOA_DATA=FOLDER python3 tools/golden/task_files.py > eval/testdata/task_files.json

Per task and split: the file's SHA-256, how many examples and groups (questions with several answers) there are, whether
the official split has another number (of a JSON file without groups: of different "idx"), and a SHA-256 over text_a, text_b and the label of all examples, each with a line
end behind it. A label is a class index, a regression's target is printed with %.17g, an unlabelled example has neither.
Splits whose files are not in FOLDER are left out. No text of the data gets into the file.
"""

import hashlib
import json
import os
import sys

BINARY = ["0", "1"]
TRUTH = ["false", "true"]
NLI = ["entailment", "neutral", "contradiction"]
ENTAILMENT = ["entailment", "not_entailment"]


def lines(path):
    with open(path, "rb") as file:
        text = file.read().decode("utf-8-sig")
    rows = text.split("\n")
    if rows[-1] == "":
        rows.pop()
    return [row[:-1] if row.endswith("\r") else row for row in rows]


def table(a, b=None, label=None, header=True):
    """A reader of tab-separated files; columns by number."""

    def read(path, classes):
        rows = [line.split("\t") for line in lines(path)]
        assert len({len(row) for row in rows}) == 1, path
        for row in rows[1:] if header else rows:
            gold = "" if label is None else row[label]
            if label is not None:
                gold = "%.17g" % float(gold) if classes is None else str(classes.index(gold))
            yield row[a], "" if b is None else row[b], gold, None

    return read


def named(a, b=None, label=None):
    """The same, columns by the names in the header."""

    def read(path, classes):
        header = lines(path)[0].split("\t")
        number = {name: i for i, name in enumerate(header)}
        yield from table(*[None if name is None else number[name] for name in (a, b, label)])(path, classes)

    return read


def gold_of(row, classes):
    if "label" not in row:
        return ""
    value = row["label"]
    return str(classes.index(value if isinstance(value, str) else json.dumps(value)))


def objects(a, b):
    def read(path, classes):
        for line in lines(path):
            row = json.loads(line)
            yield row[a], row[b], gold_of(row, classes), None

    return read


def copa(path, classes):
    ends = {"cause": " What was the cause?", "effect": " What happened as a result?"}
    for group, line in enumerate(lines(path)):
        row = json.loads(line)
        for i, choice in enumerate([row["choice1"], row["choice2"]]):
            gold = str(int(i == row["label"])) if "label" in row else ""
            yield row["premise"] + ends[row["question"]], choice, gold, group


def marked(text, start, end):
    return text[:start] + "* " + text[start:end] + " *" + text[end:]


def wic(path, classes):
    for line in lines(path):
        row = json.loads(line)
        first, second = (marked(row["sentence" + i], row["start" + i], row["end" + i]) for i in "12")
        yield first, second, gold_of(row, classes), None


def wsc(path, classes):
    """The pronoun stands at a word's number; in one row of the validation file it is the word behind that."""
    for line in lines(path):
        row = json.loads(line)
        text, target = row["text"], row["target"]
        places = []  # of words between blanks
        at = 0
        for word in text.split(" "):
            if word:
                places.append((at, word))
            at += len(word) + 1
        pronoun = target["span2_text"].lower()
        for number in (target["span2_index"], target["span2_index"] + 1, target["span2_index"] - 1):
            begin, word = places[number]
            rest = word[len(pronoun) :]
            if word.lower().startswith(pronoun) and not rest[:1].isalnum():
                yield marked(text, begin, begin + len(pronoun)), target["span1_text"], gold_of(row, classes), None
                break
        else:
            raise ValueError("%s: no '%s' in %s" % (path, pronoun, line))


def multirc(path, classes):
    group = 0
    for line in lines(path):
        passage = json.loads(line)["passage"]
        for question in passage["questions"]:
            for answer in question["answers"]:
                yield passage["text"], question["question"] + " " + answer["text"], gold_of(answer, classes), group
            group += 1


def record(path, classes):
    """Every entity once, in the order in which the list has it first."""
    group = 0
    for line in lines(path):
        passage = json.loads(line)
        text = passage["passage"]["text"]
        entities = list(dict.fromkeys(text[e["start"] : e["end"] + 1] for e in passage["passage"]["entities"]))
        for question in passage["qas"]:
            right = {answer["text"] for answer in question["answers"]} if "answers" in question else None
            for entity in entities:
                gold = "" if right is None else str(int(entity in right))
                yield text, question["query"].replace("@placeholder", entity), gold, group
            group += 1


COLA = table(3, label=1, header=False)
PAIR = named("sentence1", "sentence2", "label")
PAIR_TEST = named("sentence1", "sentence2")
MNLI = named("sentence1", "sentence2", "gold_label")
QQP = named("question1", "question2", "is_duplicate")
QNLI = named("question", "sentence", "label")
MRPC = named("#1 String", "#2 String", "Quality")
STSB = named("sentence1", "sentence2", "score")
BOOLQ = objects("question", "passage")
PREMISE = objects("premise", "hypothesis")

# Task -> classes (None: a regression), and per split: file, examples of the official one (0: not compared), reader.
TASKS = {
    "glue/cola": (BINARY, {"train": ("glue/CoLA/train.tsv", 8551, COLA), "validation": ("glue/CoLA/dev.tsv", 1043, COLA),
                           "test": ("glue/CoLA/test.tsv", 1063, named("sentence"))}),
    "glue/sst2": (BINARY, {"train": ("glue/SST-2/train.tsv", 67349, named("sentence", label="label")),
                           "validation": ("glue/SST-2/dev.tsv", 872, named("sentence", label="label")),
                           "test": ("glue/SST-2/test.tsv", 1821, named("sentence"))}),
    "glue/mrpc": (BINARY, {"train": ("glue/MRPC/train.tsv", 3668, MRPC), "validation": ("glue/MRPC/dev.tsv", 408, MRPC),
                           "test": ("glue/MRPC/msr_paraphrase_test.txt", 1725, named("#1 String", "#2 String"))}),
    "glue/stsb": (None, {"train": ("glue/STS-B/train.tsv", 5749, STSB), "validation": ("glue/STS-B/dev.tsv", 1500, STSB),
                         "test": ("glue/STS-B/test.tsv", 1379, PAIR_TEST)}),
    "glue/qqp": (BINARY, {"train": ("glue/QQP/train.tsv", 363846, QQP), "validation": ("glue/QQP/dev.tsv", 40430, QQP),
                          "test": ("glue/QQP/test.tsv", 390965, named("question1", "question2"))}),
    "glue/mnli": (NLI, {"train": ("glue/MNLI/train.tsv", 392702, MNLI),
                        "validation": ("glue/MNLI/dev_matched.tsv", 9815, MNLI),
                        "validation_mismatched": ("glue/MNLI/dev_mismatched.tsv", 9832, MNLI),
                        "test": ("glue/MNLI/test_matched.tsv", 9796, PAIR_TEST),
                        "test_mismatched": ("glue/MNLI/test_mismatched.tsv", 9847, PAIR_TEST)}),
    "glue/qnli": (ENTAILMENT, {"train": ("glue/QNLI/train.tsv", 104743, QNLI),
                               "validation": ("glue/QNLI/dev.tsv", 5463, QNLI),
                               "test": ("glue/QNLI/test.tsv", 5463, named("question", "sentence"))}),
    "glue/rte": (ENTAILMENT, {"train": ("glue/RTE/train.tsv", 2490, PAIR), "validation": ("glue/RTE/dev.tsv", 277, PAIR),
                              "test": ("glue/RTE/test.tsv", 3000, PAIR_TEST)}),
    "glue/wnli": (BINARY, {"train": ("glue/WNLI/train.tsv", 635, PAIR), "validation": ("glue/WNLI/dev.tsv", 71, PAIR),
                           "test": ("glue/WNLI/test.tsv", 146, PAIR_TEST)}),
    "superglue/boolq": (TRUTH, {"train": ("superglue/BoolQ/train.jsonl", 9427, BOOLQ),
                                "validation": ("superglue/BoolQ/val.jsonl", 3270, BOOLQ),
                                "test": ("superglue/BoolQ/test.jsonl", 3245, BOOLQ)}),
    "superglue/cb": (["entailment", "contradiction", "neutral"],
                     {"train": ("superglue/CB/train.jsonl", 250, PREMISE),
                      "validation": ("superglue/CB/val.jsonl", 56, PREMISE),
                      "test": ("superglue/CB/test.jsonl", 250, PREMISE)}),
    "superglue/copa": (BINARY, {"train": ("superglue/COPA/train.jsonl", 800, copa),
                                "validation": ("superglue/COPA/val.jsonl", 200, copa),
                                "test": ("superglue/COPA/test.jsonl", 1000, copa)}),
    "superglue/multirc": (BINARY, {"train": ("superglue/MultiRC/train.jsonl", 27243, multirc),
                                   "validation": ("superglue/MultiRC/val.jsonl", 4848, multirc),
                                   "test": ("superglue/MultiRC/test.jsonl", 9693, multirc)}),
    "superglue/record": (BINARY, {"train": ("superglue/ReCoRD/train.jsonl", 0, record),
                                  "validation": ("superglue/ReCoRD/val.jsonl", 0, record),
                                  "test": ("superglue/ReCoRD/test.jsonl", 0, record)}),
    "superglue/rte": (ENTAILMENT, {"train": ("superglue/RTE/train.jsonl", 2490, PREMISE),
                                   "validation": ("superglue/RTE/val.jsonl", 277, PREMISE),
                                   "test": ("superglue/RTE/test.jsonl", 3000, PREMISE)}),
    "superglue/wic": (TRUTH, {"train": ("superglue/WiC/train.jsonl", 5428, wic),
                              "validation": ("superglue/WiC/val.jsonl", 638, wic),
                              "test": ("superglue/WiC/test.jsonl", 1400, wic)}),
    "superglue/wsc": (TRUTH, {"train": ("superglue/WSC/train.jsonl", 554, wsc),
                              "validation": ("superglue/WSC/val.jsonl", 104, wsc),
                              "test": ("superglue/WSC/test.jsonl", 146, wsc)}),
}


def different(path):
    return len({json.dumps(json.loads(line)["idx"]) for line in lines(path)})


def main():
    root = os.environ["GBMOA_DATA"]
    splits = {}
    for task, (classes, files) in TASKS.items():
        for split, (path, official, read) in files.items():
            if not os.path.exists(os.path.join(root, path)):
                print("%s %s: no %s" % (task, split, path), file=sys.stderr)
                continue
            sha, groups, count = hashlib.sha256(), set(), 0
            for text_a, text_b, gold, group in read(os.path.join(root, path), classes):
                sha.update(("%s\n%s\n%s\n" % (text_a, text_b, gold)).encode())
                groups.add(group)
                count += 1
            rows = different(os.path.join(root, path)) if path.endswith(".jsonl") and groups == {None} else count
            with open(os.path.join(root, path), "rb") as file:
                whole = hashlib.sha256(file.read()).hexdigest()
            splits["%s %s" % (task, split)] = {
                "file": whole,
                "examples": count,
                "groups": 0 if groups == {None} else len(groups),
                "subset": official > 0 and rows != official,
                "sha256": sha.hexdigest(),
            }
    print(json.dumps(splits, indent=1))


if __name__ == "__main__":
    main()
