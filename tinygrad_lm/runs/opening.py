"""A run from its folder: to use its model, or to go on with its training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from tinygrad_lm import locking
from tinygrad_lm.models import LanguageModel, Mixture, ModelFileError, TrainableModel, disk, files, loading
from tinygrad_lm.optim import Adam
from tinygrad_lm.runs.folder import (
    CHECKPOINT,
    CONFIG,
    LOG,
    METRICS,
    PICTURES,
    TRAINING_NAMES,
    WEIGHTS,
    Folder,
    check_folder,
    typed,
)
from tinygrad_lm.runs.history import metrics, truncate_metrics
from tinygrad_lm.runs.record import check_same_run, write_config
from tinygrad_lm.runs.saving import MAX_LINE, save_checkpoint
from tinygrad_lm.training import Plan, Trainer


class Run(NamedTuple):
    """A run read from its folder."""

    folder: Path
    model: LanguageModel
    config: dict[str, Any]
    training_names: frozenset[str]

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {type(self.model).__name__}, {len(self.training_names):,} training names)"


def load(folder: Folder) -> Run:
    """Read a run: its model with the best weights.

    Raises
    ------
    ModelFileError
        Saying what is wrong with it.
    """
    folder = Path(folder)
    config, model = _open_config(folder, WEIGHTS)
    metadata = files.load_weights(model, folder / WEIGHTS)
    if "run" in metadata:  # earlier versions did not write it
        check_same_run(config, metadata, folder, WEIGHTS, other_steps=True)
    return Run(folder, model, config, _read_names(folder / TRAINING_NAMES))


def open_stopped(folder: Folder, steps: int | None = None) -> tuple[dict[str, Any], TrainableModel, Plan]:
    """The configuration, an untrained model and the plan of a run to go on with.

    ``steps`` replaces the number of all steps of the plan, those done included, so that a finished run too goes on.
    The schedule is computed over the new number and goes on from the step reached: a learning rate that had fallen to
    its end jumps up to where a run of that length would have it. All else has to be as it was when the run was saved.

    Raises
    ------
    ModelFileError
        Naming what differs, or that nothing is left to do.
    """
    folder = Path(folder)
    check_folder(folder)
    for name in (WEIGHTS, CONFIG, METRICS, LOG, CHECKPOINT, TRAINING_NAMES, locking.LOCK, *PICTURES):
        disk.check_writable(folder / name)
    path = folder / CHECKPOINT
    stopped = path.exists()
    config, model = _open_config(folder, CHECKPOINT if stopped else WEIGHTS)
    if not isinstance(model, TrainableModel):
        what = (
            "a mixture of models that are trained" if isinstance(model, Mixture) else "counts, which are made in one go"
        )
        raise ModelFileError(f"{folder} holds {what}: there is nothing to resume")
    if not stopped:
        raise ModelFileError(f"{folder} has no {CHECKPOINT}: its training has ended, so there is nothing to resume")
    try:
        plan = Plan.from_json(config["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{folder / CONFIG} has no training plan to resume: {error}") from None
    metadata = files.read_metadata(path)
    if "run" not in metadata:
        raise ModelFileError(
            f"{path} was written by an earlier version of tinygrad-lm, without the settings of its run: nothing tells "
            "whether it would go on as it began; train anew (its model can be used)"
        )
    check_same_run(config, metadata, folder, CHECKPOINT, other_steps=steps is not None)
    if steps is not None:
        try:
            plan = replace(plan, steps=steps)
        except ValueError as error:
            raise ModelFileError(f"{folder} cannot end after {steps:,} steps: {error}") from None
        config = {**config, "training": plan.to_json()}
    _check_left(folder, metadata, plan, steps)
    return config, model, plan


def restore(folder: Folder, trainer: Trainer) -> None:
    """Bring a trainer to where its run was stopped, and give the run the number of steps of the trainer's plan."""
    folder = Path(folder)
    path = folder / CHECKPOINT
    more = max(0, len(trainer.optimizer.moments) - len(Adam.moments))
    arrays, metadata = files.read_arrays(path, files.room(trainer.model, files.COPIES + more))
    files.check_description(trainer.model, metadata, path)
    try:
        trainer.resume(arrays, cast(dict[str, object], metadata["state"]))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ModelFileError(f"{path} does not fit its run: {error}") from None
    truncate_metrics(folder, trainer.step)
    trainer.history = metrics(folder)
    for name in (WEIGHTS, CONFIG, METRICS, CHECKPOINT, TRAINING_NAMES):
        for left in folder.glob(f".{name}.*.tmp"):  # by a process that was killed while it saved
            left.unlink(missing_ok=True)
    config = files.read_json(folder / CONFIG)
    longer = {**config, "training": trainer.plan.to_json()}
    if longer != config:
        save_checkpoint(folder, trainer, longer)
        write_config(folder, longer)


def _open_config(folder: Path, weights: str) -> tuple[dict[str, Any], LanguageModel]:
    check_folder(folder)
    path = folder / CONFIG
    if not path.exists():
        raise ModelFileError(f"{folder} is no run folder: it has no {CONFIG}")
    if not (folder / WEIGHTS).exists() and not (folder / CHECKPOINT).exists():
        raise ModelFileError(
            f"{folder} has no {WEIGHTS}: it was stopped before anything was saved; delete it, or give another --out"
        )
    if not (folder / weights).exists():
        raise ModelFileError(
            f"{folder} has no {weights}: it was killed while it saved; --resume {typed(folder)} writes it again"
        )
    config = files.read_json(path)
    version = config.get("format")
    if type(version) is int and version > files.FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {version}, newer than {files.FORMAT_VERSION}, which this version of tinygrad-lm "
            "reads; upgrade the package"
        )
    if type(version) is not int or version != files.FORMAT_VERSION:
        raise ModelFileError(f"{path} is no configuration of a run: its format is {version!r:.20}")
    if missing := [key for key in ("data", "training") if key not in config]:
        raise ModelFileError(f"{path} is no configuration of a run: it says nothing of its {missing[0]}")
    model = loading.build(config.get("model"), path, folder / weights)
    metadata: dict[str, Any] = {}
    with suppress(ModelFileError):  # whoever reads the arrays says what is wrong with the file
        metadata = files.read_metadata(folder / weights)
    loading.to_dtype(model, metadata, folder / weights)
    return config, model


def _check_left(folder: Path, metadata: Mapping[str, Any], plan: Plan, steps: int | None) -> None:
    """Raise ``ModelFileError`` unless the plan has steps that are not done yet."""
    state = metadata.get("state")
    done = cast(dict[str, Any], state).get("step") if isinstance(state, dict) else None
    if not isinstance(done, int) or done < plan.steps:
        return
    if steps is not None:
        raise ModelFileError(
            f"{folder} has done {done:,} steps already; --steps is how many there are in all, so give more"
        )
    if metadata.get("ended") and (folder / WEIGHTS).exists():  # else it was killed before it saved them
        raise ModelFileError(
            f"{folder} has done all of its {plan.steps:,} steps, so its training has ended; to go on, give a larger "
            f"number of steps in all: --resume {typed(folder)} --steps N"
        )


def _read_names(path: Path) -> frozenset[str]:
    names: set[str] = set()
    with disk.reading(path, files.MAX_FILE) as file:
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ModelFileError(f"{path} is damaged: it holds a line longer than any name")
            names.add(line.decode("utf-8", errors="replace").removesuffix("\n"))
    return frozenset(names - {""})
