"""Rooms whose files are imported when something of them is first asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module


def attribute(room: str, homes: Mapping[str, str], name: str) -> object:
    """What a room has under a name: imported from the file where it lives, and then an attribute of the room.

    Parameters
    ----------
    room
        The room's module: ``__name__`` in its ``__init__.py``.
    homes
        In which file of the room each name lives; a file itself has no home but itself.
    name
        What was asked for.

    Raises
    ------
    AttributeError
        For a name without a home.
    """
    if name not in homes:
        raise AttributeError(f"module {room!r} has no attribute {name!r}")
    home = import_module(f"{room}.{homes[name]}")
    value = home if homes[name] == name else getattr(home, name)
    setattr(sys.modules[room], name, value)
    return value
