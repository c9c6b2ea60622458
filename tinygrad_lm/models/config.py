"""``Config``: what the models of a family are configured by, a dataclass whose fields have a range and a help.

From it follow the command line's options, what is refused, and what model files say. Nothing here needs NumPy.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from inspect import Parameter, Signature
from numbers import Real
from typing import Any, Literal, NamedTuple, Self, cast, get_args, get_type_hints

from tinygrad_lm.checks import near, quoted, whole_number

Kind = Literal["whole number", "number", "word", "switch", "sizes"]
KINDS: dict[object, Kind] = {int: "whole number", float: "number", str: "word", bool: "switch"}
MOST = 10**9
"""The largest whole number and number where a setting says nothing of its range."""

LARGEST = 2**63
"""What a whole number is below where its range has no end."""


class Range(NamedTuple):
    """What a field was declared with."""

    help: str = ""
    """What the command line says of it, without its default. One that has none is found by fitting, and no option."""
    low: float = 0
    high: float = MOST
    choices: Sequence[str] = ()
    """The words to choose from; none: any word."""
    most: int = 100
    """How many sizes there are at most."""
    unset: str = ""
    """What holds where the value is ``None``, in words."""
    added: bool = False
    """Whether files of an earlier version do not have it: the default held then."""


class Setting(NamedTuple):
    """A field of a configuration: what its values are, and in what range."""

    name: str
    default: object
    kind: Kind
    optional: bool
    """Whether ``None`` is a value too."""
    range: Range

    @property
    def shown(self) -> str:
        """The default, as it is shown."""
        if self.default is None:
            return self.range.unset
        return ",".join(map(str, cast(Sequence[object], self.default))) if self.kind == "sizes" else str(self.default)

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest whole number of the range."""
        return math.ceil(max(self.range.low, -LARGEST)), math.floor(min(self.range.high, LARGEST))

    def checked(self, value: object) -> object:
        """The value as plain data of its kind: of NumPy's numbers and of lists, Python's own, and tuples.

        Raises
        ------
        ValueError
            Naming the setting, its range and what was given.
        """
        if value is None and self.optional:
            return None
        if self.kind == "sizes":
            return self._sizes(value)
        if self.kind == "whole number":
            return self._whole(value)
        if self.kind == "number":
            return self._number(value)
        if self.kind == "switch":
            return self._switch(value)
        choices = self.range.choices
        if self.kind == "word" and (not isinstance(value, str) or (choices and value not in choices)):
            among = f"one of {', '.join(choices)}" if choices else "a word"
            raise ValueError(f"{self.name} is {among}, not {quoted(value)}")
        return value

    def _sizes(self, value: object) -> tuple[int, ...]:
        sizes = cast(Sequence[object], value) if isinstance(value, (list, tuple)) else None
        if sizes is None or len(sizes) > self.range.most:
            given = quoted(cast(object, value))
            raise ValueError(f"{self.name} is a list of at most {self.range.most} sizes, such as [200], not {given}")
        return tuple(self._whole(size) for size in sizes)

    def _whole(self, value: object) -> int:
        low, high = self.ends
        return whole_number(value, low, f"{self.name} must be a whole number from {low} to {high}, not", high)

    def _switch(self, value: object) -> bool:
        # NumPy's booleans too, which this file does not import.
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
            raise ValueError(f"{self.name} is true or false, not {quoted(value)}")
        return bool(value)

    def _number(self, value: object) -> float:
        low, high = self.range.low, self.range.high
        # An integer beyond the largest float compares all the same.
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= cast(float, value) <= high:
            raise ValueError(f"{self.name} is a number from {low:g} to {high:g}, not {quoted(value)}")
        return float(value)


def setting(
    default: object,
    help: str = "",
    *,
    low: float = 0,
    high: float = MOST,
    choices: Collection[str] = (),
    most: int = 100,
    unset: str = "",
    added: bool = False,
) -> Any:
    """A field of a ``Config``: ``hidden: int = setting(64, "numbers in the hidden state", low=1, high=4096)``.

    The field's type says what it takes: ``int``, ``float``, ``str``, ``bool`` or ``tuple[int, ...]`` (sizes), each with
    ``| None`` where ``None`` is a value too.

    Parameters
    ----------
    default
        The value where none is given.
    help
        What the command line says of its option, without the default. Left out, it is no option.
    low, high
        The range of a number, or of each size, both ends included.
    choices
        The words to choose from.
    most
        How many sizes there are at most.
    unset
        What holds where the value is ``None``, in words.
    added
        Whether the family had models without it before, whose files lack it: they are of its default.
    """
    return field(default=default, metadata={"range": Range(help, low, high, tuple(choices), most, unset, added)})


