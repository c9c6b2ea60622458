"""Operations that multiply and add: matrix products in all of NumPy's cases, and einsum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import prod
from typing import Any

import numpy as np

from tinygrad_lm.autograd.elementwise import unbroadcast
from tinygrad_lm.autograd.structured import Structured, structured
from tinygrad_lm.autograd.types import Array

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Those of ``string``, whose import compiles a pattern that nothing here needs: a tenth of what the engines take."""


@structured("matmul", "@")
def matmul(x: Array, y: Array) -> Array:
    """The matrix product, with vectors and batches as ``np.matmul`` takes them."""
    return np.matmul(x, y)


def _as_matrices(g: Array, x: Array, y: Array) -> tuple[Any, Any, Any]:
    """A vector on the left is a row, on the right a column; the result has the axis that NumPy dropped."""
    if y.ndim == 1:
        g, y = g.reshape((*g.shape, 1)), y.reshape((y.size, 1))
    if x.ndim == 1:
        g, x = g.reshape((*g.shape[:-1], 1, g.shape[-1])), x.reshape((1, x.size))
    return g, x, y


def _matmul_vjp_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    if x.ndim == 2 and y.ndim == 2:
        return g @ y.T
    g, matrix, y = _as_matrices(g, x, y)
    return unbroadcast(g @ y.swapaxes(-1, -2), matrix.shape).reshape(x.shape)


def _matmul_vjp_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    if y.ndim == 2 and x.ndim >= 2:
        # One product over all batches in place of a product each and a sum.
        rows = prod(x.shape[:-1])
        return x.reshape((rows, x.shape[-1])).T @ g.reshape((rows, g.shape[-1]))
    g, x, matrix = _as_matrices(g, x, y)
    return unbroadcast(x.swapaxes(-1, -2) @ g, matrix.shape).reshape(y.shape)


matmul.defvjp(_matmul_vjp_x, _matmul_vjp_y)


def explicit(subscripts: str, operands: Sequence[Any]) -> tuple[list[str], str]:
    """Einsum subscripts with every axis named: no ellipsis, and the output written out."""
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, but {len(operands)} were given")
    free = [letter for letter in LETTERS if letter not in subscripts]
    named: list[str] = []
    longest = 0
    for term, operand in zip(terms, operands, strict=True):
        if "..." in term:
            hidden = operand.ndim - len(term.replace("...", ""))
            longest = max(longest, hidden)
            term = term.replace("...", "".join(free[len(free) - hidden :]))
        if len(term) != operand.ndim:
            raise ValueError(
                f"einsum: the subscripts {term!r} name {len(term)} axes, but the operand has shape {operand.shape}"
            )
        named.append(term)
    dots = "".join(free[len(free) - longest :])
    if not arrow:
        letters = "".join(named)
        output = dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots))
    elif dots and "..." not in output:
        raise ValueError(f"einsum: {subscripts!r} hides axes behind '...', so its output must have '...' too")
    return named, output.replace("...", dots)


def _einsum(*operands: Any, subscripts: str) -> Array:
    return np.einsum(subscripts, *operands)


einsum = Structured("einsum", _einsum)


def _einsum_vjp(position: int, g: Array, out: Array, *xs: Array, subscripts: str) -> Array:
    terms, output = explicit(subscripts, xs)
    own = terms[position]
    others = [term for i, term in enumerate(terms) if i != position]
    arrays = [x for i, x in enumerate(xs) if i != position]
    known = output + "".join(others)
    spare = (c for c in LETTERS if c not in "".join(terms) + output)
    target = ""
    dtype = xs[position].dtype
    for axis, letter in zip(count(), own):
        size = xs[position].shape[axis]
        if letter in target:
            # A repeated letter takes the diagonal: its gradient lies on the diagonal.
            letter = next(spare)
            others.append(own[axis] + letter)
            arrays.append(np.eye(size, dtype=dtype))
        elif letter not in known:
            # Summed out within this operand alone: every element gets the same.
            others.append(letter)
            arrays.append(np.ones(size, dtype))
        target += letter
    pulled = np.einsum(",".join([output, *others]) + "->" + target, g, *arrays)
    if pulled.shape != xs[position].shape:
        stretched = tuple(i for i, size in enumerate(xs[position].shape) if size == 1)
        pulled = np.broadcast_to(pulled.sum(axis=stretched, keepdims=True), xs[position].shape)
    return pulled


einsum.defvjp_of_each(_einsum_vjp)
