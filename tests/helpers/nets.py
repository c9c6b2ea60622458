"""A small model of each family that learns whole names or windows, in float64, as tests share them."""

import numpy as np

from tinygrad_lm.models import loading
from tinygrad_lm.text import Vocabulary

SMALL = {"width": 8, "heads": 2, "layers": 2, "context": 6}
SETTINGS = {
    "rnn": ("rnn", {"embedding": 3, "hidden": 5, "layers": 2}),
    "gru": ("gru", {"embedding": 3, "hidden": 5}),
    "lstm": ("lstm", {"embedding": 3, "hidden": 5, "layers": 2}),
    "wavenet": ("wavenet", {"levels": 2, "embedding": 3, "hidden": 4, "norm": "batch", "activation": "tanh"}),
    "wavenet, layer norm": ("wavenet", {"levels": 1, "hidden": 4, "norm": "layer", "activation": "gelu"}),
    "mlp with all": ("mlp", {"hidden": (30, 30), "norm": "batch", "residual": True, "dropout": 0.5}),
    "transformer": ("transformer", SMALL),
    "post-norm, sinusoidal": ("transformer", {**SMALL, "pre_norm": False, "positions": "sinusoidal"}),
    "plain norms": ("transformer", {**SMALL, "affine": False}),
    "rotary, RMS, SwiGLU, tied": (
        "transformer",
        {**SMALL, "positions": "rotary", "norm": "rms", "activation": "swiglu", "tie": True, "bias": False},
    ),
    "no positions": ("transformer", {**SMALL, "positions": "none", "activation": "relu", "affine": False}),
}
"""Families and what they are configured by."""


def net(name, seed=0, dtype=np.float64, **more):
    """The model of that name, untrained, in evaluation mode."""
    kind, settings = SETTINGS[name]
    family = loading.family(kind)
    model = family.build(family.Config(**{**settings, **more}), Vocabulary(), np.random.default_rng(seed))
    return model.to(dtype).eval()
