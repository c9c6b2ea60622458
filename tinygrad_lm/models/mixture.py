"""``Mixture``: the weighted mean of what several models predict, with the weights that predict a list of names best."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np

from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.checks import quoted
from tinygrad_lm.models import saving
from tinygrad_lm.models.interface import LanguageModel, log_softmax
from tinygrad_lm.models.limits import MAX_MEMBERS
from tinygrad_lm.models.ways import ModelError, pair, selects, shape_of, step_logits
from tinygrad_lm.nn import Module

MOVED = 1e-7
"""A round of the fitting that moves no weight by more than this is the last."""
AWAY = 1e-9
"""By how much the sum of the weights may differ from 1, by rounding."""


class Mixture(Module, LanguageModel):
    """Several models as one: p(token | prefix) = sum over i of weights[i] * p_i(token | prefix).

    The probabilities are mixed, not the logits: where one model is sure and another knows nothing, the mixture is as
    sure as the weight of the first. So the loss on each token is at most -log(weights[i]) above that of member i, and
    models that err in different places are better together than the best of them. The weights are the same after every
    prefix.

    Source: F. Jelinek and R. L. Mercer, "Interpolated estimation of Markov source parameters from sparse data", Pattern
    Recognition in Practice (1980).

    Parameters
    ----------
    members
        The models, of any families; all predict the tokens of one vocabulary. A mixture among them is taken apart: its
        members are members here.
    weights
        How much each counts, from 0 up, together 1; without them all count alike. See ``fit``.

    Attributes
    ----------
    weights
        float64 (len(members),).

    Raises
    ------
    ValueError
        For no member or more than 64, for vocabularies that differ, and for weights that are none.
    TypeError
        For a member that is no ``LanguageModel``.
    """

    kind: ClassVar[str] = "mixture"

    def __init__(self, members: Sequence[LanguageModel], weights: Sequence[float] | Array | None = None) -> None:
        given = list(members)
        for member in given:
            if not isinstance(cast(object, member), LanguageModel):
                raise TypeError(f"the members of a mixture are models, not {quoted(member)}")
        shares = _checked(np.full(len(given), 1 / max(1, len(given))) if weights is None else weights, len(given))
        flat = [
            (part, share * own)
            for member, share in zip(given, shares, strict=True)
            for part, own in (
                zip(member.members, member.weights, strict=True) if isinstance(member, Mixture) else [(member, 1.0)]
            )
        ]
        if not 1 <= len(flat) <= MAX_MEMBERS:
            raise ValueError(f"a mixture has from 1 to {MAX_MEMBERS} members, not {len(flat):,}")
        self.vocabulary = flat[0][0].vocabulary
        for number, (part, _) in enumerate(flat):
            if part.vocabulary != self.vocabulary:
                raise ValueError(
                    f"the members of a mixture predict the tokens of one vocabulary, but member {number}, "
                    f"{type(part).__name__}, has {len(part.vocabulary)} other tokens than the "
                    f"{len(self.vocabulary)} of member 0, {type(flat[0][0]).__name__}: train both on the same names, "
                    "with the same alphabet and boundary"
                )
            self._hold(number, part)
        self._size = len(flat)
        self.weights = np.array([share for _, share in flat], np.float64)

    def _hold(self, number: int, member: LanguageModel) -> None:
        """Keep a member as an attribute, where its modules are found: their modes, their dtype, their parameters."""
        setattr(self, str(number), member)
        if not isinstance(member, Module):
            for name, held in list(getattr(member, "__dict__", {}).items()):
                if isinstance(held, Module):
                    setattr(self, f"{number}.{name}", held)

    @property
    def members(self) -> tuple[LanguageModel, ...]:
        """The models, in the order of the weights."""
        return tuple(vars(self)[str(number)] for number in range(self._size))

    def __repr__(self) -> str:
        parts = zip(self.weights.tolist(), self.members, strict=True)
        return f"Mixture({', '.join(f'{weight:.3f} {type(member).__name__}' for weight, member in parts)})"

    def fit(self, names: Sequence[str]) -> Self:
        """Find the weights that predict the names best, forgetting those that there were; returns the mixture.

        Give names that no member has learned from, such as the validation names: on its own training names a model
        that has learned them by heart would seem the best.

        Raises
        ------
        ModelError
            Where a member's log-probabilities are no numbers.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # a sentence says it
            logs = self._each(names)
        for member, row in zip(self.members, logs, strict=True):
            if np.isnan(row).any():
                raise ModelError(
                    f"{type(member).__name__} gives log-probabilities that are no numbers, so nothing tells how much "
                    "it is worth: leave it out of the mixture"
                )
        self.weights = best_weights(logs)
        return self

    def start(self, n: int) -> tuple[Any, ...]:
        """The states of all members."""
        return tuple(member.start(n) for member in self.members)

    def step(self, tokens: Array, state: Any) -> tuple[Array, tuple[Any, ...]]:
        """Read one more token of each name, by every member; the log-probabilities (n, len(vocabulary)) are float64."""
        logs, states = list[Array](), list[Any]()
        with np.errstate(divide="ignore", invalid="ignore"):
            for member, own in zip(self.members, cast(tuple[Any, ...], state), strict=True):
                logits, after = pair(member, member.step(tokens, own))
                logs.append(log_softmax(np.asarray(step_logits(member, logits, len(tokens)), np.float64)))
                states.append(after)
        return self._mean(np.stack(logs)), tuple(states)

    def select(self, state: Any, rows: Array) -> tuple[Any, ...]:
        """The states of some of the names; see ``LanguageModel.select``."""
        owns = zip(self.members, cast(tuple[Any, ...], state), strict=True)
        return tuple(member.select(own, rows) for member, own in owns)

    def selects_if(self) -> bool:
        """Whether every member selects."""
        return all(map(selects, self.members))

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat float64 array."""
        return self._mean(self._each(names))

    def _each(self, names: Sequence[str]) -> Array:
        """The log-probability of every token by every member: (members, tokens), float64."""
        found = [np.asarray(member.log_likelihoods(names), np.float64) for member in self.members]
        for member, row in zip(self.members, found, strict=True):
            if row.shape != found[0].shape:
                raise ModelError(
                    f"{type(member).__name__}.log_likelihoods gave {shape_of(row)}, and "
                    f"{type(self.members[0]).__name__}'s {shape_of(found[0])}: one number for each token is due"
                )
        return np.stack(found)

    def _mean(self, logs: Array) -> Array:
        """The logarithm of the weighted mean of probabilities, of which the logarithms are given, a member first."""
        with np.errstate(divide="ignore"):
            shares = np.log(self.weights).reshape(-1, *[1] * (logs.ndim - 1)) + logs
            largest = shares.max(axis=0)
            most = np.where(largest == -np.inf, 0, largest)
            return most + np.log(np.exp(shares - most).sum(axis=0))

    def config(self) -> dict[str, object]:
        """The weights, and of each member the kind and the configuration."""
        members = [{"kind": member.kind, "config": member.config()} for member in self.members]
        return {"members": members, "weights": self.weights.tolist()}

    def state_dict(self) -> dict[str, Array]:
        """Copies of the learned arrays of all members, each name after the member's number: ``"0.output.weight"``."""
        return {
            f"{number}.{name}": array
            for number, member in enumerate(self.members)
            for name, array in member.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take over learned arrays.

        Raises
        ------
        ValueError
            Naming the member, and what does not fit it.
        """
        parts: list[dict[str, Array]] = [{} for _ in self.members]
        numbers = {str(number): part for number, part in enumerate(parts)}
        for name, array in state.items():
            number, _, rest = name.partition(".")
            if number not in numbers or not is_ndarray(array):
                raise ValueError(f"the state of a mixture of {self._size} members has no {quoted(name)}")
            numbers[number][rest] = array
        for number, (member, part) in enumerate(zip(self.members, parts, strict=True)):
            try:
                member.load_state_dict(part)
            except ValueError as error:
                raise ValueError(f"member {number}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the mixture and all its members into one file, which ``models.load`` reads; returns its path.

        See ``LanguageModel.save``, which says what is raised, of each member too.
        """
        for member in self.members:
            saving.check_comes_back(member)
        return super().save(path)


def best_weights(logs: Array) -> Array:
    """The weights of the mean that gives tokens the highest probability together.

    By expectation maximisation (Dempster, Laird and Rubin 1977), from equal weights on: a weight becomes the mean, over
    the tokens, of its member's share of the probability that the mean gives them. No round makes the loss higher, and
    there are no other maxima. Tokens that no member can predict say nothing.

    Parameters
    ----------
    logs
        The log-probability of each token by each member: (members, tokens), -inf where it cannot come.

    Returns
    -------
    ndarray
        float64 (members,), with the sum 1.
    """
    largest = logs.max(axis=0)
    told = largest > -np.inf
    weights = np.full(len(logs), 1 / len(logs))
    if not told.any():
        return weights
    chances = np.exp(logs[:, told] - largest[told])  # of each token, to the scale of its likeliest member
    moved = np.inf
    while moved > MOVED:
        mixed = weights[:, None] * chances
        after = (mixed / mixed.sum(axis=0)).mean(axis=1)
        after /= after.sum()
        moved = np.abs(after - weights).max()
        weights = after
    return weights


class Described(NamedTuple):
    """A mixture, as its configuration describes it."""

    members: list[tuple[str, dict[str, object]]]
    """The kind and the configuration of each member."""
    weights: Array


def described(config: object) -> Described:
    """What ``Mixture.config`` gave, read with suspicion; the members' own configurations are not looked at.

    Raises
    ------
    ValueError
        For anything else.
    """
    given = _fields(config, {"members", "weights"}, "a mixture")
    listed, weights = given["members"], given["weights"]
    if not isinstance(listed, list) or not 1 <= len(cast(list[object], listed)) <= MAX_MEMBERS:
        raise ValueError(f"a mixture has a list of 1 to {MAX_MEMBERS} members, not {quoted(cast(object, listed))}")
    members: list[tuple[str, dict[str, object]]] = []
    for each in cast(list[object], listed):
        part = _fields(each, {"kind", "config"}, "a member of a mixture")
        kind, own = part["kind"], part["config"]
        if not isinstance(kind, str) or not isinstance(own, dict):
            raise ValueError("a member of a mixture has the name of its family and its configuration")
        members.append((kind, cast(dict[str, object], own)))
    numbers = cast(list[object], weights) if isinstance(weights, list) else []
    if not all(type(number) is float for number in numbers):
        raise ValueError("the weights of a mixture are a list of numbers")
    return Described(members, _checked(np.array(numbers, np.float64), len(members)))


def _fields(given: object, names: set[str], what: str) -> dict[str, object]:
    """A JSON object of just these fields."""
    if not isinstance(given, dict) or set(cast(dict[str, object], given)) != names:
        raise ValueError(f"{what} is described by {', '.join(sorted(names))}, not {quoted(cast(object, given))}")
    return cast(dict[str, object], given)


def _checked(weights: object, n: int) -> Array:
    """Weights of ``n`` members as they are, once they are known to be some."""
    found = np.array(weights, np.float64)
    fit = found.shape == (n,) and bool((found >= 0).all())  # nan is not
    if not fit or (n and not abs(found.sum() - 1) <= AWAY):
        raise ValueError(
            f"the weights of {n} members are {n} numbers from 0 up with the sum 1, not {quoted(weights)}; leave them "
            "out, and fit(names) finds the best"
        )
    return found
