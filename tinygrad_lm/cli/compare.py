"""``tinygrad-lm compare``: runs side by side, by their losses, their size, their time, and the names they write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_lm import defaults
from tinygrad_lm.cli import family, written
from tinygrad_lm.cli.parsing import COUNT, RATE, SEED, Command, Options, Parser
from tinygrad_lm.cli.wording import in_options
from tinygrad_lm.interrupts import Later

if TYPE_CHECKING:
    from tinygrad_lm.cli.console import Console
    from tinygrad_lm.comparing import Measured
    from tinygrad_lm.models import Evaluation
    from tinygrad_lm.runs import Run
    from tinygrad_lm.sampling import Sample

SHOWN = 20
"""How many of the names are shown."""
RUN = 36
"""How many characters of a run's folder a table shows."""
LETTERS = 36
"""How many letters of a name."""


class CompareOptions(Options):
    """What ``compare`` is told."""

    run: Sequence[str]
    model: Sequence[str] = ()
    count: int = defaults.MEASURED
    temperature: float = defaults.TEMPERATURE
    seed: int = 0


class Row(NamedTuple):
    """A run, and what was measured of it."""

    name: str
    found: Run
    measured: Measured
    reason: str
    """Why there are no losses; nothing where there are."""


def add_options(parser: Parser) -> None:
    """Declare them."""
    told = CompareOptions
    parser.add_argument("run", nargs="+", metavar="RUN", help="run folders")
    family.add_own(parser)
    parser.add_argument(
        "-n", "--count", type=COUNT, metavar="N", help=f"how many names each writes (default: {told.count})"
    )
    parser.add_argument("--temperature", type=RATE, metavar="T", help=f"as of sample (default: {told.temperature:g})")
    parser.add_argument("--seed", type=SEED, metavar="N", help=f"same seed, same names (default: {told.seed})")


@in_options
def run(options: CompareOptions) -> int:
    """Print what was measured of several runs, and some of the names that they write."""
    with Later():
        for name in ("safetensors.numpy", "threadpoolctl", "numpy.random", "importlib.readers"):
            import_module(name)  # in the course of it

        from tinygrad_lm import comparing, runs, sampling
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.cli.folder import run_folder
        from tinygrad_lm.cli.names import to_measure
    family.register_own(options.model)
    say = Console()
    folders = [run_folder(each) for each in options.run]
    with Later(second_at_once=True):  # it imports the models' families
        found = [runs.load(folder) for folder in folders]
    family.check_used(options.model, [each.model for each in found])
    settings, rows = sampling.Settings(options.temperature), list[Row]()
    for each in found:
        validation, test, reason = to_measure(each)
        measured = comparing.measure(
            each.model,
            each.training_names,
            validation,
            test,
            count=options.count,
            settings=settings,
            rng=options.seed,
        )
        rows.append(Row(str(each.folder), each, measured, reason))
    _show_losses(say, rows)
    _show_rest(say, rows, options.count)
    _show_samples(say, rows)
    return 0


def _show_losses(say: Console, rows: Sequence[Row]) -> None:
    """The losses, and whether they compare."""
    say("Losses in nats a character (lower is better); perplexity and bits of the test names")
    table = [("run", "validation", "test", "perplexity", "bits")]
    for row in rows:
        validation, test = row.measured.validation, row.measured.test
        perplexity, bits = ("-", "-") if test is None else (f"{test.perplexity:.2f}", f"{test.bits:.3f}")
        table.append((written.ending(row.name, RUN), _loss(validation), _loss(test), perplexity, bits))
    say.table(table)
    for row in rows:
        if row.reason:
            say.wrapped(f"{row.name}: {row.reason}", indent="  ")
    _show_differences(say, rows)
    say()


def _loss(evaluation: Evaluation | None) -> str:
    return "-" if evaluation is None else f"{evaluation.loss:.4f}"


def _show_differences(say: Console, rows: Sequence[Row]) -> None:
    from tinygrad_lm import runs

    first = rows[0]
    for row in rows[1:]:
        if what := runs.differing(first.found, row.found):
            say.wrapped(f"{first.name} and {row.name} have other splits ({what}):", indent="  ")
            say("  their losses are of other names, and do not compare")


def _show_rest(say: Console, rows: Sequence[Row], count: int) -> None:
    """How large, how long, and what is written."""
    from tinygrad_lm import runs
    from tinygrad_lm.models import TrainableModel

    say(f"What each run took; of {count:,} names of each, which are new and which come again")
    table = [("run", "family", "parameters", "training", "new", "duplicates")]
    for row in rows:
        seconds = runs.seconds_of_training(row.found.folder, row.found.config)
        took = "-" if seconds is None else f"{seconds:.1f} s"
        new, again = f"{row.measured.new:.1%}", f"{row.measured.duplicates:.1%}"
        size, name = f"{row.measured.numbers:,}", written.ending(row.name, RUN)
        table.append((name, row.found.model.kind, size, took, new, again))
    say.table(table)
    if not all(isinstance(row.found.model, TrainableModel) for row in rows):
        say("  the parameters of counts are the numbers that they hold")
    say()


def _show_samples(say: Console, rows: Sequence[Row]) -> None:
    """The first names of each run, a column a run, as many columns under each other as a terminal is wide."""
    from tinygrad_lm.cli.console import WIDTH

    say("Names side by side; * marks those of the training data")
    left = [[written.ending(row.name, RUN), *map(partial(_marked, row), row.measured.drawn[:SHOWN])] for row in rows]
    while left:
        widths = [max(map(len, column)) for column in left]
        fit = sum(end <= WIDTH for end in accumulate(width + 2 for width in widths)) or 1
        for cells in zip(*left[:fit], strict=True):
            say("  " + "  ".join(map(str.ljust, cells, widths)).rstrip())
        left = left[fit:]
        if left:
            say()


def _marked(row: Row, sample: Sample) -> str:
    name = written.shown(sample.text, sample.complete)
    cut = name if len(name) <= LETTERS else name[: LETTERS - len(written.DOTS)] + written.DOTS
    return cut + ("*" if sample.text in row.found.training_names else "")


COMMAND = Command(
    "runs side by side: losses, sizes, times, and the names they write",
    CompareOptions,
    add_options,
    run,
    examples=(
        ("compare runs/mlp-1 runs/kneser-ney-1", "losses and names"),
        ("compare runs/mlp-1 --temperature 0.7 -n 99", "careful names"),
    ),
    takes="RUN [RUN ...]",
)
