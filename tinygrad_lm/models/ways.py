"""The ways in which a model predicts: it writes one of them, and the others follow from that one.

``forward`` reads whole sequences or windows, ``step`` many names side by side a token at a time, ``next_logits`` whole
prefixes. The functions here make one out of another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.nn import Module, evaluating

if TYPE_CHECKING:
    from tinygrad_lm.models.interface import LanguageModel

WAYS = frozenset({"forward", "step", "next_logits"})
"""The methods of which a model writes one, from which the others follow."""


class ModelError(ValueError):
    """A model gives something else than the contract of ``LanguageModel`` says."""


def written_in(cls: type) -> set[str]:
    """Which of the ways to predict a class itself writes, or what it derives from beside models."""
    own = itertools.takewhile(lambda base: base is cls or not hasattr(base, "log_likelihoods"), cls.__mro__)
    return {name for base in own if base is not Module for name in vars(base).keys() & WAYS}


def take(cls: type, **functions: Callable[..., Any]) -> None:
    """Let methods of a class follow from what it writes itself.

    Each function is called with the model, the class, and the arguments. So what a class derived from this one finds
    by ``super()`` is how this class predicts, and not once more what the derived one writes.
    """
    for name, function in functions.items():
        setattr(cls, name, _following(cls, function))


def _following(cls: type, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: LanguageModel, *args: Any) -> Any:
        return function(self, cls, *args)

    method.__doc__, method.__name__ = function.__doc__, function.__name__
    setattr(method, "follows", True)  # noqa: B010
    return method


def follows(cls: type, way: str) -> bool:
    """Whether the method of a class follows from another one, and is not written."""
    return getattr(getattr(cls, way), "follows", False)


def holder(model: LanguageModel, owner: type, way: str) -> Any:
    """The class whose method a method of ``owner`` asks: the model's own, unless that follows from another one."""
    return owner if follows(type(model), way) else type(model)


def start_of_prefixes(model: LanguageModel, owner: type, n: int) -> Array:
    """No token read of ``n`` names."""
    return np.empty((n, 0), np.int64)


def step_by_prefixes(model: LanguageModel, owner: type, tokens: Array, state: Array) -> tuple[Array, Array]:
    """One more token of each name, and all before it again."""
    seen = np.concatenate([state, tokens[:, None]], axis=1)
    return holder(model, owner, "next_logits").next_logits(model, seen[:, 1:].tolist()), seen


def selects(model: LanguageModel) -> bool:
    """Whether the model's ``select`` knows the state of its ``step``: its class, or one before it, writes both.

    Where a class has a ``selects_if``, that has to say so, too.
    """
    own = getattr(model, "__dict__", {})
    if "step" in own and "select" not in own:
        return False
    names = [vars(cls) for cls in type(model).__mro__]
    places = [next((i for i, each in enumerate(names) if way in each), len(names)) for way in ("select", "step")]
    holds = getattr(model, "selects_if", None)
    return places[0] < len(names) and places[0] <= places[1] and (holds is None or bool(holds()))


def select_rows(model: LanguageModel, owner: type, state: Array, rows: Array) -> Array:
    """Some rows of a state that is an array with a row for each name."""
    if not selects(model):
        raise NotImplementedError(
            f"{type(model).__name__} writes a step of its own, whose state is known to it alone: write select(state, "
            "rows) beside it"
        )
    return state[rows]


def prefixes_by_steps(model: LanguageModel, owner: type, prefixes: Sequence[Sequence[int]]) -> Array:
    """The logits after each prefix, whose tokens are read side by side."""
    if not prefixes:
        return np.empty((0, len(model.vocabulary)))
    ends = np.array([len(prefix) for prefix in prefixes])
    tokens = np.full((len(prefixes), ends.max() + 1), model.vocabulary.boundary_id)
    for row, prefix in zip(tokens, prefixes, strict=True):
        row[1 : len(prefix) + 1] = prefix
    found = np.zeros((len(prefixes), len(model.vocabulary)))  # what is left in memory might not fit the cast below
    for place, logits in enumerate(read(model, holder(model, owner, "step"), tokens)):
        found = found.astype(logits.dtype, copy=False)
        found[ends == place] = logits[ends == place]
    return found


def read(model: LanguageModel, cls: Any, tokens: Array) -> Iterator[Array]:
    """The logits after each column of tokens (n, length), one after the other, by the steps of a class."""
    with evaluating(model), no_grad():
        state = cls.start(model, len(tokens))
        for column in tokens.T:
            logits, state = pair(model, cls.step(model, column, state))
            yield step_logits(model, logits, len(tokens))


def step_logits(model: LanguageModel, logits: Tensor | Array, n: int) -> Array:
    """What a step of ``n`` names gave as an array, of the shape that it must have."""
    return plain(fitting(model, "step", logits, (n, len(model.vocabulary))))


def pair(model: LanguageModel, found: object) -> tuple[Any, Any]:
    """What a step gave, once it is known to be two things."""
    if not isinstance(found, tuple) or len(cast(tuple[object, ...], found)) != 2:
        raise ModelError(
            f"{type(model).__name__}.step gave {shape_of(cast(object, found))}, not two things: logits, and the state "
            "to go on from"
        )
    return cast(tuple[Any, Any], found)


def fitting(model: LanguageModel, method: str, logits: Any, shape: tuple[int, ...]) -> Any:
    """Logits, once they are known to be a tensor or an array of that shape; else ``ModelError``."""
    if not (isinstance(logits, Tensor) or is_ndarray(logits)) or logits.shape != shape:
        raise ModelError(
            f"{type(model).__name__}.{method} gave {shape_of(logits)}, not logits of shape {shape}: at each place one "
            f"number for each of the {len(model.vocabulary)} tokens of the vocabulary"
        )
    return cast(object, logits)


def shape_of(found: object) -> str:
    """What a method gave, in a word or two."""
    kind = "None" if found is None else f"a {type(found).__name__}"
    return f"{kind} of shape {found.shape}" if isinstance(found, Tensor) or is_ndarray(found) else kind


def plain(logits: Tensor | Array) -> Array:
    """Logits as an array, whether a model gave an array or a tensor."""
    return logits.data if isinstance(logits, Tensor) else np.asarray(logits)
