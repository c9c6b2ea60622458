"""``tinygrad-lm gradcheck``: check a function in a user's file, or every operation of the package."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, get_args

from tinygrad_lm.cli.inputs import InputOptions, add_inputs
from tinygrad_lm.cli.parsing import SEED, Command, Parser, UsageError, option
from tinygrad_lm.interrupts import Later

Kinks = Literal["raise", "skip", "subgradient"]
Mode = Literal["auto", "full", "sample"]


class GradcheckOptions(InputOptions):
    """What ``gradcheck`` is told."""

    target: str | None = None
    order: int = 1
    kinks: Kinks = "raise"
    mode: Mode = "auto"
    seed: int = 0

    def check(self) -> None:
        """Refuse options that a check of the whole package would ignore."""
        for name in ("input", "order", "kinks", "mode"):
            if self.target is None and self.is_given(name):
                raise UsageError(
                    f"{option(name)} is for a function of your own: tinygrad-lm gradcheck FILE:FUNCTION "
                    f"{option(name)} ..."
                )


def add_options(parser: Parser) -> None:
    """Declare them."""
    told = GradcheckOptions
    parser.add_argument(
        "target", nargs="?", metavar="FILE:FUNCTION", help="such as model.py:loss (default: the package)"
    )
    add_inputs(parser)
    parser.add_argument(
        "--order",
        type=int,
        choices=[1, 2],
        help=f"2 checks the gradient's gradient too (default: {told.order})",
    )
    parser.add_argument(
        "--kinks",
        choices=get_args(Kinks),
        help=f"where the function has a corner, as relu at 0 (default: {told.kinks})",
    )
    parser.add_argument(
        "--mode", choices=get_args(Mode), help=f"all elements, or a sample of directions (default: {told.mode})"
    )
    parser.add_argument(
        "--seed", type=SEED, metavar="N", help=f"decides the inputs and the weights (default: {told.seed})"
    )


def run(options: GradcheckOptions) -> int:
    """Check a function in a user's file, or every operation of the package."""
    with Later():
        for name in ("anomaly", "symbols"):  # which are imported in the course of it
            import_module(f"tinygrad_lm.autograd.{name}")

        from tinygrad_lm import user_file
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.testing import GradientError
        from tinygrad_lm.testing.selfcheck import command
        from tinygrad_lm.text import DataError
    code = 0
    try:
        if options.target is None:
            found = command.check_package(options.seed)
        else:
            found = command.check_file(
                options.target,
                options.input,
                order=options.order,
                kinks=options.kinks,
                mode=options.mode,
                seed=options.seed,
            )
    except GradientError as error:
        found, code = str(error), 1
    except Exception as error:
        raise DataError(user_file.own_error(error) or str(error)) from None
    Console()(found)
    return code


COMMAND = Command(
    "check gradients: of your own function, or of every operation here",
    GradcheckOptions,
    add_options,
    run,
    examples=(
        ("gradcheck", "every operation"),
        ("gradcheck model.py:loss --input 3x4 --input 4", "your own"),
    ),
    takes="[FILE:FUNCTION]",
)
