"""The rows of the table, by what ``--rows`` calls them; each is a function that gives its entries one by one."""

from collections.abc import Iterator
from importlib import import_module

from benchmarks.entries import Entry
from benchmarks.timing import Effort

ROWS = {
    "mlp": "mlp:rows",
    "gru": "recurrent:gru",
    "lstm": "recurrent:lstm",
    "transformer": "transformer:rows",
    "scalar": "scalar:rows",
    "microgpt": "microgpt:rows",
    "course": "course:rows",
    "names": "names:rows",
    "gradcheck": "gradcheck:rows",
    "import": "imports:rows",
    "memory": "memory:rows",
    "growth": "growth:rows",
    "threads": "threads:rows",
}
"""Where each stands."""


def entries(name: str, effort: Effort) -> Iterator[Entry]:
    """The entries of a row."""
    module, _, function = ROWS[name].partition(":")
    return getattr(import_module(f"benchmarks.rows.{module}"), function)(effort)
