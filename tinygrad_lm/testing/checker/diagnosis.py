"""What a wrong gradient looks like: telling ratios, values in the wrong place, and a Jacobian that gives it away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tinygrad_lm.autograd.differences import step_at
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.measure import Subject
from tinygrad_lm.testing.checker.report import Index, number, show_index

_CLOSE = 1e-4
_MOST_RESULTS = 400
_MOST_ENTRIES = 40_000


def hints(name: str, analytic: Array | None, numeric: Array, wrong: Array, sizes: dict[int, str]) -> list[str]:
    """Sentences on what the wrong elements have in common.

    ``wrong`` marks them; ``sizes`` says of some numbers what they count (the length of an axis, say).
    """
    if analytic is None:
        return [
            f"no path leads back from the result to {name}: a detach(), .data, float(), a function of math or a "
            "computation on .data cut the graph, or the operation records no derivative for it"
        ]
    found: list[str] = []
    ratio = _common_ratio(analytic[wrong], numeric[wrong])
    if ratio is not None:
        found += _ratio_hints(ratio, sizes)
    if ratio is None or ratio == 0:
        found += _order_hints(name, analytic, numeric, wrong)
    return found


def jacobians(subject: Subject) -> tuple[Array, Array] | None:
    """The derivative of every result to every element of one input, by the backward pass and by differences.

    Both of shape (results, elements); ``None`` where that would be too many.
    """
    problem, point = subject.problem, subject.point
    results = int(sum(np.prod(shape, dtype=int) for shape in problem.shapes))
    if results > _MOST_RESULTS or results * point.size > _MOST_ENTRIES:
        return None
    rows = [row[subject.position] for row in problem.vjp(subject.points, list(np.eye(results)))]
    analytic = np.array([np.zeros(point.size) if row is None else row.reshape(-1) for row in rows])
    numeric = np.empty((results, point.size))
    for k, x in enumerate(point.flat):
        along, step = subject.along_element(k), step_at(float(x))
        ahead, behind = float(x) + step, float(x) - step
        numeric[:, k] = (along(ahead) - along(behind)) / (ahead - behind)
    return analytic, numeric


def jacobian_hints(name: str, analytic: Array, numeric: Array) -> list[str]:
    """Sentences on what the two Jacobians, of shape (results, elements), have in common."""
    scale = float(np.abs(numeric).max(initial=0.0))
    near = 1e-5 * (1 + scale)
    if not np.isfinite(numeric).all() or np.abs(analytic - numeric).max(initial=0.0) <= near:
        return []
    square = analytic.shape[0] == analytic.shape[1]
    if square and np.abs(analytic - numeric.T).max() <= near:
        return [
            "the Jacobian is transposed: a matrix stands in the backward pass where its transpose belongs "
            "(of x @ y the gradients are g @ y.T and x.T @ g)"
        ]
    present, real = np.abs(analytic) > near, np.abs(numeric) > near
    right = np.abs(analytic - numeric) <= near
    if not present.any():
        return []
    if square and (present == present * np.eye(len(analytic), dtype=bool)).all() and right.diagonal().all():
        return [
            "only the diagonal of the Jacobian is there: how an element acts on the others, through a sum that they "
            "share (as in softmax), is missing"
        ]
    missing = real & ~present
    if missing.any() and right[~missing].all():
        return [
            f"of the {int(real.sum())} paths from {name} to the results {int(missing.sum())} are dropped, the others "
            "are right: an element used several times, by broadcasting or by an index that repeats, gets the sum "
            "over all its uses"
        ]
    return []


def worst_entry(analytic: Array, numeric: Array, shapes: Sequence[tuple[int, ...]], shape: Index, name: str) -> str:
    """The entry of the Jacobian that is furthest off, in words."""
    row, column = np.unravel_index(int(np.argmax(np.abs(analytic - numeric))), analytic.shape)
    result = _result(int(row), shapes)
    index = show_index(int(i) for i in np.unravel_index(int(column), shape))
    return (
        f"d {result} / d {name}{index} is {number(float(analytic[row, column]))} by the backward pass and "
        f"{number(float(numeric[row, column]))} by differences"
    )


def _result(row: int, shapes: Sequence[tuple[int, ...]]) -> str:
    for position, shape in enumerate(shapes):
        size = int(np.prod(shape, dtype=int))
        if row < size:
            name = "result" if len(shapes) == 1 else f"result {position}"
            return name + show_index(int(i) for i in np.unravel_index(row, shape))
        row -= size
    raise IndexError(f"row {row} of a Jacobian with results of shapes {list(shapes)}")


def _common_ratio(analytic: Array, numeric: Array) -> float | None:
    """The one number by which the wrong elements are off, if there is one; 0 if they are all zero."""
    sizeable = np.abs(numeric) > 1e-6 * max(1.0, float(np.abs(numeric).max(initial=0.0)))
    if not sizeable.any():
        return None
    ratios = analytic[sizeable] / numeric[sizeable]
    ratio = float(np.median(ratios))
    if np.abs(ratios - ratio).max() > _CLOSE * max(1.0, abs(ratio)):
        return None
    return 0.0 if abs(ratio) < _CLOSE else ratio


def _ratio_hints(ratio: float, sizes: dict[int, str]) -> list[str]:
    if ratio == 0:
        return ["the wrong elements are all 0: a path is dropped in the backward pass, or what it gives is thrown away"]
    if _is(ratio, -1):
        return ["analytic = -numeric: the sign is wrong"]
    found: list[str] = []
    if _is(ratio, 2):
        found.append("analytic = 2 * numeric: counted twice")
    elif _is(ratio, 0.5):
        found.append("analytic = numeric / 2: one of two uses is missing, or a half is left over from a square")
    for n, what in sizes.items():
        if n < 2:
            continue
        if _is(ratio, n):
            found.append(f"analytic = {n} * numeric, and {n} is {what}: a mean whose backward pass forgets 1/{n}")
        elif _is(ratio, 1 / n):
            found.append(
                f"analytic = numeric / {n}, and {n} is {what}: divided by {n} as for a mean, where a sum is needed"
            )
    return found or [f"every wrong element is {ratio:.6g} times what it should be: a constant factor is wrong"]


def _is(ratio: float, wanted: float) -> bool:
    return abs(ratio - wanted) <= _CLOSE * abs(wanted)


def _order_hints(name: str, analytic: Array, numeric: Array, wrong: Array) -> list[str]:
    """Whether the values are right but stand in the wrong places."""
    if numeric.size < 2 or np.ptp(numeric) < _CLOSE:
        return []
    for first, second in combinations(range(numeric.ndim), 2):
        if _same(analytic, np.swapaxes(numeric, first, second)):
            return [f"the gradient of {name} is right but transposed: axes {first} and {second} are swapped"]
    for axis in range(numeric.ndim):
        if _same(analytic, np.flip(numeric, axis)):
            return [f"the gradient of {name} is right but reversed along axis {axis}"]
    if _same(np.sort(analytic, axis=None), np.sort(numeric, axis=None)):
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        origin = np.unravel_index(int(np.argmin(np.abs(numeric - analytic[index]))), numeric.shape)
        return [
            f"the values are right but in another order: at {name}{show_index(index)} stands what belongs to "
            f"{name}{show_index(int(i) for i in origin)} (a transpose, a reshape or an index the wrong way round?)"
        ]
    return []


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-5, atol=1e-7))
