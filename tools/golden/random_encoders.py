#!/usr/bin/env python3
"""Writes gbmoa/backbone/testdata/random_encoders: tiny random encoders as transformers saves them, and what they compute.

  tools/golden/random_encoders.py gbmoa/backbone/testdata/random_encoders

Made with torch 2.11.0 and transformers 4.57.6 (eager attention, float64, one sequence at a time, no padding). A folder has
config.json and the checkpoint by save_pretrained, in the model's own type, and golden.safetensors:

  ids, type_ids   [N] the tokens of several sequences, packed; the padding's id is not among them
  offsets         [S + 1] where each sequence begins
  hidden          [N, D] last hidden states, float64
  direction       [N, D] random numbers
  gradient.NAME   of the sum of hidden times direction, by the encoder's weight of that name; float32

The weights are large enough for the states to depend on every token.
"""

import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

BERT = (transformers.BertConfig, dict(pad_token_id=0, layer_norm_eps=1e-12))
ROBERTA = (transformers.RobertaConfig, dict(pad_token_id=1, layer_norm_eps=1e-5, bos_token_id=0, eos_token_id=2))
LENGTHS = [5, 1, 9, None, 2]  # None: as many as there are positions


def models():
    """(folder, class, configuration, type of the checkpoint, largest shard)."""

    def config(family, vocab, width, layers, heads, intermediate, positions, types, activation):
        return family[0](
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            max_position_embeddings=positions,
            type_vocab_size=types,
            hidden_act=activation,
            attn_implementation="eager",
            **family[1],
        )

    t = transformers
    yield "bert_gelu", t.BertModel, config(BERT, 29, 16, 2, 2, 24, 14, 2, "gelu"), torch.float32, "8KB"
    yield "bert_gelu_new", t.BertForMaskedLM, config(BERT, 31, 24, 1, 3, 36, 12, 2, "gelu_new"), torch.float16, "1GB"
    yield "bert_relu", t.BertModel, config(BERT, 27, 16, 3, 4, 16, 13, 1, "relu"), torch.float64, "1GB"
    yield "roberta_gelu", t.RobertaForMaskedLM, config(ROBERTA, 33, 32, 1, 2, 40, 17, 1, "gelu"), torch.float32, "1GB"
    yield "roberta_gelu_fast", t.RobertaModel, config(ROBERTA, 30, 24, 2, 4, 20, 15, 1, "gelu_fast"), torch.bfloat16, "1GB"


def fill(model, rng):
    for name, parameter in model.named_parameters():
        if "LayerNorm" in name or "layer_norm" in name:
            mean, sd = (1, 0.2) if name.endswith("weight") else (0, 0.3)
        elif name.endswith("bias"):
            mean, sd = 0, 0.3
        elif "embeddings" in name:
            mean, sd = 0, 1
        else:
            mean, sd = 0, 1.5 / np.sqrt(parameter.shape[1])
        values = rng.normal(mean, sd, parameter.shape).astype(np.float32)
        parameter.data = torch.from_numpy(values)


def main():
    out = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    for seed, (name, model_class, config, dtype, shard) in enumerate(models()):
        rng = np.random.default_rng(seed)
        model = model_class(config).eval()
        fill(model, rng)
        model.tie_weights()
        model = model.to(dtype)
        shutil.rmtree(out / name, ignore_errors=True)
        model.save_pretrained(out / name, max_shard_size=shard)

        encoder = getattr(model, model.base_model_prefix, model).double()
        offset = config.pad_token_id + 1 if isinstance(config, transformers.RobertaConfig) else 0
        ids, type_ids, hidden, directions, offsets, loss = [], [], [], [], [0], 0
        for length in LENGTHS:
            length = length or config.max_position_embeddings - offset
            tokens = rng.choice([i for i in range(config.vocab_size) if i != config.pad_token_id], length)
            types = np.sort(rng.integers(0, config.type_vocab_size, length))
            states = encoder(
                input_ids=torch.tensor([tokens.tolist()]), token_type_ids=torch.tensor([types.tolist()])
            ).last_hidden_state[0]
            direction = torch.from_numpy(rng.normal(size=states.shape).astype(np.float32))
            loss = loss + (states * direction.double()).sum()
            ids.extend(tokens.tolist())
            type_ids.extend(types.tolist())
            offsets.append(len(ids))
            hidden.append(states.detach())
            directions.append(direction)
        loss.backward()
        golden = {
            "ids": torch.tensor(ids, dtype=torch.uint8),
            "type_ids": torch.tensor(type_ids, dtype=torch.uint8),
            "offsets": torch.tensor(offsets, dtype=torch.int64),
            "hidden": torch.cat(hidden),
            "direction": torch.cat(directions),
        }
        for weight, parameter in encoder.named_parameters():
            if not weight.startswith("pooler."):
                golden["gradient." + weight] = parameter.grad.float().contiguous()
        save_file(golden, out / name / "golden.safetensors")


if __name__ == "__main__":
    main()
