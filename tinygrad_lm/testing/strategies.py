"""Hypothesis strategies for property tests of gradients: arrays, shapes, axes, indices, and whole programs.

Needs hypothesis (``pip install hypothesis``). Importing this module also registers the profiles of
``tinygrad_lm.testing.profiles``.
"""

from tinygrad_lm.testing.profiles import register_profiles
from tinygrad_lm.testing.properties.arrays import MARGIN, arrays, axes, broadcastable_shapes, cotangents, shapes
from tinygrad_lm.testing.properties.indices import indices
from tinygrad_lm.testing.properties.random_programs import programs

register_profiles()

__all__ = ["MARGIN", "arrays", "axes", "broadcastable_shapes", "cotangents", "indices", "programs", "shapes"]
