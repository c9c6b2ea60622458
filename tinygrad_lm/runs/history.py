"""What a run notes on its way: metrics.csv and log.txt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tinygrad_lm.models import disk, files
from tinygrad_lm.runs.folder import LOG, METRICS, Folder
from tinygrad_lm.runs.record import MIXED
from tinygrad_lm.training import Report

COLUMNS = "step,train_loss,validation_loss,lr,seconds"
ROW = re.compile(rb"(\d{1,18})(,[^,\n]+){4}\n")


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


def seconds_of_training(folder: Folder, config: Mapping[str, Any]) -> float | None:
    """How long a run was trained, or all those that it was mixed from; ``None`` where nothing tells, as of counts."""
    if reports := metrics(folder):
        return reports[-1].seconds
    found: object = config.get(MIXED)
    parts = cast(list[object], found) if isinstance(found, list) else []
    told = [cast(dict[str, object], part).get("seconds") for part in parts if isinstance(part, dict)]
    known = [each for each in told if type(each) is float and math.isfinite(each)]
    return sum(known) if known else None
