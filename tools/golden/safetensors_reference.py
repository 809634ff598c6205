#!/usr/bin/env python3
"""Writes gbmoa/base/testdata/reference.safetensors with the reference implementation (safetensors 0.8.0).

  tools/golden/safetensors_reference.py gbmoa/base/testdata/reference.safetensors
"""

import sys

import numpy as np
from safetensors.numpy import save_file

save_file(
    {
        "b.float32": np.array([[1.5, -2.0, 3.25], [0.0, 1e-30, np.inf]], dtype=np.float32),
        "a.int64": np.array([-(2**63), 2**63 - 1], dtype=np.int64),
        "scalar": np.array(7, dtype=np.int16),
        "nothing": np.zeros([3, 0, 2], dtype=np.float16),
        'quoted "n\u00e4me"\n': np.array([True, False]),
        "c.uint8": np.arange(5, dtype=np.uint8),
    },
    sys.argv[1],
    metadata={"format": "pt", "\u00fc": "\u2713"},
)
