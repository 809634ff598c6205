#!/usr/bin/env python3
"""Counts the parameters of every gbmoa/backbone/configs/*.textproto with transformers, on the meta device.

  tools/golden/published_parameters.py gbmoa/backbone/configs

Prints one line each and exits 1 if a file's published_parameters is another number. Made with transformers 4.57.6.
"""

import pathlib
import re
import sys

import torch
import transformers

ACTIVATIONS = {"GELU": "gelu", "GELU_TANH": "gelu_new", "RELU": "relu"}


def main():
    wrong = 0
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.textproto")):
        fields = dict(re.findall(r"^(\w+): *\"?([^\"\n]*)\"?$", path.read_text(encoding="utf-8"), re.M))
        sizes = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
        sizes += ["max_position_embeddings", "type_vocab_size", "pad_token_id"]
        is_roberta = fields["family"] == "ROBERTA"
        config = (transformers.RobertaConfig if is_roberta else transformers.BertConfig)(
            **{name: int(fields[name]) for name in sizes},
            layer_norm_eps=float(fields["layer_norm_eps"]),
            hidden_act=ACTIVATIONS[fields["activation"]],
        )
        with torch.device("meta"):
            model = (transformers.RobertaModel if is_roberta else transformers.BertModel)(config)
        count = sum(parameter.numel() for parameter in model.parameters())
        right = count == int(fields["published_parameters"])
        wrong += not right
        print(f"{path.stem:20} {count:>13,}{'' if right else '  the file says ' + fields['published_parameters']}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
