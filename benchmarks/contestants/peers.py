"""Which of the other packages are here; see ``benchmarks/requirements.txt``."""

import shutil
from importlib.util import find_spec

from benchmarks.timing import Effort

PEERS = ("torch", "jax", "autograd", "mygrad", "micrograd")
"""What is imported of the others."""


def present(name: str, effort: Effort) -> bool:
    """Whether another package takes part."""
    return not effort.tiny and find_spec(name) is not None


def compiles(effort: Effort) -> bool:
    """Whether ``torch.compile`` takes part."""
    return present("torch", effort) and _compiler()


def left_out(effort: Effort) -> list[str]:
    """A sentence for each that does not take part."""
    if effort.tiny:
        return ["No other package was measured: these are tiny sizes, which only show that all runs."]
    lines = [
        f"{name} is left out: it is not installed (pip install -r benchmarks/requirements.txt)."
        for name in PEERS
        if find_spec(name) is None
    ]
    if find_spec("torch") is not None and not _compiler():
        lines.append("torch.compile is left out: there is no C++ compiler.")
    return lines


def _compiler() -> bool:
    return any(shutil.which(name) for name in ("g++", "clang++", "cl"))
