"""config.json, and whether the other files of a run are of the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from tinygrad_lm import __version__
from tinygrad_lm.models import LanguageModel, ModelFileError, disk, files
from tinygrad_lm.runs.folder import CONFIG, Folder, typed
from tinygrad_lm.training import Plan
from tinygrad_lm.training.plan import ADDED

MIXED = "mixed"
"""Where the configuration of a mixture says from which runs it came."""
PRESET = "preset"
"""Where a configuration says which preset of its family the model was asked for by, if by one."""


def save_config(
    folder: Folder,
    model: LanguageModel,
    data: dict[str, Any],
    plan: Plan | None,
    mixed: Sequence[Mapping[str, object]] | None = None,
    preset: str | None = None,
) -> dict[str, Any]:
    """Write config.json: the format, the model, the data, the training plan, and of a mixture which runs it came from.

    ``preset`` is the name of the settings that the model was asked for by. Returns what it says.
    """
    folder = Path(folder)
    config = {
        "format": files.FORMAT_VERSION,
        "package": __version__,
        "model": files.describe(model),
        "data": data,
        "training": None if plan is None else plan.to_json(),
        **({} if mixed is None else {MIXED: list(mixed)}),
        **({} if preset is None else {PRESET: preset}),
    }
    write_config(folder, config)
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write config.json. Raise ``ModelFileError`` where it would be longer than what is read back."""
    content = files.json_bytes(config)
    if len(content) > files.MAX_HEADER:
        raise ModelFileError(
            f"{folder / CONFIG} is not written: of {len(content):,} bytes, {files.MAX_HEADER:,} are read back; "
            "drop the names with rare characters"
        )
    disk.write_atomically(folder / CONFIG, content)


def mixed_from(config: Mapping[str, Any]) -> frozenset[str]:
    """The folders of the runs that a mixture came from, and of those that the mixtures among them came from."""
    found, left = set[str](), [config]
    while left:
        parts: object = left.pop().get(MIXED)
        for part in cast(list[object], parts) if isinstance(parts, list) else []:
            if isinstance(part, dict):
                told = cast(dict[str, Any], part)
                left.append(told)
                found |= {run for run in [told.get("run")] if isinstance(run, str)}
    return frozenset(found)


def name_of(config: Mapping[str, Any], model: LanguageModel) -> str:
    """What the model of a run was asked for by: a preset of its family, else the family."""
    preset: object = config.get(PRESET)
    return preset if isinstance(preset, str) and preset in model.presets else model.kind


def record_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of a run say of it: the format, the data but for their place, which may change, and the plan."""
    data = config["data"]
    if isinstance(data, dict):
        data = {key: value for key, value in cast(dict[str, Any], data).items() if key != "file"}
    return {"format": config["format"], "data": data, "training": config["training"]}


def check_same_run(
    config: Mapping[str, Any], metadata: Mapping[str, Any], folder: Path, name: str, other_steps: bool
) -> None:
    """Raise ``ModelFileError`` naming a setting in which config.json and another file of the run differ."""
    own = record_of(config)
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
