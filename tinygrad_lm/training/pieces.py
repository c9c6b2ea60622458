"""``Pieces``: the gradients of a batch that is cut into pieces, which one process computes, or several share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.nn import Parameter
from tinygrad_lm.random import existing_default_generator
from tinygrad_lm.replay import replay as replayed
from tinygrad_lm.text import count_targets
from tinygrad_lm.training.communicator import Communicator
from tinygrad_lm.training.gradients import Loss
from tinygrad_lm.training.piecewise import Buffers, Draws
from tinygrad_lm.training.together import any_of, share_state
from tinygrad_lm.training.whole_step import AFTER, only_gradients

if TYPE_CHECKING:
    from tinygrad_lm.training.trainer import Trainer


class Pieces:
    """The gradients of a batch as a sum over its pieces, the same however many ranks compute them.

    Every rank draws the same batch and cuts it into the same pieces, of as many examples each as can be. Piece number p
    is computed by rank p modulo their number. What came of each piece, its loss, gradients and buffers, travels as one
    flat array, and every rank adds up all of them, from the first piece to the last, each by its share of the targets
    that count: so what comes out is the gradient of the batch's mean loss, and no bit of it depends on how many ranks
    there are. A piece in which no target counts is left out.

    Parameters
    ----------
    model
        Whose gradients they are.
    loss
        The loss of a piece: a mean over its targets that count.
    pieces
        How many there are, of a batch that has so many examples.
    communicator
        The ranks.
    replay
        Whether pieces are recorded and replayed.
    """

    _buffers: Buffers
    _draws: Draws
    _layout: Layout
    _step: Loss
    """What gives the loss of a piece, and leaves its gradients."""
    _sent: Array
    """The records of the pieces of this rank, one behind the other; these are made anew by each run, since layers
    may have come to the model."""

    def __init__(
        self, model: TrainableModel, loss: Loss, pieces: int, communicator: Communicator, replay: bool
    ) -> None:
        if communicator.size > pieces:
            raise ValueError(
                f"{communicator.size} ranks share the {pieces} pieces of a batch, of which some would have none: start "
                f"at most {pieces}, or cut a new training into more (pieces={communicator.size})"
            )
        self._model = model
        self._loss = loss
        self._pieces = pieces
        self._communicator = communicator
        self._replay = replay

    def begin(self, trainer: Trainer) -> None:
        """Give every rank the state of rank 0, and see what there is to share."""
        share_state(trainer, self._communicator)
        trainer.stop, _ = self.agree(trainer.stop, False)
        has_default = bool(self._communicator.broadcast(_byte(existing_default_generator() is not None))[0])
        self._draws = Draws(self._model, trainer.plan.seed, has_default)
        self._buffers = Buffers(self._model)
        parameters = [parameter for _, parameter in self._model.named_parameters()]
        self._layout = Layout(parameters, self._buffers.size)
        step = only_gradients(self._loss, parameters)
        self._step = replayed(step, after=AFTER) if self._replay else step
        self._sent = np.zeros((-(-self._pieces // self._communicator.size), self._layout.size), np.uint8)

    def agree(self, stop: bool, interrupted: bool) -> tuple[bool, bool]:
        """Whether any rank was told to stop, and whether any was by Ctrl-C."""
        return any_of(self._communicator, stop, interrupted)

    def of(self, inputs: Array, targets: Array, step: int) -> float:
        """The mean loss of a batch, whose gradients are then those of the parameters."""
        size, own = self._communicator.size, self._communicator.rank
        rows = self._rows(len(inputs))
        counts = [count_targets(targets[each]) for each in rows]
        self._draws.begin(step)
        self._buffers.begin()
        sent = self._sent
        for piece in range(own, self._pieces, size):
            if counts[piece]:
                with self._draws.of_piece(piece):
                    self._compute(inputs[rows[piece]], targets[rows[piece]], sent[piece // size])
                self._buffers.back()
        gathered = self._communicator.gather(sent.reshape(-1)).reshape(size, *sent.shape)
        found = [gathered[piece % size, piece // size] for piece in range(self._pieces) if counts[piece]]
        weights = [count / sum(counts) for count in counts if count]
        return self._take_in(found, weights)

    def _rows(self, examples: int) -> list[slice]:
        """Which examples each piece has: the first ones one more, where they are not of one size."""
        each, more = divmod(examples, self._pieces)
        ends = [number * each + min(number, more) for number in range(self._pieces + 1)]
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    def _compute(self, inputs: Array, targets: Array, into: Array) -> None:
        """Write what comes of a piece into its record."""
        loss = self._step(inputs, targets).item()
        if math.isfinite(loss):
            self._layout.write_gradients(into)
            self._buffers.write(self._layout.buffers(into))
        self._layout.head(into)[0] = loss

    def _take_in(self, found: Sequence[Array], weights: Sequence[float]) -> float:
        """Add up the records of all pieces in their order; the mean loss, which is nan where nothing counts."""
        losses = [float(self._layout.head(record)[0]) for record in found]
        loss = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) if found else math.nan
        if math.isfinite(loss):
            self._layout.read_gradients(found, weights)
            self._buffers.combine([self._layout.buffers(record) for record in found], weights)
        return loss


class Layout:
    """Where things stand in the record of a piece, a row of bytes.

    First, as float64, its loss and whether each parameter has a gradient; then the gradients, in a dtype that holds
    those of all parameters; then the buffers.
    """

    def __init__(self, parameters: Sequence[Parameter | Value], of_buffers: int) -> None:
        self.parameters = parameters
        shapes = [np.shape(parameter.data) for parameter in parameters]
        ends = np.cumsum([0, *(math.prod(shape) for shape in shapes)]).tolist()
        self._places = [(slice(*place), shape) for place, shape in zip(itertools.pairwise(ends), shapes, strict=True)]
        self._dtype = np.result_type(*(np.asarray(parameter.data).dtype for parameter in parameters))
        self._scratch = np.empty(ends[-1], self._dtype)
        self._head = 8 * (1 + len(parameters))
        self._after = self._head + ends[-1] * self._dtype.itemsize
        self._end = self._after + of_buffers
        self.size = -(-self._end // 8) * 8  # so that all records begin where a float64 may

    def head(self, record: Array) -> Array:
        """The loss, and whether each parameter has a gradient."""
        return record[: self._head].view(np.float64)

    def buffers(self, record: Array) -> Array:
        """The bytes of the buffers."""
        return record[self._after : self._end]

    def write_gradients(self, record: Array) -> None:
        """Write those that the parameters have."""
        has, flat = self.head(record)[1:], self._flat(record)
        for number, (parameter, (place, _)) in enumerate(zip(self.parameters, self._places, strict=True)):
            has[number] = parameter.grad is not None
            flat[place] = 0 if parameter.grad is None else np.ravel(parameter.grad)

    def read_gradients(self, records: Sequence[Array], weights: Sequence[float]) -> None:
        """Give the parameters the weighted sum of those of all pieces, added up in their order."""
        has, total = self.head(records[0])[1:].copy(), self._flat(records[0]) * weights[0]
        for record, weight in zip(records[1:], weights[1:], strict=True):
            has += self.head(record)[1:]
            total += np.multiply(self._flat(record), weight, out=self._scratch)
        for parameter, (place, shape), count in zip(self.parameters, self._places, has.tolist(), strict=True):
            if not count:
                parameter.grad = None
            elif isinstance(parameter, Value):
                parameter.grad = float(total[place][0])
            else:
                parameter.grad = total[place].reshape(shape).astype(parameter.data.dtype, copy=False)

    def _flat(self, record: Array) -> Array:
        return record[self._head : self._after].view(self._dtype)


def _byte(value: bool) -> Array:
    return np.array([value], np.uint8)
