"""What a run saves: the names it learns from, its weights, and all that it needs to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_lm.models import LanguageModel, ModelFileError, disk, files
from tinygrad_lm.runs.folder import CHECKPOINT, TRAINING_NAMES, WEIGHTS, Folder
from tinygrad_lm.runs.record import record_of
from tinygrad_lm.training import Trainer

MAX_LINE = 1 << 20
"""How long a name is at most in a file of a run, in bytes."""


def save_names(folder: Folder, names: Sequence[str]) -> None:
    """Write the names that the model learns from, to tell new ones by."""
    folder = Path(folder)
    lines = [name.encode("utf-8") + b"\n" for name in names]
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE:
        raise ModelFileError(f"a name of {longest:,} bytes is longer than any name; drop it with --max-length")
    disk.write_atomically(folder / TRAINING_NAMES, b"".join(lines))


def save_weights(folder: Folder, model: LanguageModel, config: Mapping[str, Any]) -> None:
    """Write the model's arrays, and what run they are of."""
    folder = Path(folder)
    files.save_weights(model, folder / WEIGHTS, metadata={"run": record_of(config)})


def save_checkpoint(folder: Folder, trainer: Trainer, config: Mapping[str, Any]) -> None:
    """Write all that the run needs to go on, and the best weights so far as the model."""
    folder = Path(folder)
    arrays, state = trainer.state()
    record = {**record_of(config), "training": trainer.plan.to_json()}
    ended = trainer.step == trainer.plan.steps and not trainer.stop  # stopped in the last step, the rest is to come
    metadata = {"model": files.describe(trainer.model), "state": state, "run": record, "ended": ended}
    metadata |= files.dtype_of(trainer.best)
    files.write_arrays(folder / CHECKPOINT, arrays, metadata)
    files.save_weights(trainer.model, folder / WEIGHTS, trainer.best, {"run": record})
