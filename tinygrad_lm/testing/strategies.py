"""Hypothesis strategies for property tests of gradients: arrays, shapes, axes, indices, and whole programs.

Needs hypothesis (``pip install hypothesis``). Importing this module also registers the profiles of
``tinygrad_lm.testing.profiles``.
"""

from tinygrad_lm.testing.profiles import register_profiles
from tinygrad_lm.testing.properties.strategies import (
    MARGIN,
    arrays,
    axes,
    broadcastable_shapes,
    cotangents,
    indices,
    programs,
    shapes,
)

register_profiles()

__all__ = ["MARGIN", "arrays", "axes", "broadcastable_shapes", "cotangents", "indices", "programs", "shapes"]
