#!/usr/bin/env python3
"""Compares `gbmoa encode` with the reference encoder in full, every hidden state of many texts.

  tools/golden/compare_hidden_states.py GBMOA_PROGRAM MODEL_FOLDER WORDNET_FOLDER [NUM_TEXTS]

Takes every k-th gloss of WordNet, concatenations of glosses up to the encoder's 512 tokens, pairs, and an empty text.
Fails unless token counts are equal and no number differs by more than 2e-5.
"""

import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers
from hidden_states import glosses
from safetensors.numpy import load_file

TOLERANCE = 2e-5  # float32 through 6 layers, sums in another order


def main():
    program, model_folder, wordnet, *rest = sys.argv[1:]
    num_texts = int(rest[0]) if rest else 1000
    tokenizer = transformers.BertTokenizerFast.from_pretrained(model_folder)
    model = transformers.AutoModel.from_pretrained(model_folder, attn_implementation="eager", dtype=torch.float32).eval()
    all_glosses = glosses(wordnet)
    texts = [(all_glosses[i], None) for i in range(0, len(all_glosses), max(1, len(all_glosses) // num_texts))]
    for i in range(20):
        joined = " ".join(all_glosses[i * 1000 : i * 1000 + 4 * (i + 1)])
        texts.append((joined, None))
        texts.append((joined, all_glosses[i]))
    texts.append(("", None))
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in.txt", "w", encoding="utf-8") as file:
            for first, second in texts:
                print(first if second is None else f"{first}\t{second}", file=file)
        subprocess.run(
            [program, "encode", f"--backbone={model_folder}", f"--input={folder}/in.txt", f"--out={folder}/out"], check=True
        )
        got = load_file(f"{folder}/out")
    offsets, hidden = got["offsets"], got["hidden"]
    assert hidden.dtype == np.float32 and offsets.dtype == np.int64
    assert len(offsets) == len(texts) + 1 and offsets[0] == 0 and offsets[-1] == len(hidden)
    worst = 0.0
    with torch.inference_mode():
        for s, (first, second) in enumerate(texts):
            e = tokenizer(first, second, truncation="longest_first", max_length=512, return_tensors="pt")
            want = model(**e).last_hidden_state[0].numpy()
            have = hidden[offsets[s] : offsets[s + 1]]
            assert have.shape == want.shape, (s, first, have.shape, want.shape)
            worst = max(worst, float(np.abs(have - want).max()))
    print(f"{len(texts)} texts, {len(hidden)} tokens, largest difference {worst:.2e}")
    sys.exit(0 if worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
