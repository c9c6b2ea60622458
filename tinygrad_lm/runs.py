"""Run folders: model.safetensors, config.json, metrics.csv, log.txt, and the checkpoint to go on from."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from tinygrad_lm import __version__, locking
from tinygrad_lm.models import LanguageModel, ModelFileError, TrainableModel, disk, files, loading
from tinygrad_lm.models.saving import WEIGHTS
from tinygrad_lm.optim import Adam
from tinygrad_lm.training import Plan, Report, Trainer
from tinygrad_lm.training import fingerprint as fingerprint
from tinygrad_lm.training.plan import ADDED

CONFIG = "config.json"
METRICS = "metrics.csv"
LOG = "log.txt"
CHECKPOINT = "checkpoint.safetensors"
TRAINING_NAMES = "training_names.txt"
PICTURES = ("graph.dot", "graph.svg", "graph.html")
COLUMNS = "step,train_loss,validation_loss,lr,seconds"

Folder = str | os.PathLike[str]

ROW = re.compile(rb"(\d{1,18})(,[^,\n]+){4}\n")
MAX_LINE = 1 << 20
"""How long a name is at most in a file of a run, in bytes."""


class Run(NamedTuple):
    """A run read from its folder."""

    folder: Path
    model: LanguageModel
    config: dict[str, Any]
    training_names: frozenset[str]

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {type(self.model).__name__}, {len(self.training_names):,} training names)"


def new_folder(out: Folder | None, kind: str) -> Path:
    """Make the folder of a new run: the one asked for, else the first free of runs/KIND-1, runs/KIND-2, ...

    Raises
    ------
    FileExistsError
        Where the folder asked for holds something already, so that no run is lost, and where something that is no
        folder has its name.
    """
    if out is not None:
        folder = Path(out)
        if folder.is_dir() and (who := locking.holder(folder)) is not None:
            raise FileExistsError(f"{folder} is the run that {who} is training; give another --out")
        check_free(folder)
        _make(folder, "give another --out")
        return folder
    home = Path("runs")
    _make(home, "remove it, or say where the run goes: --out DIR")
    taken = {path.name.lower() for path in home.iterdir()}  # a link that leads nowhere takes its name too
    for number in itertools.count(1):
        folder = home / f"{kind}-{number}"
        if folder.name.lower() not in taken:
            try:
                folder.mkdir()
            except FileExistsError:  # by another process, since we looked
                continue
            return folder
    raise AssertionError("there is no last number")


def check_free(folder: Path) -> None:
    """Raise ``FileExistsError`` where the folder of a new run holds something (but a lock), or is a file."""
    if folder.is_file() or (folder.is_dir() and any(path.name != locking.LOCK for path in folder.iterdir())):
        raise FileExistsError(f"{folder} {_taken(folder)}")


def _make(folder: Path, remedy: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        what = Path(error.filename or folder)  # it may be a folder above
        raise FileExistsError(f"{what} is there and is no folder; {remedy}") from None


def _taken(folder: Path) -> str:
    """Why a folder that holds something cannot be that of a new run, and what can be done."""
    try:
        ended = files.read_metadata(folder / CHECKPOINT)["ended"]
    except (ModelFileError, KeyError):
        return "exists and is not empty; give another --out"
    which, steps = ("finished", " --steps N") if ended else ("stopped", "")
    return (
        f"exists and is not empty; give another --out, or go on with this {which} run: --resume {typed(folder)}{steps}"
    )


def typed(folder: Folder) -> str:
    """A folder as it is typed into a shell, which takes it for that folder and nothing else."""
    path = str(Path(folder))
    path = f".{os.sep}{path}" if path.startswith("-") else path
    if os.name == "posix":
        return shlex.quote(path)
    return f'"{path}"' if " " in path else path


def save_config(folder: Folder, model: LanguageModel, data: dict[str, Any], plan: Plan | None) -> dict[str, Any]:
    """Write config.json: the format, the model, the data, the training plan. Returns what it says."""
    folder = Path(folder)
    config = {
        "format": files.FORMAT_VERSION,
        "package": __version__,
        "model": files.describe(model),
        "data": data,
        "training": None if plan is None else plan.to_json(),
    }
    _write_config(folder, config)
    return config


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    content = files.json_bytes(config)
    if len(content) > files.MAX_HEADER:
        raise ModelFileError(
            f"{folder / CONFIG} is not written: of {len(content):,} bytes, {files.MAX_HEADER:,} are read back; "
            "drop the names with rare characters"
        )
    disk.write_atomically(folder / CONFIG, content)


def save_names(folder: Folder, names: Sequence[str]) -> None:
    """Write the names that the model learns from, to tell new ones by."""
    folder = Path(folder)
    lines = [name.encode("utf-8") + b"\n" for name in names]
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE:
        raise ModelFileError(f"a name of {longest:,} bytes is longer than any name; drop it with --max-length")
    disk.write_atomically(folder / TRAINING_NAMES, b"".join(lines))


def _read_names(path: Path) -> frozenset[str]:
    names: set[str] = set()
    with disk.reading(path, files.MAX_FILE) as file:
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ModelFileError(f"{path} is damaged: it holds a line longer than any name")
            names.add(line.decode("utf-8", errors="replace").removesuffix("\n"))
    return frozenset(names - {""})


def _record(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of a run say of it: the format, the data but for their place, which may change, and the plan."""
    data = config["data"]
    if isinstance(data, dict):
        data = {key: value for key, value in cast(dict[str, Any], data).items() if key != "file"}
    return {"format": config["format"], "data": data, "training": config["training"]}


