"""``InBlocks``: a plan that takes a batch by blocks of its rows, each forward and back while all of it is in the cache.

The gradients of the blocks are added up in their order, which is another order than that of one product over all rows:
the results agree with the step's own to rounding, and are themselves the same from run to run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.events import Branch, Cleared, Event, Forward, Plain
from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import Clip, Given, StoreBuffer, Update
from tinygrad_lm.replay.lowering import Lowering
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.nested import within
from tinygrad_lm.replay.plan import Plan, lowered
from tinygrad_lm.replay.recording import Recorder, result_of
from tinygrad_lm.replay.rehearsal import Rehearsal, Undone
from tinygrad_lm.replay.rows import MEAN, ROWS, SUM, Mixed, Rows, counts_up
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
        shares = {MEAN: 1 / count, SUM: 1.0}
        self._cut, self._scale = cut, shares[kinds.loss]
        # The loss, and numbers like it: the traced array of each, and what of a block's number is its share of all.
        made = [(node.data, kinds.of_all(key)) for key, node in lowering.nodes.items()]
        self._shared = [(traced, shares[kind]) for traced, kind in made if kind and traced.size == 1]
        super().__init__(lowering, result)

    def __str__(self) -> str:
        return f"in {self.count} blocks of {self.rows} rows, whose gradients are added up in their order"

    def _make_calls(self) -> None:
        super()._make_calls()
        together = {id(p) for one in self._joined for p in one.parameters}
        alone = [gradient for key, gradient in self.gradients.items() if key not in together]
        shown = [*(one.gradients.flat for one in self._joined), *alone]
        self._sums = [(np.empty_like(x), np.empty_like(x), x) for x in shown]
        self._losses = [(self.layout.array(traced), share) for traced, share in self._needed()]

    def _needed(self) -> list[tuple[Traced, float]]:
        """What of all blocks together the rest of the step is computed of, and what of a block's is its share of that.

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
        shared = {id(traced.owner): share for traced, share in self._shared}
        if any(id(owner) not in shared for owner in needed) or any(isinstance(x, Check) for x in last):
            raise Mixed("what it returns, or does after the gradients, needs more of the rows than such a number")
        return [(owner, shared[id(owner)]) for owner in needed]

    def _compute(self, arrays: Sequence[Array]) -> None:
        # The gradients of the last step are shown until the step forgets them, which it may never come to.
        for _, before, gradient in self._sums:
            np.copyto(before, gradient)
        try:
            self._compute_all(arrays)
        except BaseException:
            for _, before, gradient in self._sums:
                np.copyto(gradient, before)
            raise

    def _compute_all(self, arrays: Sequence[Array]) -> None:
        losses = [0.0] * len(self._losses)
        for i in range(self.count):
            block = slice(i * self.rows, (i + 1) * self.rows)
            parts = [array[block] if cut else array for array, cut in zip(arrays, self._cut, strict=True)]
            Plan._compute(self, parts)
            for k, (loss, _) in enumerate(self._losses):
                losses[k] += loss.item()
            if i == self.count - 1:
                break
            for total, _, gradient in self._sums:
                if i:
                    np.add(total, gradient, total)
                else:
                    np.copyto(total, gradient)
        if not all(map(math.isfinite, losses)):
            raise Broken
        for k, (loss, share) in enumerate(self._losses):
            loss[...] = losses[k] * share
        for total, _, gradient in self._sums:
            np.add(total, gradient, gradient)
            if self._scale != 1:
                np.multiply(gradient, self._scale, gradient)


def in_blocks(
    step: Callable[..., Any],
    args: Sequence[Any],
    recorded: tuple[Sequence[Event], Inputs, Any],
    undone: Undone,
    most: int,
) -> InBlocks:
    """A plan for a step in blocks of at most ``most`` rows; what the step does is found out with a block of them.

    Parameters
    ----------
    step, args
        The step, and what it was called with: a tensor in place of each array.
    recorded
        What it did then, those tensors, and what it returned.
    undone
        Within, the step is as free as it was to do what it does.
    most
        How many rows a block has at most.

    Raises
    ------
    Mixed
        Where the rows have to do with one another, or are too few; saying what it is.
    """
    events, inputs, returned = recorded
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
    _compare((events, returned), (recorder.events, result), (whole, part), standing)
    if any(part.kind(x) == ROWS for x in within(result)):
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
            with np.errstate(all="ignore"), warnings.catch_warnings():  # it has warned already, of all rows
                warnings.simplefilter("ignore")
                result = step(*args)
        except Exception as error:
            raise Mixed(f"with a block of its rows it raises {type(error).__name__}: {error}") from None
    result = result_of(result, recorder)
    if recorder.reasons:
        raise Mixed(recorder.reasons[0])
    return recorder, result


Done = tuple[Sequence[Event], Any]
"""What a step did, and what it returned."""


def _compare(all_done: Done, few_done: Done, kinds: tuple[Rows, Rows], standing: Mapping[int, Tensor]) -> None:
    """Refuse a step whose numbers depend on how many rows there are, such as a sum over them, divided by their number.

    What stands for rows differs, of course, and so do shapes and positions, which ``Rows`` has looked at; but it has to
    be made by the same operation.
    """
    alike = _Alike(kinds, standing)
    (whole, returned), (part, returned_too) = all_done, few_done
    if len(whole) != len(part):
        raise Mixed(OTHERWISE)
    for one, other in zip(whole, part, strict=True):
        (done, given, made), (done_too, given_too, made_too) = _told(one, kinds[0]), _told(other, kinds[1])
        if done is not done_too or len(given) != len(given_too):
            raise Mixed(OTHERWISE)
        if not all(map(alike, given, given_too)):
            raise Mixed("a number in it depends on how many rows there are")
        alike.pairs[id(made)] = made_too
    results, results_too = [*within(returned)], [*within(returned_too)]
    if len(results) != len(results_too) or not all(map(alike, results, results_too)):
        raise Mixed("what it returns depends on how many rows there are")


OTHERWISE = "with a block of its rows it does something else"


def _told(event: Event, rows: Rows) -> tuple[object, list[Any], object]:
    """What was done, with what, and what that gave."""
    if isinstance(event, Forward):
        options = [x for key, x in event.attributes.items() if key != "shape"]
        shape = event.out.shape[1:] if rows.kind(event.out) == ROWS else event.out.shape
        return event.operation, [*within([*event.operands, *options, shape])], event.out
    if isinstance(event, Plain):
        return event.function, [*within([*event.args, event.options])], event.result
    if isinstance(event, Branch):
        return Branch, [event.tensor, event.outcome], None
    return type(event), [event.leaf if isinstance(event, Cleared) else event.root], None


class _Alike:
    """Whether something is the same in two recordings, of all rows and of few.

    Attributes
    ----------
    pairs
        What of the second is the same as something of the first, by the identity of that.
    """

    def __init__(self, kinds: tuple[Rows, Rows], standing: Mapping[int, Tensor]) -> None:
        self._many, self._few = kinds[0].count, kinds[1].count
        self.pairs: dict[int, object] = dict(standing)

    def __call__(self, a: Any, b: Any) -> bool:
        if (isinstance(a, Tensor) or is_ndarray(a)) and id(a) in self.pairs:
            return b is self.pairs[id(a)]
        if a is b:
            return True
        if is_ndarray(a) and is_ndarray(b):
            counted = counts_up(a, self._many) and counts_up(b, self._few)
            return counted or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
        return type(a) is type(b) and not isinstance(a, Tensor) and bool(a == b)
