"""What ``tinygrad-lm doctor`` says about pictures: which engines are here, which one draws, and how to get the rest."""

from __future__ import annotations

import os
import shutil
import subprocess

from visualize.formats import engines


class Text(str):
    """Text that an interactive session shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self).rstrip()


def doctor() -> Text:
    """A report on the engines, as text."""
    lines = [f"Pictures of up to {engines.OWN} nodes are laid out by the layout that is built in, larger ones and", ""]
    lines[0] += " those in .png and .pdf by the first of these that is there:"
    wish = os.environ.get(engines.VARIABLE, "").strip()
    lines.append(f"  {engines.VARIABLE:<16} {'is ' + repr(wish) if wish else 'not set'}")
    path = shutil.which("dot")
    lines.append(f"  {'dot':<16} {path + '  ' + _dot_version(path) if path else 'not on the PATH'}")
    lines.append(f"  {'pygraphviz':<16} {_package('pygraphviz')}")
    lines.append(f"  {'builtin':<16} always here; draws .svg and .html, up to {engines.BUILT_IN} nodes")
    lines.append("")
    try:
        small, large = (engines.candidates(nodes=nodes)[0] for nodes in (0, engines.OWN + 1))
        lines.append(f"draw(...) uses: {_named(small)}" + ("" if small == large else f", and {_named(large)} for more"))
    except engines.DrawingError as error:
        lines.append(f"draw(...) cannot draw: {error}")
    native = path is not None or engines.installed("pygraphviz")
    lines.append(f".png and .pdf: {'yes' if native else 'no engine for them'}")
    if not native:
        lines += ["", engines.REMEDY + "."]
    return Text("\n".join(lines) + "\n")


def _named(engine: engines.Engine) -> str:
    return f"{engine.name} ({engine.path})" if engine.path else engine.name


def _dot_version(path: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [path, "-V"], capture_output=True, timeout=engines.LIMIT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer: {error}"
    # Graphviz writes its version to standard error.
    return (done.stderr or done.stdout).decode("utf-8", "replace").strip()


def _package(name: str) -> str:
    if not engines.installed(name):
        return f"not installed (pip install {name})"
    from importlib.metadata import PackageNotFoundError, version  # not above: it is slow to import

    try:
        return version(name)
    except PackageNotFoundError:
        return "installed"
