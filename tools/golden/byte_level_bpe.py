#!/usr/bin/env python3
"""Writes eval/tokenizers/testdata/byte_level_bpe/: a small byte-level BPE and what the Hugging Face fast tokenizer of
RoBERTa makes of much and of odd text with it.

  tools/golden/byte_level_bpe.py WORDNET_FOLDER eval/tokenizers/testdata/byte_level_bpe

Made with transformers 4.57.6 and tokenizers 0.22.2. The merges are trained on WordNet's glosses. Before them stand some
that no training gives: 'a', '1' and '!' each with every byte that a character beyond ASCII can begin with, and two
blanks. They make the ids tell whether a character goes into one word with a letter, with a number, with other signs, or
is white space: with the trained ones alone most characters would look alike. The reference's letters, numbers and white
space are those of Unicode 16; a newer version may differ there and needs a new golden file.
"""

import json
import os
import sys
import tempfile

import tokenizers
import transformers
from tokenizers.models import BPE
from wordpiece import MAX_TOKENS, ODD, PAIRS, Hash, glosses, hashes

VOCABULARY = 2000
CODE_POINTS_PER_HASH = 4096

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # and <mask> at the end: RoBERTa's order

MORE_ODD = [
    "I'm you're he's we've they'll she'd don't 'tis O'Neil's y'all'd've",
    "I'M YOU'RE HE'S DON'T 'S 'Re 'LL",
    "'s 't 're 've 'm 'll 'd ''s 's's s's! '",
    "x\u2019s \u2019s 1's !'s \u00e9's \u4e2d's",
    "  two  blanks   three    four ",
    "a\n\nb \n c\n \nd\t\te \t f",
    " \u00a0 \u2003\u3000 a\u00a0\u00a0b \u2028\u2029",
    "\n",
    "   ",
    "a ",
    "1 22 333 a1b2 3.14 \u0663\u0664 \u00b2\u00b3 \u2167 \u4e00\u4e8c \u0be7",
    "!!! ?! ... --- === $$ 5$ $5",
    "<s> written </s> out <pad> <unk><mask>",
    "a <mask> b",
    "a  \n\t<mask>  b",
    "a\u00a0\u3000<mask>\u00a0b",
    "<mask>",
    "  <mask>",
    "<mask><mask> <mask>  <mask> </s> <mask>",
    "<mask >< mask><mas k> <<mask>> </s",
    "<s><s></s>",
    "\u0120Hello \u010a \u0100",
    "\u0301 e\u0301 \u0915\u094d\u0937 \u200d\u200c\ufe0f",
    "\u1c89\ua7cb\ua7da \U00010d40\U00010d4a \U00016ea0 \U00031350 \U0001fae8",
    "the of a unaffable " * 3,
    "supercalifragilisticexpialidocious" * 4,
    "ab" * 2000,
]

VARIANTS = [{"add_prefix_space": True}]

# Texts that are one very long word, or nothing but white space: unit and number.
LONG = [["x", 1_000_000], ["ab", 500_000], ["\u00e9", 500_000], [" ", 1_000_000], ["\n ", 500_000], ["'s", 500_000]]

ADDED = [
    tokenizers.AddedToken("<right>", rstrip=True, normalized=False),
    tokenizers.AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
    tokenizers.AddedToken("<later>", normalized=True),
    tokenizers.AddedToken("<late", normalized=False),
    tokenizers.AddedToken("ello", lstrip=True, normalized=True),
    tokenizers.AddedToken("hello world", normalized=True),
]
ADDED_TEXTS = [
    "a <right>  b",
    "a  <both> \n<both>\u3000b <both>",
    "a <later> b <late r>",
    "  <both>\u2003<right> \t<mask> z<right>",
    "hello hello world, yellow ello  ello",
    "<<both>> <s>ello</s>",
    "<right>",
]


def train(wordnet):
    """The vocabulary as {token: id} and the merges."""
    trained = tokenizers.ByteLevelBPETokenizer()
    with tempfile.TemporaryDirectory() as folder:
        made = ["a", "1", "!"]
        leads = [chr(byte) for byte in range(0xC2, 0xF5)]  # these bytes stand for themselves in the alphabet
        merges = [(first, lead) for first in made for lead in leads] + [("\u0120", "\u0120")]
        size = VOCABULARY - len(SPECIAL) - 1 - len(merges)
        trained.train_from_iterator(glosses(wordnet), vocab_size=size, min_frequency=2, show_progress=False)
        trained.save_model(folder)
        with open(f"{folder}/vocab.json", encoding="utf-8") as file:
            alphabet = [token for token, i in sorted(json.load(file).items(), key=lambda item: item[1])[:256]]
        with open(f"{folder}/merges.txt", encoding="utf-8") as file:
            lines = file.read().split("\n")
            assert lines[0].startswith("#version") and lines[-1] == ""
            merges += [tuple(line.split(" ")) for line in lines[1:-1]]
    merges = list(dict.fromkeys(merges))
    tokens = SPECIAL + alphabet + list(dict.fromkeys(left + right for left, right in merges)) + ["<mask>"]
    assert len(set(tokens)) == len(tokens)
    return {token: i for i, token in enumerate(tokens)}, merges


