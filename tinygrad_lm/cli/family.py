"""``--model``: the family that is meant, by its name or a user's file, what it is configured by, and a model of it."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from tinygrad_lm.checks import near
from tinygrad_lm.cli.parsing import Options, Parser, UsageError, decimal, integer, option
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models.registry import FAMILIES, PRESETS, TRAINED, Builtin

if TYPE_CHECKING:
    from tinygrad_lm.models import LanguageModel
    from tinygrad_lm.models.config import Setting
    from tinygrad_lm.text import Tokenizer

DEFAULT = "mlp"
"""What ``--model`` is where it is not given."""
MODELS = (*PRESETS, *TRAINED)
"""What ``--model`` calls the package's families and their presets."""
OWN = "FILE.py:CLASS"
PREFIX = "setting_"
"""Where the options of a family stand among those of a command, which may have the same names."""


class Choice(NamedTuple):
    """A family that was chosen."""

    name: str
    """As folders and tables call it."""
    family: type[LanguageModel]
    preset: Mapping[str, object]
    """The settings that the name itself says."""

    @property
    def is_own(self) -> bool:
        """Whether it is a user's."""
        return not isinstance(FAMILIES[self.family.kind], Builtin)

    def options(self) -> list[Setting]:
        """The settings that are options of the command line: those with a help that the name does not say."""
        return [each for each in self.settings() if each.range.help and each.name not in self.preset]

    def settings(self) -> list[Setting]:
        """All settings of the family."""
        return self.family.Config.settings()


def is_file(model: str) -> bool:
    """Whether ``--model`` is given a user's file and its class, and not a name."""
    return ":" in model or model.endswith(".py")


def choose(model: str) -> Choice:
    """The family that ``--model`` means; a user's own is registered by it.

    Raises
    ------
    UsageError
        Where there is none of the name, or the file does not have it.
    """
    from tinygrad_lm.models import loading

    if is_file(model):
        family = own(model)
        return Choice(family.kind, family, {})
    if model not in MODELS:
        found = FAMILIES.get(model)
        if isinstance(found, Builtin):
            raise UsageError(f"argument --model: a {model} is made of models that are trained already: {found.made_by}")
        known = near(model, MODELS) or f" (choose from {', '.join(MODELS)}, or {OWN})"
        raise UsageError(f"argument --model: invalid choice: {model!r:.60}{known}")
    family = loading.family(PRESETS.get(model, model))
    return Choice(model, family, family.presets.get(model, {}))


def own(target: str) -> type[LanguageModel]:
    """A user's family by its file and class, registered.

    Raises
    ------
    UsageError
        Where it is none.
    """
    with Later():
        from tinygrad_lm import user_file
        from tinygrad_lm.models import loading
    try:
        found: Any = user_file.load(target, "class")
        return loading.register(found)
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(f"argument --model: {error}") from None


def add_own(parser: Parser) -> None:
    """Declare ``--model`` of a command on runs."""
    parser.add_argument(
        "--model",
        action="append",
        metavar=OWN,
        help="the family of a run, where it is one of your own; for several, given again",
    )


def register_own(models: Sequence[str]) -> None:
    """Register the families that ``--model`` of a command on runs names.

    Raises
    ------
    UsageError
        Unless each is a file.
    """
    for model in models:
        if not is_file(model):
            raise UsageError(f"argument --model: a run knows its model; only a family of your own is given, as {OWN}")
        own(model)


def check_used(models: Sequence[str], found: Iterable[LanguageModel]) -> None:
    """Refuse a family that ``--model`` of a command on runs names and that none of their models is of.

    Raises
    ------
    UsageError
        Naming it, and what the models are.
    """
    kinds = {part.kind for model in found for part in getattr(model, "members", (model,))}
    registered = {each.__name__: kind for kind, each in FAMILIES.items() if not isinstance(each, Builtin)}
    for model in models:
        name = model.rpartition(":")[2]
        if (kind := registered.get(name)) is not None and kind not in kinds:
            raise UsageError(f"argument --model: {name} means nothing here: the model is {', '.join(sorted(kinds))}")


