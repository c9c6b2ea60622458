"""A user's Python file, run to take a function or a class out of it that the command line was given by name."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

SENTENCES = (ValueError, NotImplementedError)
"""What is raised with a sentence for a user, to which its name adds nothing."""
PREFIX = "tinygrad_lm_user_"
"""How the module of a user's file is called, before the name of the file."""


def load(target: str, what: str) -> Callable[..., object]:
    """The function, module object or class that ``path/to/file.py:name`` names, by running the file.

    Parameters
    ----------
    target
        The file, a colon, and the name, which may have dots.
    what
        What it is to be, for messages: ``"function"``.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a target without a file or name, a file that fails when it is run, and a name that it does not have or
        that cannot be called.
    """
    file, colon, name = target.rpartition(":")
    if not colon or not file or not name:
        raise ValueError(f"{target!r} does not name a {what}: write path/to/file.py:{what}")
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {file!r}")
    spec = importlib.util.spec_from_file_location(f"{PREFIX}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file!r} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # The file may import its neighbours, and define classes that look themselves up.
    sys.modules.pop(spec.name, None)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ValueError(f"{file!r} could not be run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        known = [key for key, x in vars(module).items() if callable(x) and getattr(x, "__module__", "") == spec.name]
        raise ValueError(f"{file!r} has no {name!r}; it has {', '.join(known) or 'none that could be meant'}")
    if not callable(found):
        raise ValueError(f"{name!r} in {file!r} is {type(found).__name__}, not a {what}")
    return found


def own_error(error: BaseException) -> str | None:
    """What a user's code raised is the user's to read: the error and its place, without our frames.

    ``None`` where no user's file had a part in it, nor a neighbour of one.
    """
    folders = {file.resolve().parent for file in _files()}
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if Path(frame.filename).resolve().parent in folders]
    if not theirs:
        return None
    return f"{type(error).__name__}: {error} ({theirs[-1].filename}, line {theirs[-1].lineno})"


def error_of_use(error: BaseException) -> str | None:
    """What the package raised as it used what a user's file defines; ``None`` where none was run."""
    what = str(error) if type(error) in SENTENCES else f"{type(error).__name__}: {error}"
    files = _files()
    return f"{what} (where the package uses what {files[-1].name} defines)" if files else None


def _files() -> list[Path]:
    """The files that were run, the last one last."""
    found = [module.__file__ for name, module in sys.modules.items() if name.startswith(PREFIX)]
    return [Path(file) for file in found if file]
