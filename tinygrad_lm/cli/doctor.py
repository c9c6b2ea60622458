"""``tinygrad-lm doctor``: what draws pictures here, and how to get the rest."""

from __future__ import annotations

from tinygrad_lm.cli.parsing import Command, Options, Parser
from tinygrad_lm.interrupts import Later


def add_options(parser: Parser) -> None:
    """There are none."""


def run(options: Options) -> int:
    """Say which engines draw pictures here."""
    with Later():
        import visualize
        from tinygrad_lm.cli.console import Console
    with Later(second_at_once=True):  # it imports what it looks for
        found = visualize.doctor()
    Console()(found.rstrip())
    return 0


COMMAND = Command(
    "what draws pictures here, and how to get the rest",
    Options,
    add_options,
    run,
    examples=(("doctor", "engines, and formats"),),
)
