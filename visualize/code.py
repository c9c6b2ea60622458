"""The backward pass of a graph as the program that one would write by hand."""

from __future__ import annotations

from tinygrad_lm.autograd import Tensor, Value


def source(root: Tensor | Value) -> str:
    """The forward and the backward pass of a graph as a Python program, which runs without this package.

    It is ``tinygrad_lm.replay.source`` of a graph: see there.
    """
    from tinygrad_lm import replay  # which pictures do not need

    return replay.source(root)
