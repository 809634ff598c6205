#!/usr/bin/env python3
"""Compares `gbmoa tokenize` with the Hugging Face fast tokenizers on every text of a folder of data.

  tools/golden/compare_tokenizers.py GBMOA_PROGRAM DATA_FOLDER MODEL_FOLDER...

Texts are all fields of all .tsv, .csv and .txt files and all strings of all .jsonl and .json files, at any depth; a file
that is not UTF-8 is taken for Latin-1. Line breaks and tabs part a text into several, because the program takes one text
a line; every tenth text also makes a pair with the next one. A model's folder needs only the tokenizer's files: it is
compared as BERT if it has a WordPiece, once as it is and once cased, else as RoBERTa. Prints the number of texts and of
differences for each, with the first few, and fails if there are any.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

import transformers

csv.field_size_limit(1 << 30)
POSITIONS = 100_000  # nothing is cut off, or both cut the same
TEXTS_AT_ONCE = 50_000
SHOWN = 5


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def fields(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if path.endswith(".jsonl"):
        for line in text.split("\n"):
            if line.strip():
                yield from strings(json.loads(line))
    elif path.endswith(".json"):
        yield from strings(json.loads(text))
    elif path.endswith(".csv"):
        for row in csv.reader(text.splitlines(keepends=True)):
            yield from row
    else:
        yield text


def read_texts(folder):
    """All different texts, in the order in which they come; and the number of files."""
    texts, files = {}, 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".tsv", ".csv", ".txt", ".jsonl", ".json")):
                files += 1
                for field in fields(os.path.join(parent, name)):
                    for text in field.replace("\r", "\n").replace("\t", "\n").split("\n"):
                        texts[text] = None
    return list(texts), files


def expected(tokenizer, chunk):
    got = tokenizer(chunk, truncation="longest_first", max_length=POSITIONS, return_token_type_ids=True)
    for ids, types in zip(got["input_ids"], got["token_type_ids"]):
        yield f'{{"ids": {ids}, "type_ids": {types}}}'


def compare(program, name, tokenizer, folder, config, texts):
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    inputs = [(text,) for text in texts] + list(zip(texts[0::10], texts[1::10]))
    differences, tokens = 0, 0
    for begin in range(0, len(inputs), TEXTS_AT_ONCE):
        chunk = inputs[begin : begin + TEXTS_AT_ONCE]
        with open(f"{folder}/input", "w", encoding="utf-8", newline="\n") as file:
            file.writelines("\t".join(item) + "\n" for item in chunk)
        command = [program, "tokenize", f"--backbone={folder}", f"--input={folder}/input"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().split("\n")
        assert len(lines) == len(chunk) + 1, (len(lines), len(chunk))
        singles = [item[0] for item in chunk if len(item) == 1]
        pairs = [item for item in chunk if len(item) == 2]
        want = [*(expected(tokenizer, singles) if singles else []), *(expected(tokenizer, pairs) if pairs else [])]
        for item, ours, theirs in zip(chunk, lines, want):
            tokens += theirs.count(",") // 2
            if ours != theirs:
                differences += 1
                if differences <= SHOWN:
                    print(f"{name}: {ascii(item)[:300]}\n  ours   {ours[:300]}\n  theirs {theirs[:300]}")
    print(f"{name}: {len(texts)} texts and {len(inputs) - len(texts)} pairs, {tokens} tokens, {differences} differences")
    return differences


def main():
    program, data, *models = sys.argv[1:]
    texts, files = read_texts(data)
    print(f"{files} files, {len(texts)} different texts, {sum(map(len, texts))} characters")
    differences = 0
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            for name in ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"]:
                if os.path.exists(f"{model}/{name}"):
                    shutil.copy(f"{model}/{name}", folder)
            is_bert = os.path.exists(f"{folder}/vocab.txt")
            if os.path.exists(f"{folder}/tokenizer.json"):
                with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
                    is_bert = json.load(file)["model"]["type"] == "WordPiece"
            kind = transformers.BertTokenizerFast if is_bert else transformers.RobertaTokenizerFast
            for options in [{}, {"do_lower_case": False}] if is_bert else [{}]:
                if options:
                    with open(f"{folder}/tokenizer_config.json", "w", encoding="utf-8") as file:
                        json.dump(options, file)
                tokenizer = kind.from_pretrained(folder)
                config = {
                    "model_type": "bert" if is_bert else "roberta",
                    "vocab_size": len(tokenizer),
                    "max_position_embeddings": POSITIONS + (0 if is_bert else 2),
                    "type_vocab_size": 2 if is_bert else 1,
                    "pad_token_id": 0 if is_bert else 1,
                }
                title = " ".join([model, "cased" if options else ""]).strip()
                differences += compare(program, title, tokenizer, folder, config, texts)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