def save_weights(folder: Folder, model: LanguageModel, config: Mapping[str, Any]) -> None:
    """Write the model's arrays, and what run they are of."""
    folder = Path(folder)
    files.save_weights(model, folder / WEIGHTS, metadata={"run": _record(config)})


def save_checkpoint(folder: Folder, trainer: Trainer, config: Mapping[str, Any]) -> None:
    """Write all that the run needs to go on, and the best weights so far as the model."""
    folder = Path(folder)
    arrays, state = trainer.state()
    record = {**_record(config), "training": trainer.plan.to_json()}
    ended = trainer.step == trainer.plan.steps and not trainer.stop  # stopped in the last step, the rest is to come
    metadata = {"model": files.describe(trainer.model), "state": state, "run": record, "ended": ended}
    files.write_arrays(folder / CHECKPOINT, arrays, metadata)
    files.save_weights(trainer.model, folder / WEIGHTS, trainer.best, {"run": record})


def append_log(folder: Folder, text: str) -> None:
    """Add to log.txt."""
    folder = Path(folder)
    disk.append_text(folder / LOG, text)


def append_metrics(folder: Folder, report: Report) -> None:
    """Add a line to metrics.csv."""
    folder = Path(folder)
    path = folder / METRICS
    head = "" if path.exists() else COLUMNS + "\n"
    line = f"{report.step},{report.train_loss:.6f},{report.validation_loss:.6f},{report.lr:.6g},{report.seconds:.2f}\n"
    disk.append_text(path, head + line)


def truncate_metrics(folder: Folder, step: int) -> None:
    """Drop the lines of metrics.csv after a step, which a resumed run writes again, and what is no whole line."""
    folder = Path(folder)
    path = folder / METRICS
    if path.exists():
        kept = [COLUMNS.encode() + b"\n"]
        with disk.reading(path, files.MAX_FILE) as file:
            while line := file.readline(1_000):
                row = ROW.fullmatch(line)
                if row and int(row[1]) <= step:
                    kept.append(line)
        disk.write_atomically(path, b"".join(kept))


def metrics(folder: Folder) -> list[Report]:
    """The reports of a run in metrics.csv, where losses are rounded to six decimals; other lines are left out."""
    path = Path(folder) / METRICS
    if not path.exists():
        return []
    found: list[Report] = []
    with disk.reading(path, files.MAX_FILE) as file:
        while line := file.readline(1_000):
            if ROW.fullmatch(line):
                step, *numbers = line.split(b",")
                with suppress(ValueError):
                    found.append(Report(int(step), *map(float, numbers)))
    return found


