"""The options of ``train``: the data, the model, how it is trained, the run; and which of them go together."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from tinygrad_lm import defaults
from tinygrad_lm.checks import near, quoted
from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import COUNT, RATE, SEED, Options, Parser, UsageError, decimal, option, or_none
from tinygrad_lm.models.registry import TRAINED

if TYPE_CHECKING:
    from tinygrad_lm.cli.family import Choice
    from tinygrad_lm.models import LanguageModel, TrainableModel

TRAINING_OPTIONS = (
    *("epochs", "steps", "batch_size", "lr", "optimizer", "schedule", "weight_decay"),
    *("clip_grad_norm", "warmup_steps", "ema_decay", "label_smoothing", "pieces", "mix"),
)
"""The options that mean something only to models that learn by gradient descent."""

STARTS = {"sgd": {"lr": 0.3, "weight_decay": 0.0}, "adam": {"weight_decay": 0.0}}
"""What an optimizer starts with where that is not what holds for the others."""

HELP = {
    "epochs": "passes over the data, in the place of --steps",
    "steps": "batches to train on, in all if a run goes on",
    "batch_size": "examples a step",
    "lr": "learning rate",
    "optimizer": "what turns gradients into steps",
    "schedule": "how the learning rate changes",
    "weight_decay": "of matrices",
    "clip_grad_norm": "the largest norm of all gradients together, or none",
    "warmup_steps": "steps in which the learning rate rises from 0",
    "ema_decay": "evaluate and keep averaged weights, of a decay such as 0.99, or none",
    "label_smoothing": "share of each target that all characters have",
    "pieces": "cut each batch into so many pieces, which processes share, or none",
    "mix": "mix the trained model with Kneser-Ney counts: mostly better than either",
}
"""What the help says of each of the ``TRAINING_OPTIONS``, without its default."""


class TrainOptions(Options):
    """What ``train`` is told, but for the settings of the model, which ``family.make`` reads."""

    model: str = family.DEFAULT
    choice: Choice
    """The family that it means; a run that goes on has its own."""
    seed: int = 0
    split_seed: int | None = None
    data: str | None = None
    alphabet: str = "latin"
    boundary: str = "-"
    min_length: int = 1
    max_length: int | None = None
    epochs: int | None = None
    steps: int = 8_000
    batch_size: int = defaults.BATCH_SIZE
    lr: float = defaults.LR
    optimizer: str = defaults.OPTIMIZER
    schedule: str = defaults.SCHEDULE
    weight_decay: float = defaults.WEIGHT_DECAY
    clip_grad_norm: float | None = None
    warmup_steps: int = 0
    ema_decay: float | None = None
    label_smoothing: float = 0.0
    pieces: int | None = None
    out: str | None = None
    resume: str | None = None
    mix: bool = False

    @property
    def seed_of_split(self) -> int:
        """What decides which names are for training, validation and testing."""
        return self.seed if self.split_seed is None else self.split_seed

    def check(self) -> None:
        """Refuse what the chosen model, or the run that is gone on with, would ignore."""
        if self.is_given("resume"):
            own = {"model"} if family.is_file(self.model) else set[str]()
            beside = vars(self).keys() - {"resume", "steps", "mix"} - own
            if beside:
                raise UsageError(f"--resume keeps the settings of the run: leave out {option(min(beside))}")
            return
        from tinygrad_lm.models import TrainableModel

        for name in () if issubclass(self.choice.family, TrainableModel) else TRAINING_OPTIONS:
            if self.is_given(name):
                raise UsageError(f"{option(name)} means nothing to the model {self.model!r}; leave it out")


def add_options(parser: Parser) -> None:
    """Declare them, in groups."""
    model = parser.add_argument_group("the model", _models())
    model.add_argument("--model", metavar="MODEL", help=f"which of them (default: {TrainOptions.model})")
    _add_data(parser)
    _add_training(parser)
    _add_run(parser)


def add_more(parser: Parser, arguments: Sequence[str]) -> None:
    """Declare the options of the model that was typed, or of that which holds otherwise."""
    given = family.typed(arguments)
    helps = {"-h", "--help"} & set(arguments)
    if given.resume is None and not (helps and given.model is None):  # for a mere help NumPy is not imported
        choice = family.choose(given.model or family.DEFAULT)
        _tell_training(parser, choice.family)
        family.add_options(parser, choice)
        parser.set_defaults(choice=choice)


def _tell_training(parser: Parser, family: type[LanguageModel]) -> None:
    """Give the options of the training the defaults of a family; none of them is told where it learns without one."""
    from tinygrad_lm.models import TrainableModel

    of_family = starts_of(family) if issubclass(family, TrainableModel) else None
    for name in TRAINING_OPTIONS:
        parser.retell(option(name), SUPPRESS if of_family is None else _help(name, of_family))


def starts_of(family: type[TrainableModel]) -> dict[str, Any]:
    """What the training of a family starts with: its ``plan_defaults``, and what their optimizer asks for.

    Raises
    ------
    UsageError
        For a setting that is none of a training's, or out of its range.
    """
    from tinygrad_lm.training import Plan

    own, where = cast(object, family.plan_defaults), f"{family.__name__}.plan_defaults"
    if not isinstance(own, Mapping):
        raise UsageError(f"{where} holds settings by name, as in {{'steps': 3000}}, and is not {quoted(own)}")
    known = [name for name in TRAINING_OPTIONS if name not in ("epochs", "mix")]
    for name in (given := cast(Mapping[str, Any], own)):
        if name not in known:
            hint = near(str(name), known) or "."
            raise UsageError(f"{where} has {quoted(name)}{hint} A training starts with {', '.join(known)}")
    found: dict[str, Any] = {**STARTS.get(str(given.get("optimizer")), {}), **given}
    try:
        Plan(**cast(dict[str, Any], {"steps": 10**9, **found}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from None
    return found


def refuse(options: TrainOptions, unknown: Sequence[str]) -> None:
    """Say of an option of another model that it is one, and where numbers, files and models belong."""
    family.refuse(unknown, options.model, options.is_given("resume"))
    word = unknown[0]
    if word.isdecimal() and options.is_given(f"{family.PREFIX}hidden"):
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; {family.one_size(options.choice)}")
    if not word.startswith("-") and not options.is_given("resume"):
        of_model = word in family.MODELS or family.is_file(word)
        remedy = "a model is given as --model" if of_model else "a list of names is given as --data"
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; {remedy} {word}")


def _models() -> str:
    """The families, a line each, and how to see the options of one."""
    rows: list[tuple[str, str]] = []
    for kind, found in TRAINED.items():
        rows.append((kind, found.summary))
        rows += [("", f"or just: {', '.join(found.presets)}")] if found.presets else []
    lines = [f"{name:<14}  {what}" for name, what in (*rows, (family.OWN, "a family of your own"))]
    return "\n".join([*lines, "the options of one, and their defaults:  tinygrad-lm train --model lstm --help"])


def _add_data(parser: Parser) -> None:
    data = parser.add_argument_group("data")
    data.add_argument("--data", metavar="FILE", help="one name a line, UTF-8 (default: the bundled Indian names)")
    data.add_argument(
        "--alphabet",
        choices=["latin", "data"],
        help=f"a to z, or all letters in the data (default: {TrainOptions.alphabet})",
    )
    data.add_argument(
        "--boundary",
        metavar="C",
        help=f"how the start and end of a name are written (default: {TrainOptions.boundary})",
    )
    data.add_argument(
        "--min-length", type=COUNT, metavar="N", help=f"leave out shorter names (default: {TrainOptions.min_length})"
    )
    data.add_argument("--max-length", type=COUNT, metavar="N", help="leave out longer names (default: none)")
    data.add_argument(
        "--split-seed",
        type=SEED,
        metavar="N",
        help="decides the split alone, as for models of several seeds that are to be mixed (default: that of --seed)",
    )


def _add_training(parser: Parser) -> None:
    training = parser.add_argument_group("the training of the neural model")
    length = training.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=COUNT, metavar="N", help=_help("epochs"))
    length.add_argument("--steps", type=COUNT, metavar="N", help=_help("steps"))
    training.add_argument("--batch-size", type=COUNT, metavar="N", help=_help("batch_size"))
    training.add_argument("--lr", type=RATE, metavar="X", help=_help("lr"))
    training.add_argument("--optimizer", choices=["sgd", "adam", "adamw"], help=_help("optimizer"))
    training.add_argument("--schedule", choices=["constant", "linear", "cosine", "step"], help=_help("schedule"))
    training.add_argument("--weight-decay", type=RATE, metavar="X", help=_help("weight_decay"))
    training.add_argument("--clip-grad-norm", type=or_none(RATE), metavar="X", help=_help("clip_grad_norm"))
    training.add_argument("--warmup-steps", type=SEED, metavar="N", help=_help("warmup_steps"))
    training.add_argument("--ema-decay", type=or_none(RATE), metavar="X", help=_help("ema_decay"))
    training.add_argument("--label-smoothing", type=decimal(0, 1), metavar="X", help=_help("label_smoothing"))
    training.add_argument("--pieces", type=or_none(COUNT), metavar="N", help=_help("pieces"))


def _help(name: str, of_family: Mapping[str, object] = MappingProxyType({})) -> str:
    """What the help says of an option of the training, with what a family starts with."""
    return HELP[name] if name in ("epochs", "mix") else f"{HELP[name]} (default: {_start(name, of_family)})"


def _start(name: str, of_family: Mapping[str, object]) -> str:
    """What a setting starts with, in words, for every optimizer unless the family has one: 0.003; 0.3 for sgd."""
    others = {} if "optimizer" in of_family else STARTS
    starts = {optimizer: start[name] for optimizer, start in others.items() if name in start}
    value = of_family.get(name, getattr(TrainOptions, name))
    told = ["none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)]
    if value and name == "warmup_steps":
        told[0] += ", or a tenth of the steps if they are few"
    if value is None and name == "pieces":
        told[0] += "; 4 under mpiexec"
    for value in sorted(set(starts.values())):
        told.append(f"{value:g} for {' and '.join(optimizer for optimizer in starts if starts[optimizer] == value)}")
    return "; ".join(told)


def _add_run(parser: Parser) -> None:
    run = parser.add_argument_group("the run")
    run.add_argument(
        "--seed",
        type=SEED,
        metavar="N",
        help=f"decides split, weights, batches and samples (default: {TrainOptions.seed})",
    )
    run.add_argument("--out", metavar="DIR", help="the run folder (default: runs/MODEL-1, or the next free number)")
    run.add_argument("--mix", action="store_true", help=_help("mix"))
    run.add_argument("--resume", metavar="RUN", help="go on with a stopped run, or with --steps N a finished one")
