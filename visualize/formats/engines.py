"""The programs that can lay out a graph, asked in a fixed order: what is there, and what each one drew."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec

LIMIT = 20.0
"""Seconds that a layout may take before it is stopped."""

IN_PROCESS = 400
"""Graphs of more nodes are not given to pygraphviz: it cannot be stopped once it has begun."""

BUILT_IN = 600
"""Graphs of more nodes are not given to the built-in layout."""

VARIABLE = "TINYGRAD_LM_DOT"
"""The environment variable that names an engine, or the path of Graphviz's ``dot``."""

NAMES = ("dot", "pygraphviz", "builtin")

REMEDY = (
    "Install Graphviz with one of: 'pip install pygraphviz' (Graphviz in a wheel), 'apt install graphviz', "
    "'brew install graphviz', 'winget install graphviz'; or save as .svg, .html, .dot or .json, which need nothing"
)


class DrawingError(RuntimeError):
    """No engine could draw the picture; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to lay out a graph."""

    name: str
    """``dot``, ``pygraphviz`` or ``builtin``."""
    path: str = ""
    """Where ``dot`` is."""


def candidates(engine: str = "auto") -> list[Engine]:
    """The engines to try, in order: the one asked for, or else all that are there."""
    chosen = engine
    if chosen == "auto":
        chosen = os.environ.get(VARIABLE, "").strip() or "auto"
    if chosen == "auto":
        found = [Engine("dot", path) for path in (shutil.which("dot"),) if path]
        if installed("pygraphviz"):
            found.append(Engine("pygraphviz"))
        return [*found, Engine("builtin")]
    origin = f"{VARIABLE} is" if engine == "auto" else "engine is"
    if chosen == "builtin":
        return [Engine("builtin")]
    if chosen == "pygraphviz":
        if not installed("pygraphviz"):
            raise DrawingError(f"{origin} 'pygraphviz', which is not installed: pip install pygraphviz")
        return [Engine("pygraphviz")]
    path = shutil.which(chosen)
    if path is None:
        what = "which is not on the PATH" if chosen == "dot" else "which is no engine and no program to run"
        raise DrawingError(f"{origin} {chosen!r}, {what}; give one of {', '.join(NAMES)} or the path of dot. {REMEDY}")
    return [Engine("dot", path)]


def run(engine: Engine, dot: str, form: str, nodes: int) -> bytes:
    """Let Graphviz draw DOT text as ``svg``, ``png`` or ``pdf``."""
    if engine.name == "dot":
        return _run_dot(engine.path, dot, form)
    if nodes > IN_PROCESS:
        raise DrawingError(
            f"{nodes} nodes are too many for pygraphviz, which cannot be stopped once it lays out a graph "
            f"(the limit is {IN_PROCESS}); draw fewer (depth=1, max_nodes=150, focus=...) or install Graphviz's dot"
        )
    return _run_pygraphviz(dot, form)


def _run_dot(path: str, dot: str, form: str) -> bytes:
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(  # noqa: S603
            [path, f"-T{form}"],
            input=dot.encode("utf-8"),
            capture_output=True,
            timeout=LIMIT,
            check=False,
            creationflags=hidden,
        )
    except subprocess.TimeoutExpired:
        raise DrawingError(
            f"{path} took more than {LIMIT:g} s and was stopped; draw fewer nodes: depth=1, max_nodes=150, or focus=..."
        ) from None
    except OSError as error:
        raise DrawingError(f"{path} could not be started: {error}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise DrawingError(f"{path} -T{form} failed with exit code {done.returncode}: {said or 'it wrote nothing'}")
    return done.stdout


def _run_pygraphviz(dot: str, form: str) -> bytes:
    try:
        import pygraphviz  # pyright: ignore[reportMissingImports]

        drawn = pygraphviz.AGraph(string=dot).draw(format=form, prog="dot")  # pyright: ignore
    except Exception as error:
        raise DrawingError(f"pygraphviz failed: {error}") from error
    if not isinstance(drawn, bytes) or not drawn:
        raise DrawingError(f"pygraphviz drew nothing as {form}")
    return drawn


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package) is not None
