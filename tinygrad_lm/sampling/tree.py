"""Generation as a tree: what may come after a prefix, and after that, with the probability of every branch and path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.nn import evaluating
from tinygrad_lm.sampling.settings import AS_LEARNED, Settings, check_prefix, next_chances
from tinygrad_lm.text import DataError
from tinygrad_lm.threads import on_one_thread

AT_ONCE = 1024
"""How many prefixes are read at a time."""
MOST_BRANCHES = 100_000
"""A tree has no more branches."""


@dataclass(frozen=True)
class Branch:
    """A token that may come, and what may come after it: plain data, which ``dataclasses.asdict`` turns into JSON's."""

    token: str
    """The token; at the root the prefix."""
    probability: float
    """Its probability after what comes before it."""
    path_probability: float
    """The product of the probabilities from the root to it."""
    is_end: bool = False
    """Whether the text ends here."""
    children: tuple[Branch, ...] = ()
    """What may follow, the likeliest first; nothing at the depth that was asked for."""
    left_out: float = 0.0
    """The probability of what may follow and is not among the children, where some are."""

    def __repr__(self) -> str:
        chances = f"probability={self.probability:.4g}, path_probability={self.path_probability:.4g}"
        return f"Branch({self.token!r:.60}, {chances}, {len(self.children)} children)"


@dataclass
class _Node:
    """A branch that is not finished."""

    token: int
    probability: float
    path_probability: float
    ids: tuple[int, ...]
    children: list[_Node] = field(default_factory=list["_Node"])
    left_out: float = 0.0


def sampling_tree(
    model: LanguageModel,
    prefix: str = "",
    depth: int = 3,
    top_k: int | None = None,
    min_p: float = 0.0,
    settings: Settings = AS_LEARNED,
) -> Branch:
    """What the model may write after a prefix, token by token: the root is the prefix, with probability 1.

    What is drawn from is what ``settings`` say. ``top_k`` and ``min_p`` only leave out branches of the picture, whose
    probabilities stay; those of a branch's children and its ``left_out`` sum to 1.

    Parameters
    ----------
    model
        Whose ``next_logits`` are asked.
    prefix
        How each text begins.
    depth
        How many tokens follow it at most.
    top_k
        How many branches each branch has at most, the likeliest; without it all that have a probability.
    min_p
        Branches whose path is less probable than this are left out.
    settings
        Temperature, top-k, top-p, min-p, and the least and greatest length.

    Raises
    ------
    DataError
        For a prefix that is too long or has characters the model does not know, and a tree of more than 100,000
        branches.
    ValueError
        For a depth, ``top_k`` or ``min_p`` out of range.
    """
    levels = whole_number(depth, 1, "depth is a whole number from 1, not")
    most = None if top_k is None else whole_number(top_k, 1, "top_k is a whole number from 1, not")
    if not 0 <= min_p <= 1:
        raise ValueError(f"min_p is a probability from 0 to 1, not {min_p!r}")
    ids = tuple(check_prefix(model, prefix, settings.max_length))
    root = _Node(model.vocabulary.boundary_id, 1.0, 1.0, ids)
    made, level = [root], [root]
    with evaluating(model), no_grad(), on_one_thread():
        for _ in range(min(levels, settings.max_length - len(ids))):
            grown = [
                child for node in _grown(model, settings, level, most, min_p, len(made)) for child in node.children
            ]
            made += grown
            level = [child for child in grown if child.token != root.token]
    return _finished(made, model)


def _grown(
    model: LanguageModel, settings: Settings, nodes: Sequence[_Node], most: int | None, least: float, there: int
) -> Iterator[_Node]:
    """The nodes of one level, each with its children; ``there`` nodes are made already."""
    end = model.vocabulary.boundary_id
    for first in range(0, len(nodes), AT_ONCE):
        some = nodes[first : first + AT_ONCE]
        with np.errstate(over="ignore", invalid="ignore"):
            logits = model.next_logits([node.ids for node in some])
        options, stuck = next_chances(settings, logits, end, len(some[0].ids))
        options[stuck] = 0
        for node, chances in zip(some, options, strict=True):
            _grow(node, chances, most, least)
            there += len(node.children)
            if there - 1 > MOST_BRANCHES:
                raise DataError(
                    f"the tree has more than {MOST_BRANCHES:,} branches: give a smaller depth or top_k, a larger min_p"
                )
            yield node


def _grow(node: _Node, chances: Array, most: int | None, least: float) -> None:
    """Give a node its children: the likeliest tokens."""
    order = np.argsort(-chances, kind="stable")[:most]
    kept = order[(chances[order] > 0) & (chances[order] * node.path_probability >= least)]
    for token, chance in zip(kept.tolist(), chances[kept].tolist(), strict=True):
        node.children.append(_Node(token, chance, chance * node.path_probability, (*node.ids, token)))
    node.left_out = max(0.0, float(chances.sum() - chances[kept].sum()))


def _finished(made: Sequence[_Node], model: LanguageModel) -> Branch:
    """The branch of the first node, with all that is made under it; a child comes after its parent."""
    end, tokens = model.vocabulary.boundary_id, model.vocabulary.tokens
    done: dict[int, Branch] = {}
    for node in reversed(made):
        told = tokens[node.token] if node is not made[0] else model.vocabulary.decode(node.ids)
        children = tuple(done.pop(id(child)) for child in node.children)
        is_end = node.token == end and node is not made[0]
        done[id(node)] = Branch(told, node.probability, node.path_probability, is_end, children, node.left_out)
    return done[id(made[0])]
