"""Which results of a step are rows of its own batch, each computed of that row alone, and what its loss is of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.kernels import check_ids
from tinygrad_lm.autograd.recorded import positions, selection, snapshot
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.replay.events import CLIP, STEP, Backward, Branch, Event, Forward, Plain
from tinygrad_lm.replay.nested import within

ROWS, MEAN, SUM, FINITE = "rows", "mean", "sum", "finite"
"""What a result may be: rows of the batch; the mean of a number of each row, or the sum; whether that is finite."""


class Mixed(Exception):
    """A step whose rows have to do with one another, so that it cannot go by blocks of them; the message says where."""


class Rows:
    """What the results of a recorded step are of the rows of its inputs.

    Parameters
    ----------
    events
        What the step did.
    inputs
        The inputs that have a row for each example, as the step was given them.
    count
        How many rows there are.

    Raises
    ------
    Mixed
        Where an operation, by what is known of it, makes of several rows something else than their mean or sum.
    """

    def __init__(self, events: Sequence[Event], inputs: Sequence[Tensor], count: int) -> None:
        self.count = count
        self._kinds: dict[int, str] = {id(tensor): ROWS for tensor in inputs}
        roots = [event.root for event in events if isinstance(event, Backward)]
        if len(roots) != 1 or any(isinstance(event, Backward) and event.gradient is not None for event in events):
            raise Mixed("it calls backward() more than once, or not at all, or with a gradient")
        for event in events:
            if isinstance(event, Forward):
                self._kinds[id(event.out)] = self._forward(event)
            elif isinstance(event, Plain) and event.function not in (STEP, CLIP):
                self._plain(event)
            elif isinstance(event, Branch) and self.kind(event.tensor) not in ("", FINITE):
                raise Mixed("what its numbers are decides how it goes on")
        self.loss = self.kind(roots[0])
        if self.loss not in (MEAN, SUM):
            raise Mixed("its loss is no mean, and no sum, over the rows")

    def kind(self, x: Any) -> str:
        """What something is of the rows; empty where it has nothing to do with them."""
        found = {kind for part in within(x) if (kind := self._kinds.get(id(part), ""))}
        if len(found) > 1:
            raise Mixed("rows, and what was made of all of them, are used together")
        return found.pop() if found else ""

    def of_all(self, key: int) -> str:
        """Whether what has this identity is the mean of all rows, or the sum; empty where it is neither."""
        kind = self._kinds.get(key, "")
        return kind if kind in (MEAN, SUM) else ""

    def _plain(self, event: Plain) -> None:
        kind = self.kind(list(event.args))
        if not kind:
            return
        function: Any = event.function
        if kind in (MEAN, SUM) and function is np.isfinite:
            self._kinds[id(event.result)] = FINITE
        elif function is np.copy:  # detached
            self._kinds[id(event.result)] = kind
        elif kind == ROWS and (function in COPIES or isinstance(function, np.ufunc)):
            self._fits(event.args, event.result)
            self._kinds[id(event.result)] = ROWS
        else:
            ours = (getattr(function, "__module__", "") or "").startswith("tinygrad_lm")
            layer = "a layer looks at all rows, as batch norm and ignored targets do"
            raise Mixed(layer if ours else f"{function.__name__} is called on its rows")

    def _forward(self, event: Forward) -> str:
        name, operands, options = event.operation.name, event.operands, event.attributes
        kinds = [self.kind(x) for x in operands]
        of_options = self.kind(list(options.values()))
        if not any(kinds) and not of_options:
            return ""
        if MEAN in kinds or SUM in kinds:
            return _of_numbers(name, kinds)
        if type(event.operation) is Elementwise or name == "where":
            self._fits([*operands, *options.values()], event.out)
            return ROWS
        rule = RULES.get(name)
        kind = rule(self, kinds, operands, options, event.out) if rule is not None else ""
        if not kind:
            raise Mixed(f"{name!r} may make one thing of several rows")
        return kind

    def _fits(self, given: Sequence[Any], out: Any) -> None:
        """Refuse an elementwise function of which something stands across the rows, or has a number for each."""
        for x in given:
            shape = getattr(x, "shape", ())
            rows = self.kind(x) == ROWS
            if len(shape) == len(out.shape) and shape and shape[0] != (self.count if rows else 1):
                raise Mixed("something has a number for each row, and is no input")
            if rows and len(shape) != len(out.shape):
                raise Mixed("rows stand along another axis than the first")


def _own(function: Any) -> Any:
    """A function that is seen as one call, as recordings know it."""
    return function.__wrapped__


COPIES = frozenset(map(_own, (check_ids, positions, selection, snapshot)))
"""What makes a checked copy of ids and masks."""

Rule = Callable[[Rows, list[str], Sequence[Any], Any, Any], str]
"""What an operation makes of rows, by the kinds of its operands, these, its options, and its result."""


def _of_numbers(name: str, kinds: list[str]) -> str:
    """What becomes of a mean or a sum over the rows: the same of other numbers, as long as it is only scaled."""
    (kind,) = {found for found in kinds if found} if len({found for found in kinds if found}) == 1 else {""}
    scaled = name == "neg" or (name == "mul" and kinds.count("") == 1) or (name == "div" and kinds[1:] == [""])
    # A mean of sums with something that has no rows has it once in each block, a sum in all of them.
    added = name in ("add", "sub") and (kind == MEAN or "" not in kinds)
    if not kind or not (scaled or added):
        raise Mixed(f"{name!r} is computed of the loss of all rows")
    return kind


def _first(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    """Only the first operand has rows, and the last axes alone are worked on."""
    wide = operands[0].ndim > 1
    return ROWS if wide and kinds[0] and not any(kinds[1:]) and out.shape[:1] == (rows.count,) else ""


def _matmul(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    left, right = operands
    if not kinds[0] or left.ndim < 2:
        return ""
    if not kinds[1]:
        return ROWS if right.ndim <= 2 or right.ndim < left.ndim else ""
    return ROWS if left.ndim == right.ndim > 2 else ""


def _looked_up(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    """Rows of a table, by ids."""
    return ROWS if not any(kinds) and rows.kind(options["ids"]) == ROWS else ""


def _getitem(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    index = options["index"]
    if not any(kinds):
        return ROWS if getattr(index, "dtype", None) is not None and index.dtype.kind in "iu" else ""
    first, *others = cast("tuple[Any, ...]", index if isinstance(index, tuple) and index else (index,))
    if isinstance(first, slice):
        return ROWS if first == slice(None) and not rows.kind(index) else ""
    # Of each row the element that a number of its own says.
    # One that is given may be another at the next call.
    each = is_ndarray(first) and not rows.kind(first) and counts_up(first, rows.count)
    return ROWS if each and all(isinstance(x, int) or rows.kind(x) == ROWS for x in others) else ""


def counts_up(x: Array, count: int) -> bool:
    """Whether an array has the numbers of so many rows, each once and in their order."""
    return x.dtype.kind in "iu" and np.array_equal(x, np.arange(count))


def _reshape(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    return ROWS if operands[0].shape[:1] == out.shape[:1] == (rows.count,) else ""


def _transpose(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    axes = options.get("axes")
    return ROWS if axes and axes[0] == 0 else ""


def _joined(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    return ROWS if all(kinds) and options["axis"] % out.ndim else ""


def _along(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    """Along an axis that is not the first."""
    axis = options.get("axis")
    return ROWS if isinstance(axis, int) and axis % operands[0].ndim else ""


def _reduced(of_all: str) -> Rule:
    def rule(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
        axis, ndim = options.get("axis"), operands[0].ndim
        axes = (
            {i % ndim for i in ((axis,) if isinstance(axis, int) else axis)} if axis is not None else set(range(ndim))
        )
        if 0 not in axes:
            return ROWS
        return of_all if len(axes) == ndim and out.size == 1 else ""

    return rule


def _cross_entropy(rows: Rows, kinds: list[str], operands: Sequence[Any], options: Any, out: Any) -> str:
    if not kinds[0] or rows.kind(options["targets"]) != ROWS or "ignore_index" in options:
        return ""  # how many targets count is a matter of all rows
    return {"mean": MEAN, "sum": SUM, "none": ROWS}[options.get("reduction", "mean")]


RULES: dict[str, Rule] = {
    "alias": _first,
    "astype": _first,
    "concatenate": _joined,
    "cross_entropy": _cross_entropy,
    "embedding": _looked_up,
    "getitem": _getitem,
    "layer_norm": _first,
    "linear": _first,
    "log_softmax": _along,
    "logsumexp": _along,
    "matmul": _matmul,
    "max": _reduced(""),
    "mean": _reduced(MEAN),
    "min": _reduced(""),
    "reshape": _reshape,
    "softmax": _along,
    "sum": _reduced(SUM),
    "transpose": _transpose,
    "var": _reduced(""),
}
"""What is known of operations that are not elementwise, by their names; what is not here may mix rows."""
