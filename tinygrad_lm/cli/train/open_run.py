"""``OpenRun``: a run that this process has locked and works on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_lm.cli.names import Source
from tinygrad_lm.text import Split


class OpenRun(NamedTuple):
    """A run that this process has locked: its folder, its configuration, and its names."""

    folder: Path
    config: Mapping[str, Any]
    data: Source
    split: Split
    seed: int
    """What decided the weights and the batches, which need not have decided the split."""
    model: str
    """The option that names the family to a command on this run; nothing for those of the package."""
    name: str
    """What the model was asked for by: a preset of its family, else the family."""
    mix: bool = False
    """Whether it is mixed with counts at its end."""
    out: str | None = None
    """The folder that was asked for, after which those of the counts and the mixture are called."""
