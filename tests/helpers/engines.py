"""A number that requires a gradient, on either engine."""

import pytest

from tinygrad_lm import Tensor, Value

on_both_engines = pytest.mark.parametrize(
    "leaf", [Value, lambda x: Tensor(x, requires_grad=True)], ids=["Value", "Tensor"]
)
