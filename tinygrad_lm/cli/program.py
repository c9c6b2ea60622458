"""The program ``tinygrad-lm``: finds the command, runs it, and says each error that a user may meet as a sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tinygrad_lm import __version__
from tinygrad_lm.checks import near
from tinygrad_lm.cli import ranks
from tinygrad_lm.cli.parsing import INTERRUPTED, Command, Options, Parser, UsageError, check_dashes, epilog
from tinygrad_lm.cli.terminal import printable
from tinygrad_lm.interrupts import Later

COMMANDS = (
    "train",
    "sample",
    "evaluate",
    "compare",
    "mix",
    "gradcheck",
    "source",
    "doctor",
)
"""The commands in the order of the help; each is a module of this package with a ``COMMAND``."""

EXAMPLES = (
    ("train", "learn the bundled names, write new ones"),
    ("sample runs/mlp-1", "more of them"),
)


def command_of(name: str) -> Command[Options]:
    """The command of that name."""
    return import_module(f"tinygrad_lm.cli.{name}").COMMAND


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """All commands and their options; where the arguments begin with a command, only that one, with all it has."""
    return _parsers(arguments)[0]


def _parsers(arguments: Sequence[str], with_more: bool = True) -> tuple[Parser, Parser]:
    """The parser of the program, and that of the command which the arguments begin with, or else the former again.

    ``with_more`` says whether it has the options that depend on the arguments, which may be wrong.
    """
    top = Parser(
        prog="tinygrad-lm",
        description="Train character language models of names, sample from them, evaluate them.",
        epilog=epilog(EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tinygrad-lm {__version__}")
    commands, asked = top.add_subparsers(dest="command", required=True, metavar="COMMAND"), top
    for name in [name for name in COMMANDS if name in arguments[:1]] or COMMANDS:
        command = command_of(name)
        own = commands.add_parser(
            name,
            usage=" ".join(["%(prog)s [-h]", *filter(None, [command.takes]), "[OPTION ...]"]),
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=epilog(command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,  # what is not given has the value that the command's Options declare
        )
        command.add_options(own)
        if arguments[:1] == [name]:
            asked = own
            if with_more:
                command.add_more(own, arguments[1:])
    return top, asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0 when done, 1 after a failure, 2 for wrong usage, 130 after Ctrl-C."""
    _prepare_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    here = ranks.place()
    return _main(given) if here is None or here.size == 1 else ranks.run(here, given, _main)


def _main(given: Sequence[str]) -> int:
    try:
        with Later():  # argparse imports as it goes, and the commands are imported
            command, options = _parsed(given)
        return _run(command, options)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except UsageError as error:
        return _parsers(given, with_more=False)[1].refuse(str(error))
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (as 'head' does): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parsed(arguments: Sequence[str]) -> tuple[Command[Options], Options]:
    """The command, and its options, which go together; ``UsageError``, or ``SystemExit`` after a message, if not."""
    check_dashes(arguments)
    _check_command(arguments)
    top, asked = _parsers(arguments)
    known, unknown = top.parse_known_args(arguments)
    given = vars(known)
    command = command_of(given.pop("command"))
    options = command.options(**given)
    if unknown:
        command.refuse(options, unknown)
        asked.error(f"unrecognized arguments: {' '.join(unknown)}{asked.meant(unknown)}")
    options.check()
    return command, options


def _check_command(arguments: Sequence[str]) -> None:
    """Refuse a first word that is no command."""
    for word in arguments[:1]:
        if word not in COMMANDS and not word.startswith("-"):
            known = near(word, COMMANDS) or f" (choose from {', '.join(COMMANDS)})"
            raise UsageError(f"argument COMMAND: invalid choice: {word!r:.60}{known}")


def _run(command: Command[Options], options: Options) -> int:
    try:
        return command.run(options)
    except (UsageError, BrokenPipeError):
        raise
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        return _say(sentence, 1)


def _sentence(error: Exception) -> str | None:
    """What a user is told whose data, files, code or machine are the cause; None where the program is."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for a model or data of this size; choose smaller ones"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    with Later():
        from tinygrad_lm import user_file
        from tinygrad_lm.models import ModelFileError
        from tinygrad_lm.models.ways import ModelError
        from tinygrad_lm.text import DataError
        from tinygrad_lm.training import TrainingError
    if isinstance(error, DataError | ModelError | ModelFileError | TrainingError):
        return str(error)
    return user_file.own_error(error) or user_file.error_of_use(error)


def _say(what: str, code: int) -> int:
    print(f"tinygrad-lm: {printable(what[:2_000])}", file=sys.stderr)
    return code


def _prepare_streams() -> None:
    """What is printed never fails to be encoded, and goes nowhere where the stream is closed (``2>&-``)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # print would take the other one
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
