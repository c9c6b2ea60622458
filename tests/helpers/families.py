"""The table of model families, kept as it was: what an example registers is not there for the next test."""

import contextlib

from tinygrad_lm.models.registry import FAMILIES


@contextlib.contextmanager
def kept():
    """Within, families may be registered; afterwards the table is what it was."""
    before = dict(FAMILIES)
    try:
        yield FAMILIES
    finally:
        FAMILIES.clear()
        FAMILIES.update(before)
