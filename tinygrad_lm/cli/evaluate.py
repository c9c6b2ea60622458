"""``tinygrad-lm evaluate``: how well a trained model predicts names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import Command, Options, Parser
from tinygrad_lm.cli.wording import in_options
from tinygrad_lm.interrupts import Later


class EvaluateOptions(Options):
    """What ``evaluate`` is told."""

    run: str
    model: Sequence[str] = ()
    file: str | None = None


def add_options(parser: Parser) -> None:
    """Declare them."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    family.add_own(parser)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="one name a line, UTF-8 (default: the test split of the run)"
    )


@in_options
def run(options: EvaluateOptions) -> int:
    """Print how well a model predicts the names of a file, or those of its own test split."""
    with Later():
        for name in ("safetensors.numpy", "numpy.random", "importlib.readers"):  # imported in the course of it
            import_module(name)

        from tinygrad_lm import runs
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.cli.folder import run_folder
        from tinygrad_lm.cli.names import read_again, some
        from tinygrad_lm.text import clean_names, read_names
    family.register_own(options.model)
    say = Console()
    folder = run_folder(options.run)
    with Later(second_at_once=True):  # it imports the model's family
        found = runs.load(folder)
    family.check_used(options.model, [found.model])
    if options.file is None:
        remedy = f"give a file of names: tinygrad-lm evaluate {runs.typed(found.folder)} FILE"
        data, split = read_again(found.config, found.model, found.folder, remedy)
        names = split.test
        say(f"The test split of the run (seed {data.seed}; {data.origin}):")
        say(f"  {_told(names, found.training_names)}")
    else:
        cleaned = clean_names(read_names(options.file), found.model.vocabulary)
        names = cleaned.kept
        say(f"{options.file}: {_told(names, found.training_names)}")
        for reason, dropped in cleaned.dropped.items():
            say.wrapped(f"{len(dropped):,} more dropped, {reason}: {some(dropped)}", indent="  ")
    evaluation = found.model.evaluate(names)
    say(
        f"loss {evaluation.loss:.4f} nats a character, perplexity {evaluation.perplexity:.2f}, "
        f"over {evaluation.characters:,} characters"
    )
    return 0


def _told(names: Sequence[str], training_names: frozenset[str]) -> str:
    known = sum(name in training_names for name in names)
    what = "name" if len(names) == 1 else "names"
    return f"{len(names):,} {what}, {known:,} of them in the training data"


COMMAND = Command(
    "how well a model predicts its own test names, or those of a file",
    EvaluateOptions,
    add_options,
    run,
    examples=(
        ("evaluate runs/mlp-1", "on its own test split"),
        ("evaluate runs/mlp-1 names.txt", "on other names"),
    ),
    takes="RUN [FILE]",
)
