"""What training shows while it runs: a bar in a terminal or a notebook, and nowhere else."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

FORM = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {remaining}"
"""The description, which is the losses, first: where the terminal is narrow the bar is cut, not they."""


def bar(total: int, done: int, show: bool | None = None, *, leave: bool = True) -> tqdm[NoReturn]:
    """A tqdm bar over ``total`` steps, of which ``done`` are done already.

    Parameters
    ----------
    show
        Whether it is visible; by default in a terminal or a notebook. A hidden bar ignores what it is told.
    leave
        Whether it stays when it is done.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # in a notebook without ipywidgets the bar is of text
        from tqdm.auto import tqdm

    shown = _is_watched() if show is None else show and sys.stderr is not None
    return tqdm(total=total, initial=done, disable=not shown, bar_format=FORM, leave=leave, dynamic_ncols=True)


def losses(train: float, validation: float) -> str:
    """The description of a bar, in nats a character."""
    return f"validation {validation:.3f}, train {train:.3f}, "


def _is_watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook, which shows bars of its own."""
    if sys.stderr is None:
        return False
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return sys.stderr.isatty() or (shell is not None and "IPKernelApp" in shell.config)
