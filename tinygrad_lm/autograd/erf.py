"""The error function on arrays, which NumPy lacks and the exact GELU needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array

# erf(z) = -expm1(-z - z R(z)) for z >= 0, where z + z R(z) = -log(erfc(z)) is smooth and rises like z**2. So one
# formula is exact to the last bits from 0, where expm1 keeps the digits that a difference from 1 would lose, to where
# erf is 1. R begins near 1/8: with z apart, the larger part of the sum is free of the error of a rounded product.
#
# R is fitted with weight z erfc(z) / erf(z), which makes the error that of erf relative to itself: least squares on 150
# Chebyshev nodes, in 60 digits, with the weights of the nodes multiplied by their errors again and again until the
# errors are level (Lawson's method); where R is a fraction, of the equation without its denominator, divided by the
# denominator of the round before. Each is written from the highest power down, and the numerator is -R's.
#
# On [0, 4], beyond which erf rounds to 1 in float32: relative error 4e-9.
_SHORT = (
    9.256742264e-06,
    -0.0001176452979,
    0.0006328503432,
    -0.001667050441,
    0.0001604172577,
    0.01915305352,
    -0.1027778281,
    -0.6366193822,
    -0.1283791716,
)
# On [0, 6], beyond which erf rounds to 1 in float64: relative error 2e-18, and 1.4e-17 with the coefficients rounded.
_LONG = (
    -0.00011825652997676831,
    -0.003248292835313329,
    -0.03159204624848044,
    -0.16540852612236767,
    -0.5314852338630911,
    -1.0815662209689245,
    -1.3379707408664314,
    -0.8512344141614374,
    -0.12837916709551256,
)
_LONG_DENOMINATOR = (
    0.0001182775647911245,
    0.003364129881863348,
    0.034397384625985385,
    0.18868913121639438,
    0.632402435486933,
    1.3315638213671885,
    1.6717248339380848,
    1.0,
)

_BLOCK = 16384
"""So many elements go through all passes together: few enough to stay in the cache, enough to make a call worth it."""


def erf(x: Array) -> Array:
    """The error function of each element, to 3e-16 absolute in float64 and to a few units in the last place.

    The dtype follows NumPy. In float16 it is computed in float32.
    """
    if not hasattr(x, "dtype"):
        return _of_number(x)
    dtype = np.result_type(x)
    half = dtype == np.float16
    inner = np.result_type(dtype, np.float32) if dtype.kind == "f" else np.dtype(np.float64)
    single = inner == np.float32
    out = np.empty_like(x, dtype=inner, order="C")
    flat, found = np.reshape(x, -1), out.reshape(-1)
    # Buffers that are used again: new arrays of this size would come from the system page by page.
    distance = np.empty_like(found[:_BLOCK])
    below = None if single else np.empty_like(distance)
    for begin in range(0, flat.size, _BLOCK):
        block, power = flat[begin : begin + _BLOCK], found[begin : begin + _BLOCK]
        z = distance[: block.size]
        np.abs(block, out=z, dtype=inner)
        np.minimum(z, 4.0 if single else 6.0, out=z)
        _polynomial(_SHORT if single else _LONG, z, power)
        power *= z
        if below is not None:
            denominator = below[: block.size]
            _polynomial(_LONG_DENOMINATOR, z, denominator)
            power /= denominator
        power -= z
        np.expm1(power, out=power)
        np.copysign(power, block, out=power)
    return out.astype(np.float16) if half else out


def _of_number(x: Any) -> Any:
    """The same, to the bit, as one formula: of a Python number, or of what prints the arithmetic done with it."""
    z = np.minimum(np.abs(x), 6.0)
    return np.copysign(np.expm1(_horner(_LONG, z) * z / _horner(_LONG_DENOMINATOR, z) - z), x)


def _horner(coefficients: Sequence[float], z: Any) -> Any:
    """A polynomial of z, as ``_polynomial`` computes it."""
    total = z * coefficients[0]
    for coefficient in coefficients[1:-1]:
        total = (total + coefficient) * z
    return total + coefficients[-1]


def _polynomial(coefficients: Sequence[float], x: Array, out: Array) -> None:
    """Write a polynomial of x into ``out``, by Horner's rule."""
    np.multiply(x, coefficients[0], out=out)
    for coefficient in coefficients[1:-1]:
        out += coefficient
        out *= x
    out += coefficients[-1]
