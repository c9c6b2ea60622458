"""``InBlocks``: a plan that takes a batch by blocks of its rows, each forward and back while all of it is in the cache.

The gradients of the blocks are added up in their order, which is another order than that of one product over all rows:
the results agree with the step's own to rounding, and are themselves the same from run to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.events import Event, Forward, Plain
from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import Clip, Given, StoreBuffer, Update
from tinygrad_lm.replay.lowering import Lowering
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.nested import within
from tinygrad_lm.replay.plan import Plan, lowered
from tinygrad_lm.replay.recording import Recorder, result_of
from tinygrad_lm.replay.rehearsal import Rehearsal, Undone
from tinygrad_lm.replay.rows import MEAN, ROWS, Mixed, Rows
from tinygrad_lm.replay.traced import Check, Traced

Inputs = Sequence[tuple[Tensor, Array, str]]
"""The tensors that stand for the arguments in a recording, with their arrays and their names."""


class InBlocks(Plan):
    """A plan for a block of rows that is run for each block of a batch.

    Attributes
    ----------
    rows, count
        How many rows a block has, and how many blocks there are.
    """

    changing = (Clip, Update, StoreBuffer)

    def __init__(self, lowering: Lowering, result: Any, kinds: Rows, cut: Sequence[bool], count: int) -> None:
        self.rows, self.count = kinds.count, count
        self._cut, self._scale = cut, 1 / count if kinds.loss == MEAN else 1.0
        # The loss, and numbers like it, of which a block has its share.
        self._shared = [node.data for key, node in lowering.nodes.items() if kinds.of_all(key)]
        super().__init__(lowering, result)

    def __str__(self) -> str:
        return f"in {self.count} blocks of {self.rows} rows, whose gradients are added up in their order"

    def _make_calls(self) -> None:
        super()._make_calls()
        together = {id(p) for one in self._joined for p in one.parameters}
        alone = [gradient for key, gradient in self.gradients.items() if key not in together]
        self._sums = [(np.empty_like(x), x) for x in [*(one.gradients.flat for one in self._joined), *alone]]
        self._losses = [self.layout.array(traced) for traced in self._needed()]

    def _needed(self) -> list[Traced]:
        """What of all blocks together the rest of the step is computed of.

        Raises
        ------
        Mixed
            Where it is anything but the loss.
        """
        begins = (i for i, x in enumerate(self.instructions) if isinstance(x, self.changing))
        first = next(begins, len(self.instructions))
        of_rows = {id(traced.owner) for traced, cut in zip(self.inputs, self._cut, strict=True) if cut}
        for instruction in self.instructions[:first]:
            owners = [traced.owner for traced in mentioned(instruction)]
            if not of_rows.isdisjoint(map(id, owners)):
                of_rows |= {id(owner) for owner in owners if owner.role == "work"}
        last = self.instructions[first:]
        used = {id(traced.owner): traced.owner for traced in mentioned([*last, *_given(self.result)])}
        needed = [owner for key, owner in used.items() if key in of_rows]
        shared = {id(traced.owner) for traced in self._shared}
        if any(id(owner) not in shared for owner in needed) or any(isinstance(x, Check) for x in last):
            raise Mixed("what follows the gradients is computed of rows")
        return needed

    def _compute(self, arrays: Sequence[Array]) -> None:
        losses = [0.0] * len(self._losses)
        for i in range(self.count):
            block = slice(i * self.rows, (i + 1) * self.rows)
            super()._compute([array[block] if cut else array for array, cut in zip(arrays, self._cut, strict=True)])
            for k, loss in enumerate(self._losses):
                losses[k] += loss.item()
            if i == self.count - 1:
                break
            for total, gradient in self._sums:
                if i:
                    np.add(total, gradient, total)
                else:
                    np.copyto(total, gradient)
        if not all(map(math.isfinite, losses)):
            raise Broken
        for k, loss in enumerate(self._losses):
            loss[...] = losses[k] * self._scale
        for total, gradient in self._sums:
            np.add(total, gradient, gradient)
            if self._scale != 1:
                np.multiply(gradient, self._scale, gradient)


def in_blocks(
    step: Callable[..., Any], args: Sequence[Any], recorded: tuple[Sequence[Event], Inputs], undone: Undone, most: int
) -> InBlocks:
    """A plan for a step in blocks of at most ``most`` rows; what the step does is found out with a block of them.

    Parameters
    ----------
    step, args
        The step, and what it was called with: a tensor in place of each array.
    recorded
        What it did then, and those tensors.
    undone
        Within, the step is as free as it was to do what it does.
    most
        How many rows a block has at most.

    Raises
    ------
    Mixed
        Where the rows have to do with one another, or are too few; saying what it is.
    """
    events, inputs = recorded
    count = next((array.shape[0] for _, array, _ in inputs if array.ndim), 0)
    blocks = _blocks(count, most)
    cut = [array.shape[:1] == (count,) for _, array, _ in inputs]
    whole = Rows(events, [tensor for (tensor, _, _), has in zip(inputs, cut, strict=True) if has], count)
    rows = count // blocks
    block = [
        (from_array(part := np.array(array[:rows])), part, name) if has else (tensor, array, name)
        for (tensor, array, name), has in zip(inputs, cut, strict=True)
    ]
    standing = {id(tensor): piece for (tensor, _, _), (piece, _, _) in zip(inputs, block, strict=True)}
    buffers = undone.reached.buffers()
    recorder, result = _rehearsed(step, [standing.get(id(x), x) for x in args], block, undone)
    part = Rows(recorder.events, [tensor for (tensor, _, _), has in zip(block, cut, strict=True) if has], rows)
    _compare(events, recorder.events, whole, part)
    if any(part.kind(returned) == ROWS for returned in within(result)):
        raise Mixed("it returns something of each row")
    lowering = lowered(recorder.events, block, buffers)
    if any(isinstance(x, (Draw, StoreBuffer)) for x in lowering.instructions):
        raise Mixed("it draws random numbers, or changes a buffer, for all rows at once")
    return InBlocks(lowering, lowering.returned(result), part, cut, blocks)


def _given(result: Any) -> list[Given]:
    return [part for part in within(result) if isinstance(part, Given)]


def _blocks(count: int, most: int) -> int:
    """In how many blocks of one size so many rows go, none of them larger than ``most`` or much smaller."""
    if count <= most:
        raise Mixed(f"{count} rows are one block")
    for blocks in range(-(-count // most), 2 * count // most + 1):
        if count % blocks == 0:
            return blocks
    raise Mixed(f"{count} rows are no whole number of blocks of {most}, or of some fewer")


def _rehearsed(step: Callable[..., Any], args: Sequence[Any], inputs: Inputs, undone: Undone) -> tuple[Recorder, Any]:
    with undone, Rehearsal() as recorder:
        recorder.watch([*(tensor for tensor, _, _ in inputs), *undone.reached.tensors])
        recorder.watch_optimizers(undone.reached.optimizers)
        try:
            result = step(*args)
        except Exception as error:
            raise Mixed(f"with a block of its rows it raises {type(error).__name__}: {error}") from None
    result = result_of(result, recorder)
    if recorder.reasons:
        raise Mixed(recorder.reasons[0])
    return recorder, result


def _compare(whole: Sequence[Event], part: Sequence[Event], all_rows: Rows, few_rows: Rows) -> None:
    """Refuse a step whose numbers depend on how many rows there are, such as a sum over them, divided by their number.

    What stands for rows differs, of course, and so do shapes and positions, which ``Rows`` has looked at.
    """
    if len(whole) != len(part):
        raise Mixed(OTHERWISE)
    for one, other in zip(whole, part, strict=True):
        (done, given), (done_too, given_too) = _told(one, all_rows), _told(other, few_rows)
        if done is not done_too or len(given) != len(given_too):
            raise Mixed(OTHERWISE)
        for a, b in zip(given, given_too, strict=True):
            if not all_rows.kind(a) and not _alike(a, b, all_rows.count, few_rows.count):
                raise Mixed("a number in it depends on how many rows there are")


OTHERWISE = "with a block of its rows it does something else"


def _told(event: Event, rows: Rows) -> tuple[object, list[Any]]:
    """What was done, and with what."""
    if isinstance(event, Forward):
        options = [x for key, x in event.attributes.items() if key != "shape"]
        shape = event.out.shape[1:] if rows.kind(event.out) == ROWS else event.out.shape
        return event.operation, [*within([*event.operands, *options, shape])]
    if isinstance(event, Plain):
        return event.function, [*within([*event.args, event.options])]
    return type(event), []


def _alike(a: Any, b: Any, many: int, few: int) -> bool:
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return not a.is_leaf and not b.is_leaf  # computed of the same, by the same operations
    if is_ndarray(a) and is_ndarray(b):
        counted = np.array_equal(a, np.arange(many)) and np.array_equal(b, np.arange(few))
        return counted or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    return type(a) is type(b) and bool(a == b)
