"""``tinygrad-lm sample``: write names with a trained model, or tell its most probable ones, or what may come next."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from tinygrad_lm import defaults
from tinygrad_lm.cli import family, written
from tinygrad_lm.cli.parsing import COUNT, LENGTH, PROBABILITY, RATE, SEED, Command, Options, Parser, UsageError, option
from tinygrad_lm.cli.wording import in_options
from tinygrad_lm.interrupts import Later

if TYPE_CHECKING:
    from tinygrad_lm.cli.console import Console
    from tinygrad_lm.runs import Run
    from tinygrad_lm.sampling import Branch, Sample, Settings, Wanted
    from tinygrad_lm.text import Tokenizer

OF_SETTINGS = ("temperature", "top_k", "top_p", "min_p", "min_length")
"""What says how a token is drawn."""
NARROWING = ("prefix", "unique", "only_new", "must_contain", "must_not_contain", "max_length", *OF_SETTINGS)
"""What may leave too few names."""
OF_SAMPLES = ("count", "seed", "trace", "must_contain", "must_not_contain", "unique", "only_new")
"""What has a meaning only where names are drawn."""
SHOWN = 5
"""How many options of a step and branches of a tree are shown."""
CONTEXT = 28
"""How many characters of what a step goes on from are shown."""


class SampleOptions(Options):
    """What ``sample`` is told."""

    run: str
    model: Sequence[str] = ()
    prefix: str = ""
    count: int = defaults.SAMPLES
    temperature: float = defaults.TEMPERATURE
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    min_length: int = defaults.MIN_LENGTH
    max_length: int = defaults.MAX_LENGTH
    must_contain: str = ""
    must_not_contain: str = ""
    unique: bool = False
    only_new: bool = False
    seed: int = 0
    trace: bool = False
    most_probable: int | None = None
    tree: int | None = None

    def check(self) -> None:
        """Refuse what means nothing to the most probable names or to a tree, and lengths that are no range."""
        for asked, others in (("most_probable", (*OF_SETTINGS, *OF_SAMPLES, "tree")), ("tree", OF_SAMPLES)):
            for name in others if self.is_given(asked) else ():
                if self.is_given(name):
                    raise UsageError(f"{option(name)} means nothing to {option(asked)}: leave out one of the two")
        if self.min_length > self.max_length:
            raise UsageError(
                f"--min-length {self.min_length} is more than --max-length {self.max_length}: no name has such a length"
            )


def add_options(parser: Parser) -> None:
    """Declare them."""
    told = SampleOptions
    parser.add_argument("run", metavar="RUN", help="a run folder")
    family.add_own(parser)
    parser.add_argument("--prefix", metavar="TEXT", help="how each name begins")
    parser.add_argument("-n", "--count", type=COUNT, metavar="N", help=f"how many (default: {told.count})")
    parser.add_argument("--seed", type=SEED, metavar="N", help=f"same seed, same names (default: {told.seed})")
    parser.add_argument("--trace", action="store_true", help="show each step: context, options, roll, choice")
    drawing = parser.add_argument_group("how a character is drawn, in this order")
    drawing.add_argument(
        "--min-length", type=LENGTH, metavar="N", help=f"no end before so many (default: {told.min_length})"
    )
    drawing.add_argument(
        "--temperature",
        type=RATE,
        metavar="T",
        help=f"0 is greedy, 1 as learned, above 1 bolder (default: {told.temperature:g})",
    )
    drawing.add_argument("--top-k", type=COUNT, metavar="K", help="draw only from the k likeliest characters")
    drawing.add_argument("--top-p", type=PROBABILITY, metavar="P", help="draw from the likeliest that together reach p")
    drawing.add_argument("--min-p", type=PROBABILITY, metavar="P", help="leave out what has less than p of the largest")
    drawing.add_argument("--max-length", type=COUNT, metavar="N", help=f"cut longer names (default: {told.max_length})")
    wanted = parser.add_argument_group(
        "which names are kept; others are drawn again",
        "Where there are too few of them, they are printed, a sentence says why,\n  and the exit code is 1.",
    )
    wanted.add_argument("--must-contain", metavar="LETTERS", help="all of these occur")
    wanted.add_argument("--must-not-contain", metavar="LETTERS", help="none of these does")
    wanted.add_argument("--unique", action="store_true", help="no name twice")
    wanted.add_argument("--only-new", action="store_true", help="none of the training data")
    instead = parser.add_argument_group("instead of drawing")
    instead.add_argument("--most-probable", type=COUNT, metavar="N", help="the n most probable names, exactly")
    instead.add_argument("--tree", type=COUNT, metavar="DEPTH", help="what may come next, and after that, as a tree")


@in_options
def run(options: SampleOptions) -> int:
    """Write names with a trained model."""
    with Later():
        for name in ("safetensors.numpy", "threadpoolctl", "numpy.random"):  # which are imported in the course of it
            import_module(name)

        from tinygrad_lm import runs, sampling
        from tinygrad_lm.cli.console import Console
        from tinygrad_lm.cli.folder import run_folder
        from tinygrad_lm.text import in_lower_case
    family.register_own(options.model)
    say = Console()
    folder = run_folder(options.run)
    with Later(second_at_once=True):  # it imports the model's family
        found = runs.load(folder)
    family.check_used(options.model, [found.model])
    lower = in_lower_case(found.model.vocabulary)
    prefix, holds, holds_not = (
        text.lower() if lower else text for text in (options.prefix, options.must_contain, options.must_not_contain)
    )
    told = sampling.Settings(
        options.temperature, options.top_k, options.top_p, options.max_length, options.min_p, options.min_length
    )
    if options.most_probable is not None:
        _show_most_probable(say, found, options.most_probable, prefix, options.max_length)
        return 0
    if options.tree is not None:
        _show_tree(say, found, prefix, options.tree, told)
        return 0
    unwanted = found.training_names if options.only_new else frozenset[str]()
    wanted = sampling.Wanted(holds, holds_not, options.unique, unwanted)
    _show_samples(say, found, options, told, prefix, wanted)
    return 0


def _show_samples(
    say: Console, run: Run, options: SampleOptions, settings: Settings, prefix: str, wanted: Wanted
) -> None:
    from tinygrad_lm.random import as_generator
    from tinygrad_lm.sampling import IncompleteError, samples
    from tinygrad_lm.text import DataError

    rng, width = as_generator(options.seed), written.column(options.max_length + len(written.DOTS))
    try:
        for sample in samples(run.model, settings, rng, prefix, options.count, wanted=wanted, trace=options.trace):
            if options.trace:
                _show_trace(say, run.model.vocabulary, sample)
            name = written.shown(sample.text, sample.complete)
            say(f"{name:<{width}} {written.origin(sample.text, run.training_names)}")
    except IncompleteError as error:
        raise DataError(_too_few(options, len(error.found), error.reason)) from None


def _too_few(options: SampleOptions, found: int, reason: str) -> str:
    """That there are not so many names, why, and what can be done."""
    kinds = "".join(word for word, wanted in (("different ", options.unique), ("new ", options.only_new)) if wanted)
    asked = ["with the letters asked for"] if options.must_contain or options.must_not_contain else []
    asked += ["as long as asked for"] if options.is_given("min_length") else []
    narrowing = [name for name in NARROWING if options.is_given(name)]
    given = [option(name) for name in narrowing if name != "temperature" or options.temperature < 1]
    left_out = f"eave out {'one of ' if len(given) > 1 else ''}{', '.join(given)}"
    remedy = f"Ask for fewer (-n {found}) or l{left_out}" if found else f"L{left_out}"
    names = f"{kinds}names {' and '.join(asked)}".rstrip()
    return f"only {found:,} of {options.count:,} {names}: {reason}. {remedy}"


def _show_trace(say: Console, vocabulary: Tokenizer, sample: Sample) -> None:
    rows = [("context", "the likeliest options", "roll", "choice")]
    for step in sample.steps:
        options = "  ".join(f"{token} {chance:.2f}" for token, chance in step.options[:SHOWN])
        beyond = [chance for token, chance in step.options[SHOWN:] if token == step.choice]
        options += f"  ... {step.choice} {beyond[0]:.2f}" if beyond else ""
        context = written.ending(vocabulary.boundary + step.context, CONTEXT)
        rows.append((context, options, f"{step.roll:.3f}", step.choice))
    say.table(rows, indent="    ")


def _show_most_probable(say: Console, run: Run, count: int, prefix: str, max_length: int) -> None:
    from tinygrad_lm.sampling import IncompleteError, Probable, most_probable

    missing: IncompleteError | None = None
    try:
        found = most_probable(run.model, count, prefix, max_length)
    except IncompleteError as error:
        missing, found = error, [each for each in error.found if isinstance(each, Probable)]
    width = written.column(max((len(text) for text, _ in found), default=0))
    for text, probability in found:
        say(f"{written.shown(text):<{width}} {probability:.3e}  {written.origin(text, run.training_names)}")
    if missing is not None:
        raise missing


def _show_tree(say: Console, run: Run, prefix: str, depth: int, settings: Settings) -> None:
    from tinygrad_lm.sampling import sampling_tree

    root = sampling_tree(run.model, prefix, depth, SHOWN, settings=settings)
    say("character, probability of the branch, probability of the path (...: of all others)")
    say(f"{run.model.vocabulary.boundary}{root.token}")
    lines = _lines(root, 1)
    while lines:
        line = lines.pop()
        if isinstance(line, str):
            say(line)
        else:
            level, branch = line
            say(f"{'  ' * level}{branch.token} {branch.probability:.3f} {branch.path_probability:.2e}")
            lines += _lines(branch, level + 1)


def _lines(branch: Branch, level: int) -> list[tuple[int, Branch] | str]:
    """What stands under a branch, the last line first: its children, and how probable those are that are not shown."""
    rest = [f"{'  ' * level}... {branch.left_out:.3f}"] if branch.left_out >= 0.0005 else []
    return [*rest, *((level, child) for child in reversed(branch.children))]


COMMAND = Command(
    "write names with a trained model",
    SampleOptions,
    add_options,
    run,
    examples=(
        ("sample runs/mlp-1 --temperature 0.8", "twenty names"),
        ("sample runs/mlp-1 --prefix ab -n 1 --trace", "one, step by step"),
        ("sample runs/mlp-1 --unique --min-length 3", "no name twice"),
        ("sample runs/mlp-1 --most-probable 5", "no draw"),
        ("sample runs/mlp-1 --tree 2", "what may come"),
    ),
    takes="RUN",
)
