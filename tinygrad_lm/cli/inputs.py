"""``--input``: what a user's function is given, in each command that takes one."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_lm.cli.parsing import Options, Parser


class InputOptions(Options):
    """What a command is told of the arguments of a function."""

    input: Sequence[str] = ()


def add_inputs(parser: Parser) -> None:
    """Declare it."""
    parser.add_argument(
        "--input",
        action="append",
        metavar="SHAPE",
        help="once for each argument: a shape (3x4), scalar or value; 5:0:1 has a range, from 0 to 1",
    )