def add_options(parser: Parser, choice: Choice) -> None:
    """Declare what the family is configured by."""
    group = parser.add_argument_group(f"the model {choice.name}")
    for each in choice.options():
        within = each.range
        shown = f"{within.help} (default: {each.shown})" if each.shown else within.help
        kind: dict[str, Any] = {"dest": PREFIX + each.name, "help": shown.replace("%", "%%")}
        if each.kind == "switch":
            kind["action"] = BooleanOptionalAction
        elif each.kind == "word":
            kind |= {"choices": list(within.choices)} if within.choices else {"metavar": "WORD"}
        elif each.kind == "sizes":
            kind |= {"type": _sizes(each), "nargs": "+", "metavar": "N"}
        elif each.kind == "whole number":
            kind |= {"type": _whole(each, choice), "metavar": "N"}
        else:
            kind |= {"type": decimal(within.low, within.high), "metavar": "X"}
        try:
            group.add_argument(option(each.name), **kind)
        except ArgumentError:
            raise UsageError(
                f"{choice.family.__name__} has a setting {each.name!r}, but {option(each.name)} means something else "
                "to train; give it another name"
            ) from None


def _sizes(setting: Setting) -> Any:
    size = integer(*setting.ends)

    def sizes(text: str) -> list[int]:
        return [size(part) for part in text.split(",")]

    return sizes


def _whole(setting: Setting, choice: Choice) -> Any:
    number = integer(*setting.ends)

    def whole(text: str) -> int:
        if "," in text and setting.name == "hidden":
            raise ArgumentTypeError(f"{text!r:.60} is several sizes, but {one_size(choice)}")
        return number(text)

    return whole


def one_size(choice: Choice) -> str:
    """What is said to whoever gives a family several hidden sizes that has one."""
    stacks = any(each.name == "layers" for each in choice.options())
    return f"{choice.name} has one hidden size" + ("; give --layers N for more layers" if stacks else "")


def make(choice: Choice, options: Options, vocabulary: Tokenizer, seed: int) -> LanguageModel:
    """An untrained model of what was typed.

    Raises
    ------
    UsageError
        For what its family refuses.
    """
    with Later():
        from tinygrad_lm import user_file
        from tinygrad_lm.models.bounded import bounded
        from tinygrad_lm.models.limits import MAX_NUMBERS, TooLarge
        from tinygrad_lm.random import as_generator, manual_seed
    given: dict[str, object] = dict(choice.preset)
    for each in choice.options():
        if options.is_given(PREFIX + each.name):
            value: object = getattr(options, PREFIX + each.name)
            given[each.name] = tuple(chain(*cast(Sequence[Sequence[int]], value))) if each.kind == "sizes" else value
    generator = as_generator(seed)
    if choice.is_own:
        manual_seed(seed)  # its layers may draw from the default generator
    try:
        configuration = choice.family.Config(**given)
        if choice.is_own:
            return choice.family.build(configuration, vocabulary, generator)
        with bounded(MAX_NUMBERS, rng=generator) as rng:
            return choice.family.build(configuration, vocabulary, rng)
    except TooLarge:
        raise UsageError(
            f"such a model {choice.name} has more than the {MAX_NUMBERS:,} numbers that a trained model may have; "
            "choose smaller sizes"
        ) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    except TypeError as error:
        if not choice.is_own or user_file.own_error(error) is not None:
            raise
        name = choice.family.__name__
        arguments = "vocabulary, configuration, rng=rng" if choice.settings() else "vocabulary"
        raise UsageError(f"{name} is made as {name}({arguments}), but {error}") from None


def typed(arguments: Sequence[str]) -> Namespace:
    """What of ``--model`` and ``--resume`` stands among arguments that are not parsed yet; nothing for wrong ones."""

    class Quiet(Parser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(message)

    parser = Quiet(add_help=False)
    parser.add_argument("--model")
    parser.add_argument("--resume")
    try:
        return parser.parse_known_args(arguments)[0]
    except UsageError:  # the parser of the command says it
        return Namespace(model=None, resume=None)


def refuse(unknown: Sequence[str], model: str, resumes: bool) -> None:
    """Raise ``UsageError`` where an option that is not known is one of a family of the package that is not meant."""
    found = [argument.partition("=")[0] for argument in unknown if argument.startswith("--")]
    own = PRESETS.get(model)
    for kind in sorted(TRAINED, key=lambda kind: kind != own):  # what a preset decides, before what others have
        for each in choose(kind).options():
            if (name := option(each.name)) not in found:
                continue
            if resumes:
                raise UsageError(f"--resume keeps the settings of the run: leave out {name}")
            if kind == own:
                raise UsageError(f"{name} is decided by the model {model!r}; leave it out, or take --model {kind}")
            raise UsageError(f"{name} means nothing to the model {model!r}; leave it out")
