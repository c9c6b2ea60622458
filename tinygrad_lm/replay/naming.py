"""What a tape tells whoever reads it: what runs of calls are about, and how the formulas themselves call arrays."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_lm.autograd import graph

BLAND = frozenset(
    {"a", "array", "b", "contribution", "found", "g", "gradient", "out", "part", "plain", "product", "result", "x", "y"}
)
"""Names of local variables that say nothing."""

_FORMULAS = os.path.dirname(graph.__file__)  # noqa: PTH120 (compared with a frame's text)


@dataclass(frozen=True, eq=False)
class Section:
    """What a run of calls is about, for whoever reads them."""

    part: str
    """``forward``, ``backward`` or ``update``."""
    title: str


def locals_of_formula(tracing: str) -> Mapping[str, object]:
    """The local variables of the formula that is run, by the names that say something.

    Parameters
    ----------
    tracing
        The file of what traces it, whose functions are between.
    """
    frame = inspect.currentframe()
    skipped = __file__, tracing
    while frame is not None and (frame.f_code.co_filename.startswith(skipped) or "<" in frame.f_code.co_name):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_filename.startswith(_FORMULAS):
        return {}
    return {name: value for name, value in frame.f_locals.items() if name not in BLAND}
