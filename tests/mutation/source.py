"""Bugs planted in the words of the source: one piece of a function's text in place of another."""

import inspect
import sys
import textwrap


def edited(owner, name, *pieces):
    """Plant each second piece in place of the one before it, which must stand once in the function (method, property).

    The function stays the same object, so that whoever imported it by name has the bug too.
    """

    def plant(patch):
        found = inspect.getattr_static(owner, name)
        function = bare(found)
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in zip(pieces[::2], pieces[1::2], strict=True):
            if source.count(old) != 1:
                raise LookupError(f"{old!r} stands {source.count(old)} times in {name}: the planted bug is out of date")
            source = source.replace(old, new)
        planted = {}
        code = compile("from __future__ import annotations\n" + source, f"<{name}>", "exec")
        exec(code, vars(sys.modules[function.__module__]), planted)
        patch.setattr(function, "__code__", bare(planted[function.__name__]).__code__)

    return plant


def bare(found):
    """The function in a property, in a method or behind a decorator."""
    return inspect.unwrap(getattr(found, "fget", None) or getattr(found, "__func__", None) or found)


def constant(owner, name, value):
    """Plant another value of a constant."""
    return lambda patch: patch.setattr(owner, name, value)
