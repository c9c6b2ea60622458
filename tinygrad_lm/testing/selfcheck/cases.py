"""The table of samples with numbers in it: every operation that the engines define, and every call to check it by."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import tinygrad_lm.autograd
from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.selfcheck.samples import TABLE

_INTERNAL = frozenset({"released"})
"""Marks of the engines that are called operations and compute nothing."""


@dataclass(frozen=True)
class Case:
    """One call of an operation, to be checked."""

    operation: str
    function: Callable[..., object]
    inputs: tuple[Array | Value, ...]


def operations() -> set[str]:
    """The names of all operations that the engines define."""
    names: set[str] = set()
    for info in pkgutil.iter_modules(tinygrad_lm.autograd.__path__, "tinygrad_lm.autograd."):
        found = vars(importlib.import_module(info.name)).values()
        names |= {x.name for x in found if isinstance(x, Operation)}
    return names - _INTERNAL


def cases(seed: int = 0) -> Iterator[Case]:
    """Every case of every operation, at points drawn from the seed."""
    rng = np.random.default_rng(seed)
    for samples in TABLE:
        for call in samples.calls:
            arrays = samples.draw(call, rng)
            inputs = tuple(Value(x.item()) for x in arrays) if samples.scalar else arrays
            bound = functools.partial(samples.function, **call.attributes) if call.attributes else samples.function
            yield Case(samples.operation, bound, inputs)