def hash_of(ids):
    h = Hash()
    h.add(ids)
    return f"{h.value:016x}"


def main():
    wordnet, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    vocabulary, merges = train(wordnet)
    BPE(vocab=vocabulary, merges=merges).save(out)
    load = transformers.RobertaTokenizerFast.from_pretrained
    tokenizer = load(out)
    assert tokenizer.is_fast and len(tokenizer) == len(vocabulary)

    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    # Beside a letter, a number, other signs, white space, and between the two of a contraction.
    in_words = [f"a{c}1{c}!{c}'s  {c}{c}" for c in characters]
    golden = {
        "made_with": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
        "odd": [{"text": text, "ids": tokenizer(text, truncation=False)["input_ids"]} for text in ODD + MORE_ODD],
        "pairs": [],
        "truncated": [],
        "gloss_hashes": hashes(tokenizer, list(glosses(wordnet)), 1000),
        "alone_hashes": hashes(tokenizer, characters, CODE_POINTS_PER_HASH),
        "in_word_hashes": hashes(tokenizer, in_words, CODE_POINTS_PER_HASH),
        "variants": [],
        "long": [],
    }
    for unit, count in LONG:
        ids = tokenizer(unit * count, truncation=False)["input_ids"]
        golden["long"].append({"unit": unit, "count": count, "hash": hash_of(ids), "length": len(ids)})
    for long in ODD + MORE_ODD:
        if len(long) > 600:  # their ids follow from the others'; a hash is enough
            row = next(row for row in golden["odd"] if row["text"] == long)
            row["hash"] = hash_of(row.pop("ids"))
    golden["pair_texts"] = PAIRS + [["one <mask> two", " three's"]]
    for number, (first, second) in enumerate(golden["pair_texts"]):
        for max_tokens in MAX_TOKENS:
            if max_tokens < 4:
                continue
            # As a batch of one: called with two strings, it takes an empty second one for none.
            got = tokenizer(
                [(first, second)], truncation="longest_first", max_length=max_tokens, return_token_type_ids=True
            )
            ids, types = got["input_ids"][0], got["token_type_ids"][0]
            assert not any(types)
            golden["pairs"].append(
                {"first": number, "max_tokens": max_tokens, "hash": hash_of(ids), "length": len(ids)}
            )
    for max_tokens in [2, 3, 10, 512]:
        ids = tokenizer("unaffable words, cut anywhere " * 200, truncation=True, max_length=max_tokens)["input_ids"]
        golden["truncated"].append({"max_tokens": max_tokens, "hash": hash_of(ids), "length": len(ids)})
    for options in VARIANTS:
        variant = load(out, **options)
        golden["variants"].append(
            {
                "options": options,
                "odd_hash": hashes(variant, ODD + MORE_ODD, len(ODD + MORE_ODD))[0],
                "in_word_hashes": hashes(variant, in_words, 65536),
            }
        )
    added = load(out)
    assert added.add_tokens(ADDED) == len(ADDED)
    golden["added_tokens"] = json.loads(added.backend_tokenizer.to_str())["added_tokens"]
    golden["with_added_tokens"] = [{"text": text, "ids": added(text)["input_ids"]} for text in ADDED_TEXTS]
    # What the library itself saves, but for the vocabulary and the merges, which are in files of their own.
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
            saved = json.load(file)
        assert saved["model"].pop("vocab") == vocabulary
        assert [tuple(merge) for merge in saved["model"].pop("merges")] == merges
        golden["tokenizer_json"] = saved
        for name in ["tokenizer_config", "special_tokens_map"]:
            with open(f"{folder}/{name}.json", encoding="utf-8") as file:
                golden[name] = json.load(file)
    with open(f"{out}/golden.json", "w", encoding="utf-8") as file:
        # One item a line, so that a change of the golden file can be read.
        print("{", file=file)
        for i, (key, value) in enumerate(golden.items()):
            end = "," if i + 1 < len(golden) else ""
            if key in ["odd", "pairs", "truncated", "variants", "long", "added_tokens", "with_added_tokens"]:
                rows = ",\n  ".join(json.dumps(row) for row in value)
                print(f" {json.dumps(key)}: [\n  {rows}\n ]{end}", file=file)
            else:
                print(f" {json.dumps(key)}: {json.dumps(value)}{end}", file=file)
        print("}", file=file)


if __name__ == "__main__":
    main()
