"""A step recorded without consequences: it runs once, and everything that it changed is put back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import topological_order
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import Module
from tinygrad_lm.replay.listing import Listing
from tinygrad_lm.replay.lowering import Lowering, Unplannable
from tinygrad_lm.replay.recording import Backward, Event, Forward


def lowered_root(root: Tensor) -> Lowering:
    """The forward and the backward pass of a graph that is there already."""
    nodes = topological_order(root, constants=True)
    events: list[Event] = []
    for node in nodes:
        assert isinstance(node, Tensor)
        if node.operation is not None:
            events.append(Forward(node.operation, node.parents, node.attributes, node, node.requires_grad))
    seed = None if root.size == 1 else np.ones(root.shape, root.dtype)
    if root.requires_grad:
        events.append(Backward(root, seed, {}))
    lowering = Lowering([], {}, (), True)
    lowering.run(events)
    return lowering