@dataclass(frozen=True)
class Config:
    """The configuration of a model. A family derives a frozen dataclass from it, with a ``setting`` a field.

    Raises
    ------
    ValueError
        Where a value is out of its range; it names the setting.
    """

    def __post_init__(self) -> None:
        for each in self.settings():
            object.__setattr__(self, each.name, each.checked(getattr(self, each.name)))

    @classmethod
    def settings(cls) -> list[Setting]:
        """The fields in their order.

        Raises
        ------
        TypeError
            For a class that is no dataclass of its own, or a field of a type that is no setting's.
        """
        if "__dataclass_fields__" not in vars(cls):
            raise TypeError(f"{cls.__name__} is no dataclass: write @dataclass(frozen=True) above it")
        hints = get_type_hints(cls)
        return [_setting(cls, each.name, each.default, each.metadata, hints[each.name]) for each in fields(cls)]

    @classmethod
    def merged(cls, family: type, configuration: Self | None, settings: Mapping[str, object]) -> Self:
        """What a constructor of a family was given: a configuration, settings by name, or both, the latter changing it.

        It is of the family's own ``Config``, where that is derived from this one.

        Raises
        ------
        TypeError
            For a configuration that is none of this class, or a setting that it does not have.
        ValueError
            For a value out of its range.
        """
        own = cast(type, getattr(family, "Config", cls))
        kind = own if issubclass(own, cls) else cls
        known = {each.name: each.default for each in kind.settings()}
        if not isinstance(configuration, (kind, type(None))):
            name, default = next(iter(known.items()))
            raise TypeError(
                f"{family.__name__}'s configuration is a {kind.__name__}, not {quoted(cast(object, configuration))}: "
                f"give settings by name, {family.__name__}(vocabulary, {name}={default!r})"
            )
        for name in settings:
            if name not in known:
                among = f"{', '.join(known)}{near(name, known)}"
                raise TypeError(f"{family.__name__} has no setting {name!r}, but {among}")
        return replace(kind() if configuration is None else configuration, **cast(dict[str, Any], settings))

    def to_json(self) -> dict[str, object]:
        """The settings as plain data."""
        values: dict[str, object] = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: list(cast(Sequence[int], value)) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The configuration that ``to_json`` wrote down.

        Raises
        ------
        ValueError
            For a setting that is missing, unknown or out of its range.
        """
        known = {each.name for each in fields(cls)}
        told = {**{each.name: each.default for each in cls.settings() if each.range.added}, **data}
        if set(told) != known:
            known, given = (", ".join(sorted(map(str, names))) or "nothing" for names in (known, data))
            raise ValueError(
                f"{cls.__name__.removesuffix('Config') or 'this model'} is configured by {known}, not {given}"
            )
        return cls(**told)


def signature(init: Callable[..., None], config: type[Config]) -> Signature:
    """That of a class by its ``__init__``, in which the settings stand one by one where it takes ``**settings``."""
    own = inspect.signature(init)
    _, *told = own.parameters.values()
    # What is no dataclass is refused, in words, when the family is registered.
    plain = "__dataclass_fields__" not in getattr(config, "__dict__", {})
    if plain or not told or told[-1].kind is not Parameter.VAR_KEYWORD:
        return own.replace(parameters=told)
    by_name = [Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default) for each in fields(config)]
    before = [each for each in told[:-1] if each.kind is not Parameter.KEYWORD_ONLY]
    return own.replace(parameters=[*before, *by_name, *told[len(before) : -1]])


def _setting(owner: type, name: str, default: object, metadata: Mapping[Any, Any], hint: object) -> Setting:
    within = metadata.get("range", Range())
    options = [each for each in get_args(hint) if each is not type(None)]
    optional = len(options) == 1 and type(None) in get_args(hint)
    plain = options[0] if optional else hint
    kind = "sizes" if plain == tuple[int, ...] else KINDS.get(plain)
    if kind is None or default is MISSING:
        what = "has no default" if default is MISSING else f"is a {plain}"
        raise TypeError(
            f"{owner.__name__}.{name} {what}: a setting is an int, float, str, bool or tuple[int, ...], and has a "
            f"default: {name}: int = setting(64, low=1)"
        )
    return Setting(name, default, kind, optional, within)