def _check_same_run(
    config: Mapping[str, Any], metadata: Mapping[str, Any], folder: Path, name: str, other_steps: bool
) -> None:
    """Raise ``ModelFileError`` naming a setting in which config.json and another file of the run differ."""
    own = _record(config)
    try:
        record = {section: metadata["run"][section] for section in own}
    except (KeyError, TypeError):
        raise ModelFileError(f"{folder / name} is damaged: it does not say which run it is of") from None
    both = _flat(own), _flat(record)
    for section, key in sorted({*both[0], *both[1]}):
        # As text: None is not the same as nothing at all, nor True as 1.
        one, other = (f"{key} {flat[section, key]!r}" if (section, key) in flat else f"no {key}" for flat in both)
        if one != other and not (other_steps and (section, key) == ("training", "steps")):
            remedy = f"--resume {typed(folder)} --steps N gives it a new number, " if key == "steps" else ""
            raise ModelFileError(
                f"{folder / CONFIG} says {one:.80}, but {name} was written under {other:.80}: one of "
                f"them was changed, or is another run's; {remedy}set it back, or train anew"
            )


def _flat(record: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """The settings of a record by section and name; those that an earlier version's plan lacks have their defaults."""
    flat: dict[tuple[str, str], Any] = {}
    for section, content in record.items():
        inner = cast(dict[str, Any], content) if isinstance(content, dict) else {section: content}
        if section == "training" and isinstance(content, dict):
            inner = {**ADDED, **inner}
        flat |= {(section, key): value for key, value in inner.items()}
    return flat


def locked(folder: Folder) -> AbstractContextManager[None]:
    """Within, nobody else trains the run.

    Raises
    ------
    BlockingIOError
        Naming the process where one does already.
    """
    folder = Path(folder)
    _check_folder(folder)
    return locking.locked(folder)


def _check_folder(folder: Path) -> None:
    if folder.is_file():
        raise ModelFileError(f"there is no run folder {str(folder)!r}: it is a file; the run comes first")
    if not folder.is_dir():
        raise ModelFileError(
            f"there is no run folder {str(folder)!r}; train one with: tinygrad-lm train --out {typed(folder)}"
        )


def _open_config(folder: Path, weights: str) -> tuple[dict[str, Any], LanguageModel]:
    _check_folder(folder)
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
    return config, loading.build(config.get("model"), path, folder / weights)


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
        _check_same_run(config, metadata, folder, WEIGHTS, other_steps=True)
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
    _check_folder(folder)
    for name in (WEIGHTS, CONFIG, METRICS, LOG, CHECKPOINT, TRAINING_NAMES, locking.LOCK, *PICTURES):
        disk.check_writable(folder / name)
    path = folder / CHECKPOINT
    stopped = path.exists()
    config, model = _open_config(folder, CHECKPOINT if stopped else WEIGHTS)
    if not isinstance(model, TrainableModel):
        raise ModelFileError(f"{folder} holds counts, which are made in one go: there is nothing to resume")
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
    _check_same_run(config, metadata, folder, CHECKPOINT, other_steps=steps is not None)
    if steps is not None:
        try:
            plan = replace(plan, steps=steps)
        except ValueError as error:
            raise ModelFileError(f"{folder} cannot end after {steps:,} steps: {error}") from None
        config = {**config, "training": plan.to_json()}
    _check_left(folder, metadata, plan, steps)
    return config, model, plan


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
        _write_config(folder, longer)


def known() -> list[str]:
    """The run folders below ``runs``, as they are named on the command line, by family and number."""
    home = Path("runs")
    found = [path for path in home.iterdir() if (path / CONFIG).is_file()] if home.is_dir() else []
    return [typed(path) for path in sorted(found, key=_place)]


def _place(folder: Path) -> tuple[str, int, str]:
    family, _, number = folder.name.rpartition("-")
    numbered = number.isdecimal() and len(number) < 18
    return (family, int(number), folder.name) if numbered else (folder.name, 0, "")
