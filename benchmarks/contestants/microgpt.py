"""A training step of A. Karpathy's microgpt, a name at a time, on an engine of scalars: this one's, or a plain one.

Both have the weights that the preset starts with, as numbers of their own, and step them by the same loop.
"""

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contestants import plain_values
from tinygrad_lm import models, nn
from tinygrad_lm.autograd import to_values
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import Vocabulary, bundled_names

LR = 0.05
TINY = {"width": 4, "heads": 2, "context": 8}
"""What the preset is made smaller by."""

Loss = Callable[[Any, Any], Any]
"""The loss of a name, of the letters that are read (1, n) and of those that come next."""


def made(engine: str, tiny: bool) -> tuple[models.Transformer, Loss, list[Any]]:
    """The model, its loss on an engine, and its parameters there."""
    settings = {**models.Transformer.presets["microgpt"], **(TINY if tiny else {})}
    model = models.Transformer(Vocabulary(), rng=0, **settings)
    model.to(np.float64).eval()
    if engine == "plain":
        weights = {name: parameter.data for name, parameter in model.named_parameters()}
        net = plain_values.Net(weights, model.configuration.heads, eps=1e-5)
        return model, lambda inputs, targets: net.loss(inputs[0].tolist(), targets[0].tolist()), net.parameters()
    values = {name: to_values(parameter.data) for name, parameter in model.named_parameters()}

    def loss(inputs: Any, targets: Any) -> Any:
        return F.cross_entropy(nn.functional_call(model, values, inputs), targets)

    return model, loss, [p for array in values.values() for p in array.ravel().tolist()]


def timed(engine: str, collecting: bool, tiny: bool, steps: int) -> dict[str, Any]:
    """The median time of a step, and the losses; the first step, which warms up, counts for neither."""
    model, loss_of, parameters = made(engine, tiny)
    names = [name for name in bundled_names() if 5 <= len(name) < 8]
    seconds, losses = list[float](), list[float]()
    nothing = 0.0 if engine == "plain" else None
    if not collecting:
        gc.disable()
    for step in range(steps + 1):
        inputs, targets = model.examples([names[step]]).take(np.arange(1))
        started = time.perf_counter()
        loss = loss_of(inputs, targets)
        loss.backward()
        for p in parameters:
            if p.grad is not None:
                p.data -= LR * p.grad
                p.grad = nothing
        seconds.append(time.perf_counter() - started)
        losses.append(loss.data)
    return {"seconds": median(seconds[1:]), "losses": losses[1:]}
