"""The command ``tinygrad-lm``: its options, and the errors a user may meet, each as a sentence."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_lm import __version__
from tinygrad_lm.interrupts import Later
from tinygrad_lm.terminal import printable

INTERRUPTED = 130
"""The exit code after Ctrl-C, by the convention of shells."""

NGRAMS = {"unigram": 1, "bigram": 2, "trigram": 3, "4gram": 4, "5gram": 5, "6gram": 6}
NEURAL_OPTIONS = (
    *("context", "embedding", "hidden", "activation", "epochs", "steps", "batch_size", "lr"),
    *("optimizer", "schedule", "weight_decay"),
)
NGRAM_OPTIONS = ("smoothing",)

IMPORTS = {
    "train": ("safetensors.numpy", "threadpoolctl", "tqdm"),
    "sample": ("safetensors.numpy",),
    "evaluate": ("safetensors.numpy",),
    "gradcheck": ("tinygrad_lm.testing.selfcheck.command",),
    "doctor": ("visualize",),
}
"""What a command imports in its course: all of it is imported at its start, where Ctrl-C can wait."""


class UsageError(Exception):
    """Options that do not go together."""


def _number(kind: type, low: float, high: float, what: str) -> Callable[[str], Any]:
    """An argparse type: a number within bounds, or a sentence."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text!r:.60} is not {what}")
        return value

    return parse


COUNT = _number(int, 1, 10**9, "a whole number from 1 to 1,000,000,000")
SEED = _number(int, 0, 10**18, "a whole number from 0 to 10**18")
RATE = _number(float, 0, math.inf, "a finite number from 0")
PROBABILITY = _number(float, 5e-324, 1, "a probability above 0 and at most 1")


def _sizes(text: str) -> list[int]:
    return [COUNT(part) for part in text.split(",")]


