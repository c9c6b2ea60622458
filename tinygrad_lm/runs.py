"""Run folders: model.safetensors, config.json, metrics.csv, log.txt, and the checkpoint to go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_lm import __version__
from tinygrad_lm.models import LanguageModel, ModelFileError, TrainableModel, files
from tinygrad_lm.training import Plan, Report, Trainer

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
METRICS = "metrics.csv"
LOG = "log.txt"
CHECKPOINT = "checkpoint.safetensors"
TRAINING_NAMES = "training_names.txt"
COLUMNS = "step,train_loss,validation_loss,lr,seconds"


class Run(NamedTuple):
    """A run read from its folder."""

    folder: Path
    model: LanguageModel
    config: dict[str, Any]
    training_names: frozenset[str]


def new_folder(out: str | None, kind: str) -> Path:
    """Make the folder of a new run: the one asked for, else the first free of runs/KIND-1, runs/KIND-2, ...

    Raises ``FileExistsError`` where the folder asked for holds something already, so that no run is lost.
    """
    if out is not None:
        folder = Path(out)
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            stopped = (folder / CHECKPOINT).exists()
            remedy = f", or go on with this stopped run: --resume {quoted(folder)}" if stopped else ""
            raise FileExistsError(f"{folder} exists and is not empty; give another --out{remedy}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    number = 1
    while True:
        folder = Path("runs") / f"{kind}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def quoted(folder: Path) -> str:
    """A folder as a shell takes it."""
    return f'"{folder}"' if " " in str(folder) else str(folder)


def fingerprint(names: Sequence[str]) -> str:
    """A hash of a list of names: whether a run goes on with the data it began with."""
    return hashlib.sha256("\n".join(names).encode("utf-8")).hexdigest()


def save_config(folder: Path, model: LanguageModel, data: dict[str, Any], plan: Plan | None) -> None:
    """Write config.json: the format, the model, the data, the training plan."""
    config = {
        "format": files.FORMAT_VERSION,
        "package": __version__,
        "model": files.describe(model),
        "data": data,
        "training": None if plan is None else plan.to_json(),
    }
    files.write_atomically(folder / CONFIG, files.json_bytes(config))


def save_names(folder: Path, names: Sequence[str]) -> None:
    """Write the names that the model learns from, to tell new ones by."""
    files.write_atomically(folder / TRAINING_NAMES, ("\n".join(names) + "\n").encode("utf-8"))


def save_weights(folder: Path, model: LanguageModel) -> None:
    """Write the model's arrays."""
    files.save_weights(model, folder / WEIGHTS)


def save_checkpoint(folder: Path, trainer: Trainer) -> None:
    """Write all that a stopped run needs to go on, and the best weights so far as the model."""
    arrays, state = trainer.state()
    ended = trainer.step == trainer.plan.steps and not trainer.stop  # stopped in the last step, the rest is to come
    metadata = {"model": files.describe(trainer.model), "state": state, "ended": ended}
    files.write_arrays(folder / CHECKPOINT, arrays, metadata)
    files.save_weights(trainer.model, folder / WEIGHTS, trainer.best)


def append_metrics(folder: Path, report: Report) -> None:
    """Add a line to metrics.csv."""
    path = folder / METRICS
    head = "" if path.exists() else COLUMNS + "\n"
    line = f"{report.step},{report.train_loss:.6f},{report.validation_loss:.6f},{report.lr:.6g},{report.seconds:.2f}\n"
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(head + line)


def truncate_metrics(folder: Path, step: int) -> None:
    """Drop the lines of metrics.csv after a step, which a resumed run writes again."""
    path = folder / METRICS
    if path.exists():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        kept = [line for line in lines if line.partition(",")[0].isdecimal() and int(line.partition(",")[0]) <= step]
        files.write_atomically(path, ("\n".join([COLUMNS, *kept]) + "\n").encode("utf-8"))


