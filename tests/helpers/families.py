"""The tables of families and of tokenizers, kept as they were: what an example adds is not there for the next test."""

import contextlib

from tinygrad_lm.models.registry import FAMILIES
from tinygrad_lm.text import TOKENIZERS


@contextlib.contextmanager
def kept():
    """Within, families and tokenizers may be added; afterwards the tables are what they were."""
    before = dict(FAMILIES), dict(TOKENIZERS)
    try:
        yield FAMILIES
    finally:
        FAMILIES.clear()
        FAMILIES.update(before[0])
        TOKENIZERS.clear()
        TOKENIZERS.update(before[1])