class _Parser(argparse.ArgumentParser):
    """A parser whose errors, which quote what was typed, do not act on the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = _Parser(
        prog="tinygrad-lm", description="Train character language models of names, sample from them, evaluate them."
    )
    top.add_argument("--version", action="version", version=f"tinygrad-lm {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model on a list of names and write new ones")
    train.add_argument("--model", choices=["mlp", *NGRAMS], default=None, help="the model family (default: mlp)")
    data = train.add_argument_group("data")
    data.add_argument("--data", metavar="FILE", help="one name a line, UTF-8 (default: the bundled Indian names)")
    data.add_argument("--alphabet", choices=["latin", "data"], help="a to z (default), or all letters in the data")
    data.add_argument("--boundary", metavar="C", help="how the start and end of a name are written (default: -)")
    data.add_argument("--min-length", type=COUNT, metavar="N", help="drop shorter names (default: 1)")
    data.add_argument("--max-length", type=COUNT, metavar="N", help="drop longer names (default: none)")
    neural = train.add_argument_group("the neural model")
    neural.add_argument("--context", type=COUNT, help="how many characters it sees (default: 3)")
    neural.add_argument("--embedding", type=COUNT, help="numbers a character (default: 10)")
    neural.add_argument(
        "--hidden", type=_sizes, nargs="+", metavar="N", help="hidden layer sizes: 300 100, or 300,100 (default: 200)"
    )
    neural.add_argument("--activation", choices=["tanh", "relu"], help="after each hidden layer (default: tanh)")
    length = neural.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=COUNT, help="passes over the data")
    length.add_argument("--steps", type=COUNT, help="batches to train on, in all if a run goes on (default: 8000)")
    neural.add_argument("--batch-size", type=COUNT, help="examples a step (default: 64)")
    neural.add_argument("--lr", type=RATE, help="learning rate (default: 0.003; 0.3 for sgd)")
    neural.add_argument("--optimizer", choices=["sgd", "adam", "adamw"], help="default: adamw")
    neural.add_argument("--schedule", choices=["constant", "linear", "cosine", "step"], help="default: cosine")
    neural.add_argument("--weight-decay", type=RATE, help="of matrices (default: 0.06; 0 for sgd and adam)")
    counting = train.add_argument_group("the counting models")
    counting.add_argument("--smoothing", type=RATE, help="added to every count (default: what validates best)")
    run = train.add_argument_group("the run")
    run.add_argument("--seed", type=SEED, help="decides split, weights, batches and samples (default: 0)")
    run.add_argument("--out", metavar="DIR", help="the run folder (default: runs/MODEL-1, or the next free number)")
    run.add_argument("--resume", metavar="RUN", help="go on with a stopped run, or with --steps N a finished one")

    sample = commands.add_parser("sample", help="write names with a trained model")
    sample.add_argument("run", metavar="RUN", help="a run folder")
    sample.add_argument("--prefix", default="", help="how each name begins")
    sample.add_argument("-n", "--count", dest="count", type=COUNT, default=20, help="how many (default: 20)")
    sample.add_argument("--temperature", type=RATE, default=1.0, help="0 is greedy, 1 as learned, above 1 bolder")
    sample.add_argument("--top-k", type=COUNT, help="draw from the k likeliest characters alone")
    sample.add_argument("--top-p", type=PROBABILITY, help="draw from the likeliest that together reach p")
    sample.add_argument("--max-length", type=COUNT, default=30, help="cut longer names (default: 30)")
    sample.add_argument("--seed", type=SEED, default=0, help="same seed, same names (default: 0)")
    sample.add_argument("--trace", action="store_true", help="show each step: context, options, roll, choice")

    evaluate = commands.add_parser("evaluate", help="how well a model predicts its own test names, or those of a file")
    evaluate.add_argument("run", metavar="RUN", help="a run folder")
    evaluate.add_argument(
        "file", nargs="?", metavar="FILE", help="one name a line, UTF-8 (default: the test split of the run)"
    )

    check = commands.add_parser("gradcheck", help="check gradients: of your own function, or of every operation here")
    check.add_argument(
        "target", nargs="?", metavar="FILE:FUNCTION", help="such as model.py:loss (default: the package)"
    )
    check.add_argument("--input", action="append", metavar="SHAPE", help="one an argument: 3x4, scalar, value, 5:0:1")
    check.add_argument("--order", type=int, choices=[1, 2], help="2 checks the gradient's gradient too (default: 1)")
    check.add_argument("--kinks", choices=["raise", "skip", "subgradient"], help="at a kink (default: raise)")
    check.add_argument("--mode", choices=["auto", "full", "sample"], help="all elements, or a sample of directions")
    check.add_argument("--seed", type=SEED, help="decides the inputs and the weights (default: 0)")

    commands.add_parser("doctor", help="what draws pictures here, and how to get the rest")
    return top


def _check_dashes(arguments: Sequence[str]) -> None:
    """Refuse ``--`` as a value, which argparse before Python 3.13 takes for no value at all."""
    ended = False
    for argument in arguments:
        option = re.fullmatch(r"(--[^=]+|-\w)=?--", argument)
        if ended and argument == "--":
            raise UsageError("'--' names no run and no file here; write ./-- for one of that name")
        if not ended and option is not None:
            raise UsageError(
                f"argument {option[1]:.60}: '--' is no value, since it ends the options; write ./-- for a file or "
                "folder of that name"
            )
        ended = ended or argument == "--"


def _check_gradcheck(options: argparse.Namespace) -> None:
    """Refuse options that a check of the whole package would ignore."""
    if options.target is None:
        for name in ("input", "order", "kinks", "mode"):
            if getattr(options, name) is not None:
                raise UsageError(
                    f"--{name} is for a function of your own: tinygrad-lm gradcheck FILE:FUNCTION --{name} ..."
                )


def _check_train(options: argparse.Namespace) -> None:
    """Refuse options that the chosen model would ignore."""
    given = {name for name, value in vars(options).items() if value is not None} - {"command"}
    if options.resume is not None:
        beside = given - {"resume", "steps"}
        if beside:
            raise UsageError(
                f"--resume keeps the settings of the run: leave out --{sorted(beside)[0].replace('_', '-')}"
            )
        return
    if options.hidden is not None:
        options.hidden = [size for sizes in options.hidden for size in sizes]
    options.model = options.model or "mlp"
    ignored = NGRAM_OPTIONS if options.model == "mlp" else NEURAL_OPTIONS
    for name in ignored:
        if name in given:
            raise UsageError(f"--{name.replace('_', '-')} means nothing to the model {options.model!r}; leave it out")


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, once they are known to go together. Raises ``UsageError``, or ``SystemExit`` after a message."""
    _check_dashes(arguments)
    options = parser().parse_args(arguments)
    if options.command == "train":
        _check_train(options)
    elif options.command == "gradcheck":
        _check_gradcheck(options)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0 when done, 1 after a failure, 2 for wrong usage, 130 after Ctrl-C."""
    _prepare_streams()
    try:
        with Later():  # argparse imports as it goes
            options = _parsed(sys.argv[1:] if arguments is None else arguments)
        return _run(options)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except UsageError as error:
        parser().print_usage(sys.stderr)
        return _say(error, 2)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (as 'head' does): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace) -> int:
    with Later():
        from tinygrad_lm import commands
        from tinygrad_lm.models import ModelFileError
        from tinygrad_lm.text import DataError
        from tinygrad_lm.training import TrainingError

        for name in IMPORTS[options.command]:
            import_module(name)

    try:
        return getattr(commands, options.command)(options)
    except (DataError, ModelFileError, TrainingError) as error:
        return _say(error, 1)
    except MemoryError:
        return _say("there is not enough memory for a model or data of this size; choose smaller ones", 1)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", 1)


def _say(what: Any, code: int) -> int:
    print(f"tinygrad-lm: {printable(f'{what!s:.2000}')}", file=sys.stderr)
    return code


def _prepare_streams() -> None:
    """What is printed never fails to be encoded, and goes nowhere where the stream is closed (``2>&-``)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # print would take the other one
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