def _open_config(folder: Path, weights: str) -> tuple[dict[str, Any], LanguageModel]:
    if folder.is_file():
        raise ModelFileError(f"there is no run folder {str(folder)!r}: it is a file; the run comes first")
    if not folder.is_dir():
        raise ModelFileError(
            f"there is no run folder {str(folder)!r}; train one with: tinygrad-lm train --out {quoted(folder)}"
        )
    path = folder / CONFIG
    if not path.exists():
        raise ModelFileError(f"{folder} is no run folder: it has no {CONFIG}")
    if not (folder / WEIGHTS).exists() and not (folder / CHECKPOINT).exists():
        raise ModelFileError(
            f"{folder} has no {WEIGHTS}: it was stopped before anything was saved; delete it, or give another --out"
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
    return config, files.build(config.get("model"), path, folder / weights)


def load(folder: Path) -> Run:
    """Read a run: its model with the best weights. Raises ``ModelFileError`` saying what is wrong with it."""
    config, model = _open_config(folder, WEIGHTS)
    files.load_weights(model, folder / WEIGHTS)
    names = files.read_bytes(folder / TRAINING_NAMES, files.MAX_FILE).decode("utf-8", errors="replace")
    return Run(folder, model, config, frozenset(names.split("\n")) - {""})


def open_stopped(folder: Path, steps: int | None = None) -> tuple[dict[str, Any], TrainableModel, Plan]:
    """The configuration, an untrained model and the plan of a run to go on with.

    ``steps`` replaces the number of all steps of the plan, those done included, so that a finished run too goes on.
    """
    stopped = (folder / CHECKPOINT).exists()
    config, model = _open_config(folder, CHECKPOINT if stopped else WEIGHTS)
    if not isinstance(model, TrainableModel):
        raise ModelFileError(f"{folder} holds counts, which are made in one go: there is nothing to resume")
    if not stopped:
        raise ModelFileError(f"{folder} has no {CHECKPOINT}: its training has ended, so there is nothing to resume")
    try:
        plan = Plan.from_json(config["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{folder / CONFIG} has no training plan to resume: {error}") from None
    _, metadata = files.read_arrays(folder / CHECKPOINT)
    done = metadata.get("state", {}).get("step", 0)
    if steps is None and metadata.get("ended"):
        raise ModelFileError(
            f"{folder} has done all of its {plan.steps:,} steps, so its training has ended; to go on, give a larger "
            f"number of steps in all: --resume {quoted(folder)} --steps N"
        )
    if steps is not None and steps <= done:
        raise ModelFileError(
            f"{folder} has done {done:,} steps already; --steps is how many there are in all, so give more"
        )
    plan = plan if steps is None else replace(plan, steps=steps)
    return {**config, "training": plan.to_json()}, model, plan


def restore(folder: Path, trainer: Trainer) -> None:
    """Bring a trainer to where its run was stopped."""
    path = folder / CHECKPOINT
    arrays, metadata = files.read_arrays(path)
    files.check_description(trainer.model, metadata, path)
    try:
        trainer.resume(arrays, metadata["state"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{path} does not fit its run: {error}") from None
    truncate_metrics(folder, trainer.step)
    config = files.read_json(folder / CONFIG)
    longer = {**config, "training": trainer.plan.to_json()}
    if longer != config:
        files.write_atomically(folder / CONFIG, files.json_bytes(longer))
    for name in (WEIGHTS, CONFIG, METRICS, CHECKPOINT, TRAINING_NAMES):
        for left in folder.glob(f".{name}.*.tmp"):  # by a process that was killed while it saved
            left.unlink(missing_ok=True)


def known() -> list[str]:
    """The run folders below ``runs``, as they are named on the command line, by family and number."""
    home = Path("runs")
    found = [path for path in home.iterdir() if (path / CONFIG).is_file()] if home.is_dir() else []
    return [quoted(path) for path in sorted(found, key=_place)]


def _place(folder: Path) -> tuple[str, int, str]:
    family, _, number = folder.name.rpartition("-")
    numbered = number.isdecimal() and len(number) < 18
    return (family, int(number), folder.name) if numbered else (folder.name, 0, "")
