"""How a command declares itself: its options as a typed object, the numbers they take, its help with examples."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, NoReturn, TypeVar

from tinygrad_lm.checks import near
from tinygrad_lm.cli.terminal import printable

INTERRUPTED = 130
"""The exit code after Ctrl-C, by the convention of shells."""

Number = TypeVar("Number", int, float)


class UsageError(Exception):
    """Options that do not go together."""


class Options:
    """What a command is told: a subclass declares each option, with the value that it has where it is not given."""

    def __init__(self, **given: object) -> None:
        vars(self).update(given)

    def is_given(self, name: str) -> bool:
        """Whether the option was typed, be it with the value that it has anyway."""
        return name in vars(self)

    def check(self) -> None:
        """Raise ``UsageError`` where options do not go together."""


Told = TypeVar("Told", bound=Options)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line after that of usage, and do not act on the terminal by what they quote."""

    def error(self, message: str) -> NoReturn:
        """Exit as ``refuse`` says."""
        self.exit(self.refuse(message))

    def refuse(self, message: str) -> int:
        """Say how the command is used and what is wrong; the exit code of wrong usage."""
        print(f"{self.format_usage().rstrip()}, see {self.prog} --help", file=sys.stderr)
        print(f"{self.prog}: {printable(message[:2_000])}", file=sys.stderr)
        return 2

    def retell(self, name: str, help: str) -> None:
        """Say something else of an option, once more is known than when it was declared."""
        self._option_string_actions[name].help = help

    def meant(self, unknown: Iterable[str]) -> str:
        """Which option is spelled much like one of the arguments that none takes."""
        options = (argument.partition("=")[0] for argument in unknown if argument.startswith("-"))
        return next(filter(None, (near(each, self._option_string_actions) for each in options)), "")


def _nothing(*given: object) -> None:
    """What a command does that has no more options, or no more to say."""


class Command(NamedTuple, Generic[Told]):
    """A command: what its help says, its options, and what it does."""

    summary: str
    """A line in the list of commands, without a full stop."""
    options: type[Told]
    add_options: Callable[[Parser], None]
    """Declares the options to a parser; none needs a default, since ``options`` has it."""
    run: Callable[[Told], int]
    """Does it and returns the exit code. What is heavy is imported within, under ``Later``: there Ctrl-C can wait."""
    examples: Sequence[tuple[str, str]]
    """What may be typed after ``tinygrad-lm``, and what for: one or a few."""
    takes: str = ""
    """What stands beside the options, as the line of usage shows it: ``"RUN [FILE]"``."""
    add_more: Callable[[Parser, Sequence[str]], None] = _nothing
    """Declares the options that depend on what was typed, once it is known."""
    refuse: Callable[[Told, Sequence[str]], None] = _nothing
    """Raises ``UsageError`` for arguments that no option takes, where more can be said of them than that."""


def epilog(examples: Sequence[tuple[str, str]]) -> str:
    """The end of a help: what may be typed, and what for, in two columns."""
    width = max(len(typed) for typed, _ in examples)
    lines = [f"  tinygrad-lm {typed:<{width}}  # {purpose}" for typed, purpose in examples]
    return "\n".join(["examples:", *lines])


def option(name: str) -> str:
    """How an attribute of ``Options`` is typed: ``batch_size`` as ``--batch-size``."""
    return f"--{name.replace('_', '-')}"


def _number(kind: type[Number], low: float, high: float, what: str) -> Callable[[str], Number]:
    """An argparse type: a number within bounds, or a sentence."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text!r:.60} is not {what}")
        return value

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number in a range."""
    return _number(int, low, high, f"a whole number from {low:,} to {high:,}")


def decimal(low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number in a range."""
    return _number(float, low, high, f"a number from {low:g} to {high:g}")


def or_none(number: Callable[[str], float]) -> Callable[[str], float | None]:
    """An argparse type: a number, or the word none."""

    def parse(text: str) -> float | None:
        try:
            return None if text == "none" else number(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}, or none") from None

    return parse


COUNT = _number(int, 1, 10**9, "a whole number from 1 to 1,000,000,000")
LENGTH = _number(int, 0, 10**9, "a whole number from 0 to 1,000,000,000")
SEED = _number(int, 0, 10**18, "a whole number from 0 to 10**18")
RATE = _number(float, 0, math.inf, "a finite number from 0")
PROBABILITY = _number(float, 5e-324, 1, "a probability above 0 and at most 1")


def check_dashes(arguments: Sequence[str]) -> None:
    """Refuse ``--`` as a value, which argparse before Python 3.13 takes for no value at all."""
    ended = False
    for argument in arguments:
        found = re.fullmatch(r"(--[^=]+|-\w)=?--", argument)
        if ended and argument == "--":
            raise UsageError("'--' names no run and no file here; write ./-- for one of that name")
        if not ended and found is not None:
            raise UsageError(
                f"argument {found[1]:.60}: '--' is no value, since it ends the options; write ./-- for a file or "
                "folder of that name"
            )
        ended = ended or argument == "--"
