"""``tinygrad-lm sample``: write names with a trained model."""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module
from typing import TYPE_CHECKING

from tinygrad_lm import defaults
from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import COUNT, PROBABILITY, RATE, SEED, Command, Options
from tinygrad_lm.interrupts import Later

if TYPE_CHECKING:
    from tinygrad_lm.cli.console import Console
    from tinygrad_lm.sampling import Sample
    from tinygrad_lm.text import Tokenizer


class SampleOptions(Options):
    """What ``sample`` is told."""

    run: str
    model: str | None = None
    prefix: str = ""
    count: int = defaults.SAMPLES
    temperature: float = defaults.TEMPERATURE
    top_k: int | None = None
    top_p: float | None = None
    max_length: int = defaults.MAX_LENGTH
    seed: int = 0
    trace: bool = False


def add_options(parser: ArgumentParser) -> None:
    """Declare them."""
    told = SampleOptions
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--model", metavar=family.OWN, help="the family of the run, where it is one of your own")
    parser.add_argument("--prefix", metavar="TEXT", help="how each name begins")
    parser.add_argument("-n", "--count", type=COUNT, metavar="N", help=f"how many (default: {told.count})")
    parser.add_argument(
        "--temperature",
        type=RATE,
        metavar="T",
        help=f"0 is greedy, 1 as learned, above 1 bolder (default: {told.temperature:g})",
    )
    parser.add_argument("--top-k", type=COUNT, metavar="K", help="draw only from the k likeliest characters")
    parser.add_argument("--top-p", type=PROBABILITY, metavar="P", help="draw from the likeliest that together reach p")
    parser.add_argument("--max-length", type=COUNT, metavar="N", help=f"cut longer names (default: {told.max_length})")
    parser.add_argument("--seed", type=SEED, metavar="N", help=f"same seed, same names (default: {told.seed})")
    parser.add_argument("--trace", action="store_true", help="show each step: context, options, roll, choice")


def run(options: SampleOptions) -> int:
    """Write names with a trained model."""
    with Later():
        for name in ("safetensors.numpy", "numpy.random"):  # which are imported in the course of it
            import_module(name)

        from tinygrad_lm import runs, sampling
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.cli.folder import run_folder
        from tinygrad_lm.random import as_generator
        from tinygrad_lm.text import in_lower_case
    family.told(options.model)
    say = Console()
    folder = run_folder(options.run)
    with Later(second_at_once=True):  # it imports the model's family
        found = runs.load(folder)
    vocabulary = found.model.vocabulary
    prefix = options.prefix.lower() if in_lower_case(vocabulary) else options.prefix
    settings = sampling.Settings(options.temperature, options.top_k, options.top_p, options.max_length)
    written = sampling.samples(
        found.model, settings, as_generator(options.seed), prefix, options.count, trace=options.trace
    )
    for sample in written:
        if options.trace:
            _show_trace(say, vocabulary, sample)
        say(marked(sample, found.training_names))
    return 0


def _show_trace(say: Console, vocabulary: Tokenizer, sample: Sample) -> None:
    rows = [("context", "the likeliest options", "roll", "choice")]
    for step in sample.steps:
        options = "  ".join(f"{token} {chance:.2f}" for token, chance in step.options[:5])
        beyond = [chance for token, chance in step.options[5:] if token == step.choice]
        options += f"  ... {step.choice} {beyond[0]:.2f}" if beyond else ""
        rows.append((vocabulary.boundary + step.context, options, f"{step.roll:.3f}", step.choice))
    say.table(rows, indent="    ")


def marked(sample: Sample, training_names: frozenset[str]) -> str:
    """A name, and whether the model has seen it in its training."""
    mark = "in training data" if sample.text in training_names else "new"
    text = sample.text if sample.complete else sample.text + "..."
    return f"{text or '(empty)':<16} {mark}"


COMMAND = Command(
    "write names with a trained model",
    SampleOptions,
    add_options,
    run,
    examples=(
        ("sample runs/mlp-1 --temperature 0.8", "twenty names"),
        ("sample runs/mlp-1 --prefix ab -n 1 --trace", "one, step by step"),
    ),
)
