"""``tinygrad-lm source``: the backward pass of a function in a user's file, as a program."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tinygrad_lm.cli.inputs import InputOptions, add_inputs
from tinygrad_lm.cli.parsing import SEED, Command, Parser
from tinygrad_lm.interrupts import Later


class SourceOptions(InputOptions):
    """What ``source`` is told."""

    target: str
    seed: int = 0
    out: str | None = None


def add_options(parser: Parser) -> None:
    """Declare them."""
    parser.add_argument("target", metavar="FILE:FUNCTION", help="such as model.py:loss")
    add_inputs(parser)
    parser.add_argument(
        "--seed",
        type=SEED,
        metavar="N",
        help=f"decides the inputs, and so a branch that depends on them (default: {SourceOptions.seed})",
    )
    parser.add_argument("--out", metavar="FILE", help="write it into a new file (default: print it)")


def run(options: SourceOptions) -> int:
    """Print the program of a function in a user's file, or write it into a new file."""
    with Later():
        for name in ("anomaly", "symbols"):  # which are imported in the course of it
            import_module(f"tinygrad_lm.autograd.{name}")

        from tinygrad_lm import user_file
        from tinygrad_lm.cli.by_hand import source_of_file
        from tinygrad_lm.text import DataError
    if options.out is not None and Path(options.out).exists():
        raise DataError(f"{options.out} is there already; give another --out")
    try:
        program = source_of_file(options.target, options.input, options.seed)
    except Exception as error:
        raise DataError(user_file.own_error(error) or str(error)) from None
    if options.out is None:
        print(program, end="")
        return 0
    with Path(options.out).open("x", encoding="utf-8") as file:
        file.write(program)
    print(f"Written to {options.out}.")
    return 0


COMMAND = Command(
    "the backward pass of your own function, as a NumPy program",
    SourceOptions,
    add_options,
    run,
    examples=(
        ("source model.py:loss --input 3x4 --input 4", "print it"),
        ("source model.py:loss --input 3 --input 3 --out hand.py", "keep it"),
    ),
    takes="FILE:FUNCTION",
)
