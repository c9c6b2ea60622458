"""The programs that can lay out a graph, asked in a fixed order: what is there, and what each one drew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

LIMIT = 20.0
"""Seconds that a layout may take before it is stopped."""

PYGRAPHVIZ = 400
"""Graphs of more nodes are not given to pygraphviz: it may take all that time, and the built-in layout is quick."""

OWN = 250
"""Up to so many nodes the built-in layout comes first: it is quick, it is the same on every machine, and it keeps the
main path of a graph straight."""

BUILT_IN = 600
"""Graphs of more nodes are not given to the built-in layout."""

VARIABLE = "TINYGRAD_LM_DOT"
"""The environment variable that names an engine, or the path of Graphviz's ``dot``."""

NAMES = ("dot", "pygraphviz", "builtin")

REMEDY = (
    "Install Graphviz with one of: 'pip install pygraphviz' (Graphviz in a wheel), 'apt install graphviz', "
    "'brew install graphviz', 'winget install graphviz'; or save as .svg, .html, .dot or .json, which need nothing"
)


_PYGRAPHVIZ = """
import sys
form, sys.path[:] = sys.argv[1], sys.argv[2:]
try:
    import pygraphviz
    drawn = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8")).draw(format=form, prog="dot")
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
sys.stdout.buffer.write(drawn)
"""
"""What another process runs: in this one nothing could stop a layout, or hide what Graphviz's libraries print in C."""


class DrawingError(RuntimeError):
    """No engine could draw the picture; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to lay out a graph."""

    name: str
    """``dot``, ``pygraphviz`` or ``builtin``."""
    path: str = ""
    """Where ``dot`` is."""


def candidates(engine: str = "auto", nodes: int = 0) -> list[Engine]:
    """The engines to try for a graph of so many nodes, in order: the one asked for, or else all that are there.

    Raises
    ------
    DrawingError
        Where the one asked for is not there.
    """
    chosen = engine
    if chosen == "auto":
        chosen = os.environ.get(VARIABLE, "").strip() or "auto"
    if chosen == "auto":
        found = [Engine("dot", path) for path in (shutil.which("dot"),) if path]
        if installed("pygraphviz"):
            found.append(Engine("pygraphviz"))
        return [Engine("builtin"), *found] if nodes <= OWN else [*found, Engine("builtin")]
    origin = f"{VARIABLE} is" if engine == "auto" else "engine is"
    if chosen == "builtin":
        return [Engine("builtin")]
    if chosen == "pygraphviz":
        if not installed("pygraphviz"):
            raise DrawingError(f"{origin} 'pygraphviz', which is not installed: pip install pygraphviz")
        return [Engine("pygraphviz")]
    path = shutil.which(chosen)
    if path is None:
        what = "which is not on the PATH" if chosen == "dot" else "which is neither an engine nor a program to run"
        raise DrawingError(f"{origin} {chosen!r}, {what}; give one of {', '.join(NAMES)} or the path of dot. {REMEDY}")
    return [Engine("dot", path)]


def run(engine: Engine, dot: str, form: str, nodes: int) -> bytes:
    """Let Graphviz draw DOT text as ``svg``, ``png`` or ``pdf``, in a process of its own with a time limit.

    What Graphviz and the libraries under it print is kept from the terminal, and becomes the message where they fail.

    Raises
    ------
    DrawingError
        Where the graph has too many nodes for the engine, and where that fails, takes too long or cannot be started.
    """
    if engine.name == "dot":
        return _drawn([engine.path, f"-T{form}"], dot, f"{engine.path} -T{form}")
    if nodes > PYGRAPHVIZ:
        raise DrawingError(
            f"{nodes} nodes are too many for pygraphviz (the limit is {PYGRAPHVIZ}); draw fewer (depth=1, "
            "max_nodes=150, focus=...) or install Graphviz's dot"
        )
    if not sys.executable or getattr(sys, "frozen", False):
        raise DrawingError(
            "pygraphviz is run by Python in a process of its own, but this program brings no Python that could be "
            f"started: install Graphviz's dot. {REMEDY}"
        )
    path = filter(None, sys.path)
    return _drawn([sys.executable, "-I", "-c", _PYGRAPHVIZ, form, *path], dot, "pygraphviz")


def _drawn(command: Sequence[str], dot: str, name: str) -> bytes:
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=dot.encode("utf-8"),
            capture_output=True,
            timeout=LIMIT,
            check=False,
            creationflags=hidden,
        )
    except subprocess.TimeoutExpired:
        raise DrawingError(
            f"{name} took more than {LIMIT:g} s and was stopped; draw fewer nodes: depth=1, max_nodes=150, or focus=..."
        ) from None
    except OSError as error:
        raise DrawingError(f"{name} could not be started: {error}") from None
    if done.returncode or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = "\n".join(line for line in lines if not line.startswith("Fontconfig warning"))
        raise DrawingError(f"{name} failed with exit code {done.returncode}: {said or 'it wrote nothing'}")
    return done.stdout


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package) is not None
