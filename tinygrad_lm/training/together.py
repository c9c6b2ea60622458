"""What the ranks of a training agree on besides its gradients: the state that all start from, and when to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.training.communicator import Communicator

if TYPE_CHECKING:
    from tinygrad_lm.training.trainer import Trainer

LONGEST = 400
"""How many bytes a rank may say of why it cannot go along."""


def any_of(communicator: Communicator, stop: bool, interrupted: bool) -> tuple[bool, bool]:
    """Whether any rank is to stop, and whether any was interrupted."""
    found = communicator.gather(np.array([stop, interrupted], np.uint8))
    return bool(found[:, 0].any()), bool(found[:, 1].any())


def share_state(trainer: Trainer, communicator: Communicator) -> None:
    """Bring the trainers of all ranks to the state of that of rank 0.

    Raises
    ------
    ValueError
        On every rank, where one of them trains something else.
    """
    if communicator.size == 1:
        return
    sent = np.empty(0, np.uint8)
    if communicator.rank == 0:
        sent = packed(*trainer.state())
    received, why = communicator.broadcast(sent), ""
    if communicator.rank:
        try:
            trainer.resume(*unpacked(received))
        except (ValueError, KeyError, TypeError) as error:
            why = str(error) or type(error).__name__
    said = np.zeros(LONGEST, np.uint8)
    words = why.encode("utf-8", "replace")[:LONGEST]
    said[: len(words)] = np.frombuffer(words, np.uint8)
    for rank, row in enumerate(communicator.gather(said)):
        if row.any():
            what = row.tobytes().rstrip(b"\0").decode("utf-8", "replace")
            raise ValueError(f"rank {rank} does not train what rank 0 trains: {what}")


def packed(arrays: dict[str, Array], data: object) -> Array:
    """Arrays and plain data as one row of bytes."""
    told = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    words = json.dumps([told, data]).encode()
    parts = [len(words).to_bytes(8, "little"), words, *(array.tobytes() for array in arrays.values())]
    return np.frombuffer(b"".join(parts), np.uint8)


def unpacked(row: Array) -> tuple[dict[str, Array], dict[str, object]]:
    """What ``packed`` put together."""
    content = row.tobytes()
    start = 8 + int.from_bytes(content[:8], "little")
    told, data = json.loads(content[8:start])
    arrays: dict[str, Array] = {}
    for name, (dtype, shape) in told.items():
        array = np.empty(shape, dtype)
        arrays[name] = np.frombuffer(content, dtype, array.size, start).reshape(shape).copy()
        start += array.nbytes
    return arrays, data
